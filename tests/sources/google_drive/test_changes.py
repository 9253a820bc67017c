"""What a change feed makes of each kind of change, and what it costs."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from connector_pipelines.core.errors import ConfigurationError, Unavailable
from connector_pipelines.core.protocols import ConfirmsAbsence
from connector_pipelines.core.types import ChangePage, Cursor, DayRange, Deleted, Folder, Upserted
from connector_pipelines.sources.google_drive import Source
from connector_pipelines.sources.google_drive.place import Followed, Place, read_cursor, write_cursor
from connector_pipelines.testing.fake_drive import FakeDrive
from tests.sources.google_drive.conftest import Opened
from tests.sources.google_drive.mirror import Mirror
from tests.sources.google_drive.reached import ADA, BEN


def _of(pages: list[ChangePage], kind: type) -> list[object]:
    return [change for page in pages for change in page.changes if isinstance(change, kind)]


@pytest.fixture
def team(fake: FakeDrive) -> str:
    return fake.world.add_drive("Team", [ADA])


@pytest.fixture
def source(opened: Opened, team: str) -> Source:
    return opened(shared_drive=team)


def test_a_sync_without_news_is_three_calls(fake: FakeDrive, opened: Opened, team: str) -> None:
    folder = fake.world.create_folder("f", owner=ADA)
    for settings in ({"shared_drive": team}, {"shared_drive": "Team"}, {"my_drive": True}, {"folder": folder}, {"shared_with_me": True}):
        mirror = Mirror()
        mirror.sync(opened(**settings))
        fake.journal.clear()
        assert _of(list(opened(**settings).changes(mirror.cursor)), object) == []
        assert len([call for call in fake.journal.entries() if not call.in_batch]) <= 3, settings


def test_a_drive_is_named_by_an_enumeration_of_folders_and_one_of_files(fake: FakeDrive, source: Source, mirror: Mirror, team: str) -> None:
    for number in range(30):
        fake.world.fill(fake.world.create_folder(f"f{number}", parent=team), 80, size=10)
    mirror.sync(source)
    assert len(mirror.files) == 2400
    assert fake.journal.counts()["files.list"] == 1 + 3


def test_fifteen_changes_are_fifteen_files(fake: FakeDrive, source: Source, mirror: Mirror, team: str) -> None:
    ids = [fake.world.create(parent=team, name=f"{n}.txt", content=b"x") for n in range(40)]
    mirror.sync(source)
    fake.world.quirks(repeat_every=2, empty_page_every=2)
    for each in ids[:15]:
        fake.world.update_content(each, b"y")
        fake.world.update_content(each, b"z")
    told = _of(mirror.sync(source), Upserted)
    assert sorted(change.ref.id for change in told if isinstance(change, Upserted)) == sorted(ids[:15])


def test_a_folder_that_is_renamed_is_one_change(fake: FakeDrive, source: Source, mirror: Mirror, team: str) -> None:
    folder = fake.world.create_folder("before", parent=team)
    fake.world.fill(folder, 10)
    mirror.sync(source)
    fake.world.rename(folder, "after")
    changes = _of(mirror.sync(source), object)
    assert [(type(change), change.path) for change in changes if isinstance(change, Folder)] == [(Folder, "after")]
    assert len(changes) == 1
    assert {path.partition("/")[0] for path in mirror.paths} == {"after"}


def test_what_goes_to_the_trash_comes_back_with_all_below(fake: FakeDrive, source: Source, mirror: Mirror, team: str) -> None:
    old = datetime(2020, 1, 1, tzinfo=UTC)
    folder = fake.world.create_folder("f", parent=fake.world.create_folder("e", parent=team))
    fake.world.create(parent=folder, name="a.txt", content=b"a", modified_at=old)
    mirror.sync(source)
    known = dict(mirror.files)
    fake.world.trash(folder)
    assert _of(mirror.sync(source), object) == [Deleted(folder)]
    assert mirror.files == {}
    fake.world.untrash(folder)
    mirror.sync(source)
    assert mirror.files == known


def test_what_moves_in_and_out_of_a_folder_goes_with_all_below(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    world = fake.world
    scope, out = world.create_folder("scope", owner=ADA), world.create_folder("out", owner=ADA)
    moved = world.create_folder("moved", parent=out)
    file = world.create(parent=world.create_folder("deep", parent=moved), name="a.txt", content=b"a")
    source = opened(folder=scope)
    mirror.sync(source)
    world.move(moved, scope)
    mirror.sync(source)
    assert mirror.paths == {"moved/deep/a.txt": file}
    world.move(moved, out)
    mirror.sync(source)
    assert (mirror.files, set(mirror.folders)) == ({}, {scope})


def test_a_folder_nobody_told_of_is_looked_up(fake: FakeDrive, source: Source, mirror: Mirror, team: str) -> None:
    world = fake.world
    deep = world.create_folder("deep", parent=world.create_folder("f", parent=team))
    world.create(parent=deep, name="other.txt", content=b"o")
    mirror.sync(source)
    cursor = mirror.cursor
    file = world.create(parent=deep, name="a.txt", content=b"a")
    # As if the folders' own entries had been missed.
    lost = Mirror(folders={team: mirror.folders[team]}, cursor=cursor)
    mirror.folders, mirror.files = lost.folders, {}
    mirror.sync(source)
    assert set(mirror.paths) == {"f/deep/other.txt", "f/deep/a.txt"}
    assert mirror.files[file].parent == deep


def test_shared_anew_is_told_of_all_below_with_its_version(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    folder = fake.world.create_folder("f", owner=ADA)
    file = fake.world.create(parent=folder, name="a.txt", content=b"a")
    source = opened(my_drive=True)
    mirror.sync(source)
    before = mirror.files[file]
    fake.world.share(folder, who=BEN)
    mirror.sync(source)
    after = mirror.files[file]
    assert before.acl is not None
    assert after.acl is not None
    assert after.acl.readers - before.acl.readers == {f"user:{BEN}"}
    assert (after.version, after.locator) == (before.version, before.locator)


def test_a_new_member_of_a_drive_is_told_of_all_in_it(fake: FakeDrive, source: Source, mirror: Mirror, team: str) -> None:
    file = fake.world.create(parent=fake.world.create_folder("f", parent=team), name="a.txt", content=b"a")
    mirror.sync(source)
    fake.world.set_member(team, BEN)
    pages = mirror.sync(source)
    acl = mirror.files[file].acl
    assert not pages[0].snapshot
    assert acl is not None
    assert f"user:{BEN}" in acl.readers


def test_permissions_that_are_ignored_are_not_asked_for(fake: FakeDrive, opened: Opened, mirror: Mirror, team: str) -> None:
    fake.world.create(parent=team, name="a.txt", content=b"a")
    mirror.sync(opened(shared_drive=team, permissions="ignore"))
    assert [ref.acl for ref in mirror.files.values()] == [None]
    assert fake.journal.counts()["permissions.list"] == 0


def test_of_several_drives_only_the_one_whose_place_is_refused_is_listed(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    world = fake.world
    one, two = world.add_drive("One", [ADA]), world.add_drive("Two", [ADA])
    gone = world.create(parent=one, name="gone.txt", content=b"g")
    for drive in (one, two):
        world.create(parent=drive, name="a.txt", content=b"a")
    source = opened(all_shared_drives=True)
    mirror.sync(source)
    world.delete(gone)
    world.reject_tokens(drive=one)
    fake.journal.clear()
    pages = mirror.sync(source)
    assert not pages[0].snapshot
    assert set(mirror.paths) == {"One/a.txt", "Two/a.txt"}
    assert {call.params["driveId"] for call in fake.journal.entries("files.list")} == {one}


def test_a_listing_whose_place_is_refused_begins_anew(fake: FakeDrive, opened: Opened, mirror: Mirror, team: str) -> None:
    ids = {fake.world.create(parent=team, name=f"{n}.txt", content=b"x") for n in range(9)}
    pages = iter(opened(shared_drive=team, page_size=2).changes())
    first = next(pages)
    fake.world.expire_listings()
    named = {change.ref.id for page in (first, *pages) for change in page.changes if isinstance(change, Upserted)}
    assert named == ids


def test_a_name_with_a_slash_is_one_name(fake: FakeDrive, source: Source, mirror: Mirror, team: str) -> None:
    folder = fake.world.create_folder("Q1/Q2", parent=team)
    for name in ("a/b.txt", "..", "same", "same"):
        fake.world.create(parent=folder, name=name, content=b"x")
    mirror.sync(source)
    assert sorted(ref.path for ref in mirror.files.values()) == ["Q1／Q2/a／b.txt", "Q1／Q2/same", "Q1／Q2/same", "Q1／Q2/．．"]


def test_a_folder_is_browsed_by_its_path_or_id(fake: FakeDrive, source: Source, team: str) -> None:
    folder = fake.world.create_folder("in/ner", parent=fake.world.create_folder("f", parent=team))
    file = fake.world.create(parent=folder, name="a.txt", content=b"a")
    for named in ("f/in／ner", folder):
        assert [(ref.id, ref.path) for ref in source.list(named)] == [(file, "f/in／ner/a.txt")]
    assert list(source.list()) == []
    outside = fake.world.create_folder("outside", owner=ADA)
    with pytest.raises(ConfigurationError):
        list(source.list(outside))


def test_years_of_windows_are_one_enumeration(fake: FakeDrive, source: Source, mirror: Mirror, team: str) -> None:
    folder = fake.world.create_folder("f", parent=team)
    ids = [
        fake.world.create(parent=folder, name=f"{y}.txt", content=b"x", modified_at=datetime(y, 6, 1, tzinfo=UTC))
        for y in range(2018, 2026)
    ]
    mirror.sync(source)
    fake.journal.clear()
    asked = DayRange(date(2020, 1, 1), date(2024, 12, 31))
    told = [change.ref for page in source.changes_in(asked) for change in page.changes if isinstance(change, Upserted)]
    assert [(ref.id, ref.path) for ref in told] == [(ids[n], f"f/{2018 + n}.txt") for n in range(2, 7)]
    assert fake.journal.counts()["files.list"] == 1


def test_only_what_is_there_in_scope_and_wanted_is_still_there(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    world = fake.world
    scope, out = world.create_folder("scope", owner=ADA), world.create_folder("out", owner=ADA)
    deep = world.create_folder("deep", parent=scope)
    kept, gone, trashed, moved, renamed = (world.create(parent=deep, name=f"{n}.txt", content=b"x") for n in "abcde")
    source = opened(folder=scope, extensions=["txt"])
    mirror.sync(source)
    refs = list(mirror.files.values())
    world.delete(gone)
    world.trash(trashed)
    world.move(moved, out)
    world.rename(renamed, "e.bin")
    assert isinstance(source, ConfirmsAbsence)
    fake.journal.clear()
    assert source.still_there(refs) == {kept}
    assert fake.journal.counts()["batch"] <= 3


def test_a_feed_that_stands_still_is_an_error(fake: FakeDrive, source: Source, mirror: Mirror) -> None:
    from connector_pipelines.sources.google_drive import calls

    mirror.sync(source)

    class Stuck:
        def call(self, method: str, **_: object) -> dict[str, object]:
            return {"nextPageToken": "same", "files": [], "changes": []}

    with pytest.raises(Unavailable, match="again and again"):
        list(calls.entries(Stuck(), calls.Corpus(), "same", 10))  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="again and again"):
        list(calls.files(Stuck(), calls.Corpus(), "q", 10))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", '{"v":0,"parts":{"a":["b","c"]}}', '{"v":1,"parts":{}}', '{"v":1,"parts":{"a":[1,2]}}', "listed"]
)
def test_a_cursor_of_something_else_is_none(text: str) -> None:
    assert read_cursor(Cursor(text)) is None


def test_a_cursor_is_read_as_it_was_written() -> None:
    place = Place(parts={"drive:a": Followed("a", "t"), "user:": Followed(None, None)}, links="l", me="m@example.com")
    assert read_cursor(write_cursor(place)) == place
