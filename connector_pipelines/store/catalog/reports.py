"""What people ask: how much there is of everything, per endpoint and per window, and what it adds up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from psycopg.types.json import Jsonb

from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.core.types import DayRange, Place
from connector_pipelines.net.postgres import storable
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Database, Transaction
from connector_pipelines.store.catalog.scheduling import WAITS_FOR_SOURCE
from connector_pipelines.store.catalog.workers import ALIVE
from connector_pipelines.telemetry import scrub

__all__ = [
    "Citation",
    "DayCounts",
    "EndpointStatus",
    "NewestDocument",
    "StageLog",
    "citations",
    "day_counts",
    "days_changed",
    "endpoint_status",
    "last_logs",
    "newest_documents",
    "stage_log",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounts:
    """The standing counts of one day of source time. Deleted files do not count.

    files = waiting + stored + extracted + skipped + failed, of what the source has; parts, which are inside those, are
    counted apart: parts = parts_stored + parts_extracted + parts_skipped + parts_failed.
    """

    day: date
    files: int
    bytes: int
    waiting: int
    stored: int
    extracted: int
    skipped: int
    failed: int
    parts: int
    parts_stored: int
    parts_extracted: int
    parts_skipped: int
    parts_failed: int
    records: int
    record_sinks: Sequence[str]
    chunks: int
    delivered: Mapping[str, int]

    def wanted_by(self, sink: str) -> int:
        """Documents that the sink is to hold; of records alone where it keeps those."""
        return self.records if sink in self.record_sinks else self.extracted + self.parts_extracted


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestDocument:
    """A document, to be shown. `modified_at` is when we first saw the file where its source does not say."""

    path: str
    url: str | None
    modified_at: datetime
    chunks: int
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointStatus:
    """One endpoint, adding up: seen = waiting + stored + extracted + skipped + failed.

    Attributes:
        state: idle, syncing, active, interrupted, failing (tried again by itself), error (waits for a person), disabled, paused,
            held (deletions wait for approval) or removed.
        seen: Files of the source and parts; `parts` says how many of them are parts.
        skipped: By reason.
        failed: By code.
        lacking: Documents that stand, and of which the ledger says what was left out.
        bytes: Of files of the source.
        sinks: By sink name: delivered, failed and owed documents; where it keeps records alone, others are `not_kept`.
        notifications: What webhooks told and no sync has looked at yet.
        refused: Calls of the connector's webhook that were refused today and yesterday (UTC), by reason.
        subscriptions: How many are open and failing, and why the first fails (`error`); None where the connector's webhook is not its kind's.
    """

    slug: str
    kind: str
    connector: str
    tenant: str
    state: str
    schedule: Mapping[str, Any]
    seen: int
    parts: int
    waiting: int
    stored: int
    extracted: int
    skipped: Mapping[str, int]
    failed: Mapping[str, int]
    lacking: int
    bytes: int
    sinks: Mapping[str, Mapping[str, int]]
    synced_at: datetime | None
    next_due_at: datetime | None
    retry_at: datetime | None
    held_deletions: Mapping[str, Any] | None
    last_error: Mapping[str, Any] | None
    notifications: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    subscriptions: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A chunk found, as the catalog knows it now."""

    document_id: str
    ordinal: int
    title: str
    path: str
    url: str | None
    endpoint: str
    kind: str
    text: str
    place: Place


@dataclass(slots=True)
class StageLog:
    """The counts of one stage of one run; they are in `sync_logs` when the block ends."""

    id: int
    started_at: datetime
    counts: Counter[str] = field(default_factory=Counter)


@contextmanager
def stage_log(database: Database, endpoint: Endpoint, run_id: str, stage: str) -> Iterator[StageLog]:
    """One row of `sync_logs` around a stage: it says started, then done or failed and why."""
    with database.tenant(endpoint.tenant_id) as tx:
        row = tx.execute(
            "INSERT INTO sync_logs (tenant_id, endpoint_id, run_id, stage) VALUES (%s, %s, %s, %s) RETURNING id, started_at",
            [endpoint.tenant_id, endpoint.id, run_id, stage],
        ).fetchone()
    assert row is not None  # noqa: S101 - INSERT … RETURNING gives a row
    log = StageLog(row["id"], row["started_at"])
    try:
        yield log
    except BaseException as error:
        _close(database, endpoint, log, "failed", error)
        raise
    _close(database, endpoint, log, "done", None)


