"""What shortcuts lead to is listed once: where it lies, or below the shortcut where that is not synced."""

from __future__ import annotations

import pytest

from connector_pipelines.sources.google_drive import Source
from connector_pipelines.testing.fake_drive import FakeDrive
from connector_pipelines.testing.fake_drive.world import World
from tests.sources.google_drive.conftest import Opened
from tests.sources.google_drive.mirror import Mirror
from tests.sources.google_drive.reached import ADA, BEN


@pytest.fixture
def world(fake: FakeDrive) -> World:
    return fake.world


@pytest.fixture
def scope(world: World) -> str:
    return world.add_drive("Team", [ADA])


@pytest.fixture
def source(opened: Opened, scope: str) -> Source:
    return opened(shared_drive=scope)


def test_a_target_in_scope_is_in_its_own_place(world: World, scope: str, source: Source, mirror: Mirror) -> None:
    file = world.create(parent=world.create_folder("f", parent=scope), name="a.txt", content=b"a")
    world.make_shortcut(file, parent=scope)
    mirror.sync(source)
    assert mirror.paths == {"f/a.txt": file}


def test_a_target_outside_lies_below_its_shortcut_and_is_followed(world: World, scope: str, source: Source, mirror: Mirror) -> None:
    file = world.create(owner=ADA, name="a.txt", content=b"a")
    shortcut = world.make_shortcut(file, parent=scope, name="to a")
    mirror.sync(source)
    assert mirror.paths == {"to a/a.txt": file}
    version = mirror.files[file].version
    world.update_content(file, b"other")
    mirror.sync(source)
    assert mirror.files[file].version != version
    world.trash(file)
    mirror.sync(source)
    assert mirror.files == {}
    assert [each.reason for each in mirror.skipped.values()] == ["shortcut_target_trashed"]
    world.untrash(file)
    mirror.sync(source)
    assert (mirror.paths, mirror.skipped) == ({"to a/a.txt": file}, {})
    world.rename(shortcut, "elsewhere")
    mirror.sync(source)
    assert mirror.paths == {"elsewhere/a.txt": file}
    world.delete(shortcut)
    mirror.sync(source)
    assert (mirror.files, mirror.skipped, set(mirror.folders)) == ({}, {}, {scope})


def test_of_two_shortcuts_one_may_go(world: World, scope: str, source: Source, mirror: Mirror) -> None:
    file = world.create(owner=ADA, name="a.txt", content=b"a")
    first, second = sorted(world.make_shortcut(file, parent=scope, name=name) for name in ("one", "two"))
    mirror.sync(source)
    assert mirror.files[file].parent == first
    world.delete(first)
    mirror.sync(source)
    assert mirror.files[file].parent == second


def test_a_target_that_moves_in_leaves_its_shortcut_and_comes_back(world: World, scope: str, source: Source, mirror: Mirror) -> None:
    file, home = world.create(owner=ADA, name="a.txt", content=b"a"), world.add_user(ADA)
    shortcut = world.make_shortcut(file, parent=scope, name="s")
    mirror.sync(source)
    world.move(file, scope)
    mirror.sync(source)
    assert mirror.paths == {"a.txt": file}
    world.move(file, home)
    mirror.sync(source)
    assert mirror.files[file].parent == shortcut


def test_a_folder_outside_is_listed_below_its_shortcut_and_followed(world: World, scope: str, source: Source, mirror: Mirror) -> None:
    folder = world.create_folder("plans", owner=ADA)
    inner = world.create_folder("inner", parent=folder)
    file = world.create(parent=inner, name="a.txt", content=b"a")
    world.make_shortcut(folder, parent=scope, name="s")
    mirror.sync(source)
    assert mirror.paths == {"s/plans/inner/a.txt": file}
    late = world.create(parent=inner, name="b.txt", content=b"b")
    world.rename(inner, "renamed")
    mirror.sync(source)
    assert mirror.paths == {"s/plans/renamed/a.txt": file, "s/plans/renamed/b.txt": late}
    world.trash(folder)
    mirror.sync(source)
    assert mirror.files == {}


