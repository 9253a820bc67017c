"""What was recorded change by change is what a listing of everything finds, whatever was done in the drive."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from connector_pipelines.sources.google_drive import Config, Source
from connector_pipelines.testing.fake_drive import FakeDrive
from tests.sources.google_drive.mirror import Mirror
from tests.sources.google_drive.reached import ADA, BEN, CEM, Reach

_NAMES = ("a.txt", "b.txt", "Q1/Q2", "same", "same", "..", "ü")


class Edits:
    """Random edits, of what is in scope and of what is not. The same seed makes the same."""

    def __init__(self, fake: FakeDrive, seed: int, places: dict[str, str], *, is_calm: bool) -> None:
        self.is_calm = is_calm
        self.world, self.chance, self.done = fake.world, random.Random(seed), list[str]()
        self.folders = list(places.values())
        self.roots = frozenset(places.values())
        self.files: list[str] = []
        self.shortcuts: list[str] = []
        self.trashed: set[str] = set()

    def some(self, count: int) -> None:
        for _ in range(count):
            act: Callable[[], Any] = self.chance.choice(
                (self.create, self.create, self.folder, self.folder, self.move, self.move, self.rename, self.trash, self.untrash, self.delete,
                 self.write, self.share, self.unshare, self.shortcut)
            )  # fmt: skip
            try:
                act()
            except (KeyError, ValueError):
                continue

    def create(self) -> None:
        self.files.append(self.world.create(parent=self.pick(self.folders), name=self.name(), content=b"x" * self.chance.randint(0, 5)))

    def folder(self) -> None:
        self.folders.append(self.world.create_folder(self.name(), parent=self.pick(self.folders)))

    def move(self) -> None:
        self.world.move(self.movable(), self.pick(self.folders))

    def rename(self) -> None:
        self.world.rename(self.movable(), self.name())

    def trash(self) -> None:
        self.trashed.add(found := self.pick(self.files) if self.is_calm else self.movable())
        self.world.trash(found)

    def untrash(self) -> None:
        self.world.untrash(self.pick(sorted(self.trashed)))

    def delete(self) -> None:
        if self.chance.random() < 0.3:
            self.world.delete(self.pick(self.files) if self.is_calm else self.movable())

    def write(self) -> None:
        self.world.update_content(self.pick(self.files), b"y" * self.chance.randint(0, 9))

    def share(self) -> None:
        self.world.share(self.movable(), who=self.chance.choice((BEN, CEM)), role="reader")

    def unshare(self) -> None:
        self.world.unshare(self.movable(), who=self.chance.choice((BEN, CEM)))

    def shortcut(self) -> None:
        target = self.movable()
        if target not in self.shortcuts:
            self.shortcuts.append(self.world.make_shortcut(target, parent=self.pick(self.folders)))

    def movable(self) -> str:
        return self.pick([*self.files, *self.shortcuts, *(each for each in self.folders if each not in self.roots)])

    def name(self) -> str:
        return self.chance.choice(_NAMES)

    def pick(self, among: list[str]) -> str:
        return self.chance.choice(among or [""])


def _known(mirror: Mirror, *, with_access: bool) -> dict[str, object]:
    """What lies in its own place. Below shortcuts a feed cannot tell all: what was trashed with a folder above it, say; sweeps do."""
    found: dict[str, object] = {}
    for key, folder in mirror.folders.items():
        if not _by_shortcut(mirror, folder.parent):
            found[key] = folder if with_access else replace(folder, acl=None)
    for key, ref in mirror.files.items():
        if not _by_shortcut(mirror, ref.parent):
            found[key] = replace(ref, locator=None) if with_access else replace(ref, locator=None, acl=None)
    return found


def _by_shortcut(mirror: Mirror, folder_id: str | None) -> bool:
    while folder_id is not None:
        folder = mirror.folders[folder_id]
        if folder.target is not None:
            return True
        folder_id = folder.parent
    return False


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scope", ["my_drive", "folder", "drive_folder", "shared_drive", "all", "shared", "shared_two", "two"])
def test_changes_add_up_to_what_a_listing_finds(fake: FakeDrive, scope: str, seed: int) -> None:
    world = fake.world
    drive, other = world.add_drive("Team", [ADA, BEN]), world.add_drive("Other", [ADA])
    mine, his = world.add_user(ADA), world.add_user(BEN)
    inside = world.create_folder("inside", parent=mine)
    in_drive = world.create_folder("inside", parent=drive)
    scopes: dict[str, dict[str, Any]] = {
        "my_drive": {"my_drive": True}, "folder": {"folder": inside}, "drive_folder": {"folder": in_drive}, "shared_drive": {"shared_drive": drive},
        "all": {"all_shared_drives": True}, "shared": {"shared_with_me": True, "users": [BEN]},
        "shared_two": {"shared_with_me": True, "users": [BEN, CEM]}, "two": {"my_drive": True, "users": [ADA, BEN]},
    }  # fmt: skip
    drives = {"drive": drive, "other": other, "in_drive": in_drive}
    # A user's feed tells neither of folders above what was shared with them, nor of what moved on from a drive they are no member of.
    is_calm = scope in {"shared", "shared_two"}
    edits = Edits(fake, seed, {"mine": mine, "his": his, "inside": inside, **({} if is_calm else drives)}, is_calm=is_calm)
    edits.some(60)
    mirror = Mirror()
    config = Config(api_url=fake.url, allow_private=True, page_size=7, **scopes[scope])
    source = Source(config, replace(Reach(fake).tools, folders=mirror))
    mirror.sync(source)
    if seed % 2:
        world.quirks(repeat_every=3, empty_page_every=4, short_pages=0.7)
    for _ in range(6):
        edits.some(12)
        mirror.sync(source)
        fresh = Mirror()
        swept = Source(config, replace(Reach(fake).tools, folders=fresh))
        fresh.sync(swept)
        swept.close()
        # Of what was shared with us, no feed tells who may see the folders above it.
        with_access = not is_calm
        assert _known(mirror, with_access=with_access) == _known(fresh, with_access=with_access)
    mirror.sync(source, sweep=True)
    assert (mirror.files, mirror.folders, mirror.skipped) == (fresh.files, fresh.folders, fresh.skipped)
    source.close()
