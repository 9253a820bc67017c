"""A file as the API shows it to one user (schema `File`): of its fields, those asked for and no others."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from connector_pipelines.testing.fake_drive.capabilities import file_capabilities
from connector_pipelines.testing.fake_drive.items import FOLDER, Item
from connector_pipelines.testing.fake_drive.masks import Mask, cut, invalid
from connector_pipelines.testing.fake_drive.native import EXPORTS
from connector_pipelines.testing.fake_drive.permissions import PERMISSION_FIELDS, USER_FIELDS, live_permissions, user_json
from connector_pipelines.testing.fake_drive.stamps import stamp
from connector_pipelines.testing.fake_drive.viewer import Viewer

__all__ = ["DEFAULT_FILE", "FILE_FIELDS", "check_file_mask", "file_json"]

DEFAULT_FILE: Final[Mask] = {
    "kind": None,
    "id": None,
    "name": None,
    "mimeType": None,
    "resourceKey": None,
    "driveId": None,
    "teamDriveId": None,
}

Field = Callable[[Viewer, Item], Any]

_SITE: Final = "https://drive.google.com"
# Fields of the schema that nothing here has: naming them is no mistake.
_ABSENT: Final = frozenset(
    [
        "appProperties",
        "clientEncryptionDetails",
        "contentHints",
        "contentRestrictions",
        "folderColorRgb",
        "imageMediaMetadata",
        "labelInfo",
        "modifiedByMeTime",
        "properties",
        "thumbnailLink",
        "videoMediaMetadata",
        "viewedByMeTime",
    ]
)

_INNER: Final = {
    "permissions": PERMISSION_FIELDS, "owners": USER_FIELDS, "lastModifyingUser": USER_FIELDS, "sharingUser": USER_FIELDS,
    "trashingUser": USER_FIELDS, "shortcutDetails": frozenset({"targetId", "targetMimeType", "targetResourceKey"}),
}  # fmt: skip


def file_json(viewer: Viewer, item: Item, mask: Mask) -> dict[str, Any]:
    """Raises `DriveError`: 400: the mask names what no file has."""
    told: dict[str, Any] = {}
    for name, field, inner in _plan(_Known(mask)):
        value = field(viewer, item)
        if value is not None:
            told[name] = value if inner is None else cut(value, inner)
    return told


def check_file_mask(mask: Mask) -> None:
    """Raises `DriveError`: 400, as `file_json` does, where there may be no file to show."""
    _plan(_Known(mask))


class _Known:
    """A mask to remember a plan by; masks come from a cache, and are the same object for the same text."""

    __slots__ = ("mask",)

    def __init__(self, mask: Mask) -> None:
        self.mask = mask

    def __hash__(self) -> int:
        return id(self.mask)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and other.mask is self.mask


@lru_cache(maxsize=512)
def _plan(known: _Known) -> tuple[tuple[str, Field, Mask | None], ...]:
    mask = known.mask
    if "*" in mask:
        return tuple((name, field, None) for name, field in _FIELDS.items())
    for name in mask:
        if name not in FILE_FIELDS:
            raise invalid(name)
        for inner in mask[name] or ():
            if name in _INNER and inner not in _INNER[name] and inner != "*":
                raise invalid(f"{name}/{inner}")
    return tuple((name, field, mask[name]) for name, field in _FIELDS.items() if name in mask)


def _parents(viewer: Viewer, item: Item) -> list[str] | None:
    return [item.parent.id] if item.parent is not None and viewer.sees_parent(item) else None


def _user(viewer: Viewer, email: str) -> dict[str, Any] | None:
    return user_json(viewer.state, email, viewer.email) if email else None


def _web_view(_: Viewer, item: Item) -> str:
    if item.mime_type == FOLDER:
        return f"{_SITE}/drive/folders/{item.id}"
    native = item.extras.native
    if native is None:
        return f"{_SITE}/file/d/{item.id}/view?usp=drivesdk"
    plural = {"document": "document", "spreadsheet": "spreadsheets", "presentation": "presentation", "drawing": "drawings"}
    return f"https://docs.google.com/{plural.get(native.kind, native.kind)}/d/{item.id}/edit?usp=drivesdk"


def _is_shared(viewer: Viewer, item: Item) -> bool | None:
    return None if item.drive else len(viewer.held(item)) > 1


def _shared_at(viewer: Viewer, item: Item) -> str | None:
    if not viewer.is_shared_with_me(item) or item.grants is None:
        return None
    return stamp(item.grants[viewer.permission_id].given_at)


def _sharer(viewer: Viewer, item: Item) -> dict[str, Any] | None:
    if not viewer.is_shared_with_me(item) or item.grants is None:
        return None
    return _user(viewer, item.grants[viewer.permission_id].given_by)


def _permissions(viewer: Viewer, item: Item) -> list[dict[str, Any]] | None:
    return live_permissions(viewer, item) if item.drive is None and viewer.can_share(item) else None


def _permission_ids(viewer: Viewer, item: Item) -> list[str] | None:
    if item.drive is None and not viewer.can_share(item):
        return None
    return sorted(key for key, each in viewer.held(item).items() if each.grant.expires_at is None or each.grant.expires_at > viewer.now)


def _capabilities(viewer: Viewer, item: Item) -> dict[str, bool]:
    role = viewer.role(item)
    can_download = viewer.state.can_download(item, role)
    return file_capabilities(role, is_folder=item.children is not None, in_drive=item.drive is not None, can_download=can_download)


def _suffix(item: Item) -> str | None:
    return item.name.rpartition(".")[2] if item.head and "." in item.name else None


def _restrictions(_: Viewer, item: Item) -> dict[str, Any]:
    extras = item.extras
    writers = not extras.downloadable
    told = {"restrictedForReaders": writers or extras.copy_requires_writer, "restrictedForWriters": writers}
    return {"itemDownloadRestriction": told, "effectiveDownloadRestrictionWithContext": told}


def _shortcut(_: Viewer, item: Item) -> dict[str, str] | None:
    if item.extras.shortcut is None:
        return None
    target_id, mime_type, key = item.extras.shortcut
    return {"targetId": target_id, "targetMimeType": mime_type} | ({"targetResourceKey": key} if key else {})


def _size(_: Viewer, item: Item) -> str | None:
    if item.extras.native:
        # It has one, and not that of any export.
        return str(1024 + len("".join(item.extras.native.blocks)))
    return str(item.head.size) if item.head else None


def _export_links(_: Viewer, item: Item) -> dict[str, str] | None:
    if not (formats := EXPORTS.get(item.mime_type)):
        return None
    return {each: f"https://docs.google.com/export?id={item.id}&mimeType={each}" for each in formats}


def _link_share(_: Viewer, item: Item) -> dict[str, bool]:
    keyed = item.extras.resource_key is not None
    return {"securityUpdateEligible": keyed, "securityUpdateEnabled": keyed}


def _drive_id(_: Viewer, item: Item) -> str | None:
    return item.drive.id if item.drive else None


def _of_head(algorithm: str) -> Field:
    return lambda _, item: item.head.checksum(algorithm) if item.head else None


_FIELDS: Final[dict[str, Field]] = {
    "kind": lambda _, __: "drive#file",
    "id": lambda _, item: item.id,
    "name": lambda _, item: item.name,
    "mimeType": lambda _, item: item.mime_type,
    "description": lambda _, item: item.extras.description,
    "starred": lambda _, __: False,
    "trashed": lambda viewer, item: viewer.state.access.is_trashed(item),
    "explicitlyTrashed": lambda _, item: item.trashed_at is not None,
    "trashedTime": lambda _, item: stamp(item.trashed_at) if item.drive and item.trashed_at is not None else None,
    "trashingUser": lambda viewer, item: _user(viewer, item.trashed_by) if item.drive and item.trashed_at is not None else None,
    "parents": _parents,
    "version": lambda _, item: str(item.version),
    "webContentLink": lambda _, item: f"{_SITE}/uc?id={item.id}&export=download" if item.head else None,
    "webViewLink": _web_view,
    "iconLink": lambda _, item: f"https://drive-thirdparty.googleusercontent.com/16/type/{item.mime_type}",
    "hasThumbnail": lambda _, __: False,
    "thumbnailVersion": lambda _, __: "0",
    "viewedByMe": lambda _, __: False,
    "createdTime": lambda _, item: stamp(item.created_at),
    "modifiedTime": lambda _, item: stamp(item.modified_at),
    "modifiedByMe": lambda viewer, item: item.modified_by == viewer.email,
    "sharedWithMeTime": _shared_at,
    "sharingUser": _sharer,
    "owners": lambda viewer, item: [_user(viewer, item.owner)] if item.owner else None,
    "driveId": _drive_id,
    "teamDriveId": _drive_id,
    "lastModifyingUser": lambda viewer, item: _user(viewer, item.modified_by),
    "shared": _is_shared,
    "ownedByMe": lambda viewer, item: None if item.drive else item.owner == viewer.email,
    "capabilities": _capabilities,
    "viewersCanCopyContent": lambda _, item: not item.extras.copy_requires_writer,
    "copyRequiresWriterPermission": lambda _, item: item.extras.copy_requires_writer,
    "downloadRestrictions": _restrictions,
    "writersCanShare": lambda _, item: None if item.drive else True,
    "permissions": _permissions,
    "permissionIds": _permission_ids,
    "hasAugmentedPermissions": lambda _, item: bool(item.grants) if item.drive else None,
    "inheritedPermissionsDisabled": lambda _, item: item.extras.limited if item.children is not None else None,
    "originalFilename": lambda _, item: item.name if item.head else None,
    "fullFileExtension": lambda _, item: _suffix(item),
    "fileExtension": lambda _, item: _suffix(item),
    "md5Checksum": _of_head("md5"),
    "sha1Checksum": _of_head("sha1"),
    "sha256Checksum": _of_head("sha256"),
    "size": _size,
    "quotaBytesUsed": lambda _, item: str(item.head.size) if item.head else "0",
    "headRevisionId": lambda _, item: item.head.id if item.head else None,
    "isAppAuthorized": lambda _, __: True,
    "exportLinks": _export_links,
    "shortcutDetails": _shortcut,
    "resourceKey": lambda _, item: item.extras.resource_key,
    "linkShareMetadata": _link_share,
    "spaces": lambda _, __: ["drive"],
}

FILE_FIELDS: Final = _FIELDS.keys() | _ABSENT
