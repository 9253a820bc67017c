"""What the source said: change pages into rows, and what a complete snapshot proves to be gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from connector_pipelines.core.errors import ConnectorError, with_code
from connector_pipelines.core.types import Change, ChangePage, Checksum, Cursor, Deleted, FileRef, Skipped, Unlistable
from connector_pipelines.net.postgres import storable
from connector_pipelines.store.catalog._named import last_of_each, make_tables, merge
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Database, Transaction, scoped
from connector_pipelines.store.catalog.failures import ItemFailure, record_failures
from connector_pipelines.store.catalog.parts import delete_parts, take_along

__all__ = ["Absent", "Listing", "PageCounts", "open_listing"]

TOGETHER = 20_000
"""Changes of a snapshot that are written at once: in memory until then, some 20 MB. By the thousand it takes twice as long."""

ANALYSE_FROM = 1_000
"""New rows in one pass after which the table is analysed, and again at each tenfold."""

_DELETE_FLOOR = 10
"""Files that may vanish unasked whatever their share: in a small folder every deletion is a large share."""


@dataclass(frozen=True, slots=True)
class PageCounts:
    """What was written changed. `unchanged` were named and are as they were."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    restored: int = 0
    skipped: int = 0
    deleted: int = 0
    unlistable: int = 0


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
    """One pass over a source's feed, on a connection of its own whose temporary table remembers what was named."""

    def __init__(self, connection: Any, endpoint: Endpoint, sync_id: int, now: datetime) -> None:
        self._connection, self._endpoint, self._sync_id, self._now = connection, endpoint, sync_id, now
        self._unlistable: list[str] = []
        self._gathered: list[Change] = []
        self._unnamed: int | None = None
        self._new = 0
        self._analyse_at = ANALYSE_FROM

    @property
    def complete(self) -> bool:
        """Whether every part of the source could be enumerated so far."""
        return not self._unlistable

    def record(self, page: ChangePage) -> PageCounts:
        """Take one page, and tell what was written now.

        A delta page is written with its cursor in one transaction. Pages of a snapshot are gathered: they mean nothing
        before its end, and are written the faster the more there are. The last page, which has the cursor, writes the rest.
        """
        if page.snapshot:
            self._gathered += page.changes
            return self.flush() if page.cursor is not None or len(self._gathered) >= TOGETHER else PageCounts()
        return self._recorded(page.changes, page.cursor)

    def flush(self) -> PageCounts:
        """Write what was gathered of a snapshot."""
        gathered, self._gathered = self._gathered, []
        return self._recorded(gathered, None, snapshot=True) if gathered else PageCounts()

    def find_moved(self) -> int:
        """Give files that were named under a new id, but are ones we know by identity, their old rows back; how many."""
        self.flush()
        with scoped(self._connection, self._endpoint.tenant_id) as tx:
            return _rejoin_moved(tx, self._endpoint.id, self._now) if self._find_unnamed(tx) else 0

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

        A snapshot with parts that could not be enumerated proves nothing and stores no cursor: the next pass begins where
        this one did.
        """
        with scoped(self._connection, self._endpoint.tenant_id) as tx:
            deleted = _delete(tx, self._endpoint.id, gone, self._now)
            tx.execute(
                """UPDATE endpoints SET held_deletions = NULL, deletions_approved = false,
                          swept_at = CASE WHEN %s THEN %s ELSE swept_at END WHERE id = %s""",
                [self.complete, self._now, self._endpoint.id],
            )
            _resolve_listing_failures(tx, self._endpoint.id, self._unlistable)
            if self.complete:
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
        self._connection.execute("ANALYZE files (endpoint_id, external_id, identity, status, window_day)")

    def _recorded(self, changes: Sequence[Change], cursor: Cursor | None, *, snapshot: bool = False) -> PageCounts:
        with scoped(self._connection, self._endpoint.tenant_id) as tx:
            counts = self._write(tx, changes, snapshot=snapshot)
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

    def _write(self, tx: Transaction, changes: Sequence[Change], *, snapshot: bool) -> PageCounts:
        last = last_of_each(changes)
        outcome = merge(tx, self._endpoint, self._sync_id, self._now, [c for c in last if not isinstance(c, Deleted)], snapshot=snapshot)
        take_along(tx, outcome.get("rewritten") or (), self._now)
        gone = [c.id for c in last if isinstance(c, Deleted)]
        deleted = _delete(tx, self._endpoint.id, gone, self._now) if gone else 0
        unlistable = [c for c in changes if isinstance(c, Unlistable)]
        self._note_unlistable(tx, unlistable)
        skipped = sum(isinstance(c, Skipped) for c in last)
        touched = {k: int(outcome.get(k) or 0) for k in ("new", "changed", "restored")}
        return PageCounts(
            **touched, unchanged=len(last) - len(gone) - sum(touched.values()), skipped=skipped, deleted=deleted, unlistable=len(unlistable)
        )

    def _note_unlistable(self, tx: Transaction, parts: Sequence[Unlistable]) -> None:
        self._unlistable += [p.path for p in parts]
        failures = [ItemFailure(item=p.path or "/", stage="listing", error=_unlistable_error(p)) for p in parts]
        record_failures(tx, self._endpoint, failures, self._now)

    def _set_cursor(self, tx: Transaction, cursor: Cursor) -> None:
        # Where somebody gave the endpoint other settings meanwhile, the cursor belongs to what it no longer is.
        tx.execute(
            "UPDATE endpoints SET cursor = %s, cursor_at = %s WHERE id = %s AND settings = %s",
            [cursor, self._now, self._endpoint.id, Jsonb(self._endpoint.settings)],
        )


@contextmanager
def open_listing(database: Database, endpoint: Endpoint, sync_id: int, now: datetime) -> Iterator[Listing]:
    """A listing for one pass; what it named is forgotten with it."""
    with database.connect() as connection:
        with scoped(connection, endpoint.tenant_id) as tx:
            make_tables(tx)
        yield Listing(connection, endpoint, sync_id, now)


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
    )


def _unlistable_error(part: Unlistable) -> ConnectorError:
    return with_code(part.code, part.message)


def _delete(tx: Transaction, endpoint_id: str, external_ids: Sequence[str], now: datetime) -> int:
    found = tx.execute(
        """WITH gone AS (SELECT id FROM files WHERE endpoint_id = %(endpoint)s AND external_id = ANY(%(ids)s) AND status <> 'deleted'
                          ORDER BY id FOR UPDATE)
           UPDATE files f SET status = 'deleted', reason = NULL, deleted_at = %(now)s, changed_at = %(now)s, generation = generation + 1,
                  attempts = 0, retry_at = NULL, claimed_by = NULL
           FROM gone WHERE f.id = gone.id RETURNING f.id""",
        {"endpoint": endpoint_id, "ids": list(map(storable, external_ids)), "now": now},
    ).fetchall()
    tx.execute("UPDATE failures SET resolved_at = %s WHERE file_id = ANY(%s) AND resolved_at IS NULL", [now, [r["id"] for r in found]])
    delete_parts(tx, [r["id"] for r in found], now)
    return len(found)


def _rejoin_moved(tx: Transaction, endpoint_id: str, now: datetime) -> int:
    # The new id may have been recorded by an earlier pass that was cut before its end: what counts is that nothing was
    # made of it yet.
    tx.execute(
        """CREATE TEMPORARY TABLE moved ON COMMIT DROP AS
           SELECT DISTINCT ON (old.identity) old.id AS old_id, fresh.*
           FROM unnamed u JOIN files old ON old.id = u.id
           JOIN files fresh ON old.endpoint_id = fresh.endpoint_id AND old.identity = fresh.identity AND old.id <> fresh.id
           JOIN named here ON here.external_id = fresh.external_id
           WHERE fresh.endpoint_id = %s AND fresh.status = 'listed' AND old.status <> 'deleted' AND fresh.first_sync > old.first_sync
             AND NOT EXISTS (SELECT 1 FROM documents x WHERE x.file_id = fresh.id)
             AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.file_id = fresh.id)
           ORDER BY old.identity, fresh.id, old.id""",
        [endpoint_id],
    )
    tx.execute("SELECT 1 FROM files WHERE id IN (SELECT id FROM moved UNION ALL SELECT old_id FROM moved) ORDER BY id FOR UPDATE")
    tx.execute("DELETE FROM files WHERE id IN (SELECT id FROM moved)")
    moved = tx.execute(
        """UPDATE files f SET external_id = m.external_id, path = m.path, version = m.version, media_type = m.media_type,
                  url = m.url, checksum = m.checksum, window_day = m.window_day, source_modified_at = m.source_modified_at,
                  size = coalesce(m.size, CASE WHEN f.version = m.version THEN f.size END),
                  sha256 = CASE WHEN f.version = m.version THEN f.sha256 END,
                  status = CASE WHEN f.version <> m.version OR f.status = 'failed' OR f.sha256 IS NULL THEN 'listed'
                                WHEN f.media_type <> m.media_type THEN 'stored' ELSE f.status END,
                  reason = CASE WHEN f.version = m.version AND f.status = 'skipped' AND f.media_type = m.media_type THEN f.reason END,
                  attempts = 0, retry_at = NULL, claimed_by = NULL, generation = f.generation + 1, changed_at = m.changed_at
           FROM moved m WHERE f.id = m.old_id RETURNING f.id"""
    ).fetchall()
    take_along(tx, [r["id"] for r in moved], now)
    return len(moved)


def _resolve_listing_failures(tx: Transaction, endpoint_id: str, unlistable: Sequence[str]) -> None:
    tx.execute(
        """UPDATE failures SET resolved_at = now() WHERE endpoint_id = %s AND stage = 'listing' AND resolved_at IS NULL AND item <> ALL(%s)""",
        [endpoint_id, [p or "/" for p in unlistable]],
    )
