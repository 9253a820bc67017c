"""What a place for objects must do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from connector_pipelines.store.blobs._spool import Spooled, SpoolFolder

__all__ = ["CHUNK_BYTES", "Backend", "Span"]

CHUNK_BYTES = 1024**2

Span = tuple[int, int]
"""Where bytes begin in an object, and how many they are."""


class Backend(Protocol):
    """Whole objects by key. Used by several threads at once; every fault is a `ConnectorError`.

    Attributes:
        name: What a person calls the place; no secret.
        spools: Where bytes wait before `write`.
        ask_from_bytes: From this size on it is cheaper to ask whether an object is there than to write it again.
    """

    name: str
    spools: SpoolFolder
    ask_from_bytes: int

    def prepare(self) -> None:
        """Make the place, as far as it is not there yet."""
        ...

    def size(self, key: str) -> int | None:
        """Bytes, or None where there is no such object."""
        ...

    def write(self, key: str, content: Spooled) -> None:
        """Make the object appear, whole and durable, in one moment. May take `content`'s file for its own."""
        ...

    def open(self, key: str) -> AbstractContextManager[Iterator[bytes]]: ...

    def local_copy(self, key: str) -> AbstractContextManager[Path]: ...

    def read(self, key: str, spans: Sequence[Span]) -> list[bytes]:
        """The bytes of each span, fewer where the object ends before it. Raises `NotFound` where there is no such object."""
        ...

    def delete(self, keys: Sequence[str]) -> None: ...

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys below `prefix`, which ends in a slash; in no order."""
        ...

    def link(self, key: str, expires: timedelta, filename: str | None) -> str: ...
