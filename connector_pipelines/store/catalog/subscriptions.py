"""Subscriptions of endpoints: rows from before one is asked for until after it ended, and which endpoints need looking after.

The row comes first: a call may be made before the answer to `subscribe`, and a process may be killed in between. Needs an operator's
transaction, all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from connector_pipelines.core.push import KnownSubscription, Subscription
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Transaction

__all__ = [
    "CLOSED_KEPT", "LOST_AFTER", "Fault", "HeardRow", "SubscriptionRow", "close_later", "closed", "failed", "forget", "hear", "known_by_connector", "listed",
    "look_again", "needing", "not_closed", "of_endpoint", "opened", "opening", "subscribed_kinds", "wanting",
]  # fmt: skip

LOST_AFTER = timedelta(minutes=10)
"""One that is being opened for longer has lost whoever opened it."""

CLOSED_KEPT = timedelta(hours=1)
"""After it was stopped or has expired, for calls that were under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRow:
    """A subscription as its row says.

    Attributes:
        address: Which of ours it calls.
        state: opening, open, closing (to be stopped), closed, or failed (it could not be opened).
        may_exist: False where the other side said that there is none.
        renew_at: From then on another is opened in its place.
        calls, heard_at: How often it made itself heard, its greeting counted, and when last.
        retry_at: Not opened or stopped again before.
    """

    id: str
    resource: str
    address: str
    handle: str | None
    state: str
    may_exist: bool
    expires_at: datetime
    renew_at: datetime
    created_at: datetime
    closed_at: datetime | None
    calls: int
    heard_at: datetime | None
    last_error: Mapping[str, Any] | None
    failing_since: datetime | None
    retry_at: datetime | None

    @property
    def subscription(self) -> Subscription:
        return Subscription(id=self.id, resource=self.resource, handle=self.handle, expires_at=self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why something did not work: `ConnectorError.as_json`, since when, and when it is tried again."""

    error: Mapping[str, Any]
    since: datetime
    retry_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardRow:
    """That a subscription made itself heard: how often, when last, and what the call said its handle is."""

    subscription_id: str
    calls: int
    at: datetime
    handle: str | None = field(default=None)


def of_endpoint(tx: Transaction, endpoint_id: str) -> list[SubscriptionRow]:
    """All its rows, the oldest first."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM subscriptions s WHERE s.endpoint_id = %s ORDER BY s.created_at, s.id", [endpoint_id]
    ).fetchall()
    return [SubscriptionRow(**row) for row in rows]


def listed(tx: Transaction, slug: str | None) -> list[tuple[str, SubscriptionRow]]:
    """Slug and row, of one endpoint or of all."""
    rows = tx.execute(
        f"""SELECT e.slug, {_COLUMNS} FROM subscriptions s JOIN endpoints e ON e.id = s.endpoint_id WHERE %(slug)s::text IS NULL OR e.slug = %(slug)s
            ORDER BY e.slug, s.resource, s.created_at""",
        {"slug": slug},
    ).fetchall()
    return [(row.pop("slug"), SubscriptionRow(**row)) for row in rows]


def known_by_connector(tx: Transaction) -> dict[str, dict[str, KnownSubscription]]:
    """By connector and id, every subscription whose calls are genuine."""
    rows = tx.execute(
        """SELECT e.connector_id::text, s.id::text, s.resource, s.handle, s.expires_at, s.secret_sha256
           FROM subscriptions s JOIN endpoints e ON e.id = s.endpoint_id"""
    ).fetchall()
    found: dict[str, dict[str, KnownSubscription]] = {}
    for row in rows:
        connector_id = row.pop("connector_id")
        found.setdefault(connector_id, {})[row["id"]] = KnownSubscription(**row)
    return found


def wanting(tx: Transaction, endpoint_id: str) -> bool:
    """Whether the endpoint is to hear of anything, as its row and its connector's stand."""
    row = tx.execute(f"SELECT {_WANTS} AS wants {_FROM} WHERE e.id = %s", [endpoint_id]).fetchone()
    return bool(row and row["wants"])


