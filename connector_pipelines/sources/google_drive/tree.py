"""The folders of an endpoint as they are now: what was recorded, and over it what this call has met."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from connector_pipelines.core.protocols import Folders
from connector_pipelines.core.types import Folder

__all__ = ["NOTHING", "Tree", "joined"]


class _Nothing:
    def known(self, ids: Collection[str]) -> Mapping[str, Folder]:  # noqa: ARG002
        return {}

    def leading_to(self, targets: Collection[str]) -> Mapping[str, list[Folder]]:  # noqa: ARG002
        return {}


NOTHING: Final[Folders] = _Nothing()
"""Nothing was recorded: a snapshot goes by what it lists alone."""


class Tree:
    """Folders by id. Not for several threads at once.

    The recorded ones are asked for many at a time where the caller says beforehand which it will want (`load`).
    """

    def __init__(self, recorded: Folders) -> None:
        self._recorded = recorded
        self._here: dict[str, Folder | None] = {}
        self._leading: dict[str, set[str]] = {}
        # From the first folder on that moves or goes, what is recorded of those below it is no longer so.
        self._is_stale = False

    def load(self, ids: Collection[str | None]) -> None:
        """Ask for what was recorded of these, in one go."""
        missing = [key for key in ids if key is not None and key not in self._here]
        if missing:
            known = self._recorded.known(missing)
            self._here.update((key, known.get(key)) for key in missing)

    def was(self, folder_id: str) -> Folder | None:
        """As it was recorded, or put; what happened to those above it is not asked."""
        self.load([folder_id])
        return self._here[folder_id]

    def get(self, folder_id: str | None, *, avoiding: str | None = None) -> Folder | None:
        """The folder where it lies in what is synced, with the path it has now.

        Args:
            avoiding: None is given for a folder that lies in this one, or is it.
        """
        if folder_id is None or folder_id == avoiding:
            return None
        found = self.was(folder_id)
        if found is None or (avoiding is None and not self._is_stale):
            return found
        chain = list(self._chain(found))
        if chain[-1].parent is not None or any(each.id == avoiding for each in chain):
            return None
        path = chain[-1].path
        for each in reversed(chain[:-1]):
            path = joined(path, each.path.rpartition("/")[2])
        return found if path == found.path else replace(found, path=path)

    def put(self, folder: Folder) -> None:
        """It is there now, as this."""
        before = self.was(folder.id)
        if before is not None and (before.path, before.parent) != (folder.path, folder.parent):
            self._is_stale = True
        self._here[folder.id] = folder
        if folder.target is not None:
            self._leading.setdefault(folder.target, set()).add(folder.id)

    def remove(self, folder_id: str) -> Folder | None:
        """It is gone, and so is what lies in it. Gives what it was."""
        before = self.was(folder_id)
        if before is not None:
            self._here[folder_id] = None
            self._is_stale = True
        return before

    def leading_to(self, targets: Collection[str]) -> dict[str, list[Folder]]:
        """The shortcuts in what is synced that lead to `targets`, by target, in order of their ids."""
        if not targets:
            return {}
        recorded = self._recorded.leading_to(targets)
        for shortcut in (each for found in recorded.values() for each in found):
            self._here.setdefault(shortcut.id, shortcut)
        found: dict[str, list[Folder]] = {}
        for target in targets:
            ids = {each.id for each in recorded.get(target, ())} | self._leading.get(target, set())
            # A shortcut that lies below its own target is no way to it.
            there = [each for key in sorted(ids) if (each := self.get(key, avoiding=target)) is not None and each.target == target]
            if there:
                found[target] = there
        return found

    def recorded_to(self, targets: Collection[str]) -> Mapping[str, Sequence[Folder]]:
        """The shortcuts that led to `targets` when they were recorded, whether they are there now or not."""
        return self._recorded.leading_to(targets) if targets else {}

    def lay_in(self, folder: Folder, gone_id: str) -> bool:
        """Whether `folder` lay in one that was removed, or below it."""
        return any(each.parent == gone_id for each in self._chain(folder))

    def top(self, folder: Folder) -> str:
        """Id of the outermost folder above it."""
        return list(self._chain(folder))[-1].id

    def lies_in(self, folder_id: str, others: Collection[str]) -> bool:
        """Whether one of `others` is above it."""
        found = self.was(folder_id)
        return found is not None and any(each.id in others for each in self._chain(found) if each.id != folder_id)

    def _chain(self, folder: Folder) -> Iterator[Folder]:
        """It and those above it, as far as there are any; a ring ends where it closes."""
        seen: set[str] = set()
        above: Folder | None = folder
        while above is not None and above.id not in seen:
            seen.add(above.id)
            yield above
            above = self.was(above.parent) if above.parent is not None else None


def joined(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
