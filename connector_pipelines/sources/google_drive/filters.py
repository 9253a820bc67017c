"""Which files an endpoint wants. Folders are never left out: what is wanted may lie in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from connector_pipelines.sources._globs import Scope
from connector_pipelines.sources.google_drive.config import Config

__all__ = ["Filter"]


class Filter:
    def __init__(self, config: Config) -> None:
        self._config = config
        self._names = Scope.of(config.names, config.exclude_names)
        self._types = frozenset(config.mime_types)
        self._extensions = tuple(f".{each}" for each in config.extensions)
        self._owners = frozenset(config.owners)

    def wants(self, item: dict[str, Any], modified_at: datetime | None, suffix: str = "") -> bool:
        """Whether the file is to be synced.

        Args:
            item: As Drive tells it.
            suffix: With the dot, of what a document of Google's own is exported as.
        """
        return (
            self._is_of_type(item.get("mimeType", ""))
            and self._is_named(item.get("name", ""), suffix)
            and self._is_owned(item)
            and self._is_of_time(modified_at)
        )

    def is_too_large(self, size: int | None) -> bool:
        limit = self._config.max_file_bytes
        return limit is not None and size is not None and size > limit

    def _is_of_type(self, mime_type: str) -> bool:
        known = mime_type.lower()
        return not self._types or known in self._types or f"{known.partition('/')[0]}/*" in self._types

    def _is_named(self, name: str, suffix: str) -> bool:
        # A slash in a name is none of the globs'.
        flat = name.replace("/", "\uff0f")
        if not self._names.includes(flat) or self._names.excludes(flat):
            return False
        return not self._extensions or f"{name}{suffix}".lower().endswith(self._extensions)

    def _is_owned(self, item: dict[str, Any]) -> bool:
        return not self._owners or any(str(each.get("emailAddress", "")).lower() in self._owners for each in item.get("owners", ()))

    def _is_of_time(self, modified_at: datetime | None) -> bool:
        first, last = self._config.modified_from, self._config.modified_to
        if first is None and last is None:
            return True
        if modified_at is None:
            return False
        day = modified_at.astimezone(UTC).date()
        return (first is None or first <= day) and (last is None or day <= last)
