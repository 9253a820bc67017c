"""Shortcuts of one user to what lies in the Drive of another, where both are synced."""

from __future__ import annotations

from connector_pipelines.testing.fake_drive import FakeDrive
from tests.sources.google_drive.conftest import Opened
from tests.sources.google_drive.mirror import Mirror
from tests.sources.google_drive.reached import ADA, BEN


def test_a_target_in_anothers_drive_that_is_synced_too_stays_in_its_own_place(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    plan, deep = _shared_by_ada(fake)
    for target in (plan, deep):
        fake.world.make_shortcut(target, owner=BEN)

    mirror.sync(opened(my_drive=True, users=[ADA, BEN]))

    assert sorted(mirror.paths) == [f"{ADA}/Deep/a.txt", f"{ADA}/plan.txt"]


def test_it_stays_there_when_the_shortcut_is_made_later(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    plan, deep = _shared_by_ada(fake)
    mirror.sync(source := opened(my_drive=True, users=[ADA, BEN]))
    for target in (plan, deep):
        fake.world.make_shortcut(target, owner=BEN)

    mirror.sync(source)

    assert sorted(mirror.paths) == [f"{ADA}/Deep/a.txt", f"{ADA}/plan.txt"]


def test_a_folder_given_out_of_a_shared_drive_we_are_no_member_of_is_listed_below_its_shortcut(
    fake: FakeDrive, mirror: Mirror, opened: Opened
) -> None:
    folder = fake.world.create_folder("Deep", parent=fake.world.add_drive("Quay", [ADA]))
    fake.world.create(parent=folder, name="a.txt", content=b"x")
    fake.world.share(folder, who=BEN)
    fake.world.make_shortcut(folder, owner=BEN)

    mirror.sync(opened(my_drive=True, users=[BEN]))

    assert sorted(mirror.paths) == ["Deep/Deep/a.txt"]


def _shared_by_ada(fake: FakeDrive) -> tuple[str, str]:
    """A file, and a folder with one in it."""
    plan = fake.world.create(owner=ADA, name="plan.txt", content=b"x")
    deep = fake.world.create_folder("Deep", owner=ADA)
    fake.world.create(parent=deep, name="a.txt", content=b"x")
    for each in (plan, deep):
        fake.world.share(each, who=BEN)
    return plan, deep