def _close(database: Database, endpoint: Endpoint, log: StageLog, status: str, error: BaseException | None) -> None:
    code = error.code if isinstance(error, ConnectorError) else type(error).__name__ if error else None
    message = storable(scrub(str(error)))[:2000] if error else None
    with database.tenant(endpoint.tenant_id) as tx:
        tx.execute(
            "UPDATE sync_logs SET finished_at = now(), status = %s, counts = %s, error_code = %s, error_message = %s WHERE id = %s",
            [status, Jsonb(log.counts), code, message, log.id],
        )


def last_logs(tx: Transaction, endpoint_id: str, limit: int = 20) -> list[dict[str, Any]]:
    """The newest rows of `sync_logs` of an endpoint, newest first."""
    return tx.execute("SELECT * FROM sync_logs WHERE endpoint_id = %s ORDER BY id DESC LIMIT %s", [endpoint_id, limit]).fetchall()


def day_counts(tx: Transaction, endpoint: Endpoint, days: DayRange) -> list[DayCounts]:
    """Standing counts of each day that has files, by day."""
    rows = tx.execute(
        """WITH f AS (
               SELECT id, window_day, size, status, stream, parent_id IS NULL AS outermost FROM files WHERE endpoint_id = %(endpoint)s AND status <> 'deleted'
               AND window_day BETWEEN coalesce(%(first)s, '-infinity'::date) AND coalesce(%(last)s, 'infinity'::date)
           ), sunk AS (
               SELECT window_day, jsonb_object_agg(sink, n) AS delivered FROM (
                   SELECT f.window_day, d.sink, count(*) AS n FROM f JOIN deliveries d ON d.file_id = f.id AND d.status = 'delivered' GROUP BY 1, 2) s
               GROUP BY 1
           )
           SELECT f.window_day AS day, count(*) FILTER (WHERE outermost) AS files, coalesce(sum(f.size) FILTER (WHERE outermost), 0)::bigint AS bytes,
                  count(*) FILTER (WHERE outermost AND f.status = 'listed') AS waiting, count(*) FILTER (WHERE outermost AND f.status = 'stored') AS stored,
                  count(*) FILTER (WHERE outermost AND f.status = 'extracted') AS extracted, count(*) FILTER (WHERE outermost AND f.status = 'skipped') AS skipped,
                  count(*) FILTER (WHERE outermost AND f.status = 'failed') AS failed,
                  count(*) FILTER (WHERE NOT outermost) AS parts, count(*) FILTER (WHERE NOT outermost AND f.status = 'stored') AS parts_stored,
                  count(*) FILTER (WHERE NOT outermost AND f.status = 'extracted') AS parts_extracted,
                  count(*) FILTER (WHERE NOT outermost AND f.status = 'skipped') AS parts_skipped,
                  count(*) FILTER (WHERE NOT outermost AND f.status = 'failed') AS parts_failed,
                  count(*) FILTER (WHERE f.status = 'extracted' AND f.stream IS NOT NULL) AS records,
                  (SELECT record_sinks FROM endpoints WHERE id = %(endpoint)s) AS record_sinks, coalesce(sum(x.chunk_count), 0)::bigint AS chunks,
                  coalesce(s.delivered, '{}') AS delivered
           FROM f LEFT JOIN documents x ON x.file_id = f.id AND f.status = 'extracted' LEFT JOIN sunk s ON s.window_day = f.window_day
           GROUP BY f.window_day, s.delivered ORDER BY f.window_day""",
        {"endpoint": endpoint.id, "first": days.first, "last": days.last},
    ).fetchall()
    return [DayCounts(**row) for row in rows]


