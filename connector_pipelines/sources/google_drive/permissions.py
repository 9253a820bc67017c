"""What Drive's permissions say of who may see an item. Pure: `access` asks for what is not told with an item.

Facts are of the schemas `Permission` and `File` (https://www.googleapis.com/discovery/v1/apis/drive/v3/rest, revision 20261106), of
"Roles and permissions" (https://developers.google.com/workspace/drive/api/guides/ref-roles) and of "Manage folders with limited and
expansive access" (https://developers.google.com/workspace/drive/api/guides/limited-expansive-access), read 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from connector_pipelines.core.access import ANYONE, Acl

__all__ = ["FILE_FIELDS", "LIST_FIELDS", "acl_of", "below_changed", "only", "with_more"]

_FIELDS: Final = "type,role,emailAddress,domain,allowFileDiscovery,expirationTime,deleted,view"

FILE_FIELDS: Final = f"driveId,parents,hasAugmentedPermissions,inheritedPermissionsDisabled,permissions({_FIELDS})"
"""What `access` reads of a file: to be among the `fields` of every listing, feed and `files.get`."""

LIST_FIELDS: Final = f"nextPageToken,permissions({_FIELDS})"
"""`fields` of `permissions.list`."""

_READ: Final = frozenset({"owner", "organizer", "fileOrganizer", "writer", "commenter", "reader"})
"""Roles that read content: all there are, where the permission is of no view (ref-roles, "Operations for files and folders")."""

_NO_CONTENT: Final = frozenset({"metadata", "published"})
"""Views: `metadata` sees that a folder of limited access is there, `published` reads what was published and not the file (ref-roles, "Views")."""


def acl_of(permissions: Iterable[Mapping[str, Any]]) -> Acl:
    """Who may see an item with these permissions, which are all it has: resources as the API gives them.

    What cannot be understood gives nobody anything, and leaves the answer incomplete.
    """
    ends: dict[tuple[str, bool], str | None] = {}
    complete = True
    for permission in permissions:
        if permission.get("deleted") or permission.get("view") in _NO_CONTENT:
            continue
        who = _principal(permission)
        if who is None or permission.get("role") not in _READ or permission.get("view"):
            complete = False
            continue
        key = (who, _is_by_link(permission))
        end = _instant(permission.get("expirationTime"))
        ends[key] = end if key not in ends else _later(ends[key], end)
    return _acl(ends, complete=complete)


def only(user: str) -> Acl:
    """For an item whose permissions are refused to us: that `user`, an address, sees it is all that is certain."""
    return Acl(readers=frozenset({f"user:{user.lower()}"}), complete=False)


def with_more(certain: Acl, user: str) -> Acl:
    """For an item that has permissions of its own beside those of its folder, where its own are refused to us: they only add to them."""
    us = only(user).readers
    until = {who: end for who, end in certain.until.items() if who not in us}
    return Acl(readers=certain.readers | us, with_link=certain.with_link, until=until, complete=False)


def below_changed(before: Acl | None, now: Acl | None) -> bool:
    """Whether access is to be read again for what lies below a folder, or a shared drive, that had `before` and has `now`.

    No feed names what lies below (neither in My Drive nor in shared drives): its items are to be listed, and told with the versions
    they have.
    """
    return before != now


def _principal(permission: Mapping[str, Any]) -> str | None:
    kind = permission.get("type")
    if kind == "anyone":
        return ANYONE
    who = permission.get({"user": "emailAddress", "group": "emailAddress", "domain": "domain"}.get(kind or "", ""))
    return f"{kind}:{who.lower()}" if who else None


def _is_by_link(permission: Mapping[str, Any]) -> bool:
    # Only of domains and of anyone; where it is not said, the narrower of the two.
    return permission["type"] in ("domain", "anyone") and not permission.get("allowFileDiscovery")


def _instant(told: str | None) -> str | None:
    return datetime.fromisoformat(told).astimezone(UTC).isoformat() if told else None


def _later(one: str | None, other: str | None) -> str | None:
    # Both are in UTC; None is without end.
    return None if one is None or other is None else max(one, other, key=datetime.fromisoformat)


def _acl(ends: Mapping[tuple[str, bool], str | None], *, complete: bool) -> Acl:
    readers = frozenset(who for who, by_link in ends if not by_link)
    by_link = frozenset(who for who, is_by_link in ends if is_by_link and who not in readers)
    until = {who: end for (who, is_by_link), end in ends.items() if end and is_by_link == (who in by_link)}
    return Acl(readers=readers, with_link=by_link, until=until, complete=complete)
