"""What a source tells when somebody may see more or less than before: who, with the version it has, and without a download."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from connector_pipelines.core.access import Acl
from connector_pipelines.core.types import ChangePage, DayRange, Folder, Upserted
from connector_pipelines.sources.google_drive.permissions import only, with_more
from connector_pipelines.testing.fake_drive import Denied, FakeDrive
from tests.sources.google_drive.conftest import Opened
from tests.sources.google_drive.mirror import Mirror
from tests.sources.google_drive.reached import ADA, BEN, CEM

END = datetime(2099, 1, 2, tzinfo=UTC)
EVER = DayRange()


def test_members_of_a_shared_drive_may_see_what_is_in_it(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    drive, file = harbour(fake)
    mirror.sync(opened(shared_drive=drive))
    assert mirror.files[file].acl == of(ADA, BEN)


def test_a_member_that_is_added_may_see_all_of_it_at_the_next_sync(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    drive, file = harbour(fake)
    deep = fake.world.create(parent=fake.world.create_folder("Deep", parent=drive), name="deep.txt", content=b"x")
    mirror.sync(source := opened(shared_drive=drive))
    fake.world.set_member(drive, CEM)

    told = told_again(fake, mirror, lambda: mirror.sync(source))

    assert told == {file, deep}
    assert {mirror.files[key].acl for key in told} == {of(ADA, BEN, CEM)}


def test_a_member_that_is_removed_may_see_none_of_it(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    drive, file = harbour(fake)
    mirror.sync(source := opened(shared_drive=drive))
    fake.world.remove_member(drive, BEN)

    told_again(fake, mirror, lambda: mirror.sync(source))

    assert mirror.files[file].acl == of(ADA)


def test_whom_the_drive_was_shared_with_is_known_once(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    drive, _ = harbour(fake)
    mirror.sync(source := opened(shared_drive=drive))
    fake.world.set_member(drive, CEM)
    mirror.sync(source)

    assert told_again(fake, mirror, lambda: mirror.sync(source)) == set()


def test_a_file_that_is_shared_is_told_with_the_version_it_has(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    drive, file = harbour(fake)
    fake.world.create(parent=drive, name="other.txt", content=b"x")
    mirror.sync(source := opened(shared_drive=drive))
    fake.world.share(file, "user", "reader", CEM, expires_at=END)

    assert told_again(fake, mirror, lambda: mirror.sync(source)) == {file}
    assert mirror.files[file].acl == Acl(readers=of(ADA, BEN, CEM).readers, until={f"user:{CEM}": END.isoformat()})


def test_a_link_that_is_made_and_taken_back_comes_and_goes(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    drive, file = harbour(fake)
    mirror.sync(source := opened(shared_drive=drive))
    fake.world.share(file, "anyone", "reader")
    mirror.sync(source)
    linked = mirror.files[file].acl
    fake.world.unshare(file, "anyone")
    mirror.sync(source)

    assert linked == Acl(readers=of(ADA, BEN).readers, with_link=frozenset({"anyone"}))
    assert mirror.files[file].acl == of(ADA, BEN)


@pytest.mark.parametrize("place", ["shared drive", "my drive"])
def test_a_folder_that_is_shared_takes_along_all_that_lies_below(fake: FakeDrive, mirror: Mirror, opened: Opened, place: str) -> None:
    top = fake.world.add_drive("Quay", [ADA]) if place == "shared drive" else fake.world.add_user(ADA)
    plans, beside = (fake.world.create_folder(name, parent=top) for name in ("Plans", "Beside"))
    below = fake.world.create(parent=fake.world.create_folder("Deep", parent=plans), name="a.txt", content=b"x")
    other = fake.world.create(parent=beside, name="b.txt", content=b"x")
    mirror.sync(source := opened(shared_drive=top) if place == "shared drive" else opened(my_drive=True))
    fake.world.share(plans, "group", "reader", "staff@example.com")

    assert told_again(fake, mirror, lambda: mirror.sync(source)) == {below}
    assert mirror.files[below].acl == Acl(readers=of(ADA).readers | {"group:staff@example.com"})
    assert mirror.files[other].acl == of(ADA)


def test_a_folder_of_limited_access_shuts_out_the_others_until_it_is_opened_again(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    drive, _ = harbour(fake)
    secret = fake.world.create_folder("Secret", parent=drive)
    below = fake.world.create(parent=fake.world.create_folder("Deep", parent=secret), name="a.txt", content=b"x")
    mirror.sync(source := opened(shared_drive=drive))
    fake.world.limit_access(secret)
    told_again(fake, mirror, lambda: mirror.sync(source))
    shut = mirror.files[below].acl
    fake.world.limit_access(secret, limited=False)
    told_again(fake, mirror, lambda: mirror.sync(source))

    assert shut == of(ADA)
    assert mirror.files[below].acl == of(ADA, BEN)


def test_a_file_that_moves_into_a_folder_has_what_the_folder_has(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    drive, file = harbour(fake)
    secret = fake.world.create_folder("Secret", parent=drive)
    fake.world.limit_access(secret)
    mirror.sync(source := opened(shared_drive=drive))
    fake.world.move(file, secret)

    assert told_again(fake, mirror, lambda: mirror.sync(source)) == {file}
    assert mirror.files[file].acl == of(ADA)


def test_a_folder_that_moves_into_another_takes_along_who_may_see_it(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    drive, _ = harbour(fake)
    secret, plans = (fake.world.create_folder(name, parent=drive) for name in ("Secret", "Plans"))
    fake.world.limit_access(secret)
    below = fake.world.create(parent=plans, name="a.txt", content=b"x")
    mirror.sync(source := opened(shared_drive=drive))
    fake.world.move(plans, secret)

    assert told_again(fake, mirror, lambda: mirror.sync(source)) == {below}
    assert mirror.files[below].acl == of(ADA)


@pytest.mark.parametrize("place", ["shared drive", "my drive"])
def test_what_is_shared_above_a_folder_that_is_synced_is_noticed(fake: FakeDrive, mirror: Mirror, opened: Opened, place: str) -> None:
    top = fake.world.add_drive("Quay", [ADA]) if place == "shared drive" else fake.world.add_user(ADA)
    above = fake.world.create_folder("Above", parent=top)
    plans = fake.world.create_folder("Plans", parent=above)
    file = fake.world.create(parent=plans, name="a.txt", content=b"x")
    mirror.sync(source := opened(folder=plans))
    fake.world.share(above, "user", "reader", BEN)

    assert told_again(fake, mirror, lambda: mirror.sync(source)) == {file}
    assert mirror.files[file].acl == of(ADA, BEN)


@pytest.mark.parametrize("scope", ["shared_drive", "folder"])
def test_a_sync_in_which_nothing_changed_asks_three_times_at_most(fake: FakeDrive, mirror: Mirror, opened: Opened, scope: str) -> None:
    drive, file = harbour(fake)
    fake.world.fill(drive, 50)
    fake.world.share(file, "user", "reader", CEM)
    mirror.sync(source := opened(**{scope: drive}))
    fake.clear_journal()
    mirror.sync(source)

    assert sum(fake.journal.counts().values()) <= 3


def test_members_that_are_refused_leave_only_us_and_are_asked_for_again(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    drive, file = harbour(fake)
    fake.fault(Denied(reason="insufficientFilePermissions"), call="permissions.list", times=None)
    mirror.sync(source := opened(shared_drive=drive))
    refused = mirror.files[file].acl
    fake.clear_faults()
    told_again(fake, mirror, lambda: mirror.sync(source))

    assert refused == only(ADA)
    assert mirror.files[file].acl == of(ADA, BEN)


def test_a_files_own_permissions_that_are_refused_leave_those_of_its_drive(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    drive, file = harbour(fake)
    fake.world.share(file, "anyone", "reader", allow_file_discovery=True)
    fake.fault(Denied(reason="insufficientFilePermissions"), call="permissions.list", path=f"*/{file}/*", times=None)
    mirror.sync(opened(shared_drive=drive))

    assert mirror.files[file].acl == with_more(of(ADA, BEN), ADA)


def test_where_permissions_are_ignored_nobody_is_asked_and_nothing_is_told(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    drive, file = harbour(fake)
    fake.world.share(file, "user", "reader", CEM)
    mirror.sync(source := opened(shared_drive=drive, permissions="ignore"))
    mirror.sync(source)

    assert mirror.files[file].acl is None
    assert {folder.acl for folder in mirror.folders.values()} == {None}
    assert fake.journal.counts()["permissions.list"] == 0


def test_of_a_window_of_time_it_is_known_who_may_see_it(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    drive, _ = harbour(fake)
    mirror.sync(source := opened(shared_drive=drive))
    told = [change.ref.acl for page in source.changes_in(EVER) for change in page.changes if isinstance(change, Upserted)]

    assert told == [of(ADA, BEN)]


def test_looking_into_a_folder_asks_once_who_may_see_what_is_in_it(fake: FakeDrive, opened: Opened) -> None:
    drive = fake.world.add_drive("Quay", [ADA])
    fake.world.fill(fake.world.create_folder("Plans", parent=drive), 30)

    refs = list(opened(shared_drive=drive).list("Plans"))

    assert {ref.acl for ref in refs} == {of(ADA)}
    assert fake.journal.counts()["permissions.list"] <= 2


def harbour(fake: FakeDrive) -> tuple[str, str]:
    """A shared drive of ADA's, of which BEN is a member, and a file in it."""
    drive = fake.world.add_drive("Harbour", {ADA: "organizer", BEN: "reader"})
    return drive, fake.world.create(parent=drive, name="a.txt", content=b"x")


def told_again(fake: FakeDrive, mirror: Mirror, sync: Callable[[], list[ChangePage]]) -> set[str]:
    """The files that a sync tells of, each with the version, the path and the bytes that were known of it before."""
    before = dict(mirror.files)
    fake.clear_journal()
    changes = [change for page in sync() for change in page.changes]
    refs = {change.ref.id: change.ref for change in changes if isinstance(change, Upserted)}
    assert {key: (ref.version, ref.size) for key, ref in refs.items()} == {key: (before[key].version, before[key].size) for key in refs}
    assert not fake.journal.downloads()
    # The last word counts: before what lies in it is told, a folder is told as it was.
    told = {change.id: change.acl for change in changes if isinstance(change, Folder)}
    assert told == {key: mirror.folders[key].acl for key in told}
    return set(refs)


def of(*people: str) -> Acl:
    return Acl(readers=frozenset(f"user:{person}" for person in people))
