"""Users and permissions as the API shows them (schemas `User` and `Permission`)."""

from __future__ import annotations

from typing import Any, Final

from connector_pipelines.testing.fake_drive.items import Held, Item, permission_id
from connector_pipelines.testing.fake_drive.stamps import stamp
from connector_pipelines.testing.fake_drive.state import State
from connector_pipelines.testing.fake_drive.viewer import Viewer

__all__ = ["PERMISSION_FIELDS", "USER_FIELDS", "live_permissions", "permission_json", "user_json"]

USER_FIELDS: Final = frozenset({"displayName", "emailAddress", "kind", "me", "permissionId", "photoLink"})
PERMISSION_FIELDS: Final = frozenset(
    {
        "allowFileDiscovery", "deleted", "displayName", "domain", "emailAddress", "expirationTime", "id", "inheritedPermissionsDisabled", "kind",
        "pendingOwner", "permissionDetails", "photoLink", "role", "teamDrivePermissionDetails", "type", "view",
    }
)  # fmt: skip


def user_json(state: State, email: str, me: str) -> dict[str, Any]:
    user = state.users.get(email)
    return {
        "kind": "drive#user",
        "displayName": user.name if user else email.partition("@")[0].title(),
        "me": email == me,
        "permissionId": permission_id("user", email),
        "emailAddress": email,
    }


def live_permissions(viewer: Viewer, item: Item) -> list[dict[str, Any]]:
    """Those in effect, strangers to the order they were given in. Of a limited folder, those that see its name are among them."""
    held = viewer.held(item).items()
    return [
        permission_json(viewer, item, each)
        for _, each in sorted(held)
        if each.grant.expires_at is None or each.grant.expires_at > viewer.now
    ]


def permission_json(viewer: Viewer, item: Item, held: Held) -> dict[str, Any]:
    grant = held.grant
    told: dict[str, Any] = {"kind": "drive#permission", "id": grant.id, "type": grant.type, "role": held.role}
    told |= _grantee(viewer.state, held)
    if grant.expires_at is not None:
        told["expirationTime"] = stamp(grant.expires_at)
    if held.metadata_only:
        told["view"] = "metadata"
    if item.children is not None and item.extras.limited:
        told["inheritedPermissionsDisabled"] = True
    told["permissionDetails"] = details = [_detail(item, *each) for each in held.details]
    if item.drive is not None:
        told["teamDrivePermissionDetails"] = [
            {("teamDrivePermissionType" if name == "permissionType" else name): value for name, value in each.items()} for each in details
        ]
    if grant.type == "user":
        told["pendingOwner"] = False
    return told


def _grantee(state: State, held: Held) -> dict[str, Any]:
    grant = held.grant
    if grant.type == "domain":
        return {"displayName": grant.who, "domain": grant.who, "allowFileDiscovery": grant.allow_file_discovery}
    if grant.type == "anyone":
        return {"allowFileDiscovery": grant.allow_file_discovery}
    user = state.users.get(grant.who)
    name = user.name if user else grant.who.partition("@")[0].title()
    return {"displayName": name, "emailAddress": grant.who, "deleted": grant.who in state.gone}


def _detail(item: Item, role: str, source: str | None, member: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"permissionType": "member" if member else "file", "role": role, "inherited": source is not None}
    if source is not None and item.drive is not None:
        told["inheritedFrom"] = source
    return told
