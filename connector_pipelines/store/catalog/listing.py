"""What the source said: change pages into rows, and what a complete snapshot proves to be gone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg.types.json import Jsonb

from connector_pipelines.core.access import Acl
from connector_pipelines.core.types import Change, ChangePage, Checksum, Cursor, Deleted, FileRef, Folder, Skipped, Unlistable, Upserted
from connector_pipelines.net.postgres import postgres_errors, storable
from connector_pipelines.store.catalog import records
from connector_pipelines.store.catalog._gone import delete_files, find_gone
from connector_pipelines.store.catalog._landing import PACK_BYTES, Land, land_contents
from connector_pipelines.store.catalog._moved import rejoin_moved
from connector_pipelines.store.catalog._named import empty_page, last_of_each, make_tables, merge, pieces
from connector_pipelines.store.catalog._tree import follow, forget, forget_unnamed, place
from connector_pipelines.store.catalog._unlisted import note_unlisted, resolve_all_but, resolve_at
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Database, Transaction, scoped
from connector_pipelines.store.catalog.parts import take_along

__all__ = ["Absent", "Land", "Listing", "PageCounts", "content_bytes", "open_listing"]

TOGETHER = 20_000
"""Changes that are written at once: in memory until then, some 20 MB. By the thousand it takes twice as long."""

LINGER_S = 2.0
"""For how long pages of a delta are gathered. What a kill loses is told again from the cursor before."""

ANALYSE_FROM = 1_000
"""New rows in one pass after which the table is analysed, and again at each tenfold."""

_DELETE_FLOOR = 10
"""Files that may vanish unasked whatever their share: in a small folder every deletion is a large share."""


@dataclass(frozen=True, slots=True)
class PageCounts:
    """What was written changed, by name or with a folder above. `unchanged` were named and are as they were."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    restored: int = 0
    skipped: int = 0
    deleted: int = 0
    unlistable: int = 0

    def __add__(self, other: PageCounts) -> PageCounts:
        return PageCounts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Absent:
    """Files a complete snapshot did not name.

    Attributes:
        moved_on: Ids of those whose identity the snapshot named under another id: nothing is to be looked at again.
        known: Files of the endpoint that are not deleted, these included.
    """

    refs: tuple[FileRef, ...]
    moved_on: frozenset[str]
    known: int

    def held(self, share: float) -> bool:
        """Whether so many are gone that a person is asked first."""
        return len(self.refs) > max(_DELETE_FLOOR, share * self.known)


