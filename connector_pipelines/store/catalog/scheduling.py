"""Which endpoints are due, and who holds one: rows say it, whatever the reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connector_pipelines.core.config import Cron, Interval, Schedule
from connector_pipelines.core.errors import ConfigurationError, DeletionsHeld
from connector_pipelines.store.catalog.database import Transaction
from connector_pipelines.store.catalog.workers import ALIVE, Worker

__all__ = [
    "WAITS_FOR_SOURCE", "DueEndpoint", "Holder", "begin", "due", "finish", "first_due", "hold", "holder", "next_due", "release", "request", "resume", "stop",
]  # fmt: skip

_LEFTOVERS_WAIT = timedelta(seconds=30)
"""At least this long after a sync until the next one for what it left over: what stays overdue must not make run follow upon run."""

_SOONEST_AGAIN = timedelta(minutes=1)
_LATEST_AGAIN = {"transient": timedelta(minutes=15), "configuration": timedelta(hours=1)}
"""By class: an endpoint that fails is tried again after as long as it has been failing, within these bounds."""

_ASKS = frozenset({DeletionsHeld.code})
"""Of these classes, and waits for an answer instead."""

WAITS_FOR_SOURCE = "coalesce(e.last_error->>'stage' IN ('settings', 'listing') AND e.retry_at IS NOT NULL, false)"
"""SQL: of endpoint `e` nothing was learnt last time. Its schedule waits too, or it would knock more often than it is told."""


_NOTIFIED_AGAIN = timedelta(minutes=15)
"""A listing that failed and is not tried again by itself is not begun sooner for a notification that it left owed."""

_NOTIFIED = f"""(NOT {WAITS_FOR_SOURCE} AND (coalesce(e.last_error->>'stage' NOT IN ('settings', 'listing'), true) OR e.started_at <= %(notified_again)s)
    AND EXISTS (SELECT FROM notifications_owed o WHERE o.endpoint_id = e.id))"""


@dataclass(frozen=True, slots=True)
class DueEndpoint:
    """An endpoint that should sync now.

    Attributes:
        sync_number: Syncs begun so far. With the id it names this due sync for ever.
        reason: requested, interrupted, schedule, leftovers or notified.
        last_sync_s: Seconds the last sync took, or None before the first.
    """

    slug: str
    kind: str
    tenant: str
    sync_number: int
    reason: str
    last_sync_s: float | None
    id: str


@dataclass(frozen=True, slots=True)
class Holder:
    """The live worker that is syncing an endpoint."""

    run_id: str
    host: str
    pid: int


def first_due(schedule: Schedule, now: datetime) -> datetime | None:
    """When an endpoint given this schedule now is first due: at once by interval, at the next time by cron."""
    return now if isinstance(schedule, Interval) else next_due(schedule, now)


def next_due(schedule: Schedule, now: datetime) -> datetime | None:
    """The first instant after `now` that the schedule asks for, in UTC; None for a manual one.

    Raises:
        ConfigurationError: A cron expression that no day meets.
    """
    if isinstance(schedule, Interval):
        return now + schedule.every
    if isinstance(schedule, Cron):
        from zoneinfo import ZoneInfo

        from croniter import CroniterBadDateError, croniter

        try:
            found: datetime = croniter(schedule.expression, now.astimezone(ZoneInfo(schedule.timezone))).get_next(datetime)
        except CroniterBadDateError as error:
            raise ConfigurationError(f"the time {schedule.expression!r} never comes", advice="correct the cron expression") from error
        return found.astimezone(UTC)
    return None


def due(tx: Transaction, kind: str, now: datetime) -> list[DueEndpoint]:
    """Endpoints of the kind that should sync now and that no live worker holds. Needs an operator's transaction."""
    rows = tx.execute(
        f"""SELECT e.id::text, e.slug, c.kind, t.name AS tenant, e.sync_number, e.last_sync_s,
                   CASE WHEN e.requested_at IS NOT NULL THEN 'requested' WHEN e.holder IS NOT NULL THEN 'interrupted'
                        WHEN e.next_due_at <= %(now)s AND NOT {WAITS_FOR_SOURCE} THEN 'schedule' WHEN e.retry_at <= %(now)s THEN 'leftovers'
                        ELSE 'notified' END AS reason
            FROM endpoints e JOIN connectors c ON c.id = e.connector_id JOIN tenants t ON t.id = e.tenant_id
            WHERE c.kind = %(kind)s AND e.removed_at IS NULL AND NOT e.paused AND c.status NOT IN ('error', 'disabled')
              AND (e.requested_at IS NOT NULL OR e.holder IS NOT NULL OR e.retry_at <= %(now)s OR (e.next_due_at <= %(now)s AND NOT {WAITS_FOR_SOURCE})
                   OR {_NOTIFIED})
              AND (e.holder IS NULL OR e.holder NOT IN {ALIVE})
            ORDER BY e.requested_at NULLS LAST, e.next_due_at, e.slug""",
        {"kind": kind, "now": now, "notified_again": now - _NOTIFIED_AGAIN},
    ).fetchall()
    return [DueEndpoint(**row) for row in rows]