def test_a_shortcut_that_leads_round_and_round_is_noted(world: World, opened: Opened, mirror: Mirror) -> None:
    outer = world.create_folder("outer", owner=ADA)
    inner = world.create_folder("inner", parent=outer)
    file = world.create(parent=inner, name="a.txt", content=b"a")
    world.make_shortcut(outer, parent=inner, name="up")
    for settings in ({"folder": inner}, {"folder": outer}):
        here = Mirror()
        mirror.folders = here.folders
        here.sync(opened(**settings))
        assert list(here.files) == [file]
    mirror.folders = {}
    mirror.sync(opened(folder=inner))
    assert [each.reason for each in mirror.skipped.values()] == ["shortcut_cycle"]


def test_two_folders_that_lead_to_each_other_are_listed_once(world: World, scope: str, source: Source, mirror: Mirror) -> None:
    one, two = world.create_folder("one", owner=ADA), world.create_folder("two", owner=ADA)
    for folder, other in ((one, two), (two, one)):
        world.create(parent=folder, name="a.txt", content=b"a")
        world.make_shortcut(other, parent=folder, name="other")
    world.make_shortcut(one, parent=scope, name="s")
    mirror.sync(source)
    assert set(mirror.paths) == {"s/one/a.txt", "s/one/other/two/a.txt"}


def test_a_shortcut_to_nothing_is_in_the_ledger(world: World, scope: str, source: Source, mirror: Mirror) -> None:
    file = world.create(owner=ADA, name="a.txt", content=b"a")
    shortcut = world.make_shortcut(file, parent=scope, name="s")
    world.delete(file)
    mirror.sync(source)
    assert [(each.reason, each.parent) for each in mirror.skipped.values()] == [("shortcut_target_missing", shortcut)]


def test_shortcuts_that_are_not_followed_are_skipped(world: World, scope: str, opened: Opened, mirror: Mirror) -> None:
    shortcut = world.make_shortcut(world.create(owner=ADA, name="a.txt", content=b"a"), parent=scope, name="s")
    source = opened(shared_drive=scope, follow_shortcuts=False)
    for _ in range(2):
        mirror.sync(source)
        assert (mirror.files, [(each.id, each.reason) for each in mirror.skipped.values()]) == ({}, [(shortcut, "shortcut")])
        world.rename(shortcut, "t")


def test_a_target_that_goes_with_a_folder_above_it_is_gone_and_comes_back(world: World, scope: str, source: Source, mirror: Mirror) -> None:
    above = world.create_folder("above", owner=ADA)
    file = world.create(parent=world.create_folder("deep", parent=above), name="a.txt", content=b"a")
    world.make_shortcut(file, parent=scope, name="s")
    mirror.sync(source)
    world.trash(above)
    mirror.sync(source)
    assert (mirror.files, [each.reason for each in mirror.skipped.values()]) == ({}, ["shortcut_target_trashed"])
    world.untrash(above)
    mirror.sync(source)
    assert (mirror.paths, mirror.skipped) == ({"s/a.txt": file}, {})


def test_a_target_that_was_shared_by_a_folder_above_it_goes_with_the_share(
    fake: FakeDrive, world: World, scope: str, source: Source, mirror: Mirror
) -> None:
    above = world.create_folder("above", owner=BEN)
    file = world.create(parent=above, name="a.txt", content=b"a")
    world.share(above, who=ADA)
    world.make_shortcut(file, parent=scope, name="s")
    mirror.sync(source)
    world.unshare(above, who=ADA)
    mirror.sync(source)
    assert (mirror.files, [each.reason for each in mirror.skipped.values()]) == ({}, ["shortcut_target_missing"])
    fake.clear_journal()
    mirror.sync(source)
    assert fake.journal.counts()["batch"] <= 1


@pytest.mark.parametrize("target", ["file", "folder"])
def test_a_second_shortcut_leads_on_when_the_first_goes_with_its_folder(
    world: World, scope: str, source: Source, mirror: Mirror, target: str
) -> None:
    folder = world.create_folder("plans", owner=ADA)
    file = world.create(parent=folder, name="a.txt", content=b"a")
    rooms = [world.create_folder(name, parent=world.create_folder("f", parent=scope)) for name in ("one", "two")]
    leads = [world.make_shortcut(file if target == "file" else folder, parent=room, name="s") for room in rooms]
    mirror.sync(source)
    first = leads.index(min(leads))
    world.trash(mirror.folders[rooms[first]].parent or "")
    mirror.sync(source)
    below = "s" if target == "file" else "s/plans"
    assert mirror.paths == {f"f/{('one', 'two')[1 - first]}/{below}/a.txt": file}
