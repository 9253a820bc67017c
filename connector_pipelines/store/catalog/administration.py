"""What an operator does to an endpoint beyond syncing it: approve deletions, forget it; and what tells that rows changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.types import DocumentRef
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Transaction
from connector_pipelines.store.catalog.failures import FailureRow
from connector_pipelines.store.catalog.workers import ALIVE, Worker

__all__ = [
    "FailureDetails",
    "HeldDeletions",
    "StageOutcome",
    "Unreferenced",
    "another_is_alive",
    "anything_delivered",
    "approve",
    "documents_of",
    "failure_details",
    "forget",
    "held_deletions",
    "put_aside",
    "revision",
    "run_outcomes",
    "told_removed",
    "unknown_objects",
    "unreferenced_blobs",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDeletions:
    """Deletions a sweep found and did not make. `examples` are paths, a few of them."""

    slug: str
    files: int
    known: int
    examples: tuple[str, ...]
    at: str
    approved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOutcome:
    """One stage of one run at one endpoint, as `sync_logs` has it."""

    endpoint: str
    stage: str
    status: str
    counts: Mapping[str, int]
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureDetails(FailureRow):
    """A row of the ledger with what is known of its file. `earlier` are the same item's rows, newest first."""

    resolved_at: datetime | None
    file_status: str | None
    media_type: str | None
    size: int | None
    url: str | None
    earlier: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreferenced:
    """What nobody refers to any more.

    Attributes:
        objects: Keys, with the bytes of the blobs in them that went just now.
        looked_at: Objects in which some blob was, these included.
    """

    objects: tuple[tuple[str, int], ...]
    looked_at: int


def held_deletions(tx: Transaction, slug: str) -> HeldDeletions | None:
    """What waits for approval at the endpoint, or None. Needs an operator's transaction, as all here do.

    Raises:
        ConfigurationError: There is no such endpoint.
    """
    row = tx.execute(
        "SELECT held_deletions AS held, deletions_approved FROM endpoints WHERE slug = %s AND removed_at IS NULL", [slug]
    ).fetchone()
    if row is None:
        raise ConfigurationError(f"there is no endpoint {slug!r}", advice="`connectors status` lists them")
    held = row["held"]
    if held is None:
        return None
    return HeldDeletions(
        slug=slug,
        files=held["files"],
        known=held["known"],
        examples=tuple(held["examples"]),
        at=held["at"],
        approved=row["deletions_approved"],
    )


def approve(tx: Transaction, slug: str, now: datetime, *, actor: str) -> HeldDeletions:
    """Let the next sync make the deletions that are held, and ask for that sync; what was approved.

    Raises:
        ConfigurationError: There is no such endpoint, or nothing is held there.
    """
    held = held_deletions(tx, slug)
    if held is None:
        raise ConfigurationError(f"no deletions are held at {slug!r}", advice="`connectors status` shows where some are")
    tx.execute("UPDATE endpoints SET deletions_approved = true, requested_at = %s WHERE slug = %s", [now, slug])
    tx.execute(
        "UPDATE connectors SET status = 'idle' WHERE status = 'error' AND id = (SELECT connector_id FROM endpoints WHERE slug = %s)", [slug]
    )
    _audit(tx, slug, actor, "approve_deletions", {"files": held.files, "known": held.known}, now=now)
    return held


def put_aside(tx: Transaction, endpoint: Endpoint, now: datetime) -> int:
    """Take the endpoint out of service and mark all it brought as deleted; how many files that were not, parts not counted."""
    tx.execute("UPDATE endpoints SET removed_at = coalesce(removed_at, %s), updated_at = %s WHERE id = %s", [now, now, endpoint.id])
    tx.execute("UPDATE failures SET resolved_at = %s WHERE endpoint_id = %s AND resolved_at IS NULL", [now, endpoint.id])
    row = tx.execute(
        """WITH gone AS (
               UPDATE files SET status = 'deleted', reason = NULL, deleted_at = %s, changed_at = %s, generation = generation + 1,
                      attempts = 0, retry_at = NULL, claimed_by = NULL WHERE endpoint_id = %s AND status <> 'deleted' RETURNING parent_id)
           SELECT count(*) FILTER (WHERE parent_id IS NULL) AS n FROM gone""",
        [now, now, endpoint.id],
    ).fetchone()
    return int(row["n"]) if row else 0