def needing(tx: Transaction, kind: str, public_url: str | None, now: datetime) -> list[str]:
    """Slugs of the endpoints of the kind at which something is to be done."""
    rows = tx.execute(
        f"""SELECT e.slug {_FROM} WHERE k.kind = %(kind)s AND (
                ({_WANTS} AND %(public)s::text IS NOT NULL AND coalesce(e.subscribe_at <= %(now)s, true))
                OR EXISTS (SELECT FROM subscriptions s WHERE s.endpoint_id = e.id AND (coalesce(s.closed_at, s.expires_at) < %(over)s
                    OR (k.status <> 'error' AND (
                        (s.state IN ('opening', 'open', 'failed') AND NOT ({_WANTS} AND %(public)s::text IS NOT NULL))
                        OR (s.state = 'open' AND (s.renew_at <= %(now)s OR NOT starts_with(s.address, %(public)s)) AND NOT EXISTS (
                            SELECT FROM subscriptions o WHERE (o.endpoint_id, o.resource) = (s.endpoint_id, s.resource)
                            AND (o.state = 'opening' OR (o.state = 'failed' AND o.retry_at > %(now)s))))
                        OR (s.state = 'opening' AND s.created_at < %(lost)s) OR (s.state = 'failed' AND s.retry_at <= %(now)s)
                        OR (s.state = 'closing' AND s.handle IS NOT NULL AND s.expires_at > %(now)s AND coalesce(s.retry_at <= %(now)s, true)))))))
            ORDER BY e.slug""",
        {"kind": kind, "public": public_url, "now": now, "lost": now - LOST_AFTER, "over": now - CLOSED_KEPT},
    ).fetchall()
    return [row["slug"] for row in rows]


def subscribed_kinds(tx: Transaction) -> list[str]:
    """Kinds that have subscriptions, also of endpoints that were removed."""
    rows = tx.execute(
        """SELECT DISTINCT k.kind FROM subscriptions s JOIN endpoints e ON e.id = s.endpoint_id JOIN connectors k ON k.id = e.connector_id
           WHERE s.state <> 'closed' ORDER BY 1"""
    ).fetchall()
    return [row["kind"] for row in rows]


def opening(tx: Transaction, endpoint: Endpoint, wanted: Subscription, *, address: str, secret_sha256: bytes, now: datetime) -> bool:
    """Note that one is about to be asked for; False where another is at it, or has just done it."""
    values = {
        "id": wanted.id, "tenant": endpoint.tenant_id, "endpoint": endpoint.id, "resource": wanted.resource, "address": address,
        "secret": secret_sha256, "expires": wanted.expires_at, "now": now,
    }  # fmt: skip
    row = tx.execute(_OPENING, values).fetchone()
    if row is None:
        return False
    before = "endpoint_id = %(endpoint)s AND resource = %(resource)s AND state = 'failed'"
    tx.execute(f"DELETE FROM subscriptions WHERE {before} AND NOT may_exist", values)
    tx.execute(f"UPDATE subscriptions SET state = 'closing', retry_at = NULL WHERE {before}", values)
    return True


def opened(tx: Transaction, endpoint: Endpoint, found: Subscription, *, renew_at: datetime, now: datetime) -> bool:
    """Note that it is there: what it replaces is to be stopped. Where it replaces none that works, a sync is asked for, since nobody
    was told of what changed before; whether it was."""
    values = {
        "id": found.id, "endpoint": endpoint.id, "resource": found.resource, "handle": found.handle, "expires": found.expires_at,
        "renew": renew_at, "now": now,
    }  # fmt: skip
    replaced = tx.execute(
        """UPDATE subscriptions o SET state = 'closing', retry_at = NULL, last_error = NULL, failing_since = NULL FROM subscriptions n
           WHERE n.id = %(id)s AND o.endpoint_id = %(endpoint)s AND o.resource = %(resource)s AND o.state = 'open' AND o.id <> n.id
           RETURNING o.expires_at > %(now)s AND o.address = n.address AS works""",
        values,
    ).fetchall()
    tx.execute(
        """UPDATE subscriptions SET state = 'open', handle = coalesce(%(handle)s, handle), expires_at = %(expires)s, renew_at = %(renew)s,
                  last_error = NULL, failing_since = NULL, retry_at = NULL WHERE id = %(id)s""",
        values,
    )
    gap = not any(row["works"] for row in replaced)
    if gap:
        tx.execute("UPDATE endpoints SET requested_at = coalesce(requested_at, %(now)s) WHERE id = %(endpoint)s AND NOT paused", values)
    return gap


