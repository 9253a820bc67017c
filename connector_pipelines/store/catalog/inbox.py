"""What webhooks were told: kept, owed to each endpoint of its connector, and answered for by a sync."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from typing import Any

from psycopg.types.json import Jsonb

from connector_pipelines.core.types import Notification
from connector_pipelines.core.webhooks import WebhookSettings
from connector_pipelines.net.postgres import storable, storable_json
from connector_pipelines.store.catalog.database import Transaction

__all__ = [
    "Arrived",
    "Owed",
    "Receiver",
    "Refused",
    "answer",
    "count_refusals",
    "forget_removed",
    "keep",
    "notifications",
    "owed",
    "receivers",
]

FOLLOW_BYTES = 16 * 1024**2
"""Of payloads that are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A connector that has a webhook, and at least one endpoint.

    Attributes:
        endpoint: Slug of its first endpoint: whose source may be asked, where the kind proves calls by itself.
    """

    connector_id: str
    connector: str
    kind: str
    tenant_id: str
    tenant: str
    endpoint: str
    settings: WebhookSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A genuine call.

    Attributes:
        delivery_id: The sender's name for it, or one made of what it says.
        payload: JSON.
        named: Whether a call of the same id is the same delivery. Otherwise it merely says the same, and is owed again.
        subscription_id: The subscription that told it, whose endpoint alone is owed it; None: every endpoint of the connector.
    """

    tenant_id: str
    connector_id: str
    delivery_id: str
    payload: Any = field(repr=False)
    received_at: datetime
    named: bool
    subscription_id: str | None = None


@dataclass(frozen=True, slots=True)
class Owed:
    """A notification an endpoint is owed, as it stood when it was looked up."""

    inbox_id: int
    told: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Calls of a connector's webhook that were refused for the same reason."""

    connector_id: str
    day: date
    reason: str
    calls: int
    last_at: datetime


def receivers(tx: Transaction) -> list[Receiver]:
    """Every connector that has a webhook. Needs an operator's transaction."""
    rows = tx.execute(
        """SELECT c.id::text AS connector_id, c.name AS connector, c.kind, t.id::text AS tenant_id, t.name AS tenant, c.webhook AS settings,
                  (SELECT min(e.slug) FROM endpoints e WHERE e.connector_id = c.id AND e.removed_at IS NULL) AS endpoint
           FROM connectors c JOIN tenants t ON t.id = c.tenant_id WHERE c.webhook IS NOT NULL"""
    ).fetchall()
    return [Receiver(**{**row, "settings": WebhookSettings.model_validate(row["settings"])}) for row in rows if row["endpoint"] is not None]


def keep(tx: Transaction, arrived: Sequence[Arrived]) -> int:
    """Store the calls, and owe each to the endpoint it is for, or to every one of its connector; how many were news.

    Needs a tenant's transaction; it is handed on from tenant to tenant where there are several.
    """
    news = 0
    # One order for all who write at once, or two of them would wait for each other.
    ordered = sorted(_last_of_each(arrived), key=lambda one: (one.tenant_id, one.connector_id, one.delivery_id))
    for tenant_id, ours in groupby(ordered, key=lambda one: one.tenant_id):
        tx.execute("SELECT set_config('connector_pipelines.tenant_id', %s, true)", [tenant_id])
        news += _keep(tx, tenant_id, list(ours))
    return news


def owed(tx: Transaction, endpoint_id: str) -> list[Owed]:
    """All the endpoint is owed now. Needs its tenant's transaction.

    Each by its id and not "up to the newest": of two that are stored at once, the one with the higher id may be seen first.
    """
    rows = tx.execute("SELECT inbox_id, told FROM notifications_owed WHERE endpoint_id = %s ORDER BY inbox_id", [endpoint_id]).fetchall()
    return [Owed(row["inbox_id"], row["told"]) for row in rows]


def notifications(tx: Transaction, wanted: Sequence[Owed], limit: int, *, at_most_bytes: int = FOLLOW_BYTES) -> dict[int, Notification]:
    """The first of them by id in the inbox, in order: at most `limit`, and one at least however large."""
    rows = tx.execute(
        """SELECT id, delivery_id, payload, received_at FROM (
               SELECT id, delivery_id, payload, received_at, sum(pg_column_size(payload)) OVER (ORDER BY id) - pg_column_size(payload) AS before
               FROM webhook_inbox WHERE id = ANY(%s)) sized
           WHERE before < %s ORDER BY id""",
        [[one.inbox_id for one in wanted[:limit]], at_most_bytes],
    ).fetchall()
    return {row.pop("id"): Notification(**row) for row in rows}