class Listing:
    """One pass over a source's feed, on a connection of its own whose temporary table remembers what was named.

    Args:
        land: For contents that come with the listing.
        seconds: Of a clock that only goes forward.
        note: Whether documents of records are made here, where nothing of their content goes into them.

    Attributes:
        noted: By day, documents that were made of new records.
    """

    def __init__(
        self, connection: Any, endpoint: Endpoint, sync_id: int, now: datetime, *, land: Land, seconds: Callable[[], float], note: bool
    ) -> None:
        self._connection, self._endpoint, self._sync_id, self._now = connection, endpoint, sync_id, now
        self._land, self._seconds, self._note = land, seconds, note
        self.noted: Counter[date] = Counter()
        self._unlistable: list[str] = []
        self._resumable = True
        self._gathered: list[Change] = []
        self._bytes = 0
        self._since: float | None = None
        self._cursor: Cursor | None = None
        self._snapshot = self._broken = False
        self._unnamed: int | None = None
        self._new = 0
        self._analyse_at = ANALYSE_FROM

    @property
    def complete(self) -> bool:
        """Whether every part of the source could be enumerated so far."""
        return not self._unlistable

    def record(self, page: ChangePage) -> PageCounts:
        """Take one page, and tell what was written now.

        Pages are gathered, and written the faster the more there are. Those of a delta are written with the cursor of the last of
        them in one transaction: a kill repeats, and loses nothing. Those of a snapshot mean nothing before its end; the last
        page, which has the cursor, writes the rest.
        """
        self._gathered += page.changes
        self._bytes += content_bytes(page)
        self._snapshot, self._cursor = page.snapshot, page.cursor or self._cursor
        ended = page.snapshot and page.cursor is not None
        full = len(self._gathered) >= TOGETHER or self._bytes >= PACK_BYTES
        return self.flush() if ended or full or self._lingered() else PageCounts()

    def flush(self) -> PageCounts:
        """Write what was gathered. A delta's place is kept with it; a snapshot's is the end's business.

        After a batch that could not be written nothing is written any more: what came later has a later place in the feed.
        """
        gathered, self._gathered, self._bytes, self._since = self._gathered, [], 0, None
        cursor, self._cursor = None if self._snapshot else self._cursor, None
        if self._broken or not (gathered or cursor is not None):
            return PageCounts()
        self._broken = True
        counts = self._recorded(gathered, cursor)
        self._broken = False
        return counts

    def find_moved(self) -> int:
        """Give files that were named under a new id, but are ones we know by identity, their old rows back; how many."""
        self.flush()
        with scoped(self._connection, self._endpoint.tenant_id) as tx:
            return rejoin_moved(tx, self._endpoint.id, self._now) if self._find_unnamed(tx) else 0

    def absent(self) -> Absent:
        """What the snapshot never named, but for the parts that could not be enumerated."""
        self.flush()
        with scoped(self._connection, self._endpoint.tenant_id) as tx:
            known = tx.execute(
                "SELECT count(*) AS n FROM files WHERE endpoint_id = %s AND status <> 'deleted' AND parent_id IS NULL", [self._endpoint.id]
            ).fetchone()
            rows = self._unnamed_rows(tx) if self._find_unnamed(tx) else []
            moved_on = frozenset(r["external_id"] for r in rows if r["moved_on"])
            return Absent(tuple(map(ref_of, rows)), moved_on, int(known["n"]) if known else 0)

    def finish_snapshot(self, gone: Sequence[str], cursor: Cursor) -> int:
        """Mark what is gone and store the snapshot's cursor, in one transaction; how many were deleted.

        A snapshot with parts that could not be enumerated proves nothing of them, and stores no cursor: the next pass begins where
        this one did. But for parts that the cursor remembers: what reads on from there tries them again.
        """
        with scoped(self._connection, self._endpoint.tenant_id) as tx:
            deleted = delete_files(tx, self._endpoint.id, gone, self._now)
            forget_unnamed(tx, self._endpoint.id, list(map(storable, self._unlistable)))
            tx.execute(
                """UPDATE endpoints SET held_deletions = NULL, deletions_approved = false,
                          swept_at = CASE WHEN %s THEN %s ELSE swept_at END WHERE id = %s""",
                [self.complete, self._now, self._endpoint.id],
            )
            resolve_all_but(tx, self._endpoint.id, self._unlistable)
            if self._resumable:
                self._set_cursor(tx, cursor)
            return deleted

    def hold_deletions(self, absent: Absent) -> None:
        """Write down what a person is to approve; nothing is deleted and the cursor stays where it was."""
        held = {
            "files": len(absent.refs),
            "known": absent.known,
            "examples": [r.path for r in absent.refs[:5]],
            "at": self._now.isoformat(),
        }
        with scoped(self._connection, self._endpoint.tenant_id) as tx:
            tx.execute(
                "UPDATE endpoints SET held_deletions = %s, deletions_approved = false WHERE id = %s", [Jsonb(held), self._endpoint.id]
            )

    def approved(self, absent: Absent) -> bool:
        """Whether a person has let these go. An approval is of as many as were held then, and a few that went since."""
        with scoped(self._connection, self._endpoint.tenant_id) as tx:
            row = tx.execute(
                "SELECT deletions_approved AND (held_deletions->>'files')::bigint + %s >= %s AS yes FROM endpoints WHERE id = %s",
                [_DELETE_FLOOR, len(absent.refs), self._endpoint.id],
            ).fetchone()
            return bool(row and row["yes"])

    def _analyse(self) -> None:
        """Tell the planner of the new rows, before it reads all of them for each page in the belief that there is one.

        As the user of the connection, who owns the table; where another does, Postgres warns and leaves it to autovacuum.
        """
        self._analyse_at = self._new * 10
        with postgres_errors("use the catalog"):
            self._connection.execute("ANALYZE files (endpoint_id, external_id, identity, status, window_day)")

    def _lingered(self) -> bool:
        now = self._seconds()
        self._since = now if self._since is None else self._since
        return not self._snapshot and now - self._since >= LINGER_S

    def _recorded(self, changes: Sequence[Change], cursor: Cursor | None) -> PageCounts:
        with scoped(self._connection, self._endpoint.tenant_id) as tx:
            counts = self._write(tx, changes)
            if cursor is not None:
                self._set_cursor(tx, cursor)
        self._new += counts.new
        if self._new >= self._analyse_at:
            self._analyse()
        return counts

    def _find_unnamed(self, tx: Transaction) -> bool:
        """Note, once, which files the snapshot never named; whether there are any."""
        # Of a new endpoint the planner expects one row, and then nests loops over all of its rows: n² of them.
        tx.execute("SELECT set_config('enable_nestloop', 'off', true)")
        if self._unnamed is None:
            self._unnamed = tx.execute(
                """INSERT INTO unnamed SELECT f.id FROM files f WHERE f.endpoint_id = %s AND f.status <> 'deleted'
                   AND f.parent_id IS NULL  -- its source does not name what is inside a file
                   AND NOT EXISTS (SELECT FROM named n WHERE n.external_id = f.external_id)""",
                [self._endpoint.id],
            ).rowcount
        return self._unnamed > 0

    def _unnamed_rows(self, tx: Transaction) -> list[dict[str, Any]]:
        return tx.execute(
            """SELECT f.*, f.identity IS NOT NULL AND EXISTS (
                   SELECT 1 FROM files o JOIN named n ON n.external_id = o.external_id
                   WHERE o.endpoint_id = f.endpoint_id AND o.identity = f.identity) AS moved_on
               FROM files f JOIN unnamed u ON u.id = f.id WHERE f.status <> 'deleted'
               AND NOT EXISTS (SELECT 1 FROM named n WHERE n.external_id = f.external_id)  -- it has moved to a name we know
               AND NOT EXISTS (SELECT 1 FROM unnest(%s::text[]) p WHERE p = '' OR f.path = p OR starts_with(f.path, p || '/'))
               AND f.first_sync <= %s  -- a file that a later pass has found is none of ours
               ORDER BY f.path""",
            [list(map(storable, self._unlistable)), self._sync_id],
        ).fetchall()

    def _write(self, tx: Transaction, changes: Sequence[Change]) -> PageCounts:
        """Write a batch, by this rule:

        1. Of what is said of an item, the last is what counts. Only a folder that is told again after it was gone is two things: what came
           before is written first, as if it had come on a page of its own.
        2. Folders and files are put where they are now. Whatever lies below a folder with another path follows it.
        3. Then what lies below folders that are gone goes, as the tree is now; and what lies below a folder all of which was named
           (`Below`), and was not, but for what came since: itself, or with a folder that came there since.

        So it does not matter where a feed is cut into batches, if a folder that comes anew, or that was gone for a while, is told with all
        that lies in it.
        """
        counts = PageCounts()
        for piece in pieces(changes):
            counts += self._write_piece(tx, piece)
            empty_page(tx)
        return counts

    def _write_piece(self, tx: Transaction, changes: Sequence[Change]) -> PageCounts:
        last = last_of_each(changes)
        placed = place(tx, self._endpoint, [c for c in last if isinstance(c, Folder)], snapshot=self._snapshot)
        items = [c for c in last if isinstance(c, (Upserted, Skipped))]
        note = self._note and records.unrendered(tx, self._endpoint)
        merged = merge(tx, self._endpoint, self._sync_id, self._now, items, placed=placed, snapshot=self._snapshot, note=note)
        if merged.unlanded:
            contents = [(n, content) for n in merged.unlanded if (content := _content(items[n])) is not None]
            land_contents(tx, self._endpoint, self._now, contents, self._land)
        if merged.noted:
            self.noted.update(records.save_noted(tx, self._endpoint, merged.noted, self._now))
        followed = follow(tx, self._endpoint, placed, self._now)
        take_along(tx, [*merged.rewritten, *followed], self._now)
        gone = find_gone(tx, self._endpoint.id, changes, [c.id for c in last if isinstance(c, Deleted)])
        deleted = delete_files(tx, self._endpoint.id, gone.files, self._now) if gone.files else 0
        forget(tx, self._endpoint.id, gone.folders)
        resolve_at(tx, self._endpoint.id, [*placed.left, *gone.settled], self._now)
        written = merged.new + merged.changed + merged.restored
        return PageCounts(
            new=merged.new, changed=merged.changed + len(followed), restored=merged.restored, unchanged=len(items) - written,
            skipped=sum(isinstance(c, Skipped) for c in items), deleted=deleted, unlistable=self._note_unlistable(tx, changes),
        )  # fmt: skip

    def _note_unlistable(self, tx: Transaction, changes: Sequence[Change]) -> int:
        """A delta's part is closed by the folder's own `Below`, by its end, or by another path; a snapshot's by the end of the next one."""
        parts = [c for c in changes if isinstance(c, Unlistable)]
        self._unlistable += [p.path for p in parts]
        self._resumable = self._resumable and all(p.remembered for p in parts)
        note_unlisted(tx, self._endpoint, parts, self._now)
        return len(parts)

    def _set_cursor(self, tx: Transaction, cursor: Cursor) -> None:
        # Where somebody gave the endpoint other settings meanwhile, the cursor belongs to what it no longer is.
        tx.execute(
            "UPDATE endpoints SET cursor = %s, cursor_at = %s WHERE id = %s AND settings = %s",
            [cursor, self._now, self._endpoint.id, Jsonb(self._endpoint.settings)],
        )