def documents_of(tx: Transaction, endpoint: Endpoint) -> list[tuple[int, DocumentRef]]:
    """Every document of the endpoint with its file's id, at the generation a removal now has."""
    rows = tx.execute(
        "SELECT f.id AS file_id, x.id::text, f.generation FROM files f JOIN documents x ON x.file_id = f.id WHERE f.endpoint_id = %s ORDER BY f.id",
        [endpoint.id],
    ).fetchall()
    return [
        (r["file_id"], DocumentRef(id=r["id"], tenant_id=endpoint.tenant_id, endpoint=endpoint.slug, generation=r["generation"]))
        for r in rows
    ]


def told_removed(tx: Transaction, sink: str, file_ids: Sequence[int], now: datetime) -> None:
    """Note that the sink was told to hold these no more."""
    tx.execute(
        "UPDATE deliveries SET status = 'removed', delivered_at = %s, claimed_by = NULL WHERE sink = %s AND file_id = ANY(%s)",
        [now, sink, list(file_ids)],
    )


def forget(tx: Transaction, endpoint: Endpoint, now: datetime, *, actor: str) -> None:
    """Delete the endpoint's rows, and its connector's where that has no other endpoint. The audit log keeps that it was."""
    _audit(tx, endpoint.slug, actor, "purge", {"kind": endpoint.kind, "connector": endpoint.connector}, now=now)
    tx.execute("DELETE FROM endpoints WHERE id = %s", [endpoint.id])
    tx.execute(
        "DELETE FROM connectors c WHERE c.id = %s AND NOT EXISTS (SELECT 1 FROM endpoints e WHERE e.connector_id = c.id)",
        [endpoint.connector_id],
    )


def another_is_alive(tx: Transaction, me: Worker) -> bool:
    """Whether any other worker of the installation is alive."""
    row = tx.execute(f"SELECT EXISTS (SELECT 1 FROM {ALIVE} AS alive(id) WHERE id <> %s) AS found", [me.id]).fetchone()
    return bool(row and row["found"])


def unreferenced_blobs(tx: Transaction, tenant_id: str, *, objects: int | None = None) -> Unreferenced:
    """Delete the tenant's blob rows that no file refers to, in as many `objects` at most; which objects nobody has any more.

    Delete those before this transaction commits: whoever stores the same bytes meanwhile waits for it with the row.
    A file being downloaded refers to its blob only when it is done, so there must be no live worker besides the caller.
    An object stays as long as any of the blobs in it is referred to.
    """
    rows = tx.execute(
        """WITH dead AS MATERIALIZED (
               SELECT u.sha256, u.key FROM blobs u WHERE u.tenant_id = %(tenant)s
               AND NOT EXISTS (SELECT 1 FROM files f WHERE f.tenant_id = u.tenant_id AND f.sha256 = u.sha256)
               AND NOT EXISTS (SELECT 1 FROM documents x WHERE x.tenant_id = u.tenant_id AND x.sha256 = u.sha256)
           ), few AS (SELECT DISTINCT key FROM dead ORDER BY key LIMIT %(objects)s
           ), gone AS (
               DELETE FROM blobs b USING dead, few WHERE b.tenant_id = %(tenant)s AND b.sha256 = dead.sha256 AND dead.key = few.key
               RETURNING b.key, b.size)
           SELECT key, count(*) AS blobs, sum(size)::bigint AS size FROM gone GROUP BY key""",
        {"tenant": tenant_id, "objects": objects},
    ).fetchall()
    left = tx.execute("SELECT DISTINCT key FROM blobs WHERE key = ANY(%s)", [[r["key"] for r in rows]]).fetchall()
    kept = {r["key"] for r in left}
    return Unreferenced(objects=tuple((r["key"], r["size"]) for r in rows if r["key"] not in kept), looked_at=len(rows))


