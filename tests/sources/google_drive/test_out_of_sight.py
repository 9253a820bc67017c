"""Folders that we may look into no more, and those that come back: no feed tells of what lies in them."""

from __future__ import annotations

import pytest

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.testing.fake_drive import FakeDrive
from tests.sources.google_drive.conftest import Opened
from tests.sources.google_drive.mirror import Mirror
from tests.sources.google_drive.reached import ADA, BEN


def test_what_lies_in_a_folder_of_which_we_see_only_the_name_is_gone_until_we_may_look_again(
    fake: FakeDrive, mirror: Mirror, opened: Opened
) -> None:
    drive = fake.world.add_drive("Harbour", {ADA: "organizer", BEN: "writer"})
    secret = fake.world.create_folder("Secret", parent=drive)
    deep = fake.world.create_folder("Deep", parent=secret)
    below = [fake.world.create(parent=parent, name=name, content=b"x") for parent, name in ((secret, "a.txt"), (deep, "b.txt"))]
    beside = fake.world.create(parent=drive, name="c.txt", content=b"x")
    mirror.sync(source := opened(shared_drive=drive, users=[BEN]))

    fake.world.limit_access(secret)
    mirror.sync(source)
    shut = set(mirror.files)
    # Told again while it is closed, it is as closed as it was.
    fake.world.rename(secret, "Very secret")
    mirror.sync(source)
    still_shut = set(mirror.files)
    fake.world.limit_access(secret, limited=False)
    mirror.sync(source)

    assert (shut, still_shut) == ({beside}, {beside})
    assert set(mirror.files) == {*below, beside}
    assert {mirror.files[key].path.split("/")[-2] for key in below} == {"Very secret", "Deep"}


