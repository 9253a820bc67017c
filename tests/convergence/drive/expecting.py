"""What should be held of an endpoint: told from the world and from the company's books, by the documented rules and by none of the source's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from connector_pipelines.testing.fake_drive import NATIVE, SHORTCUT, Truth
from tests.convergence.drive.layout import Scope
from tests.convergence.drive.snapshot import Snapshot
from tests.convergence.texts import chunks_of

__all__ = ["Expected", "Wanted", "expected"]

_SUFFIXES = {"document": ".docx", "spreadsheet": ".xlsx", "presentation": ".pptx"}
_LEFT_OUT = ("~$", ".DS_Store")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file, or a folder or shortcut.

    Attributes:
        path: None where it is reached by several shortcuts, and may lie below any of them.
        firm: False where listings and feeds may differ about it: the reader has it by a link, or by their domain.
        by_shortcut: It is reached by a shortcut alone.
        acl: As `core.access.Acl` writes itself; None where it depends on as whom it was reached.
        chunks: Of a file; None for a document of Google's own, which has `words`.
        reason: Why it is skipped, where it is.
    """

    truth: Truth
    path: str | None
    firm: bool
    by_shortcut: bool
    acl: Mapping[str, Any] | None
    chunks: tuple[str, ...] | None
    words: frozenset[str] = frozenset()
    reason: str = ""


@dataclass(slots=True)
class Expected:
    """By id. `folders` has shortcuts as well."""

    files: dict[str, Wanted] = field(default_factory=dict)
    folders: dict[str, Wanted] = field(default_factory=dict)


@dataclass(slots=True)
class _Reached:
    """An item in scope. `users` are those as whom it was reached, `leads` the shortcuts that lead to it."""

    users: set[str] = field(default_factory=set)
    leads: set[str] = field(default_factory=set)
    firm: bool = False
    is_home: bool = False


def expected(scope: Scope, snapshot: Snapshot, roots: Mapping[str, tuple[str, str]], texts: Mapping[str, str]) -> Expected:
    """What is to be held once everything was read.

    Args:
        roots: Ids of the outermost folders, each with the beginning of paths below it and as whom it is read. None for what is shared with
            somebody: then it is worked out.
        texts: What was written last, by id.
    """
    reach = _Reach(scope, snapshot, roots)
    found = Expected()
    for one, reached in reach.found.items():
        truth = snapshot.items[one]
        made = reach.wanted(truth, reached, texts)
        if truth.is_folder or truth.mime_type == SHORTCUT:
            found.folders[one] = made
        elif not shown(truth.names[-1]).startswith(_LEFT_OUT):
            found.files[one] = made
    return found


def shown(name: str) -> str:
    """A name in a path."""
    seen = name.replace("/", "\uff0f").replace("\x00", "\u2400")
    return {".": "\uff0e", "..": "\uff0e\uff0e", "": "(no name)"}.get(seen, seen)


