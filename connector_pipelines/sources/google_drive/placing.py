"""In which folder an item lies: its own, where that is in what is synced; else the shortcut that leads to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from connector_pipelines.core.types import Folder
from connector_pipelines.sources.google_drive import calls
from connector_pipelines.sources.google_drive.calls import parent_of
from connector_pipelines.sources.google_drive.items import is_folder, is_node
from connector_pipelines.sources.google_drive.parts import shared_root
from connector_pipelines.sources.google_drive.people import View
from connector_pipelines.sources.google_drive.tree import Tree

__all__ = ["Placing"]

Json = dict[str, Any]


class Placing:
    """Looks folders up that nobody named, and remembers them for the length of a call.

    Args:
        shared_roots: Of the users with whom being shared is to be in scope, in their order; none where that is in scope by no means.
    """

    def __init__(self, tree: Tree, shared_roots: Sequence[str] = ()) -> None:
        self._tree = tree
        self._rank = {root: rank for rank, root in enumerate(shared_roots)}
        self._met: dict[tuple[str | None, str], Json | None] = {}

    def climb(self, view: View, items: Iterable[Json]) -> None:
        """Look up the folders above `items` that are not known, up to one that is, or to the top of what this user sees."""
        wanted = {parent_of(item) for item in items}
        while True:
            self._tree.load(wanted)
            missing = {key for key in wanted if key is not None and self._tree.was(key) is None and (view.user, key) not in self._met}
            if missing:
                self._meet(view, calls.get_many(view.drive, missing))
            above = {parent_of(found) for key in wanted if key is not None and (found := self._met.get((view.user, key)))}
            if not above - wanted:
                return
            wanted = above

    def above(self, view: View, item: Json) -> Iterator[Json]:
        """The folders over an item that were looked up, from the nearest; after `climb`. Those that are known are not among them."""
        seen: set[str] = set()
        key = parent_of(item)
        while key is not None and key not in seen and (found := self._met.get((view.user, key))) is not None:
            seen.add(key)
            yield found
            key = parent_of(found)

    def note(self, view: View, folders: Mapping[str, Json | None]) -> None:
        """These are so at this moment: what was met of them before no longer counts."""
        self._meet(view, folders)

    def home(self, view: View, item: Json) -> Folder | None:
        """Where it lies, or None where it is not in what is synced."""
        return self.own_home(view, item) or self.by_shortcut(view, item)

    def own_home(self, view: View, item: Json) -> Folder | None:
        """Where it lies, whatever shortcuts lead to it."""
        avoiding = item["id"] if is_node(item) else None
        folder = self._tree.get(parent_of(item), avoiding=avoiding)
        is_given = bool(self._rank) and "sharedWithMeTime" in item and not item.get("ownedByMe")
        if is_given and (folder is None or self._is_after(folder, shared_root(view.user))):
            return self.among_shared(view, item["id"])
        return folder

    def among_shared(self, view: View, item_id: str) -> Folder | None:
        """Where what is shared with this user lies: with a user before them, where it is a folder that is known there."""
        root = shared_root(view.user)
        before = self._tree.was(item_id)
        over = self._tree.get(before.parent) if before is not None else None
        here = self._tree.get(root)
        return over if over is not None and here is not None and self._is_after(here, self._tree.top(over)) else here

    def by_shortcut(self, view: View, item: Json) -> Folder | None:
        """The first shortcut that leads to it and does not lie in it."""
        for lead in self._tree.leading_to([item["id"]]).get(item["id"], ()):
            if not is_folder(item) or not self._is_above(view, item["id"], lead):
                return lead
        return None

    def _is_after(self, folder: Folder, root: str) -> bool:
        """Whether it lies with a user after the one whose root this is: who comes first in the settings has what several were given."""
        last = len(self._rank)
        return self._rank.get(self._tree.top(folder), last) > self._rank.get(root, last)

    def _is_above(self, view: View, target_id: str, lead: Folder) -> bool:
        """Whether a folder holds, in truth, what would hold it: by the shortcut one would go round and round."""
        seen: set[str] = set()
        here: Folder | None = lead
        while here is not None and here.id not in seen:
            seen.add(here.id)
            over = self._tree.was(here.parent) if here.parent is not None else None
            # The outermost folder, and what a shortcut led to, lie in truth elsewhere.
            if (over is None or over.target == here.id) and target_id in self._real_above(view, here.id):
                return True
            here = over
        return False

    def _real_above(self, view: View, folder_id: str) -> set[str]:
        found: set[str] = set()
        key: str | None = folder_id
        while key is not None and key not in found:
            found.add(key)
            if (view.user, key) not in self._met:
                self._meet(view, calls.get_many(view.drive, [key]))
            item = self._met[view.user, key]
            key = parent_of(item) if item is not None else None
        return found

    def _meet(self, view: View, found: Mapping[str, Json | None]) -> None:
        self._met.update(((view.user, key), item if item is None or not item.get("trashed") else None) for key, item in found.items())
