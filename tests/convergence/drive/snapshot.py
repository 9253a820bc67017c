"""The whole Drive at a moment when nobody edits: put together from what each person can see, and asked who sees what."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from connector_pipelines.testing.fake_drive import RemoteFakeDrive, Truth
from tests.convergence.drive.books import Books
from tests.convergence.drive.layout import DORA, Layout

__all__ = ["Snapshot"]

Sight = Literal["yes", "link", "name"]
"""How somebody sees an item: by a permission of theirs; by a link, or as one of a domain; or the name of a folder of limited access alone."""

_SHARES = frozenset({"owner", "organizer", "fileOrganizer", "writer"})


class Snapshot:
    """Of one moment.

    Attributes:
        items: All there are, but for the outermost folders.
        children: Ids by the folder they lie in.
        now: Instant by which permissions end.
    """

    def __init__(self, drive: RemoteFakeDrive, layout: Layout, books: Books) -> None:
        self._books = books
        self._owners = {root: person for person, root in layout.roots.items()}
        self.now = datetime.fromtimestamp(drive.clock.now() / 1_000_000, UTC)
        self.items: dict[str, Truth] = {}
        for person in layout.roots:
            self.items |= drive.world.truth(person)
        for drive_id in books.drives:
            self.items |= drive.world.truth(DORA, below=drive_id)
        waiting = set(books.limited)
        # What lies in such a folder is not told to those who see its name.
        while found := waiting & self.items.keys():
            waiting -= found
            for one in found:
                self.items |= drive.world.truth(self.items[one].owner or DORA, below=one)
        self.children: dict[str, list[str]] = {}
        for one, truth in self.items.items():
            self.children.setdefault(truth.parent_id or "", []).append(one)
        self.sees = cache(self._sees)
        self.tops = cache(self._tops)

    def above(self, one: str) -> set[str]:
        """It and the folders over it, in truth."""
        found: set[str] = set()
        here: str | None = one
        while here is not None and here not in found:
            found.add(here)
            here = self.items[here].parent_id if here in self.items else None
        return found

    def was_away(self, one: str, held_in: Collection[str], since: float) -> bool:
        """Whether a folder above it, in truth or as it is held, was lost or got back since then: of what was done there, others' feeds tell."""
        return any(self._books.away.get(each, 0.0) > since for each in (*self.above(one), *held_in))

    def told(self, one: str, user: str) -> str:
        """The item and the folders over it as they are, with what was done to each: for whoever looks for the reason of a difference."""
        lines = []
        here: str | None = one
        while here is not None and here not in lines:
            truth, books = self.items.get(here), self._books
            marks = [name for name, ids in (("limited", books.limited), ("given", books.given)) if here in ids]
            what = [*marks, "trashed" if truth.trashed else "", f"{self.sees(user, here)}"] if truth else ["not there, or outermost"]
            lines.append(f"{here} {' '.join(filter(None, what))} ({'; '.join(books.history.get(here, ())[-8:])})")
            here = truth.parent_id if truth else None
        return " < ".join(lines)

    def acl_told(self, user: str, one: str) -> Mapping[str, Any]:
        """Who may see it, as far as the user is told: permissions are for those who may share."""
        acl = self.items[one].acl
        if not any(each.type == "user" and each.who == user and each.role in _SHARES for each in acl):
            return {"readers": [f"user:{user}"], "complete": False}
        by_link = {_principal(each) for each in acl if each.type in {"domain", "anyone"} and not each.discoverable}
        readers = {_principal(each) for each in acl} - by_link | {_principal(each) for each in acl if each.discoverable}
        told: dict[str, Any] = {"readers": sorted(readers)}
        if by_link - readers:
            told["with_link"] = sorted(by_link - readers)
        ends = {_principal(each): datetime.fromtimestamp(each.expires_at / 1_000_000, UTC).isoformat() for each in acl if each.expires_at}
        if ends:
            told["until"] = dict(sorted(ends.items()))
        return told

    def _sees(self, user: str, one: str) -> Sight | None:
        truth = self.items[one]
        if any(each.type == "user" and each.who == user for each in truth.acl):
            return "yes"
        if any(each.type == "anyone" or (each.type == "domain" and user.endswith(f"@{each.who}")) for each in truth.acl):
            return "link"
        return "name" if one in self._books.limited and self._is_in(user, truth.parent_id or "") else None

    def _is_in(self, user: str, folder: str) -> bool:
        if folder in self.items:
            return self._sees(user, folder) == "yes"
        return self._owners.get(folder) == user or user in self._books.members.get(folder, ())

    def _tops(self, user: str) -> Sequence[str]:
        """What was given to the user and lies in nothing that was."""
        return list(self._given(user))

    def _given(self, user: str) -> Iterator[str]:
        given = {one for one in self._books.given & self.items.keys() if self._is_given(user, one)}
        for one in sorted(given):
            above = self.items[one].parent_id
            while above in self.items and above not in given and self._sees(user, above) is not None:
                above = self.items[above].parent_id
            if above not in given:
                yield one

    def _is_given(self, user: str, one: str) -> bool:
        truth = self.items[one]
        return truth.owner != user and not truth.trashed and self._sees(user, one) in {"yes", "name"}


def _principal(access: Any) -> str:
    return "anyone" if access.type == "anyone" else f"{access.type}:{access.who}"
