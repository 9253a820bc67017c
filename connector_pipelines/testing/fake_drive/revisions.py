"""Revisions as the API shows them (schema `Revision`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from connector_pipelines.testing.fake_drive.content import Revision
from connector_pipelines.testing.fake_drive.errors import DriveError
from connector_pipelines.testing.fake_drive.items import Item
from connector_pipelines.testing.fake_drive.permissions import user_json
from connector_pipelines.testing.fake_drive.stamps import stamp
from connector_pipelines.testing.fake_drive.viewer import Viewer

__all__ = ["revision_json", "revision_of"]


def revision_json(viewer: Viewer, item: Item, revision: Revision) -> dict[str, Any]:
    return {
        "kind": "drive#revision",
        "id": revision.id,
        "mimeType": item.mime_type,
        "modifiedTime": stamp(revision.modified_at),
        "keepForever": False,
        "published": False,
        "lastModifyingUser": user_json(viewer.state, revision.author, viewer.email),
        "originalFilename": item.name,
        "md5Checksum": revision.checksum("md5"),
        "size": str(revision.size),
    }


def revision_of(revisions: Iterable[Revision], revision_id: str) -> Revision:
    """Raises `DriveError`: 404."""
    for revision in revisions:
        if revision.id == revision_id:
            return revision
    raise DriveError(404, "notFound", f"Revision not found: {revision_id}.", location="revisionId")