def request(tx: Transaction, slug: str, now: datetime) -> None:
    """Ask for a sync as soon as may be; a connector that waited for a person is tried again.

    Raises:
        ConfigurationError: No such endpoint, or it is paused.
    """
    row = tx.execute(
        "UPDATE endpoints SET requested_at = %s WHERE slug = %s AND removed_at IS NULL RETURNING connector_id, paused", [now, slug]
    ).fetchone()
    if row is None:
        raise ConfigurationError(f"there is no endpoint {slug!r}", advice="`connectors status` lists them")
    if row["paused"]:
        raise ConfigurationError(f"the endpoint {slug!r} is paused", advice="set `paused: false` in connectors.yaml first")
    tx.execute("UPDATE connectors SET status = 'idle' WHERE id = %s AND status = 'error'", [row["connector_id"]])


def resume(tx: Transaction, connector_id: str, now: datetime) -> list[str]:
    """Let a connector go on whose sign-in was mended: what it stopped is due now; the slugs."""
    tx.execute(
        "UPDATE connectors SET status = 'idle', last_error = NULL, updated_at = %s WHERE id = %s AND status = 'error'", [now, connector_id]
    )
    rows = tx.execute(
        """UPDATE endpoints SET requested_at = %s
           WHERE connector_id = %s AND last_error->>'class' IN ('security', 'configuration') AND last_error->>'code' <> ALL(%s)
             AND removed_at IS NULL AND NOT paused
           RETURNING slug""",
        [now, connector_id, list(_ASKS)],
    ).fetchall()
    return sorted(row["slug"] for row in rows)


def hold(tx: Transaction, endpoint_id: str, worker: Worker) -> bool:
    """Take the endpoint's listing for this worker; False where a live worker has it.

    What a worker that died left unfinished counts as asked for: it may have been a look at the whole feed, and this one is not.
    """
    row = tx.execute(
        f"""UPDATE endpoints SET holder = %(me)s, requested_at = CASE WHEN holder <> %(me)s THEN coalesce(requested_at, now()) ELSE requested_at END
            WHERE id = %(id)s AND (holder IS NULL OR holder = %(me)s OR holder NOT IN {ALIVE}) RETURNING id""",
        {"me": worker.id, "id": endpoint_id},
    ).fetchone()
    return row is not None


def holder(tx: Transaction, endpoint_id: str) -> Holder | None:
    """Who has the endpoint's listing; None where no live worker has."""
    row = tx.execute(
        f"SELECT w.run_id, w.host, w.pid FROM endpoints e JOIN workers w ON w.id = e.holder WHERE e.id = %s AND w.id IN {ALIVE}",
        [endpoint_id],
    ).fetchone()
    return Holder(**row) if row else None


def release(tx: Transaction, endpoint_id: str, worker: Worker) -> None:
    tx.execute("UPDATE endpoints SET holder = NULL WHERE id = %s AND holder = %s", [endpoint_id, worker.id])


def begin(tx: Transaction, endpoint_id: str, schedule: Schedule, now: datetime, *, notified: bool = False) -> bool:
    """Acknowledge that a sync began: what was due until now is answered by it, what comes after is not.

    Args:
        notified: It was asked for because of notifications, which may be all it looks at.

    Returns:
        Whether they are all there is a reason for. Then the schedule stays as it is: a stream of notifications must not put off the look at
        everything that changed.
    """
    only = notified and _only_notified(tx, endpoint_id, now)
    tx.execute(
        """UPDATE endpoints SET sync_number = sync_number + 1, requested_at = NULL, retry_at = NULL,
                  next_due_at = CASE WHEN %s THEN next_due_at ELSE %s END, started_at = %s WHERE id = %s""",
        [only, next_due(schedule, now), now, endpoint_id],
    )
    tx.execute(
        "UPDATE connectors SET status = 'syncing' WHERE status <> 'disabled' AND id = (SELECT connector_id FROM endpoints WHERE id = %s)",
        [endpoint_id],
    )
    return only