def newest_documents(tx: Transaction, endpoint: Endpoint, days: DayRange, limit: int) -> list[NewestDocument]:
    """Documents of these days, the last modified first."""
    rows = tx.execute(
        """SELECT f.path, coalesce(x.url, f.url) AS url, coalesce(f.source_modified_at, f.first_seen_at) AS modified_at, x.chunk_count AS chunks, x.content_type
           FROM files f JOIN documents x ON x.file_id = f.id WHERE f.endpoint_id = %s AND f.status = 'extracted'
             AND f.window_day BETWEEN coalesce(%s, '-infinity'::date) AND coalesce(%s, 'infinity'::date)
           ORDER BY f.window_day DESC, modified_at DESC, f.id LIMIT %s""",
        [endpoint.id, days.first, days.last, limit],
    ).fetchall()
    return [NewestDocument(**row) for row in rows]


def days_changed(tx: Transaction, endpoint: Endpoint, at: datetime) -> dict[date, int]:
    """By day, the files a listing that began `at` changed: found, changed, restored or deleted. Their parts do not count."""
    rows = tx.execute(
        "SELECT window_day, count(*) AS n FROM files WHERE endpoint_id = %s AND changed_at = %s AND parent_id IS NULL GROUP BY window_day",
        [endpoint.id, at],
    ).fetchall()
    return {r["window_day"]: r["n"] for r in rows}


def endpoint_status(tx: Transaction, slug: str | None = None) -> list[EndpointStatus]:
    """Every endpoint, by slug, or the one named; one that was removed only as long as what it brought is kept. Needs an operator's transaction."""
    rows = tx.execute(_STATUS, {"slug": slug}).fetchall()
    return [EndpointStatus(**row) for row in rows]


def citations(tx: Transaction, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Citation]:
    """(document id, ordinal) to what stands there now; what was deleted or replaced since is left out."""
    rows = tx.execute(
        """SELECT x.id::text AS document_id, c.ordinal, coalesce(x.title, regexp_replace(f.path, '^.*/', '')) AS title, f.path, coalesce(x.url, f.url) AS url,
                  e.slug AS endpoint, k.kind, c.text, c.place
           FROM unnest(%s::uuid[], %s::int[]) AS w(document_id, ordinal)
           JOIN chunks c ON c.document_id = w.document_id AND c.ordinal = w.ordinal JOIN documents x ON x.id = c.document_id
           JOIN files f ON f.id = x.file_id AND f.status NOT IN ('deleted', 'failed', 'skipped')
           JOIN endpoints e ON e.id = f.endpoint_id JOIN connectors k ON k.id = e.connector_id""",
        [[w[0] for w in wanted], [w[1] for w in wanted]],
    ).fetchall()
    return {(r["document_id"], r["ordinal"]): Citation(**{**r, "place": Place(**r["place"])}) for r in rows}