class _Reach:
    """What is reached from the outermost folders: down through folders, and on by shortcuts."""

    def __init__(self, scope: Scope, snapshot: Snapshot, roots: Mapping[str, tuple[str, str]]) -> None:
        self._scope, self._world, self._roots = scope, snapshot, roots
        self._shared = not roots
        self.found: dict[str, _Reached] = {}
        self._paths: dict[str, str | None] = {}
        # Of shortcuts, where the way to them came in: the outermost folder, and folders that shortcuts led to.
        self._entries: dict[tuple[str, str], frozenset[str]] = {}
        if self._shared:
            for reader in scope.readers:
                for one in snapshot.tops(reader):
                    self._reach(one, reader, firm=True, home=True, entries=frozenset())
        for root, (_, user) in roots.items():
            for child in snapshot.children.get(root, ()):
                self._reach(child, user, firm=True, home=True, entries=frozenset({root}))
        self._follow()

    def _reach(self, one: str, user: str, *, firm: bool, home: bool, entries: frozenset[str], lead: str = "") -> bool:
        """Whether this is news."""
        truth, sight = self._world.items[one], self._world.sees(user, one)
        if truth.trashed or sight is None:
            return False
        here = self.found.setdefault(one, _Reached())
        firm = firm and sight != "link"
        before = (user in here.users, here.firm, here.is_home, len(here.leads), self._entries.get((one, user)))
        here.users.add(user)
        here.firm, here.is_home = here.firm or firm, here.is_home or home
        here.leads |= {lead} - {""}
        self._entries[one, user] = self._entries.get((one, user), entries) & entries if home else self._entries.get((one, user), entries)
        is_news = before != (True, here.firm, here.is_home, len(here.leads), self._entries[one, user])
        if is_news and truth.is_folder:
            for child in self._world.children.get(one, ()):
                self._reach(child, user, firm=firm, home=True, entries=self._entries[one, user])
        return is_news

    def _follow(self) -> None:
        is_news = True
        while is_news:
            is_news = sum(self._followed(one, user) for one, user in self._shortcuts()) > 0

    def _shortcuts(self) -> list[tuple[str, str]]:
        return [(one, user) for one, it in self.found.items() if self._world.items[one].mime_type == SHORTCUT for user in sorted(it.users)]

    def _followed(self, shortcut: str, user: str) -> bool:
        target = self._world.items[shortcut].target or ""
        there = self._world.items.get(target)
        if there is None or there.mime_type == SHORTCUT or target in self._roots:
            return False
        if target in self.found and self.found[target].is_home:
            return False
        entries = self._entries[shortcut, user]
        if there.is_folder and any(target in self._world.above(entry) for entry in entries):
            return False
        firm = self.found[shortcut].firm
        return self._reach(target, user, firm=firm, home=False, entries=entries | {target}, lead=shortcut)

    def wanted(self, truth: Truth, reached: _Reached, texts: Mapping[str, str]) -> Wanted:
        kind = next((kind for kind, mime in NATIVE.items() if mime == truth.mime_type), "")
        text = texts.get(truth.id, "")
        return Wanted(
            truth=truth, path=self._path(truth.id), firm=reached.firm, by_shortcut=self._is_by_shortcut(truth.id), acl=self._acl(truth, reached),
            chunks=None if kind else chunks_of(text), words=frozenset(text.split()) if kind else frozenset(),
            reason="no_export" if kind == "form" else "",
        )  # fmt: skip

    def _path(self, one: str) -> str | None:
        if one not in self._paths:
            self._paths[one] = None  # A ring of shortcuts ends here.
            self._paths[one] = self._path_of(one)
        return self._paths[one]

    def _path_of(self, one: str) -> str | None:
        truth = self._world.items[one]
        name = _name(truth)
        above = self._above(one)
        if above is None:
            prefix, _ = self._roots.get(truth.parent_id or "", ("", ""))
            return f"{prefix}/{name}" if prefix else name
        path = self._path(above) if above else None
        return f"{path}/{name}" if path is not None else None

    def _above(self, one: str) -> str | None:
        """What it lies in; None for the outermost folder, and empty where it may lie in several."""
        truth, reached = self._world.items[one], self.found[one]
        if truth.parent_id in self._roots or (self._shared and one in self._tops):
            return None
        if truth.parent_id in self.found:
            return truth.parent_id
        leads = sorted(reached.leads)
        return leads[0] if len(leads) == 1 else ""

    @cached_property
    def _tops(self) -> frozenset[str]:
        return frozenset(one for user in self._scope.readers for one in self._world.tops(user))

    def _is_by_shortcut(self, one: str) -> bool:
        seen: set[str] = set()
        here: str | None = one
        while here and here not in seen:
            seen.add(here)
            above = self._above(here)
            if above == "" or (above and self._world.items[above].mime_type == SHORTCUT):
                return True
            here = above
        return bool(here)

    def _acl(self, truth: Truth, reached: _Reached) -> Mapping[str, Any] | None:
        told = [self._world.acl_told(user, truth.id) for user in sorted(reached.users)]
        return told[0] if all(each == told[0] for each in told) else None


def _name(truth: Truth) -> str:
    kind = next((kind for kind, mime in NATIVE.items() if mime == truth.mime_type), "")
    suffix, name = _SUFFIXES.get(kind, ""), truth.names[-1]
    return shown(name if name.lower().endswith(suffix) else name + suffix)
