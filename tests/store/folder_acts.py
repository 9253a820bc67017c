"""A drive with folders, and a feed that tells what happens in it as sources do: the truth a catalog is held against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from connector_pipelines.core.types import Below, Change, Deleted, FileRef, Folder, Upserted
from tests.catalog_world import World, ref

__all__ = ["Drive", "Feed", "catalog_files", "catalog_folders", "file", "folder"]

ROOT = "root"


def folder(folder_id: str, parent: str | None, path: str, **facts: object) -> Folder:
    return Folder(folder_id, parent, path, **facts)


def file(file_id: str, parent: str, path: str, version: str = "1", **facts: object) -> FileRef:
    return ref(file_id, version, path=path, parent=parent, **facts)


def catalog_files(world: World) -> dict[str, str]:
    """By id, the paths of those that are there."""
    rows = world.rows("SELECT external_id, path FROM files WHERE status <> 'deleted' AND parent_id IS NULL")
    return {row["external_id"]: row["path"] for row in rows}


def catalog_folders(world: World) -> dict[str, str]:
    return {row["external_id"]: row["path"] for row in world.rows("SELECT external_id, path FROM folders")}


@dataclass
class Drive:
    """What is really there. `parents` and `names` are of folders and files alike; `lost` is what did not come back with the last restored."""

    dice: Random
    parents: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: {ROOT})
    trash: dict[str, dict[str, str]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    made: int = 0

    def path(self, each: str) -> str:
        return "" if each == ROOT else f"{self.path(self.parents[each])}/{self.names[each]}".removeprefix("/")

    def below(self, each: str) -> Iterator[str]:
        """What lies in it, outermost first."""
        for child in sorted(c for c, parent in self.parents.items() if parent == each):
            yield child
            yield from self.below(child)

    def truth(self) -> tuple[dict[str, str], dict[str, str]]:
        files = {each: self.path(each) for each in self.parents if each not in self.folders}
        return files, {each: self.path(each) for each in self.folders}

    def change(self, each: str) -> Change:
        if each != ROOT and each not in self.parents:
            return Deleted(each)
        if each in self.folders:
            return Folder(each, self.parents.get(each), self.path(each))
        return Upserted(file(each, self.parents[each], self.path(each)))

    def edit(self) -> list[str]:
        """Something happens; the ids a feed tells of, in its order."""
        self.lost = []
        act = self.dice.choice(["make", "make", "put", "put", "rename", "move", "move", "remove", "restore"])
        return getattr(self, f"_{act}")()

    def _make(self) -> list[str]:
        new = self._new("d")
        self.folders.add(new)
        return [new]

    def _put(self) -> list[str]:
        return [self._new("f")]

    def _rename(self) -> list[str]:
        if not self.parents:
            return []
        each = self.dice.choice(sorted(self.parents))
        self.names[each] = f"{each} {self.dice.randrange(100)}"
        return [each]

    def _move(self) -> list[str]:
        if not self.parents:
            return []
        each = self.dice.choice(sorted(self.parents))
        self.parents[each] = self.dice.choice(sorted(self.folders - {each, *self.below(each)}))
        return [each]

    def _remove(self) -> list[str]:
        if not self.parents:
            return []
        each = self.dice.choice(sorted(self.parents))
        gone = [each, *self.below(each)]
        self.trash[each] = {one: self.parents.pop(one) for one in gone}
        self.folders -= set(gone)
        # Of what goes with a folder, a feed may say nothing.
        return [each]

    def _restore(self) -> list[str]:
        back = [each for each in sorted(self.trash) if self.trash[each][each] in self.folders]
        if not back:
            return []
        each = self.dice.choice(back)
        there = self.trash.pop(each)
        # Some of it is gone for good.
        lost = {one for one in there if one != each and self.dice.random() < 0.3}
        kept = {one: parent for one, parent in there.items() if one not in lost}
        while stray := {one for one, parent in kept.items() if one != each and parent not in kept}:
            kept = {one: parent for one, parent in kept.items() if one not in stray}
        self.lost = sorted(there.keys() - kept.keys())
        self.parents |= kept
        self.folders |= {one for one in kept if one.startswith("d")}
        return [each]

    def _new(self, kind: str) -> str:
        self.made += 1
        new = f"{kind}{self.made}"
        self.parents[new], self.names[new] = self.dice.choice(sorted(self.folders)), new
        return new


@dataclass
class Feed:
    """Tells what happened, as it is when it is told: of an id that is named twice, twice the same; and in full a folder it has not told.

    Attributes:
        told: Folders it has told, and not told to be gone, with the folder each was told to lie in.
    """

    drive: Drive
    told: dict[str, str | None] = field(default_factory=lambda: {ROOT: None})

    def tell(self, each: str) -> Iterator[Change]:
        change = self.drive.change(each)
        if isinstance(change, Deleted):
            self._forget(each)
        elif isinstance(change, Folder):
            yield from self._tell_folder(change)
            return
        elif isinstance(change, Upserted):
            yield from self._tell_above(self.drive.parents[each])
        yield change

    def snapshot(self) -> Iterator[Change]:
        self.told = {}
        for each in (ROOT, *self.drive.below(ROOT)):
            change = self.drive.change(each)
            if isinstance(change, Folder):
                self.told[each] = change.parent
            yield change

    def _tell_folder(self, change: Folder) -> Iterator[Change]:
        if change.parent is not None:
            yield from self._tell_above(change.parent)
        known = change.id in self.told
        self.told[change.id] = change.parent
        yield change
        if not known:
            below = list(self.drive.below(change.id))
            for each in below:
                inner = self.drive.change(each)
                if isinstance(inner, Folder):
                    self.told[each] = inner.parent
                yield inner
            for each in self._told_below(change.id) - set(below):
                del self.told[each]  # it lies elsewhere by now, of which will be told; until then it is gone
            yield Below(change.id, frozenset(below))

    def _tell_above(self, parent: str) -> Iterator[Change]:
        if parent not in self.told:
            change = self.drive.change(parent)
            assert isinstance(change, Folder)
            yield from self._tell_folder(change)

    def _forget(self, each: str) -> None:
        for one in {each, *self._told_below(each)}:
            self.told.pop(one, None)

    def _told_below(self, each: str) -> set[str]:
        found: set[str] = set()
        while more := {one for one, parent in self.told.items() if parent in {each, *found}} - found:
            found |= more
        return found
