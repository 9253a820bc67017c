"""What the source suite asks of the other side, and how it reads a source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from connector_pipelines.core.protocols import Source
from connector_pipelines.core.types import START, Below, ChangePage, Cursor, Deleted, FileRef, Skipped, Upserted

__all__ = ["DatedWorld", "FolderedWorld", "Reading", "RefusingWorld", "World", "content", "mirrored", "read"]


class World(Protocol):
    """The other side, reached without going through the source under test. It begins empty."""

    def put(self, name: str, body: bytes) -> str:
        """Make the file directly in what is synced, or give the one of this name these bytes; its id.

        Where a writer may set the modification time, it is the same at every call, so that time alone tells no versions apart.
        """
        ...

    def remove(self, file_id: str) -> None: ...

    def rename(self, file_id: str, name: str) -> str:
        """Give the file another name and leave its bytes alone; its id from now on."""
        ...

    def forget_cursors(self) -> None:
        """Make every cursor given out so far worthless. Where there is no feed there is nothing to do."""
        ...

    def vanish(self) -> None:
        """Take away what is synced as a whole: the folder, the drive, the account's right to see it."""
        ...


class DatedWorld(World, Protocol):
    """A world where the source time of a file can be chosen; for `WindowsContract`."""

    def put_at(self, name: str, body: bytes, at: datetime) -> str:
        """As `put`, with this source time; aware, UTC."""
        ...


class FolderedWorld(World, Protocol):
    """A world whose source names its folders; for `FoldersContract`. `put` makes files that lie in none of those made here."""

    def make_folder(self, name: str, parent: str | None = None) -> str:
        """Make a folder, in `parent` or directly in what is synced; its id."""
        ...

    def put_in(self, folder_id: str, name: str, body: bytes) -> str:
        """Make a file in the folder; its id."""
        ...

    def rename_folder(self, folder_id: str, name: str) -> None: ...

    def move(self, item_id: str, folder_id: str) -> None:
        """Put the file or folder into that folder; it keeps id, name and bytes."""
        ...

    def remove_folder(self, folder_id: str) -> None:
        """Take away the folder and all that lies below."""
        ...


class RefusingWorld(World, Protocol):
    """A world that can refuse one file; for `RefusalContract`."""

    def refuse(self, file_id: str) -> None:
        """From now on the file is listed, and its bytes are refused to the source's account."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """All pages of one call of `changes`."""

    pages: tuple[ChangePage, ...]

    @property
    def is_snapshot(self) -> bool:
        return self.pages[-1].snapshot

    @property
    def cursor(self) -> Cursor:
        cursor = self.pages[-1].cursor
        assert cursor is not None, "the last page of a call has a cursor"
        return cursor

    @property
    def named(self) -> list[FileRef]:
        return [change.ref for page in self.pages for change in page.changes if isinstance(change, Upserted)]

    @property
    def refs(self) -> dict[str, FileRef]:
        return {ref.id: ref for ref in self.named}

    @property
    def contents(self) -> dict[str, bytes]:
        """What came with the listing, by id."""
        changes = (change for page in self.pages for change in page.changes if isinstance(change, Upserted))
        return {change.ref.id: change.content for change in changes if change.content is not None}


def read(source: Source, cursor: Cursor = START) -> Reading:
    pages = tuple(source.changes(cursor))
    assert pages, "a call of changes yields at least one page"
    return Reading(pages)


def mirrored(known: dict[str, FileRef], pages: Iterable[ChangePage]) -> dict[str, FileRef]:
    """What one who knew `known` knows after the pages of one call: the same for a snapshot and for a delta."""
    pages = list(pages)
    mirror = {} if pages[-1].snapshot else dict(known)
    for change in (change for page in pages for change in page.changes):
        match change:
            case Upserted(ref):
                mirror[ref.id] = ref
            case Deleted(gone) | Skipped(gone):
                mirror.pop(gone, None)
            case Below(place, ids):
                kept = tuple(f"{each}/" for each in ids)
                mirror = {
                    known_id: ref
                    for known_id, ref in mirror.items()
                    if not known_id.startswith(f"{place}/") or known_id in ids or known_id.startswith(kept)
                }
    return mirror


def content(source: Source, ref: FileRef) -> bytes:
    with source.open(ref) as chunks:
        return b"".join(chunks)
