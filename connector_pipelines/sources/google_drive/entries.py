"""What a page of a change feed says: an entry is a hint to look at an item again, and its file is how the item is now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from connector_pipelines.core.access import Acl
from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.types import Change, Deleted, Folder
from connector_pipelines.sources.google_drive.calls import Corpus, parent_of
from connector_pipelines.sources.google_drive.crawling import shortcut_left_out
from connector_pipelines.sources.google_drive.items import folder_of, is_closed, is_folder, is_node, is_shortcut
from connector_pipelines.sources.google_drive.pages import noted
from connector_pipelines.sources.google_drive.passing import Pass
from connector_pipelines.sources.google_drive.people import View
from connector_pipelines.sources.google_drive.permissions import below_changed
from connector_pipelines.sources.google_drive.shortcuts import Branch, found_again

__all__ = ["Looked", "RootGone"]

_NOT_YET: Final = Acl(complete=False)
"""Of a folder, while not all is told that lies in it: nobody's, and no folder's."""

Json = dict[str, Any]


class RootGone(ConfigurationError):
    """The folder that is synced is gone, in the trash, or not for us any more. Of what changes meanwhile, its feed tells nothing."""


class Looked:
    """One page, as one user sees it.

    Args:
        is_final: Whether it looks on behalf of another: what is not in scope here either is not told.
    """

    def __init__(self, call: Pass, view: View, *, is_final: bool = False) -> None:
        self._call, self._view, self._tree = call, view, call.tree
        self._is_alone = len(call.parts) < 2
        self._is_final = is_final or self._is_alone
        self._alive: dict[str, Json] = {}
        self._lost: set[str] = set()
        self._homes: dict[str, Folder] = {}
        self._theirs: set[str] = set()
        self._has_others = len({part.user for part in call.parts}) > 1
        self._before: dict[str, Folder | None] = {}
        # What lay in them went with a folder that was above them.
        self._uprooted: set[str] = set()
        self._closed: set[str] = set()

    def changes(self, entries: Iterable[Json]) -> Iterator[list[Change]]:
        """What is to be told: what is there, folders first, and at the end what is gone, so that nothing goes with a folder it left."""
        self._read(entries)
        self._find_homes()
        # What is left to us in a closed folder is told again below it.
        yield [Deleted(key) for key in sorted(self._closed)]
        yield from self._elsewhere()
        acls = self._view.access.of([self._alive[key] for key in self._homes])
        yield [change for key in self._homes for change in self._told(self._alive[key], acls[key])]
        for key in self._lost:
            self._look_further(key)
        leading = self._tree.leading_to(self._homes)
        yield [change for leads in leading.values() for change in found_again(leads)]
        found: set[str] = set()
        yield from noted(self._call.rest(), found)
        if self._is_alone or not self._is_final:
            # What had no place yet may have been met below a folder that got one.
            yield [Deleted(key) for key in sorted(self._lost - found)]

    @property
    def placed(self) -> set[str]:
        """Ids of what is in scope."""
        return set(self._homes)

    def _read(self, entries: Iterable[Json]) -> None:
        roots = {part.root: part for part in self._call.parts}
        # Of several entries for one file, the last.
        last = {entry["fileId"]: entry for entry in entries if entry.get("changeType", "file") == "file" and "fileId" in entry}
        self._tree.load(last)
        for key, entry in last.items():
            item = entry.get("file") or {}
            is_there = bool(item) and not item.get("trashed")
            if key in roots:
                if not is_there and roots[key].sort == "folder":
                    raise RootGone(f"{roots[key].name} is gone, or in the trash", advice="Restore it, or set `folder` to another.")
            elif is_there:
                self._alive[key] = item
            else:
                self._lose(key)

    def _lose(self, key: str) -> None:
        self._before.setdefault(key, self._tree.was(key))
        self._tree.remove(key)
        self._lost.add(key)

    def _find_homes(self) -> None:
        placing, view = self._call.placing, self._view
        placing.note(view, {key: item for key, item in self._alive.items() if is_folder(item)})
        placing.climb(view, self._alive.values())
        for item in list(self._alive.values()):
            # Folders above it that nobody told us of: where one of them lies in scope, so does all below it.
            unheard = (each for each in placing.above(view, item) if self._tree.was(each["id"]) is None)
            self._alive.update((each["id"], each) for each in unheard if each["id"] not in self._alive)
        if self._has_others and not self._is_final:
            # Who was given a file does not see the folder it lies in: a shortcut of theirs is no better place.
            led_to = set(self._tree.leading_to(self._alive))
            led_to -= {key for key in led_to if placing.own_home(view, self._alive[key]) is not None}
            self._theirs |= self._call.shortcuts.at_home_of_others(view, led_to)
        if self._call.config.shared_with_me and not self._is_final:
            # It is for the first of those who were given it, and their feed has it too. Of a file nobody knows by whom it was told before.
            self._theirs |= self._call.theirs(view, set(self._alive))
        settled: set[str] = set()
        for item in list(self._alive.values()):
            if is_node(item):
                self._settle(item, settled)
        for key, item in self._alive.items():
            if not is_node(item):
                home = self._home(item)
                if home is not None:
                    self._homes[key] = home
                elif key not in self._theirs:
                    self._lost.add(key)

    def _settle(self, item: Json, settled: set[str]) -> None:
        """Find the place of a folder or shortcut, after those above it."""
        key = item["id"]
        if key in settled:
            return
        settled.add(key)
        above = self._alive.get(parent_of(item) or "")
        if above is not None and is_node(above):
            self._settle(above, settled)
        home, before = self._home(item), self._tree.was(key)
        if home is not None and before is not None and is_closed(item):
            # In another's drive it may be open to them.
            self._tree.remove(key)
            self._closed.add(key)
            before = None
        self._before.setdefault(key, before)
        if before is not None and self._tree.get(key) is None:
            self._uprooted.add(key)
        if home is not None:
            self._tree.put(folder_of(item, home, before.acl if before is not None else None))
            self._homes[key] = home
        elif before is not None and key not in self._theirs:
            self._lose(key)

    def _home(self, item: Json) -> Folder | None:
        is_theirs = not self._theirs.isdisjoint({item["id"], parent_of(item)})
        home = None if is_theirs else self._call.placing.home(self._view, item)
        if is_theirs or (home is not None and not self._is_ours(home)):
            if home is None or home.target != item["id"]:
                self._theirs.add(item["id"])
            # By a shortcut of another's it is theirs only if they see it: they are asked.
            return None
        return home

    def _is_ours(self, home: Folder) -> bool:
        """Whether it lies in a part of this user. What lies in another's, their own feed tells, and they know better who may see it."""
        if not self._has_others or (self._is_final and home.target is None and not self._call.config.shared_with_me):
            return True
        top = self._tree.top(home)
        return any(part.root == top and part.user == self._view.user for part in self._call.parts)

    def _told(self, item: Json, acl: Acl | None) -> list[Change]:
        key, home = item["id"], self._homes[item["id"]]
        if not is_node(item):
            return [self._call.maker.change(item, home, acl, self._view.user) or Deleted(key)]
        if is_shortcut(item) and not self._call.config.follow_shortcuts:
            self._tree.remove(key)
            return [shortcut_left_out(item, home)]
        before, now = self._before[key], folder_of(item, home, acl)
        self._tree.put(now)
        if now.target is not None:
            if before is None or before.target != now.target:
                self._call.shortcuts.look_at(self._view, now.target, item)
        elif before is None or below_changed(before.acl, acl) or key in self._uprooted:
            # New to us, with all that it holds; or others may see it now: no feed names what lies below.
            self._call.branches.append(Branch(self._view, Corpus(self._drive_of(item)), key, now))
            # Until that is told, too: whoever is stopped before reads this entry again, and is to see that the folder is not done with.
            return [replace(now, acl=_NOT_YET if before is None or before.acl == acl else before.acl)]
        return [now] if now != before else []

    def _look_further(self, key: str) -> None:
        """What goes with an item: the target of a shortcut may have another, and what leads to the item leads nowhere now."""
        before = self._before.get(key)
        if before is not None and before.target is not None:
            self._call.shortcuts.look_at(self._view, before.target)
        elif before is not None:
            self._call.shortcuts.look_below(self._view, key)
            if self._call.config.shared_with_me:
                self._call.shared_again.add(self._view.user)
        if self._tree.leading_to([key]):
            self._call.shortcuts.look_at(self._view, key)

    def _elsewhere(self) -> Iterator[list[Change]]:
        """Of what this user no longer has here, what lies in another part: taken out, and told as a user of that part sees it."""
        if self._is_final:
            return
        for view, there in self._call.everybody_sees(self._lost):
            as_theirs = Looked(self._call, view, is_final=True)
            yield from as_theirs.changes({"fileId": item["id"], "file": item} for item in there)
            self._lost -= as_theirs.placed

    def _drive_of(self, item: Json) -> str | None:
        """The shared drive to ask in: one that is synced; of others we may be no member."""
        drive_id = item.get("driveId")
        return drive_id if any(part.drive_id == drive_id for part in self._call.parts) else None
