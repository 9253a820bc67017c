"""What is synced: that, or an error before anything is listed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connector_pipelines.core.errors import ConfigurationError, SubjectRefused
from connector_pipelines.core.types import Unlistable, Upserted
from connector_pipelines.sources.google_drive import Config
from connector_pipelines.testing.fake_drive import FakeDrive
from tests.sources.google_drive.conftest import Opened
from tests.sources.google_drive.mirror import Mirror
from tests.sources.google_drive.reached import ADA, BEN, CEM


@pytest.mark.parametrize(
    "settings",
    [{}, {"my_drive": True, "folder": "1abc"}, {"folder": "not/an id"}, {"all_shared_drives": True, "users": [ADA, BEN]}, {"my_drive": True, "users": [ADA, ADA]},
     {"shared_drive": "Team", "owners": [ADA]}, {"my_drive": True, "users": ["nobody"]}, {"my_drive": True, "names": ["a/*.pdf"]},
     {"my_drive": True, "mime_types": ["pdf"]}, {"my_drive": True, "modified_from": "2026-02-01", "modified_to": "2026-01-01"}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config(**settings)


def test_a_folder_that_is_none_is_refused_with_what_it_is(fake: FakeDrive, opened: Opened) -> None:
    world = fake.world
    file, folder = world.create(owner=ADA, name="a.txt", content=b"a"), world.create_folder("f", owner=ADA)
    shortcut, hidden, trashed = (
        world.make_shortcut(folder, owner=ADA),
        world.create_folder("h", owner=BEN),
        world.create_folder("t", owner=ADA),
    )
    world.trash(trashed)
    said = {}
    for name, folder_id in {"file": file, "shortcut": shortcut, "hidden": hidden, "trashed": trashed, "none": "1nosuchfolder"}.items():
        with pytest.raises(ConfigurationError) as refusal:
            next(iter(opened(folder=folder_id).changes()))
        said[name] = str(refusal.value)
    assert "is a file (text/plain)" in said["file"]
    assert f"is a shortcut to {folder}" in said["shortcut"]
    assert "in the trash" in said["trashed"]
    assert said["hidden"].replace(hidden, "") == said["none"].replace("1nosuchfolder", "")
    assert not fake.journal.entries("files.list")


def test_a_shared_drive_goes_by_id_or_by_a_name_that_one_has(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    team = fake.world.add_drive("Team", [ADA])
    fake.world.create(parent=team, name="a.txt", content=b"a")
    mirror.sync(opened(shared_drive="Team"))
    assert list(mirror.paths) == ["a.txt"]
    fake.world.add_drive("Team", [ADA])
    with pytest.raises(ConfigurationError, match="2 shared drives are called 'Team'"):
        mirror.sync(opened(shared_drive="Team"))
    mirror.sync(opened(shared_drive=team))
    fake.world.add_drive("Secret", [BEN])
    with pytest.raises(ConfigurationError, match="no shared drive 'Secret'"):
        mirror.sync(opened(shared_drive="Secret"))


def test_an_account_of_no_shared_drive_syncs_no_empty_set(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    drive = fake.world.add_drive("Team", [ADA])
    source = opened(all_shared_drives=True)
    mirror.sync(source)
    fake.world.remove_member(drive, ADA)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="member of no shared drive"):
            mirror.sync(source)


def test_drives_come_go_and_are_renamed(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    world = fake.world
    one, two = world.add_drive("One", [ADA]), world.add_drive("Two", [ADA])
    world.create(parent=one, name="a.txt", content=b"a")
    world.create(parent=world.create_folder("f", parent=two), name="b.txt", content=b"b")
    source = opened(all_shared_drives=True)
    mirror.sync(source)
    assert set(mirror.paths) == {"One/a.txt", "Two/f/b.txt"}
    world.create(parent=world.add_drive("Three", [ADA]), name="c.txt", content=b"c")
    world.rename_drive(two, "2/2")
    world.remove_member(one, ADA)
    pages = mirror.sync(source)
    assert not pages[0].snapshot
    assert set(mirror.paths) == {"2／2/f/b.txt", "Three/c.txt"}


def test_what_others_shared_is_there_and_nothing_of_ours(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    world = fake.world
    folder = world.create_folder("Plans", owner=BEN)
    inner = world.create_folder("inner", parent=folder)
    world.create(parent=inner, name="deep.txt", content=b"d")
    given = world.create(parent=inner, name="given too.txt", content=b"g")
    world.create(owner=ADA, name="mine.txt", content=b"m")
    alone = world.create(owner=BEN, name="alone.txt", content=b"a")
    for each in (folder, given, alone):
        world.share(each, who=ADA)
    source = opened(shared_with_me=True)
    mirror.sync(source)
    assert set(mirror.paths) == {"Plans/inner/deep.txt", "Plans/inner/given too.txt", "alone.txt"}
    world.unshare(folder, who=ADA)
    late = world.create(owner=BEN, name="late.txt", content=b"l")
    world.share(late, who=ADA)
    mirror.sync(source)
    assert set(mirror.paths) == {"given too.txt", "alone.txt", "late.txt"}


def test_several_users_have_each_a_folder_and_no_file_twice(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    world = fake.world
    both = world.create_folder("both", owner=ADA)
    world.share(both, who=BEN, role="writer")
    world.create(parent=both, name="a.txt", content=b"a")
    world.create(owner=BEN, name="b.txt", content=b"b")
    source = opened(my_drive=True, users=[ADA, BEN])
    pages = mirror.sync(source)
    assert set(mirror.paths) == {f"{ADA}/both/a.txt", f"{BEN}/b.txt"}
    named = [change for page in pages for change in page.changes if isinstance(change, Upserted)]
    assert len(named) == 2
    # Ben loses it, and Ada does not.
    world.unshare(both, who=BEN)
    mirror.sync(source)
    assert set(mirror.paths) == {f"{ADA}/both/a.txt", f"{BEN}/b.txt"}


def test_a_user_who_left_fails_alone_and_is_read_when_back(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    world = fake.world
    for who in (ADA, BEN, CEM):
        world.create(owner=who, name="a.txt", content=b"a")
    users = [ADA, BEN, CEM]
    mirror.sync(opened(my_drive=True, users=users))
    gone = opened(my_drive=True, users=users, gone=frozenset({BEN}))
    pages = mirror.sync(gone, sweep=True)
    missing = [change for page in pages for change in page.changes if isinstance(change, Unlistable)]
    assert [(each.path, each.code, each.remembered) for each in missing] == [(BEN, "subject_refused", True)]
    assert set(mirror.paths) == {f"{who}/a.txt" for who in users}
    world.delete(mirror.paths[f"{BEN}/a.txt"])
    world.create(owner=BEN, name="b.txt", content=b"b")
    pages = mirror.sync(opened(my_drive=True, users=users))
    assert not pages[0].snapshot
    assert set(mirror.paths) == {f"{ADA}/a.txt", f"{BEN}/b.txt", f"{CEM}/a.txt"}


def test_where_everybody_left_the_sync_fails(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    source = opened(my_drive=True, users=[ADA, BEN], gone=frozenset({ADA, BEN}))
    with pytest.raises(SubjectRefused):
        mirror.sync(source)


def test_an_incomplete_search_takes_nothing_for_gone(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    drive = fake.world.add_drive("Team", [ADA])
    ids = {fake.world.create(parent=drive, name=f"{n}.txt", content=b"x") for n in range(4)}
    source = opened(shared_drive=drive)
    mirror.sync(source)
    fake.world.quirks(incomplete_listing=True)
    pages = mirror.sync(source, sweep=True)
    assert [change.remembered for page in pages for change in page.changes if isinstance(change, Unlistable)] == [True]
    fake.world.quirks(incomplete_listing=False)
    fake.world.delete(min(ids))
    pages = mirror.sync(source)
    assert not pages[0].snapshot
    assert set(mirror.files) == ids - {min(ids)}


def test_filters_leave_out_files_and_never_folders(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    world = fake.world
    folder = world.create_folder("x.bin", owner=ADA)
    for name, size in (("a.pdf", 3), ("b.PDF", 3), ("c.txt", 3), ("~$d.pdf", 3), ("big.pdf", 99)):
        world.create(parent=folder, name=name, size=size)
    world.create_native("document", "text", parent=folder, name="Plan")
    world.create_native("form", "", parent=folder, name="Form")
    source = opened(my_drive=True, extensions=["pdf", "docx"], max_file_bytes=50)
    mirror.sync(source)
    assert set(mirror.paths) == {"x.bin/a.pdf", "x.bin/b.PDF", "x.bin/Plan.docx"}
    assert {(each.path, each.reason) for each in mirror.skipped.values()} == {("x.bin/big.pdf", "too_large")}
    world.rename(mirror.paths["x.bin/a.pdf"], "a.txt")
    mirror.sync(source)
    assert set(mirror.paths) == {"x.bin/b.PDF", "x.bin/Plan.docx"}
    other = Mirror()
    other.sync(opened(my_drive=True, owners=[BEN]))
    assert other.files == {}
