"""Names everything: a drive by one enumeration of its folders and one of its files, a folder level by level."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from connector_pipelines.core.access import Acl
from connector_pipelines.core.types import Change, Folder, Skipped
from connector_pipelines.sources.google_drive import calls
from connector_pipelines.sources.google_drive.calls import FOLDER, Corpus, Listed, parent_of
from connector_pipelines.sources.google_drive.config import Config
from connector_pipelines.sources.google_drive.descent import Descent
from connector_pipelines.sources.google_drive.items import Maker, folder_of, is_folder, is_node, is_shortcut, target_of
from connector_pipelines.sources.google_drive.names import name_of
from connector_pipelines.sources.google_drive.parts import Part
from connector_pipelines.sources.google_drive.people import View
from connector_pipelines.sources.google_drive.placing import Placing
from connector_pipelines.sources.google_drive.shortcuts import Shortcuts
from connector_pipelines.sources.google_drive.tree import Tree, joined

__all__ = ["Crawl", "shortcut_left_out"]

Json = dict[str, Any]

_FOLDERS: Final = f"mimeType = '{FOLDER}' and trashed = false"
_FILES: Final = f"mimeType != '{FOLDER}' and trashed = false"
_SHARED: Final = "sharedWithMe = true and trashed = false"
_SHORTCUT_OFF: Final = "shortcut"


class Crawl:
    """Lists, and puts the folders it meets into the tree. Each list of changes names folders before what lies in them.

    Attributes:
        is_incomplete: Drive said of a listing that results are missing: nothing may be taken for gone.
        theirs: Which of some items are for others to tell, where that is not known from what was listed before.
    """

    def __init__(self, config: Config, tree: Tree, placing: Placing, maker: Maker, shortcuts: Shortcuts) -> None:
        self._config, self._tree, self._placing, self._maker, self._shortcuts = config, tree, placing, maker, shortcuts
        self._size = config.page_size
        self._placed: set[str] = set()
        # What several users were given is named once.
        self._named: set[str] | None = set() if config.shared_with_me and len(config.users) > 1 else None
        self.is_incomplete = False
        self.theirs: Callable[[View, set[str]], set[str]] | None = None

    def begin_anew(self) -> None:
        """All of a part is to be named, also what this call has met before: what is not named will be taken for gone."""
        self._placed.clear()
        self.is_incomplete = False

    def begin_page(self) -> None:
        """Of a feed: what was named before it may have gone since, and come back."""
        self._placed.clear()

    def part(self, part: Part, view: View, root: Folder) -> Iterator[list[Change]]:
        """All of a part, whose outermost folder is `root`."""
        self._tree.put(root)
        self._placed.add(root.id)
        yield [root]
        if part.sort == "shared":
            yield from self.shared(view, root)
        elif part.sort == "folder":
            yield from self.below(view, part.corpus, [root.id])
        else:
            own = {root.id}
            for changes in self._all_folders(view, part.corpus, root):
                own.update(change.id for change in changes if isinstance(change, Folder))
                yield changes
            for listed in calls.files(view.drive, part.corpus, _FILES, self._size):
                # What lies in another's drive is theirs to tell.
                yield self._taken(view, [item for item in self._noted(listed) if parent_of(item) in own])

    def folders(self, part: Part, view: View, root: Folder) -> Iterator[list[Change]]:
        """The folders alone, by one enumeration, whatever the part."""
        self._tree.put(root)
        yield [root]
        yield from self._all_folders(view, part.corpus, root)

    def below(self, view: View, corpus: Corpus, folders: Sequence[str]) -> Iterator[list[Change]]:
        """What lies below `folders`, which are in the tree."""
        descent = Descent(view.drive, corpus, self._size, folders)
        for listed in descent:
            changes = self._taken(view, self._noted(listed))
            for change in changes:
                if isinstance(change, Folder) and change.target is None:
                    descent.add(change.id)
            yield changes

    def shared(self, view: View, root: Folder, *, unknown_only: bool = False) -> Iterator[list[Change]]:
        """What was given to a user, and all below it. What lies in a folder that was given as well is there.

        Args:
            unknown_only: No folders that are in the tree.
        """
        given: list[Json] = []
        for listed in calls.files(view.drive, Corpus(), _SHARED, self._size):
            given += (item for item in self._noted(listed) if not item.get("ownedByMe"))
        folders = {item["id"] for item in given if is_folder(item)}
        self._placing.climb(view, [item for item in given if parent_of(item) not in folders])
        tops = [item for item in given if not self._lies_in(view, item, folders) and self._tree.get(parent_of(item)) is None]
        homes = {item["id"]: self._placing.among_shared(view, item["id"]) for item in tops if is_folder(item)}
        tops = [item for item in tops if (home := homes.get(item["id"], root)) is not None and home.id == root.id]
        if unknown_only:
            # Of files it is not known whether they are.
            tops = [item for item in tops if not is_folder(item) or self._tree.get(item["id"]) is None]
        yield self._taken(view, tops, above=root)
        for drive_id in sorted({item.get("driveId", "") for item in tops}):
            ids = [item["id"] for item in tops if is_folder(item) and item.get("driveId", "") == drive_id]
            # Of a drive we are no member of, only what was given can be asked about: not by its corpus.
            yield from self.below(view, Corpus(), ids)

    def _lies_in(self, view: View, item: Json, folders: set[str]) -> bool:
        return parent_of(item) in folders or any(above["id"] in folders for above in self._placing.above(view, item))

    def _noted(self, listed: Listed) -> list[Json]:
        self.is_incomplete = self.is_incomplete or listed.incomplete
        return listed.items

    def _all_folders(self, view: View, corpus: Corpus, root: Folder) -> Iterator[list[Change]]:
        lying_in: dict[str, list[Json]] = {}
        for listed in calls.files(view.drive, corpus, _FOLDERS, self._size):
            for item in self._noted(listed):
                lying_in.setdefault(parent_of(item) or "", []).append(item)
        ordered: dict[str, Json] = {}
        waiting = deque([root.id])
        while waiting:
            # Taken out: a listing that began anew names some twice.
            for item in lying_in.pop(waiting.popleft(), ()):
                if item["id"] not in ordered:
                    ordered[item["id"]] = item
                    waiting.append(item["id"])
        yield self._taken(view, list(ordered.values()))

    def _taken(self, view: View, items: Sequence[Json], above: Folder | None = None) -> list[Change]:
        inside = self._inside(items, above)
        if self.theirs is not None:
            theirs = self.theirs(view, {item["id"] for item in inside})
            inside = [item for item in inside if item["id"] not in theirs]
        acls = view.access.of(inside)
        changes: list[Change] = []
        for item in inside:
            # A folder that is known may hold, by a shortcut, what it is met in.
            is_known = is_node(item) and self._tree.was(item["id"]) is not None
            folder = above or self._tree.get(parent_of(item), avoiding=item["id"] if is_known else None)
            if folder is not None and (change := self._change(view, item, folder, acls[item["id"]])) is not None:
                changes.append(change)
        return changes

    def _inside(self, items: Sequence[Json], above: Folder | None) -> list[Json]:
        met: set[str] = set()
        found = []
        for item in items:
            is_in = above is not None or parent_of(item) in met or self._tree.get(parent_of(item)) is not None
            if is_in and item["id"] not in self._placed:
                found.append(item)
                if is_folder(item):
                    met.add(item["id"])
        return found

    def _change(self, view: View, item: Json, folder: Folder, acl: Acl | None) -> Change | None:
        if self._named is not None:
            if item["id"] in self._named:
                return None
            self._named.add(item["id"])
        if is_node(item) and (is_folder(item) or self._config.follow_shortcuts):
            self._placed.add(item["id"])
            made = folder_of(item, folder, acl)
            self._tree.put(made)
            if (target := target_of(item)) is not None:
                self._shortcuts.look_at(view, target, item)
            return made
        if is_shortcut(item):
            return shortcut_left_out(item, folder)
        return self._maker.change(item, folder, acl, view.user)


def shortcut_left_out(item: Json, folder: Folder) -> Skipped:
    """What is told of a shortcut where they are not followed."""
    return Skipped(item["id"], joined(folder.path, name_of(item.get("name", ""))), _SHORTCUT_OFF, folder.id)