_STATUS = f"""
    SELECT e.slug, k.kind, k.name AS connector, t.name AS tenant,
           CASE WHEN e.removed_at IS NOT NULL THEN 'removed' WHEN e.paused THEN 'paused' WHEN e.held_deletions IS NOT NULL THEN 'held'
                WHEN k.status IN ('error', 'disabled') THEN k.status WHEN e.holder IN {ALIVE} THEN 'syncing'
                WHEN e.holder IS NOT NULL OR e.last_error->>'code' = 'interrupted' THEN 'interrupted'
                WHEN e.last_error IS NOT NULL AND e.last_error->>'code' <> 'deletions_held' THEN 'failing'
                WHEN e.synced_at IS NULL THEN 'idle' ELSE 'active' END AS state, e.schedule,
           coalesce(n.seen, 0) AS seen, coalesce(n.parts, 0) AS parts, coalesce(n.waiting, 0) AS waiting, coalesce(n.stored, 0) AS stored, coalesce(n.extracted, 0) AS extracted,
           coalesce(r.skipped, '{{}}') AS skipped, coalesce(r.failed, '{{}}') AS failed, coalesce(l.lacking, 0) AS lacking, coalesce(n.bytes, 0)::bigint AS bytes,
           coalesce(s.sinks, '{{}}') AS sinks, (SELECT count(*) FROM notifications_owed o WHERE o.endpoint_id = e.id) AS notifications,
           coalesce((SELECT jsonb_object_agg(reason, calls) FROM (
               SELECT reason, sum(calls) AS calls FROM webhook_refusals w
               WHERE w.connector_id = k.id AND w.day >= (now() AT TIME ZONE 'UTC')::date - 1 GROUP BY reason) g), '{{}}') AS refused,
           CASE WHEN k.webhook->'verify'->>'type' = 'source' THEN (
               SELECT jsonb_build_object('open', count(*) FILTER (WHERE s.state = 'open' AND s.expires_at > now()), 'failing', count(*) FILTER (WHERE s.state = 'failed'),
                                         'error', coalesce(e.subscribe_error, (array_agg(s.last_error) FILTER (WHERE s.state = 'failed'))[1]))
               FROM subscriptions s WHERE s.endpoint_id = e.id) END AS subscriptions, e.synced_at, CASE WHEN {WAITS_FOR_SOURCE} THEN NULL ELSE e.next_due_at END AS next_due_at, e.retry_at, e.held_deletions,
           coalesce(e.last_error, CASE WHEN k.status = 'error' THEN k.last_error END) AS last_error
    FROM endpoints e JOIN connectors k ON k.id = e.connector_id JOIN tenants t ON t.id = e.tenant_id
    LEFT JOIN LATERAL (
        SELECT count(*) AS seen, count(parent_id) AS parts, sum(size) FILTER (WHERE parent_id IS NULL) AS bytes, count(*) FILTER (WHERE status = 'listed') AS waiting,
               count(*) FILTER (WHERE status = 'stored') AS stored, count(*) FILTER (WHERE status = 'extracted') AS extracted,
               count(*) FILTER (WHERE status = 'extracted' AND stream IS NOT NULL) AS records
        FROM files f WHERE f.endpoint_id = e.id AND f.status <> 'deleted') n ON true
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(reason, n) FILTER (WHERE status = 'skipped') AS skipped, jsonb_object_agg(reason, n) FILTER (WHERE status = 'failed') AS failed
        FROM (SELECT status, coalesce(reason, 'unknown') AS reason, count(*) AS n FROM files f
              WHERE f.endpoint_id = e.id AND status IN ('skipped', 'failed') GROUP BY 1, 2) g) r ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS lacking FROM failures l JOIN files f ON f.id = l.file_id
        WHERE l.endpoint_id = e.id AND l.stage = 'documents' AND l.resolved_at IS NULL AND f.status = 'extracted') l ON true
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(sink, jsonb_build_object('delivered', delivered, 'failed', failed, 'owed', greatest(wanted - delivered - failed, 0), 'to_remove', to_remove)
                                     || CASE WHEN wanted = n.extracted THEN '{{}}' ELSE jsonb_build_object('not_kept', n.extracted - wanted) END) AS sinks
        FROM (SELECT w.sink, CASE WHEN w.sink = ANY(e.record_sinks) THEN n.records ELSE n.extracted END AS wanted,
                     count(*) FILTER (WHERE d.status = 'delivered' AND f.status = 'extracted' AND d.generation = f.generation) AS delivered,
                     count(*) FILTER (WHERE d.status = 'failed' AND f.status = 'extracted' AND d.generation = f.generation) AS failed,
                     count(*) FILTER (WHERE d.status IN ('delivered', 'pending', 'failed') AND f.status IN ('deleted', 'failed', 'skipped')) AS to_remove
              FROM unnest(e.sinks) AS w(sink) LEFT JOIN deliveries d ON d.endpoint_id = e.id AND d.sink = w.sink LEFT JOIN files f ON f.id = d.file_id
              GROUP BY w.sink) g) s ON true
    WHERE (e.removed_at IS NULL OR n.seen > 0) AND (%(slug)s::text IS NULL OR e.slug = %(slug)s) ORDER BY e.slug
"""