def test_what_is_left_to_us_in_a_closed_folder_stays(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    drive = fake.world.add_drive("Harbour", {ADA: "organizer", BEN: "writer"})
    secret = fake.world.create_folder("Secret", parent=drive)
    for_us = fake.world.create(parent=secret, name="for-us.txt", content=b"x")
    fake.world.create(parent=secret, name="not-for-us.txt", content=b"x")
    fake.world.share(for_us, "user", "writer", BEN)
    mirror.sync(source := opened(shared_drive=drive, users=[BEN]))

    fake.world.limit_access(secret)
    mirror.sync(source)
    shut = set(mirror.files)
    fresh = Mirror()
    fresh.sync(opened(shared_drive=drive, users=[BEN]), sweep=True)

    assert shut == set(fresh.files)


@pytest.mark.parametrize("users", [[ADA, BEN], [BEN, ADA]])
def test_a_folder_that_is_closed_to_one_user_stays_in_the_drive_of_another(
    fake: FakeDrive, mirror: Mirror, opened: Opened, users: list[str]
) -> None:
    plans = fake.world.create_folder("Plans", owner=ADA)
    fake.world.share(plans, "user", "writer", BEN)
    secret = fake.world.create_folder("Secret", parent=plans)
    below = fake.world.create(parent=fake.world.create_folder("Deep", parent=secret), name="a.txt", content=b"x")
    mirror.sync(source := opened(my_drive=True, users=users))

    fake.world.limit_access(secret)
    mirror.sync(source)

    assert set(mirror.files) == {below}
    assert mirror.files[below].path == "ada@example.com/Plans/Secret/Deep/a.txt"


@pytest.mark.parametrize("users", [[ADA, BEN], [BEN, ADA]])
def test_a_folder_that_comes_from_another_and_is_closed_to_its_new_user_takes_along_nothing(
    fake: FakeDrive, mirror: Mirror, opened: Opened, users: list[str]
) -> None:
    drives = {user: fake.world.create_folder(f"Of {user}", owner=user) for user in (ADA, BEN)}
    for drive in drives.values():
        fake.world.share(drive, "user", "writer", ADA if drive == drives[BEN] else BEN)
    secret = fake.world.create_folder("Secret", parent=drives[ADA])
    fake.world.create(parent=secret, name="a.txt", content=b"x")
    mirror.sync(source := opened(my_drive=True, users=users))

    fake.world.limit_access(secret)
    fake.world.move(secret, drives[BEN])
    mirror.sync(source)
    fresh = Mirror()
    fresh.sync(opened(my_drive=True, users=users), sweep=True)

    assert set(mirror.files) == set(fresh.files)


def test_a_folder_that_was_taken_from_us_is_listed_anew_when_it_is_given_back(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    plans = fake.world.create_folder("Plans", owner=ADA)
    fake.world.share(plans, "user", "reader", BEN)
    gone = fake.world.create(parent=plans, name="gone.txt", content=b"x")
    mirror.sync(source := opened(folder=plans, users=[BEN]))

    fake.world.unshare(plans, "user", BEN)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"is gone|cannot be seen|does not exist"):
            mirror.sync(source)
    fake.world.delete(gone)
    added = fake.world.create(parent=plans, name="added.txt", content=b"x")
    fake.world.share(plans, "user", "reader", BEN)
    mirror.sync(source)

    assert set(mirror.files) == {added}


@pytest.mark.parametrize("listed_anew", [0, 1])
def test_what_moved_into_a_drive_that_is_listed_anew_is_named_with_it(
    fake: FakeDrive, mirror: Mirror, opened: Opened, listed_anew: int
) -> None:
    """One drive's feed says that it left, and it is looked up in the other; then that one is listed, and what is not named is gone."""
    drives = [fake.world.add_drive(name, {ADA: "organizer"}) for name in ("Harbour", "Quay")]
    moving = fake.world.create_folder("Moving", parent=drives[1 - listed_anew])
    deep = fake.world.create_folder("Deep", parent=moving)
    below = fake.world.create(parent=deep, name="a.txt", content=b"x")
    mirror.sync(source := opened(all_shared_drives=True))

    fake.world.move(moving, drives[listed_anew])
    fake.world.set_member(drives[listed_anew], BEN)
    mirror.sync(source)

    assert {moving, deep} <= mirror.folders.keys()
    assert mirror.files.keys() == {below}


@pytest.mark.parametrize("users", [[ADA, BEN], [BEN, ADA]])
def test_what_went_to_a_user_who_was_suspended_when_its_last_one_told_of_it_is_there_when_they_are_back(
    fake: FakeDrive, mirror: Mirror, opened: Opened, users: list[str]
) -> None:
    """The new one's feed was read already, and whom the last one's is asked about says nothing."""
    files = {name: fake.world.create(owner=ADA, name=name, content=b"x") for name in ("gone.txt", "stays.txt")}
    mirror.sync(opened(my_drive=True, users=users))

    fake.world.move(files["gone.txt"], fake.world.add_user(BEN))
    mirror.sync(opened(my_drive=True, users=users, gone=frozenset({ADA})))
    went = mirror.files[files["gone.txt"]].path
    mirror.sync(opened(my_drive=True, users=users, gone=frozenset({BEN})))
    mirror.sync(opened(my_drive=True, users=users))

    assert went == "ben@example.com/gone.txt"
    assert mirror.paths == {"ben@example.com/gone.txt": files["gone.txt"], "ada@example.com/stays.txt": files["stays.txt"]}


def test_a_folder_that_goes_and_comes_back_while_one_sync_reads_on_comes_with_all_it_holds(
    fake: FakeDrive, mirror: Mirror, opened: Opened
) -> None:
    drive = fake.world.add_drive("Harbour", {ADA: "organizer"})
    mirror.sync(source := opened(shared_drive=drive, page_size=1))
    moving = fake.world.create_folder("Moving", parent=drive)
    deep = fake.world.create_folder("Deep", parent=moving)
    below = fake.world.create(parent=deep, name="a.txt", content=b"x")
    places = [fake.world.add_user(ADA), drive]

    for page in source.changes(mirror.cursor):
        mirror.record(page)
        if places and (below in mirror.files) == (len(places) == 2):
            fake.world.move(moving, places.pop(0))
            # More to read, so that this call goes on.
            others = {fake.world.create(parent=drive, name=f"{number}.txt", content=b"x") for number in range(3)}

    assert places == []
    assert {moving, deep} <= mirror.folders.keys()
    assert {below, *others} <= mirror.files.keys()
