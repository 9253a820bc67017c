"""What a role may do with an item, as the API spells it out (schema `File.capabilities`)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from connector_pipelines.testing.fake_drive.items import RANKS

__all__ = ["drive_capabilities", "file_capabilities"]

_ON_FILES: Final = {
    "canComment": "commenter",
    "canEdit": "writer",
    "canModifyContent": "writer",
    "canReadRevisions": "writer",
    "canRename": "writer",
    "canShare": "writer",
    "canModifyLabels": "writer",
    "canModifyContentRestriction": "writer",
    "canTrash": "fileOrganizer",
    "canUntrash": "fileOrganizer",
    "canMoveItemWithinDrive": "fileOrganizer",
    "canMoveItemOutOfDrive": "organizer",
    "canDelete": "organizer",
    "canChangeCopyRequiresWriterPermission": "organizer",
    "canReadLabels": "reader",
}
_ON_FOLDERS: Final = {
    "canListChildren": "reader",
    "canAddChildren": "writer",
    "canRemoveChildren": "writer",
    "canDisableInheritedPermissions": "organizer",
    "canEnableInheritedPermissions": "organizer",
}
_ON_FOLDERS_OF_DRIVES: Final = {
    "canTrashChildren": "fileOrganizer",
    "canDeleteChildren": "organizer",
    "canMoveChildrenWithinDrive": "fileOrganizer",
    "canMoveChildrenOutOfDrive": "organizer",
    "canAddFolderFromAnotherDrive": "organizer",
}
_ON_DRIVES: Final = {
    "canListChildren": "reader",
    "canDownload": "reader",
    "canCopy": "reader",
    "canComment": "commenter",
    "canAddChildren": "writer",
    "canEdit": "writer",
    "canReadRevisions": "writer",
    "canRename": "writer",
    "canShare": "fileOrganizer",
    "canTrashChildren": "fileOrganizer",
    "canManageMembers": "organizer",
    "canRenameDrive": "organizer",
    "canDeleteDrive": "organizer",
    "canDeleteChildren": "organizer",
    "canChangeCopyRequiresWriterPermissionRestriction": "organizer",
    "canChangeDomainUsersOnlyRestriction": "organizer",
    "canChangeDriveBackground": "organizer",
    "canChangeDriveMembersOnlyRestriction": "organizer",
}


@lru_cache(maxsize=256)
def file_capabilities(role: str, *, is_folder: bool, in_drive: bool, can_download: bool) -> dict[str, bool]:
    """One object for all that are alike: not to be changed."""
    needed = _ON_FILES | _ON_FOLDERS | _ON_FOLDERS_OF_DRIVES if is_folder and in_drive else _ON_FILES | (_ON_FOLDERS if is_folder else {})
    told = _told(role, needed) | {"canDownload": can_download, "canCopy": can_download and not is_folder, "canAddMyDriveParent": False}
    told.setdefault("canListChildren", False)
    told.setdefault("canAddChildren", False)
    told.setdefault("canRemoveChildren", False)
    if in_drive:
        told["canReadDrive"] = RANKS[role] >= RANKS["reader"]
    return told


@lru_cache(maxsize=16)
def drive_capabilities(role: str) -> dict[str, bool]:
    """Of a shared drive itself."""
    return _told(role, _ON_DRIVES)


def _told(role: str, needed: dict[str, str]) -> dict[str, bool]:
    return {name: RANKS[role] >= RANKS[least] for name, least in needed.items()}
