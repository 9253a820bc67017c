"""The ledger: every item that did not make it, with its reason and when it is tried again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connector_pipelines.core.errors import ConnectorError, TransientError
from connector_pipelines.net.postgres import storable
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Transaction, copy_into
from connector_pipelines.telemetry import scrub

__all__ = ["MAX_ATTEMPTS", "FailureRow", "ItemFailure", "backoff", "failures_of", "record_failures", "resolve", "retry"]

MAX_ATTEMPTS = 6
"""Tries of an item whose fault may pass; then it has failed until a person or a new version takes it up."""

_BACKOFF = tuple(timedelta(minutes=m) for m in (1, 5, 30, 120, 720))


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFailure:
    """One item, one stage, one fault. `attempts` counts this one; `retry_at` None means: not by itself."""

    item: str
    stage: str
    error: ConnectorError
    file_id: int | None = None
    sink: str = ""
    attempts: int = 1
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRow:
    """An open row of the ledger, as people see it."""

    id: int
    endpoint: str
    item: str
    stage: str
    sink: str
    error_class: str
    code: str
    message: str
    attempts: int
    first_at: datetime
    last_at: datetime
    next_try_at: datetime | None


def backoff(error: ConnectorError, attempts: int, now: datetime) -> datetime | None:
    """When to try again after this many attempts, or None: never by itself."""
    if not isinstance(error, TransientError) or attempts >= MAX_ATTEMPTS:
        return None
    asked = timedelta(seconds=error.retry_after_s or 0)
    return now + max(asked, _BACKOFF[min(attempts, len(_BACKOFF)) - 1])


def record_failures(tx: Transaction, endpoint: Endpoint, failures: Sequence[ItemFailure], now: datetime) -> None:
    """Open a row for each, or count another attempt on the open one. At most one per item, stage and sink."""
    if not failures:
        return
    columns = ("file_id", "item", "stage", "sink", "error_class", "code", "message", "attempts", "next_try_at")
    rows = {(f.stage, f.sink, f.file_id or storable(f.item)): f for f in failures}.values()
    copy_into(tx, "failing", columns, map(_row, rows), like="failures")
    tx.execute(
        """INSERT INTO failures AS f (tenant_id, endpoint_id, file_id, item, stage, sink, error_class, code, message, attempts, next_try_at, first_at, last_at)
           SELECT %(tenant)s, %(endpoint)s, file_id, item, stage, sink, error_class, code, message, attempts, next_try_at, %(now)s, %(now)s FROM failing
           ON CONFLICT (endpoint_id, stage, sink, (coalesce(file_id::text, item))) WHERE resolved_at IS NULL DO UPDATE SET
               item = excluded.item, error_class = excluded.error_class, code = excluded.code, message = excluded.message,
               attempts = greatest(f.attempts + 1, excluded.attempts), next_try_at = excluded.next_try_at, last_at = excluded.last_at""",
        {"tenant": endpoint.tenant_id, "endpoint": endpoint.id, "now": now},
    )
    tx.execute("DROP TABLE failing")


def resolve(tx: Transaction, file_ids: Sequence[int], stages: Sequence[str], now: datetime, sink: str = "") -> None:
    """Close the open rows of files that made it through these stages."""
    tx.execute(
        "UPDATE failures SET resolved_at = %s WHERE file_id = ANY(%s) AND stage = ANY(%s) AND sink = %s AND resolved_at IS NULL",
        [now, list(file_ids), list(stages), sink],
    )


def failures_of(tx: Transaction, slug: str | None = None, *, limit: int = 100) -> list[FailureRow]:
    """Open rows, newest first; of one endpoint or of all the transaction sees."""
    rows = tx.execute(
        """SELECT f.id, e.slug AS endpoint, coalesce(files.path, f.item) AS item, f.stage, f.sink, f.error_class, f.code, f.message, f.attempts, f.first_at, f.last_at, f.next_try_at
           FROM failures f JOIN endpoints e ON e.id = f.endpoint_id LEFT JOIN files ON files.id = f.file_id
           WHERE f.resolved_at IS NULL AND e.removed_at IS NULL AND (%(slug)s::text IS NULL OR e.slug = %(slug)s) ORDER BY f.last_at DESC, f.id DESC LIMIT %(limit)s""",
        {"slug": slug, "limit": limit},
    ).fetchall()
    return [FailureRow(**row) for row in rows]


def retry(tx: Transaction, *, slug: str | None = None, failure_id: int | None = None) -> int:
    """Take open failures up again at the next sync; how many. Needs an operator's transaction."""
    found = tx.execute(
        """UPDATE failures f SET next_try_at = now(), attempts = 0 FROM endpoints e
           WHERE e.id = f.endpoint_id AND f.resolved_at IS NULL AND (%(slug)s::text IS NULL OR e.slug = %(slug)s) AND (%(id)s::bigint IS NULL OR f.id = %(id)s)
           RETURNING f.file_id, f.stage, f.sink, f.endpoint_id""",
        {"slug": slug, "id": failure_id},
    ).fetchall()
    _reopen(tx, [r["file_id"] for r in found if r["stage"] == "files"], "listed", ["failed", "listed", "stored"])
    # The document may stand, and lack something.
    _reopen(tx, [r["file_id"] for r in found if r["stage"] == "documents"], "stored", ["failed", "listed", "stored", "extracted"])
    delivering = [r for r in found if r["sink"]]
    tx.execute(
        """UPDATE deliveries d SET status = 'pending', attempts = 0, retry_at = NULL FROM unnest(%s::bigint[], %s::text[]) AS t(file_id, sink)
           WHERE d.file_id = t.file_id AND d.sink = t.sink""",
        [[r["file_id"] for r in delivering], [r["sink"] for r in delivering]],
    )
    tx.execute("UPDATE endpoints SET requested_at = now() WHERE id = ANY(%s::uuid[])", [list({str(r["endpoint_id"]) for r in found})])
    return len(found)


def _reopen(tx: Transaction, file_ids: Sequence[int], status: str, where_it_is: Sequence[str]) -> None:
    # Without the bytes of its present version (an older one failed to be read, then this one to come) it is downloaded first.
    tx.execute(
        """UPDATE files SET status = CASE WHEN sha256 IS NULL THEN 'listed' ELSE %s END, reason = NULL, attempts = 0, retry_at = NULL,
                  generation = generation + 1 WHERE id = ANY(%s) AND status = ANY(%s)""",
        [status, list(file_ids), list(where_it_is)],
    )


def _row(failure: ItemFailure) -> tuple[Any, ...]:
    error = failure.error
    message = scrub(str(error)).replace("\x00", "")[:2000]
    return (
        failure.file_id,
        failure.item,
        failure.stage,
        failure.sink,
        error.error_class,
        error.code,
        message,
        failure.attempts,
        failure.retry_at,
    )