def finish(
    tx: Transaction,
    endpoint_id: str,
    *,
    started_at: datetime,
    now: datetime,
    error: dict[str, Any] | None,
    stops: bool,
    retry_at: datetime | None,
) -> None:
    """Record how a sync ended, and when it is tried again: at `retry_at` at the soonest, or as the items it left over wait to be.

    Args:
        error: As `ConnectorError.as_json`, with the `stage` it stopped, where it was one.
    """
    from psycopg.types.json import Jsonb

    error, again_at = _again(tx, endpoint_id, error, now)
    retry_at = max((at for at in (retry_at, again_at) if at is not None), default=None)
    values = {
        "id": endpoint_id, "failed": error is not None, "error": Jsonb(error) if error else None, "stops": stops, "started_at": started_at,
        "now": now, "seconds": (now - started_at).total_seconds(), "retry_at": retry_at, "soonest": now + _LEFTOVERS_WAIT,
    }  # fmt: skip
    tx.execute(_FINISH_ENDPOINT, values)
    tx.execute(_FINISH_CONNECTOR, values)


def stop(tx: Transaction, endpoint_id: str, error: dict[str, Any], now: datetime) -> None:
    """Record that no sync could begin, since the endpoint's settings do not even open; it is tried again by and by."""
    from psycopg.types.json import Jsonb

    told, again_at = _again(tx, endpoint_id, {**error, "stage": "settings"}, now)
    tx.execute(
        f"""UPDATE endpoints SET last_error = %s, retry_at = %s, requested_at = NULL,
                   holder = CASE WHEN holder IN {ALIVE} THEN holder END WHERE id = %s""",
        [Jsonb(told), again_at, endpoint_id],
    )


def _only_notified(tx: Transaction, endpoint_id: str, now: datetime) -> bool:
    """Whether the endpoint has been read to the end of its feed, and nothing asks for that to be done again."""
    row = tx.execute(
        f"""SELECT e.cursor <> '' AND NOT e.deletions_approved AND e.requested_at IS NULL AND NOT {WAITS_FOR_SOURCE}
                   AND coalesce(e.next_due_at > %s, true) AS yes FROM endpoints e WHERE e.id = %s""",
        [now, endpoint_id],
    ).fetchone()
    return bool(row and row["yes"])


def _again(tx: Transaction, endpoint_id: str, error: dict[str, Any] | None, now: datetime) -> tuple[dict[str, Any] | None, datetime | None]:
    """The error with the instant since when there is one of its class, and when to try again by ourselves, or None: as scheduled."""
    latest = _LATEST_AGAIN.get(error.get("class", "")) if error else None
    if error is None or latest is None or error["code"] in _ASKS:
        return error, None
    row = tx.execute("SELECT last_error FROM endpoints WHERE id = %s", [endpoint_id]).fetchone()
    before = (row and row["last_error"]) or {}
    since = datetime.fromisoformat(before["since"]) if before.get("since") and before.get("class") == error["class"] else now
    return {**error, "since": since.isoformat()}, now + min(max(now - since, _SOONEST_AGAIN), latest)


# Asked of the work and not of the ledger: a row there may stay open for an item that nothing takes up any more.
_FINISH_ENDPOINT = """
    UPDATE endpoints e SET synced_at = CASE WHEN %(failed)s THEN synced_at ELSE %(now)s END, last_sync_s = %(seconds)s, last_error = %(error)s,
           retry_at = coalesce(%(retry_at)s, (SELECT greatest(min(at), %(soonest)s) FROM (
               SELECT f.retry_at FROM files f WHERE f.endpoint_id = e.id AND f.status IN ('listed', 'stored')
               UNION ALL
               SELECT d.retry_at FROM deliveries d WHERE d.endpoint_id = e.id AND d.retry_at IS NOT NULL AND d.sink = ANY(e.sinks)
           ) AS waiting(at) HAVING min(at) IS NOT NULL))
    WHERE e.id = %(id)s
"""

# What stopped the connector at another endpoint since this sync began stands until a person acts.
_FINISH_CONNECTOR = """
    UPDATE connectors SET status = CASE WHEN status = 'disabled' THEN status WHEN %(stops)s THEN 'error' ELSE 'active' END, last_error = %(error)s,
           last_connected_at = CASE WHEN %(failed)s THEN last_connected_at ELSE %(now)s END, updated_at = %(now)s
    WHERE id = (SELECT connector_id FROM endpoints WHERE id = %(id)s) AND NOT (status = 'error' AND updated_at > %(started_at)s AND NOT %(stops)s)
"""