def unknown_objects(tx: Transaction, keys: Sequence[str]) -> list[str]:
    """Those of the keys that no blob lies in, of whatever tenant: left behind by somebody who was killed before he said what they are."""
    rows = tx.execute(
        "SELECT w.key FROM unnest(%s::text[]) AS w(key) WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.key = w.key)", [list(keys)]
    ).fetchall()
    return [r["key"] for r in rows]


def run_outcomes(tx: Transaction, run_id: str) -> list[StageOutcome]:
    """What each stage of a run did, by endpoint and in order."""
    rows = tx.execute(
        """SELECT e.slug AS endpoint, l.stage, l.status, l.counts, l.error_code, l.error_message
           FROM sync_logs l JOIN endpoints e ON e.id = l.endpoint_id WHERE l.run_id = %s ORDER BY e.slug, l.id""",
        [run_id],
    ).fetchall()
    return [StageOutcome(**row) for row in rows]


def failure_details(tx: Transaction, failure_id: int) -> FailureDetails:
    """One row of the ledger, resolved or not.

    Raises:
        ConfigurationError: There is none of that id.
    """
    row = tx.execute(_FAILURE, [failure_id]).fetchone()
    if row is None:
        raise ConfigurationError(f"there is no failure {failure_id}", advice="`connectors failures` lists the open ones with their ids")
    earlier = tx.execute(
        """SELECT id, stage, sink, code, message, attempts, first_at, last_at, resolved_at FROM failures
           WHERE endpoint_id = %s AND item = %s AND id <> %s ORDER BY id DESC LIMIT 20""",
        [row.pop("endpoint_id"), row["item"], failure_id],
    ).fetchall()
    return FailureDetails(**row, earlier=tuple(earlier))


def anything_delivered(tx: Transaction) -> bool:
    """Whether any sink holds any document: before, every search is empty."""
    row = tx.execute("SELECT EXISTS (SELECT 1 FROM deliveries WHERE status = 'delivered') AS found").fetchone()
    return bool(row and row["found"])


def revision(tx: Transaction) -> str:
    """Differs whenever what the code location is made from does: endpoints, sinks or partitions. Cheap."""
    row = tx.execute(
        """SELECT md5(concat_ws('|',
               (SELECT string_agg(row(e.slug, e.name, e.settings, e.schedule, e.sinks, e.paused, c.name, c.kind, t.name)::text, ',' ORDER BY e.slug)
                FROM endpoints e JOIN connectors c ON c.id = e.connector_id JOIN tenants t ON t.id = e.tenant_id WHERE e.removed_at IS NULL),
               (SELECT string_agg(row(s.*)::text, ',' ORDER BY s.name) FROM sinks s),
               (SELECT string_agg(row(p.*)::text, ',' ORDER BY p.kind) FROM partitions p))) AS revision"""
    ).fetchone()
    return str(row["revision"]) if row else ""


def _audit(tx: Transaction, slug: str, actor: str, action: str, details: Mapping[str, object], *, now: datetime) -> None:
    tx.execute(
        """INSERT INTO audit_log (tenant_id, actor, action, subject, details, at)
           SELECT tenant_id, %s, %s, slug, %s, %s FROM endpoints WHERE slug = %s""",
        [actor, action, Jsonb(details), now, slug],
    )


_FAILURE = """
    SELECT f.id, f.endpoint_id, e.slug AS endpoint, f.item, f.stage, f.sink, f.error_class, f.code, f.message, f.attempts, f.first_at, f.last_at,
           f.next_try_at, f.resolved_at, i.status AS file_status, i.media_type, i.size, i.url
    FROM failures f JOIN endpoints e ON e.id = f.endpoint_id LEFT JOIN files i ON i.id = f.file_id WHERE f.id = %s
"""
