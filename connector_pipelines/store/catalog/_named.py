"""A batch of what the source named, into rows of `files`: one COPY and one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connector_pipelines.core.types import Change, Deleted, FileRef, Skipped, Unlistable, Upserted
from connector_pipelines.net.postgres import storable
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Transaction, copy_into

__all__ = ["last_of_each", "make_tables", "merge"]

_COLUMNS = (
    "external_id", "path", "version", "identity", "size", "media_type", "source_modified_at", "source_created_at", "url", "checksum", "reason",
)  # fmt: skip

# A row of `files` is found by the index of its ids, one by one. Reading the endpoint's rows whole instead, which the planner
# takes for cheaper, costs the square of their number over a listing (of 200,000 unchanged files 1.5 s instead of 0.4 s); and
# where it has no statistics yet, so does keeping them aside or going by another index.
_PROBE = ("enable_hashjoin", "enable_mergejoin", "enable_material", "enable_bitmapscan")


def make_tables(tx: Transaction) -> None:
    """The temporary tables of one pass, gone with its connection."""
    tx.execute(_TABLES)


def merge(
    tx: Transaction, endpoint: Endpoint, sync_id: int, now: datetime, items: Sequence[Upserted | Skipped], *, snapshot: bool
) -> Mapping[str, Any]:
    """Write what differs from what is known: how many were new, changed, restored, and the ids of those `rewritten`."""
    rows = [_row(i.ref) if isinstance(i, Upserted) else _skipped_row(i) for i in items]
    copy_into(tx, "page", _COLUMNS, rows)
    if snapshot:
        tx.execute("INSERT INTO named SELECT external_id FROM page")
    params = {"endpoint": endpoint.id, "tenant": endpoint.tenant_id, "sync": sync_id, "tz": endpoint.timezone, "now": now}
    _planner(tx, "off")
    outcome = tx.execute(_MERGE, params).fetchone() or {}
    _planner(tx, "on")
    return outcome


def last_of_each(changes: Sequence[Change]) -> list[Upserted | Deleted | Skipped]:
    """Of several changes to one item, the last: a feed may name an item more than once."""
    last = {storable(_id_of(c)): c for c in changes if not isinstance(c, Unlistable)}
    return list(last.values())


def _id_of(change: Change) -> str:
    return change.ref.id if isinstance(change, Upserted) else "" if isinstance(change, Unlistable) else change.id


def _skipped_row(item: Skipped) -> tuple[object, ...]:
    return (item.id, item.path, "", None, None, "application/octet-stream", None, None, None, None, item.reason)


def _row(ref: FileRef) -> tuple[object, ...]:
    checksum = f"{ref.checksum.algorithm}:{ref.checksum.hexdigest}" if ref.checksum else None
    return (ref.id, ref.path, ref.version, ref.identity, ref.size, ref.media_type, ref.modified_at, ref.created_at, ref.url, checksum, None)


def _planner(tx: Transaction, state: str) -> None:
    tx.execute("SELECT " + ", ".join(f"set_config('{name}', '{state}', true)" for name in _PROBE))


# `page` is what is being written, `named` what the snapshot named so far (some of it twice), `unnamed` the ids of files it did not.
_TABLES = f"""
    CREATE TEMPORARY TABLE page ON COMMIT DELETE ROWS AS SELECT {", ".join(_COLUMNS)} FROM files WITH NO DATA;
    CREATE TEMPORARY TABLE named (external_id text);
    CREATE TEMPORARY TABLE unnamed (id bigint);
"""

# Rows that say what we know already are not written again: a pass over an unchanged source writes nothing here.
# A skipped item has an empty version and a reason; an item is taken up again when its version is another, when it was
# deleted, or when it was skipped by its source and no longer is. Bytes under another media type are read again.
# A size that the source cannot tell is known from the download on. Rows are locked in order of id, as every stage does.
_MERGE = """
    WITH differing AS (
        SELECT p.*, f.id AS known, f.status AS was
        FROM page p LEFT JOIN files f ON f.endpoint_id = %(endpoint)s AND f.external_id = p.external_id
        WHERE f.id IS NULL OR f.status = 'deleted' OR (p.reason IS NOT NULL AND f.reason IS DISTINCT FROM p.reason)
           OR (p.path, p.version, p.identity, coalesce(p.size, f.size), p.media_type, p.source_modified_at, p.url)
              IS DISTINCT FROM (f.path, f.version, f.identity, f.size, f.media_type, f.source_modified_at, f.url)
    ), written AS (
        INSERT INTO files AS f (tenant_id, endpoint_id, external_id, path, version, identity, size, media_type, source_modified_at,
                                source_created_at, url, checksum, window_day, status, reason, first_sync, first_seen_at, changed_at)
        SELECT %(tenant)s, %(endpoint)s, external_id, path, version, identity, size, media_type, source_modified_at, source_created_at, url, checksum,
               (coalesce(source_modified_at, source_created_at, %(now)s) AT TIME ZONE %(tz)s)::date,
               CASE WHEN reason IS NULL THEN 'listed' ELSE 'skipped' END, reason, %(sync)s, %(now)s, %(now)s
        FROM differing ORDER BY known
        ON CONFLICT (endpoint_id, external_id) DO UPDATE SET
            path = excluded.path, version = excluded.version, identity = excluded.identity, media_type = excluded.media_type,
            source_modified_at = excluded.source_modified_at, source_created_at = excluded.source_created_at, url = excluded.url,
            checksum = excluded.checksum, size = coalesce(excluded.size, CASE WHEN f.version = excluded.version THEN f.size END),
            sha256 = CASE WHEN f.version = excluded.version THEN f.sha256 END,
            window_day = (coalesce(excluded.source_modified_at, excluded.source_created_at, f.first_seen_at) AT TIME ZONE %(tz)s)::date,
            status = CASE WHEN excluded.status = 'skipped' THEN 'skipped'
                          WHEN f.version <> excluded.version OR f.status = 'deleted' THEN 'listed'
                          WHEN f.media_type = excluded.media_type OR f.status IN ('listed', 'stored') THEN f.status
                          WHEN f.sha256 IS NULL THEN 'listed' ELSE 'stored' END,
            reason = CASE WHEN excluded.status = 'skipped' THEN excluded.reason
                          WHEN f.version = excluded.version AND f.status <> 'deleted' AND f.media_type = excluded.media_type THEN f.reason END,
            attempts = 0, retry_at = NULL, claimed_by = NULL, generation = f.generation + 1, changed_at = %(now)s, deleted_at = NULL
        RETURNING f.id, f.status
    ), closed AS (
        UPDATE failures SET resolved_at = %(now)s WHERE file_id = ANY (ARRAY(SELECT id FROM written WHERE status = 'skipped')) AND resolved_at IS NULL
    )
    SELECT count(*) FILTER (WHERE known IS NULL) AS new, count(*) FILTER (WHERE known IS NOT NULL AND was <> 'deleted') AS changed,
           count(*) FILTER (WHERE was = 'deleted') AS restored, array_agg(known) FILTER (WHERE known IS NOT NULL AND was <> 'deleted') AS rewritten
    FROM differing
"""
