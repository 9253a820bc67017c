"""A file, folder or shortcut as Drive tells it (schema `File`), as what is said of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from connector_pipelines.core.access import Acl
from connector_pipelines.core.types import Checksum, FileRef, Folder, Skipped, Upserted
from connector_pipelines.sources._media_types import media_type_of
from connector_pipelines.sources.google_drive.calls import FOLDER, SHORTCUT
from connector_pipelines.sources.google_drive.config import Config
from connector_pipelines.sources.google_drive.filters import Filter
from connector_pipelines.sources.google_drive.formats import NATIVE, Format, format_of
from connector_pipelines.sources.google_drive.locator import Locator
from connector_pipelines.sources.google_drive.names import name_of
from connector_pipelines.sources.google_drive.tree import joined

__all__ = ["Maker", "folder_of", "is_closed", "is_folder", "is_node", "is_shortcut", "target_of"]

Json = dict[str, Any]

_TYPELESS: Final = "application/octet-stream"


class Maker:
    """Says what a file is, by the settings."""

    def __init__(self, config: Config) -> None:
        self._config, self._filter = config, Filter(config)

    def change(self, item: Json, folder: Folder, acl: Acl | None, user: str | None) -> Upserted | Skipped | None:
        """What is to be told of a file that lies in `folder`; None where a filter leaves it out."""
        mime_type = item.get("mimeType") or _TYPELESS
        export = format_of(mime_type, self._config.exports) if mime_type.startswith(NATIVE) else None
        is_native = isinstance(export, Format)
        modified_at = _instant(item.get("modifiedTime"))
        if not self._filter.wants(item, modified_at, export.suffix if isinstance(export, Format) else ""):
            return None
        name = name_of(export.name(item.get("name", "")) if isinstance(export, Format) else item.get("name", ""))
        path = joined(folder.path, name)
        if isinstance(export, str):
            return Skipped(item["id"], path, export, folder.id)
        size = None if is_native else _number(item.get("size"))
        if self._filter.is_too_large(size):
            return Skipped(item["id"], path, "too_large", folder.id)
        return Upserted(
            FileRef(
                id=item["id"],
                path=path,
                version=_native_version(item, export) if export is not None else _version(item),
                media_type=_media_type(export.media_type if export is not None else mime_type, name),
                size=size,
                modified_at=modified_at,
                created_at=_instant(item.get("createdTime")),
                url=item.get("webViewLink"),
                checksum=None if is_native else _checksum(item),
                parent=folder.id,
                locator=_locator(item, export, user).written(),
                acl=acl,
            )
        )


def folder_of(item: Json, above: Folder, acl: Acl | None) -> Folder:
    """A folder or a shortcut that lies in `above`: what a shortcut leads to lies in it, where that lies nowhere else."""
    return Folder(item["id"], above.id, joined(above.path, name_of(item.get("name", ""))), target_of(item), acl)


def is_closed(item: Json) -> bool:
    """Whether it is a folder of which we see the name, and not what lies in it: one of limited access."""
    return is_folder(item) and (item.get("capabilities") or {}).get("canListChildren") is False


def is_folder(item: Json) -> bool:
    return item.get("mimeType") == FOLDER


def is_shortcut(item: Json) -> bool:
    return item.get("mimeType") == SHORTCUT


def is_node(item: Json) -> bool:
    """Whether something may lie in it."""
    return is_folder(item) or is_shortcut(item)


def target_of(item: Json) -> str | None:
    """Id of what a shortcut leads to. Its type is not asked: what is told of that is of when the shortcut was made."""
    return (item.get("shortcutDetails") or {}).get("targetId") if is_shortcut(item) else None


def _version(item: Json) -> str:
    """Of bytes.

    A hash that nobody can forge comes first: bytes uploaded once more are the same version, and are not fetched again. A revision differs
    with every upload. MD5 alone would let two files pass for one. `version` rises with every rename and share, so it is none.
    """
    if found := item.get("sha256Checksum"):
        return f"sha256:{found}"
    if found := item.get("headRevisionId"):
        return f"revision:{found}"
    return f"{item.get('md5Checksum', '')}-{item.get('size', '')}-{item.get('modifiedTime', '')}"


def _native_version(item: Json, export: Format) -> str:
    # It has neither hash nor revision. A format chosen anew is other bytes.
    return f"{item.get('modifiedTime', '')} {export.media_type}"


def _media_type(told: str, name: str) -> str:
    # What an uploader did not know is in Drive as bytes; the name may tell more.
    known = told.partition(";")[0].strip().lower()
    return media_type_of(name) if known == _TYPELESS or known.count("/") != 1 else known


def _checksum(item: Json) -> Checksum | None:
    for algorithm in ("sha256", "sha1", "md5"):
        if found := item.get(f"{algorithm}Checksum"):
            return Checksum(algorithm, found.lower())
    return None


def _locator(item: Json, export: Format | None, user: str | None) -> Locator:
    return Locator(
        user=user,
        export=export.media_type if export is not None else None,
        revision=item.get("headRevisionId"),
        resource_key=item.get("resourceKey"),
    )


def _instant(told: str | None) -> datetime | None:
    return datetime.fromisoformat(told) if told else None


def _number(told: str | None) -> int | None:
    # A 64-bit number is told as text.
    return int(told) if told is not None else None