def answer(tx: Transaction, endpoint_id: str, answered: Sequence[Owed], now: datetime) -> None:
    """The endpoint is owed these no more, but for those that were told again since. Needs its tenant's transaction."""
    if not answered:
        return
    ids = sorted(one.inbox_id for one in answered)
    # Held first: of two endpoints that answer for the same one at once, the second is to see that it is the last.
    tx.execute("SELECT FROM webhook_inbox WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [ids])
    tx.execute(
        """DELETE FROM notifications_owed o USING unnest(%s::bigint[], %s::int[]) AS a(inbox_id, told)
           WHERE o.endpoint_id = %s AND o.inbox_id = a.inbox_id AND o.told = a.told""",
        [[one.inbox_id for one in answered], [one.told for one in answered], endpoint_id],
    )
    _mark_done(tx, ids, now)


def forget_removed(tx: Transaction, now: datetime) -> None:
    """What endpoints that were put aside are owed: they have nobody who would look. Needs an operator's transaction."""
    rows = tx.execute(
        """DELETE FROM notifications_owed o USING endpoints e WHERE e.id = o.endpoint_id AND e.removed_at IS NOT NULL RETURNING o.inbox_id"""
    ).fetchall()
    _mark_done(tx, sorted({row["inbox_id"] for row in rows}), now)


def count_refusals(tx: Transaction, refused: Iterable[Refused]) -> None:
    """Add to what is counted per connector, day and reason. Needs an operator's transaction."""
    for one in sorted(refused, key=lambda each: (each.connector_id, each.day, each.reason)):
        tx.execute(
            """INSERT INTO webhook_refusals AS r (connector_id, day, reason, calls, last_at)
               SELECT %(connector)s, %(day)s, %(reason)s, %(calls)s, %(last_at)s WHERE EXISTS (SELECT FROM connectors WHERE id = %(connector)s)
               ON CONFLICT (connector_id, day, reason) DO UPDATE SET calls = r.calls + excluded.calls, last_at = greatest(r.last_at, excluded.last_at)""",
            {"connector": one.connector_id, "day": one.day, "reason": one.reason, "calls": one.calls, "last_at": one.last_at},
        )


# A call of an id that is known is the same delivery made again, unless its sender gave it no name: then it is owed once more.
_KEEP = """
    WITH arrived AS (
        SELECT * FROM unnest(%(connectors)s::uuid[], %(ids)s::text[], %(payloads)s::jsonb[], %(times)s::timestamptz[], %(subscriptions)s::uuid[])
               AS a(connector_id, delivery_id, payload, received_at, subscription_id)
    ), kept AS (
        INSERT INTO webhook_inbox AS i (tenant_id, connector_id, delivery_id, payload, received_at)
        SELECT %(tenant)s, a.connector_id, a.delivery_id, a.payload, a.received_at FROM arrived a
        WHERE EXISTS (SELECT FROM connectors c WHERE c.id = a.connector_id)
        ON CONFLICT (connector_id, delivery_id) DO UPDATE
            SET told = i.told + 1, received_at = excluded.received_at, done_at = NULL WHERE i.delivery_id = ANY(%(unnamed)s)
        RETURNING id, connector_id, delivery_id, told
    ), owing AS (
        INSERT INTO notifications_owed AS o (endpoint_id, inbox_id, tenant_id, told)
        SELECT e.id, k.id, %(tenant)s, k.told FROM kept k JOIN arrived a USING (connector_id, delivery_id)
        JOIN endpoints e ON e.connector_id = k.connector_id AND e.removed_at IS NULL
        WHERE a.subscription_id IS NULL OR EXISTS (SELECT FROM subscriptions s WHERE s.id = a.subscription_id AND s.endpoint_id = e.id)
        ON CONFLICT (endpoint_id, inbox_id) DO UPDATE SET told = excluded.told
    )
    SELECT count(*) AS news FROM kept
"""


def _keep(tx: Transaction, tenant_id: str, arrived: Sequence[Arrived]) -> int:
    values: Mapping[str, object] = {
        "tenant": tenant_id,
        "connectors": [one.connector_id for one in arrived],
        "ids": [storable(one.delivery_id) for one in arrived],
        "payloads": [Jsonb(storable_json(one.payload)) for one in arrived],
        "times": [one.received_at for one in arrived],
        "subscriptions": [one.subscription_id for one in arrived],
        "unnamed": [one.delivery_id for one in arrived if not one.named],
    }
    row = tx.execute(_KEEP, values).fetchone()
    return int(row["news"]) if row else 0


def _last_of_each(arrived: Sequence[Arrived]) -> Iterable[Arrived]:
    return {(one.connector_id, storable(one.delivery_id)): one for one in arrived}.values()


def _mark_done(tx: Transaction, inbox_ids: Sequence[int], now: datetime) -> None:
    tx.execute(
        """UPDATE webhook_inbox i SET done_at = %s
           WHERE i.id = ANY(%s) AND NOT EXISTS (SELECT FROM notifications_owed o WHERE o.inbox_id = i.id)""",
        [now, inbox_ids],
    )