def failed(tx: Transaction, subscription_id: str, fault: Fault, *, may_exist: bool) -> None:
    """Note that it could not be opened."""
    tx.execute(
        "UPDATE subscriptions SET state = 'failed', may_exist = %s, last_error = %s, failing_since = %s, retry_at = %s WHERE id = %s",
        [may_exist, Jsonb(fault.error), fault.since, fault.retry_at, subscription_id],
    )


def close_later(tx: Transaction, subscription_ids: Sequence[str]) -> None:
    """Note that these are to be stopped. What is known not to exist is forgotten."""
    tx.execute("DELETE FROM subscriptions WHERE id = ANY(%s::uuid[]) AND NOT may_exist", [list(subscription_ids)])
    tx.execute(
        """UPDATE subscriptions SET state = 'closing', retry_at = NULL, last_error = NULL, failing_since = NULL
           WHERE id = ANY(%s::uuid[]) AND state <> 'closed'""",
        [list(subscription_ids)],
    )


def closed(tx: Transaction, subscription_id: str, now: datetime) -> None:
    """Note that it was stopped."""
    tx.execute("UPDATE subscriptions SET state = 'closed', closed_at = %s, last_error = NULL WHERE id = %s", [now, subscription_id])


def not_closed(tx: Transaction, subscription_id: str, fault: Fault) -> None:
    """Note that it could not be stopped; it ends by itself when it expires."""
    tx.execute(
        "UPDATE subscriptions SET last_error = %s, failing_since = %s, retry_at = %s WHERE id = %s",
        [Jsonb(fault.error), fault.since, fault.retry_at, subscription_id],
    )


def forget(tx: Transaction, endpoint_id: str, now: datetime) -> int:
    """Delete rows of what is over; how many."""
    return tx.execute(
        "DELETE FROM subscriptions WHERE endpoint_id = %s AND coalesce(closed_at, expires_at) < %s", [endpoint_id, now - CLOSED_KEPT]
    ).rowcount


def look_again(tx: Transaction, endpoint_id: str, at: datetime | None, error: Mapping[str, Any] | None) -> None:
    """Note when to ask the source again what the endpoint wants to hear of, and why it could not say so now."""
    tx.execute(
        "UPDATE endpoints SET subscribe_at = %s, subscribe_error = %s WHERE id = %s", [at, Jsonb(error) if error else None, endpoint_id]
    )


def hear(tx: Transaction, heard: Sequence[HeardRow]) -> None:
    """Count calls, and keep the handles of those whose answer was lost."""
    for one in sorted(heard, key=lambda each: each.subscription_id):
        tx.execute(
            """UPDATE subscriptions SET calls = calls + %s, heard_at = greatest(heard_at, %s), handle = coalesce(handle, %s), may_exist = true
               WHERE id = %s""",
            [one.calls, one.at, one.handle, one.subscription_id],
        )


_COLUMNS = """s.id::text, s.resource, s.address, s.handle, s.state, s.may_exist, s.expires_at, s.renew_at, s.created_at, s.closed_at, s.calls,
    s.heard_at, s.last_error, s.failing_since, s.retry_at"""

_FROM = "FROM endpoints e JOIN connectors k ON k.id = e.connector_id"
_WANTS = """(e.removed_at IS NULL AND NOT e.paused AND k.status NOT IN ('error', 'disabled') AND coalesce(k.webhook->'verify'->>'type' = 'source', false))"""

# Looked at again under the eyes of the others: what was planned on may be done by now.
_OPENING = """
    INSERT INTO subscriptions (id, tenant_id, endpoint_id, resource, address, secret_sha256, expires_at, renew_at, created_at)
    SELECT %(id)s, %(tenant)s, %(endpoint)s, %(resource)s, %(address)s, %(secret)s, %(expires)s, %(expires)s, %(now)s
    WHERE NOT EXISTS (SELECT FROM subscriptions s WHERE s.endpoint_id = %(endpoint)s AND s.resource = %(resource)s AND s.state = 'open'
                      AND s.address = %(address)s AND s.renew_at > %(now)s)
    ON CONFLICT (endpoint_id, resource) WHERE state = 'opening' DO NOTHING RETURNING id
"""
