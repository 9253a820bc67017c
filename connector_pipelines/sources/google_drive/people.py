"""As whom we look: the account itself, or each of the users it acts for."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from connector_pipelines.core.access import Acl
from connector_pipelines.core.protocols import Folders
from connector_pipelines.sources.google_drive import calls
from connector_pipelines.sources.google_drive.access import Access
from connector_pipelines.sources.google_drive.client import Drive, Drives

__all__ = ["People", "Seen", "View", "Views"]


class Seen(Protocol):
    """Who may see items: as `access.Access`, or nothing at all where that is not asked for."""

    def tops(self, ids: Collection[str], /) -> Mapping[str, Acl | None]: ...

    def of(self, items: Sequence[dict[str, Any]], /) -> Mapping[str, Acl | None]: ...


@dataclass(frozen=True, slots=True)
class View:
    """Drive as one user sees it, in one call.

    Attributes:
        user: As the settings name them; None for the account itself.
        address: Who that is.
    """

    user: str | None
    address: str
    drive: Drive
    access: Seen


class People:
    """Whose addresses are known. Used by several threads at once."""

    def __init__(self, drives: Drives) -> None:
        self.drives = drives
        self._lock = threading.Lock()
        self.asked: str | None = None
        """Address of whoever the sign-in is, where that was asked for; the endpoint's cursor keeps it."""

    def address(self, user: str | None) -> str:
        """Who `user` is; whoever the sign-in is, is asked for once."""
        if user is not None:
            return user
        with self._lock:
            if self.asked is None:
                self.asked = calls.about_me(self.drives.of(None))
            return self.asked

    def remember(self, me: str | None) -> None:
        """Who the sign-in was when it was asked for before."""
        with self._lock:
            self.asked = self.asked or me


class Views:
    """Those of one call.

    Args:
        folders: Recorded ones that access is read from; nothing, for a snapshot.
        with_access: Whether it matters who may see what.
    """

    def __init__(self, people: People, folders: Folders, *, with_access: bool = True) -> None:
        self._people, self._folders, self._with_access = people, folders, with_access
        self._views: dict[str | None, View] = {}

    def of(self, user: str | None) -> View:
        """Raises `ConnectorError` where we cannot sign in as them."""
        if user not in self._views:
            drive, address = self._people.drives.of(user), self._people.address(user)
            access: Seen = Access(drive, address, self._folders) if self._with_access else _Everyone()
            self._views[user] = View(user, address, drive, access)
        return self._views[user]


class _Everyone:
    def tops(self, ids: Collection[str], /) -> Mapping[str, Acl | None]:
        return dict.fromkeys(ids)

    def of(self, items: Sequence[dict[str, Any]], /) -> Mapping[str, Acl | None]:
        return dict.fromkeys(item["id"] for item in items)
