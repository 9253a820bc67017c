"""What shortcuts lead to: listed once, under its own id, where it lies; below the shortcut where that is not synced.

A shortcut is a `Folder` with a `target`, whether it leads to a file or to a folder, so that a change of the target is known for one of what
is synced. Where its target is in scope by itself, nothing lies in it. Of several shortcuts to one target the first by its id has it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from connector_pipelines.core.types import Change, Deleted, Folder, Skipped
from connector_pipelines.sources.google_drive import calls
from connector_pipelines.sources.google_drive.calls import Corpus
from connector_pipelines.sources.google_drive.items import Maker, folder_of, is_folder, is_shortcut
from connector_pipelines.sources.google_drive.people import View
from connector_pipelines.sources.google_drive.placing import Placing
from connector_pipelines.sources.google_drive.tree import Tree, joined

__all__ = ["Branch", "Shortcuts", "found_again"]

Json = dict[str, Any]

_MISSING: Final = "shortcut_target_missing"
_TRASHED: Final = "shortcut_target_trashed"
_CYCLE: Final = "shortcut_cycle"
_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Branch:
    """A folder below which is to be listed. `then` is told when that is done."""

    view: View
    corpus: Corpus
    id: str
    then: Folder | None = None


@dataclass(slots=True)
class _Target:
    view: View
    resource_keys: dict[str, str] = field(default_factory=dict)


class Shortcuts:
    """Targets that are to be looked at, in one call.

    Args:
        others_see: What each user but this one sees of some ids, as whom a part is read.

    Attributes:
        lists_all: Whether folders that shortcuts lead to are named and listed though they are known: all of a part is being named.
        leads_out: Whether one was placed below a shortcut: its changes are told by no feed of a shared drive that is synced.
        out: Targets that lie in no place of their own here, and whether they were there when they were last looked at.
    """

    def __init__(
        self, tree: Tree, placing: Placing, maker: Maker, others_see: Callable[[View, set[str]], Iterable[tuple[View, list[Json]]]]
    ) -> None:
        self._tree, self._placing, self._maker, self._others_see = tree, placing, maker, others_see
        self._pending: dict[str, _Target] = {}
        self._listed: set[str] = set()
        self._member_of: dict[str | None, Collection[str]] = {}
        self.lists_all = False
        self.leads_out = False
        self.out: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._pending)

    def look_at(self, view: View, target_id: str, shortcut: Json | None = None) -> None:
        """What a shortcut leads to, that is new or gone, or whose target changed."""
        target = self._pending.setdefault(target_id, _Target(view))
        key = ((shortcut or {}).get("shortcutDetails") or {}).get("targetResourceKey")
        if key:
            target.resource_keys[target_id] = key

    def look_again(self, view: View) -> None:
        """Targets out of what is synced that went, or came back, with a folder above them: no feed tells so."""
        found = calls.get_many(view.drive, self.out)
        for key, was_there in self.out.items():
            if _is_there(found[key]) != was_there:
                self.look_at(view, key)

    def look_below(self, view: View, folder_id: str) -> None:
        """Targets of shortcuts in a folder that is gone: others may lead there, too."""
        for key, leads in self._tree.recorded_to(self.out).items():
            if any(self._tree.lay_in(lead, folder_id) for lead in leads):
                self.look_at(view, key)

    def resolved(self, *, is_snapshot: bool) -> Iterator[tuple[list[Change], list[Branch]]]:
        """What is to be told of the targets that wait, and where to go on listing. A snapshot names elsewhere what lies in its own place."""
        pending, self._pending = self._pending, {}
        by_user: dict[str | None, dict[str, _Target]] = {}
        for target_id, target in pending.items():
            by_user.setdefault(target.view.user, {})[target_id] = target
        for targets in by_user.values():
            ids = list(targets)
            for start in range(0, len(ids), _AT_ONCE):
                yield self._settled({each: targets[each] for each in ids[start : start + _AT_ONCE]}, is_snapshot=is_snapshot)

    def _settled(self, targets: dict[str, _Target], *, is_snapshot: bool) -> tuple[list[Change], list[Branch]]:
        view = next(iter(targets.values())).view
        keys = {key: value for target in targets.values() for key, value in target.resource_keys.items()}
        found = calls.get_many(view.drive, targets, keys)
        there = {key: item for key, item in found.items() if item is not None and _is_there(item) and not is_shortcut(item)}
        self._placing.climb(view, there.values())
        leads = self._tree.leading_to(targets)
        # What is shown by a key alone would seem to be gone.
        self.out = {key: is_there for key, is_there in self.out.items() if key not in targets}
        self.out |= {key: _is_there(found[key]) for key in leads.keys() - keys.keys()}
        changes: list[Change] = []
        for key in sorted(self._nowhere(view, targets.keys() - there.keys())):
            changes += self._without(key, leads.get(key, []), _MISSING if found[key] is None else _TRASHED, is_snapshot=is_snapshot)
        branches: list[Branch] = []
        out = {key for key, item in there.items() if not self._is_at_home(view, item)}
        out -= self.at_home_of_others(view, out)
        for key, item in there.items():
            if not is_snapshot:
                changes += found_again(leads.get(key, []))
            if key not in out:
                self.out.pop(key, None)
                continue
            lead = self._placing.by_shortcut(view, item)
            if lead is None:
                changes += self._without(key, leads.get(key, []), _CYCLE, is_snapshot=is_snapshot)
            else:
                changes += self._below(view, item, lead, branches)
        return changes, branches

    def _nowhere(self, view: View, ids: set[str]) -> set[str]:
        """Those of `ids`, which this user does not see, that are not in scope as another user sees them."""
        left = {key for key in ids if self._tree.get(key) is None}
        return left - self.at_home_of_others(view, left)

    def at_home_of_others(self, view: View, ids: set[str]) -> set[str]:
        """Those of `ids` that lie in scope as another user sees them: who was given a file does not see the folder it lies in."""
        left = set(ids)
        for other, there in self._others_see(view, left):
            left -= {item["id"] for item in there if self._is_at_home(other, item)}
        return ids - left

    def _is_at_home(self, view: View, item: Json) -> bool:
        known = self._tree.was(item["id"])
        is_outermost = known is not None and known.parent is None
        return is_outermost or self._placing.own_home(view, item) is not None

    def _without(self, target_id: str, leads: list[Folder], reason: str, *, is_snapshot: bool) -> list[Change]:
        """What a shortcut leads to is not listed: that is noted under an id of the shortcut's, for the ledger."""
        self._tree.remove(target_id)
        noted: list[Change] = [Skipped(_mark(lead), joined(lead.path, target_id), reason, lead.id) for lead in leads]
        return noted if is_snapshot else [*noted, Deleted(target_id)]

    def _below(self, view: View, item: Json, lead: Folder, branches: list[Branch]) -> list[Change]:
        self.leads_out = True
        acl = view.access.of([item])[item["id"]]
        if not is_folder(item):
            change = self._maker.change(item, lead, acl, view.user)
            # Left out by a filter; a snapshot tells no deletions.
            return [change] if change is not None else [] if self.lists_all else [Deleted(item["id"])]
        before, now = self._tree.was(item["id"]), folder_of(item, lead, acl)
        self._tree.put(now)
        is_to_be_named = self.lists_all and item["id"] not in self._listed
        if before is None or before.acl != acl or is_to_be_named:
            self._listed.add(item["id"])
            branches.append(Branch(view, self._corpus(view, item), item["id"]))
        return [now] if now != before or is_to_be_named else []

    def _corpus(self, view: View, item: Json) -> Corpus:
        """Where to ask for what lies in a folder. In a shared drive we are no member of, only what was given can be asked about."""
        drive_id = item.get("driveId")
        if drive_id is not None and view.user not in self._member_of:
            self._member_of[view.user] = calls.drives(view.drive).keys()
        return Corpus(drive_id if drive_id in self._member_of.get(view.user, ()) else None)


def found_again(leads: Iterable[Folder]) -> list[Change]:
    """What is told where what shortcuts lead to is there: that it was not may have been noted."""
    return [Deleted(_mark(lead)) for lead in leads]


def _is_there(item: Json | None) -> bool:
    return item is not None and not item.get("trashed")


def _mark(lead: Folder) -> str:
    return f"{lead.id}:target"