@contextmanager
def open_listing(
    database: Database,
    endpoint: Endpoint,
    sync_id: int,
    now: datetime,
    *,
    land: Land,
    seconds: Callable[[], float] = time.monotonic,
    note: bool = False,
) -> Iterator[Listing]:
    """A listing for one pass; what it named is forgotten with it."""
    with database.connect() as connection:
        with scoped(connection, endpoint.tenant_id) as tx:
            make_tables(tx)
        yield Listing(connection, endpoint, sync_id, now, land=land, seconds=seconds, note=note)


def content_bytes(page: ChangePage) -> int:
    """Bytes of content that came along in the page."""
    return sum(len(_content(change) or b"") for change in page.changes)


def ref_of(row: Any) -> FileRef:
    """A row of `files` as its source described it."""
    checksum = row["checksum"]
    return FileRef(
        id=row["external_id"] or "",  # a part has none at its source
        path=row["path"],
        version=row["version"],
        media_type=row["media_type"],
        size=row["size"],
        modified_at=row["source_modified_at"],
        created_at=row["source_created_at"],
        identity=row["identity"],
        url=row["url"],
        checksum=Checksum(*checksum.split(":", 1)) if checksum else None,
        stream=row["stream"],
        parent=row["folder"],
        locator=row["locator"],
        acl=None if row["acl"] is None else Acl.from_json(row["acl"]),
    )


def _content(change: Change) -> bytes | None:
    return change.content if isinstance(change, Upserted) else None
