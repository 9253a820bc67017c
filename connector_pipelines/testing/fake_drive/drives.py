"""Shared drives, and the account itself: drives.list, drives.get, about.get."""

from __future__ import annotations

from typing import Any, Final

from connector_pipelines.testing.fake_api.messages import Answer
from connector_pipelines.testing.fake_drive.capabilities import drive_capabilities
from connector_pipelines.testing.fake_drive.errors import DriveError, bad_parameter, drive_not_found
from connector_pipelines.testing.fake_drive.items import SharedDrive
from connector_pipelines.testing.fake_drive.masks import EVERYTHING, Mask, below, cut, wants
from connector_pipelines.testing.fake_drive.native import EXPORTS
from connector_pipelines.testing.fake_drive.page_tokens import seal, unseal
from connector_pipelines.testing.fake_drive.permissions import user_json
from connector_pipelines.testing.fake_drive.question import Question, refuse_without
from connector_pipelines.testing.fake_drive.stamps import stamp
from connector_pipelines.testing.fake_drive.viewer import Viewer

__all__ = ["ABOUT_FIELDS", "DRIVE_FIELDS", "about", "drive_json", "get_drive", "list_drives"]

_LISTED: Final = frozenset({"kind", "nextPageToken", "drives"})
DRIVE_FIELDS: Final = frozenset(
    [
        "backgroundImageFile",
        "backgroundImageLink",
        "capabilities",
        "colorRgb",
        "createdTime",
        "hidden",
        "id",
        "kind",
        "name",
        "orgUnitId",
        "restrictions",
        "themeId",
    ]
)
_DEFAULT_DRIVE: Final[Mask] = {"kind": None, "id": None, "name": None}
_DEFAULT: Final[Mask] = {"kind": None, "nextPageToken": None, "drives": _DEFAULT_DRIVE}
ABOUT_FIELDS: Final = frozenset(
    [
        "kind",
        "user",
        "storageQuota",
        "exportFormats",
        "importFormats",
        "maxImportSizes",
        "maxUploadSize",
        "appInstalled",
        "canCreateDrives",
        "canCreateTeamDrives",
        "folderColorPalette",
        "driveThemes",
        "teamDriveThemes",
    ]
)


def drive_json(viewer: Viewer, drive: SharedDrive) -> dict[str, Any]:
    root = viewer.state.items[drive.id]
    role = viewer.state.access.role(viewer.email, root) or "reader"
    return {
        "kind": "drive#drive",
        "id": drive.id,
        "name": drive.name,
        "colorRgb": "#06684e",
        "createdTime": stamp(drive.created_at),
        "hidden": drive.hidden,
        "capabilities": drive_capabilities(role),
        "restrictions": {
            "copyRequiresWriterPermission": False, "domainUsersOnly": False, "driveMembersOnly": False,
            "adminManagedRestrictions": False, "sharingFoldersRequiresOrganizerPermission": False,
        },
    }  # fmt: skip


def list_drives(question: Question) -> Answer:
    """Pages of 10, at most 100. `q` knows ``name = '…'`` and ``name contains '…'`` and no more."""
    mask = question.mask(_DEFAULT, _LISTED)
    size = question.page_size(10, 100)
    drives = _found(question, _chosen(question))
    place = unseal("drives", question.text("pageToken"))[0] if question.text("pageToken") else 0
    following = seal("drives", place + size) if place + size < len(drives) else None
    inner = below(mask, "drives") if "*" not in mask else EVERYTHING
    told = {
        "kind": "drive#driveList",
        "nextPageToken": following,
        "drives": [cut(drive_json(question.viewer, drive), inner) for drive in drives[place : place + size]],
    }
    return question.chosen(told, mask)


def get_drive(question: Question, drive_id: str) -> Answer:
    mask = question.mask(_DEFAULT_DRIVE, DRIVE_FIELDS)
    drive = question.state.drives.get(drive_id)
    if drive is None or drive not in _chosen(question):
        raise drive_not_found(drive_id)
    return question.answer(cut(drive_json(question.viewer, drive), mask))


def about(question: Question) -> Answer:
    """The parameter `fields` is required."""
    refuse_without(question, "fields")
    mask = question.mask(EVERYTHING, ABOUT_FIELDS)
    used = (
        sum(item.head.size for item in question.state.of_owner.get(question.email, {}).values() if item.head)
        if wants(mask, "storageQuota")
        else 0
    )
    told = {
        "kind": "drive#about",
        "user": user_json(question.state, question.email, question.email),
        "storageQuota": {"limit": str(15 * 1024**3), "usage": str(used), "usageInDrive": str(used), "usageInDriveTrash": "0"},
        "exportFormats": {source: list(targets) for source, targets in EXPORTS.items()},
        "importFormats": {"text/plain": ["application/vnd.google-apps.document"]},
        "maxImportSizes": {"application/vnd.google-apps.document": "10485760"},
        "maxUploadSize": "5242880000000",
        "appInstalled": False,
        "canCreateDrives": True,
        "canCreateTeamDrives": True,
        "folderColorPalette": ["#ac725e"],
    }
    return question.answer(cut(told, mask))


def _chosen(question: Question) -> list[SharedDrive]:
    state = question.state
    if not question.flag("useDomainAdminAccess"):
        return [drive for drive in state.drives.values() if state.is_member(question.email, drive)]
    if not state.users[question.email].admin:
        message = "The user does not have administrator privileges for this domain."
        raise DriveError(403, "insufficientPermissions", message, location="useDomainAdminAccess")
    return list(state.drives.values())


def _found(question: Question, drives: list[SharedDrive]) -> list[SharedDrive]:
    query = question.text("q").strip()
    if not query:
        return drives
    name, _, value = query.partition("'")
    value = value.removesuffix("'").replace("\\'", "'")
    if name.split() == ["name", "="]:
        return [drive for drive in drives if drive.name == value]
    if name.split() == ["name", "contains"]:
        return [drive for drive in drives if value.lower() in drive.name.lower()]
    raise bad_parameter("q")
