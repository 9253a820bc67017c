"""What is configured: `connectors.yaml` into rows, and rows into what a run works with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from connector_pipelines.core.auth import Auth
from connector_pipelines.core.config import (
    ConnectorConfig,
    ConnectorsFile,
    EndpointConfig,
    ExtractionLimits,
    PartitionsConfig,
    Schedule,
    SinkSettings,
)
from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.store.catalog.database import Transaction
from connector_pipelines.store.catalog.inbox import forget_removed
from connector_pipelines.store.catalog.scheduling import first_due

__all__ = ["Applied", "Endpoint", "Installation", "apply", "connector_id", "endpoint", "installation", "sink_settings", "tenant_named"]

_SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)
_AUTH: TypeAdapter[Auth] = TypeAdapter(Auth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A configured endpoint with its connector, as the rows say.

    Attributes:
        timezone: IANA name; where a day of its kind's windows begins.
        cursor: Place in the source's feed; empty before the first complete listing.
        deletions_approved: A person has let go what a sweep held back; the next sweep may delete it.
        removed: The configuration no longer has it; what it brought is kept until purged.
    """

    id: str
    slug: str
    name: str
    kind: str
    tenant_id: str
    tenant: str
    connector_id: str
    connector: str
    status: str
    auth: Auth
    settings: Mapping[str, Any]
    schedule: Schedule
    sinks: tuple[str, ...]
    extraction: ExtractionLimits
    max_delete_share: float
    max_failed_share: float
    paused: bool
    timezone: str
    cursor: str
    deletions_approved: bool
    removed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Everything the code location is made from."""

    endpoints: tuple[Endpoint, ...]
    sinks: Mapping[str, SinkSettings]
    partitions: Mapping[str, PartitionsConfig]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a configuration file changed.

    Attributes:
        added, changed, removed: Endpoints, by slug; removed ones keep their data until purged.
        other: `sinks` and `partitions`, where those changed; never at the first file.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    other: tuple[str, ...] = field(default=())

    @property
    def anything(self) -> bool:
        return bool(self.added or self.changed or self.removed or self.other)


_ENDPOINTS = """
    SELECT e.id::text, e.slug, e.name, c.kind, e.tenant_id::text, t.name AS tenant, c.id::text AS connector_id, c.name AS connector,
           c.status, c.auth_config AS auth, e.settings, e.schedule, e.sinks, e.extraction, e.max_delete_share, e.max_failed_share, e.paused,
           coalesce(p.timezone, 'UTC') AS timezone, e.cursor, e.deletions_approved, e.removed_at IS NOT NULL AS removed
    FROM endpoints e JOIN connectors c ON c.id = e.connector_id JOIN tenants t ON t.id = e.tenant_id LEFT JOIN partitions p ON p.kind = c.kind
"""


def installation(tx: Transaction) -> Installation:
    """All endpoints not removed, by slug, with the sinks and partitions. Needs an operator's transaction."""
    rows = tx.execute(_ENDPOINTS + " WHERE e.removed_at IS NULL ORDER BY e.slug").fetchall()
    partitions = tx.execute("SELECT kind, start, every, timezone FROM partitions").fetchall()
    return Installation(
        endpoints=tuple(map(_endpoint, rows)),
        sinks=sink_settings(tx),
        partitions={p["kind"]: PartitionsConfig(start=p["start"], every=p["every"], timezone=p["timezone"]) for p in partitions},
    )


def endpoint(tx: Transaction, slug: str, *, even_removed: bool = False) -> Endpoint:
    """The endpoint of that slug. Needs an operator's transaction.

    Raises:
        ConfigurationError: There is none; the known ones are named.
    """
    row = tx.execute(_ENDPOINTS + " WHERE e.slug = %s AND (%s OR e.removed_at IS NULL)", [slug, even_removed]).fetchone()
    if row is None:
        known = [
            r["slug"]
            for r in tx.execute("SELECT slug FROM endpoints WHERE %s OR removed_at IS NULL ORDER BY slug", [even_removed]).fetchall()
        ]
        raise ConfigurationError(
            f"there is no endpoint {slug!r}", advice=f"known: {', '.join(known) or 'none yet'}; `connectors.yaml` adds one"
        )
    return _endpoint(row)


def applied_digest(tx: Transaction) -> str | None:
    """What `remember_applied` was last told, or None before anything was applied. Needs an operator's transaction."""
    row = tx.execute("SELECT details->>'sha256' AS digest FROM audit_log WHERE action = 'apply_file' ORDER BY id DESC LIMIT 1").fetchone()
    return row["digest"] if row else None


def remember_applied(tx: Transaction, digest: str, *, actor: str) -> None:
    """Note which content of a configuration file was applied."""
    tx.execute(
        "INSERT INTO audit_log (actor, action, subject, details) VALUES (%s, 'apply_file', 'connectors.yaml', %s)",
        [actor, Jsonb({"sha256": digest})],
    )


def connector_id(tx: Transaction, tenant: str, name: str) -> str | None:
    """The id of a tenant's connector, or None while it is in no row. Needs an operator's transaction."""
    row = tx.execute(
        "SELECT c.id::text FROM connectors c JOIN tenants t ON t.id = c.tenant_id WHERE (t.name, c.name) = (%s, %s)", [tenant, name]
    ).fetchone()
    return str(row["id"]) if row else None


def tenant_named(tx: Transaction, name: str) -> str:
    """The id of the tenant of that name.

    Raises:
        ConfigurationError: There is none.
    """
    row = tx.execute("SELECT id::text FROM tenants WHERE name = %s", [name]).fetchone()
    if row is None:
        raise ConfigurationError(
            f"there is no tenant {name!r} yet", advice="`connectors.yaml` names the tenants; `connectors sync` brings it in"
        )
    return str(row["id"])


def sink_settings(tx: Transaction) -> dict[str, SinkSettings]:
    rows = tx.execute("SELECT name, kind, settings FROM sinks ORDER BY name").fetchall()
    return {r["name"]: SinkSettings(kind=r["kind"], settings=r["settings"]) for r in rows}


def apply(tx: Transaction, wanted: ConnectorsFile, *, actor: str, now: datetime | None = None) -> Applied:
    """Make the rows what the file says. An endpoint the file no longer has is put aside, never deleted.

    Needs an operator's transaction; all of it happens, or nothing.

    Raises:
        ConfigurationError: A slug belongs to another connector already, or a connector to a tenant that is not named.
    """
    now = now or datetime.now(UTC)
    tx.execute("SELECT pg_advisory_xact_lock(hashtext('connector_pipelines.apply'))")
    before = _fingerprints(tx)
    shared_before = _shared(tx)
    _apply_shared(tx, wanted)
    tenants = {t.name: _tenant_id(tx, t.name) for t in wanted.tenants}
    for connector in wanted.connectors:
        if connector.tenant not in tenants:
            raise ConfigurationError(f"there is no tenant {connector.tenant!r}", advice="name it under `tenants:`")
        connector_id = _apply_connector(tx, tenants[connector.tenant], connector)
        for one in connector.endpoints:
            sinks = one.sinks if one.sinks is not None else tuple(wanted.sinks)
            _apply_endpoint(tx, (tenants[connector.tenant], connector_id), one, sinks, now)
    slugs = [e.slug for c in wanted.connectors for e in c.endpoints]
    tx.execute("UPDATE endpoints SET removed_at = %s, updated_at = %s WHERE removed_at IS NULL AND slug <> ALL(%s)", [now, now, slugs])
    forget_removed(tx, now)
    after = _fingerprints(tx)
    shared_after = _shared(tx)
    applied = Applied(
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(sorted(s for s in after.keys() & before.keys() if after[s] != before[s])),
        removed=tuple(sorted(before.keys() - after.keys())),
        other=tuple(name for name, rows in shared_before.items() if rows and rows != shared_after[name]),
    )
    if applied.anything:
        tx.execute(
            "INSERT INTO audit_log (actor, action, subject, details) VALUES (%s, 'apply', 'connectors.yaml', %s)",
            [actor, Jsonb({"added": applied.added, "changed": applied.changed, "removed": applied.removed})],
        )
    return applied


def _endpoint(row: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        **{
            **row,
            "auth": _AUTH.validate_python(row["auth"] or {"type": "none"}),
            "schedule": _SCHEDULE.validate_python(row["schedule"]),
            "extraction": ExtractionLimits.model_validate(row["extraction"]),
            "sinks": tuple(row["sinks"]),
        }
    )


def _shared(tx: Transaction) -> dict[str, object]:
    """What belongs to no endpoint; empty before anything was applied."""
    return {"sinks": sink_settings(tx), "partitions": tx.execute("SELECT * FROM partitions ORDER BY kind").fetchall()}


def _fingerprints(tx: Transaction) -> dict[str, str]:
    rows = tx.execute(
        """SELECT e.slug, md5(row(e.name, e.settings, e.schedule, e.sinks, e.extraction, e.max_delete_share, e.max_failed_share, e.paused,
                  c.name, c.kind, c.auth_config, c.webhook, t.name)::text) AS print
           FROM endpoints e JOIN connectors c ON c.id = e.connector_id JOIN tenants t ON t.id = e.tenant_id WHERE e.removed_at IS NULL"""
    ).fetchall()
    return {r["slug"]: r["print"] for r in rows}


def _apply_shared(tx: Transaction, wanted: ConnectorsFile) -> None:
    for name, sink in wanted.sinks.items():
        another = tx.execute(
            """INSERT INTO sinks AS s (name, kind, settings) VALUES (%s, %s, %s)
               ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, settings = excluded.settings
               WHERE (s.kind, s.settings) IS DISTINCT FROM (excluded.kind, excluded.settings) RETURNING name""",
            [name, sink.kind, Jsonb(sink.settings)],
        ).fetchone()
        if another:
            # What its predecessor was told, it may not hold: a new server or model begins empty.
            tx.execute(
                "UPDATE deliveries SET status = 'pending', attempts = 0, retry_at = NULL WHERE sink = %s AND status <> 'removed'", [name]
            )
    tx.execute("DELETE FROM sinks WHERE name <> ALL(%s)", [list(wanted.sinks)])
    kinds = {c.kind for c in wanted.connectors} | set(wanted.partitions)
    for kind in kinds:
        windows = wanted.partitions.get(kind, PartitionsConfig())
        changed = tx.execute(
            """INSERT INTO partitions (kind, start, every, timezone) VALUES (%s, %s, %s, %s)
               ON CONFLICT (kind) DO UPDATE SET start = excluded.start, every = excluded.every, timezone = excluded.timezone
               WHERE partitions.timezone <> excluded.timezone OR partitions.start <> excluded.start OR partitions.every <> excluded.every
               RETURNING kind""",
            [kind, windows.start, windows.every, windows.timezone],
        ).fetchone()
        if changed:
            _move_windows(tx, kind, windows.timezone)


def _move_windows(tx: Transaction, kind: str, timezone: str) -> None:
    tx.execute(
        """UPDATE files f SET window_day = (coalesce(source_modified_at, source_created_at, first_seen_at) AT TIME ZONE %(tz)s)::date
           FROM endpoints e JOIN connectors c ON c.id = e.connector_id
           WHERE e.id = f.endpoint_id AND c.kind = %(kind)s AND f.parent_id IS NULL
             AND window_day <> (coalesce(source_modified_at, source_created_at, first_seen_at) AT TIME ZONE %(tz)s)::date""",
        {"kind": kind, "tz": timezone},
    )
    tx.execute(
        """UPDATE files f SET window_day = r.window_day FROM files r JOIN endpoints e ON e.id = r.endpoint_id JOIN connectors c ON c.id = e.connector_id
           WHERE r.id = f.root_id AND c.kind = %s AND f.window_day <> r.window_day""",
        [kind],
    )


def _tenant_id(tx: Transaction, name: str) -> str:
    row = tx.execute(
        "INSERT INTO tenants (name) VALUES (%s) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id::text", [name]
    ).fetchone()
    return str(row["id"]) if row else ""


def _apply_connector(tx: Transaction, tenant_id: str, connector: ConnectorConfig) -> str:
    auth = connector.auth.model_dump(mode="json")
    webhook = connector.webhook and Jsonb(connector.webhook.model_dump(mode="json"))
    # The cursor of another kind of source would be read by one that did not make it.
    tx.execute(
        """UPDATE endpoints e SET cursor = '' FROM connectors c
           WHERE c.id = e.connector_id AND (c.tenant_id, c.name) = (%s, %s) AND c.kind <> %s""",
        [tenant_id, connector.name, connector.kind],
    )
    row = tx.execute(
        """INSERT INTO connectors AS c (tenant_id, name, kind, auth_type, auth_config, webhook) VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (tenant_id, name) DO UPDATE SET kind = excluded.kind, auth_type = excluded.auth_type, auth_config = excluded.auth_config,
               webhook = excluded.webhook, updated_at = CASE WHEN (c.kind, c.auth_config) IS DISTINCT FROM (excluded.kind, excluded.auth_config)
                                 THEN now() ELSE c.updated_at END,
               status = CASE WHEN c.status = 'error' AND (c.kind, c.auth_config) IS DISTINCT FROM (excluded.kind, excluded.auth_config)
                             THEN 'idle' ELSE c.status END
           RETURNING id::text""",
        [tenant_id, connector.name, connector.kind, connector.auth.type, Jsonb(auth), webhook],
    ).fetchone()
    return str(row["id"]) if row else ""


def _apply_endpoint(tx: Transaction, parent: tuple[str, str], wanted: EndpointConfig, sinks: tuple[str, ...], now: datetime) -> None:
    tenant_id, connector_id = parent
    values = {
        "tenant_id": tenant_id,
        "connector_id": connector_id,
        "slug": wanted.slug,
        "name": wanted.title,
        "settings": Jsonb(json.loads(json.dumps(wanted.settings, default=str))),
        "schedule": Jsonb(wanted.schedule.model_dump(mode="json")),
        "sinks": list(sinks),
        "extraction": Jsonb(wanted.extraction.model_dump(mode="json")),
        "max_delete_share": wanted.max_delete_share,
        "max_failed_share": wanted.max_failed_share,
        "paused": wanted.paused,
        "next_due_at": first_due(wanted.schedule, now),
        "now": now,
    }
    row = tx.execute(_UPSERT_ENDPOINT, values).fetchone()
    if row is None:
        raise ConfigurationError(
            f"the slug {wanted.slug!r} belongs to another connector already",
            advice="choose another slug, or run `connectors purge` on the old one",
        )
    if row["settings_changed"]:
        # An operator changed something: an endpoint that waited for that may try again, and the feed is read from the start.
        tx.execute("UPDATE endpoints SET cursor = '', held_deletions = NULL, deletions_approved = false WHERE slug = %s", [wanted.slug])
        tx.execute("UPDATE endpoints SET retry_at = %s WHERE slug = %s AND last_error IS NOT NULL", [now, wanted.slug])
        tx.execute("UPDATE connectors SET status = 'idle' WHERE id = %s AND status = 'error'", [connector_id])


_UPSERT_ENDPOINT = """
    WITH old AS (SELECT slug, settings, schedule FROM endpoints WHERE slug = %(slug)s)
    INSERT INTO endpoints AS e (tenant_id, connector_id, slug, name, settings, schedule, sinks, extraction, max_delete_share, max_failed_share, paused, next_due_at)
    VALUES (%(tenant_id)s, %(connector_id)s, %(slug)s, %(name)s, %(settings)s, %(schedule)s, %(sinks)s, %(extraction)s, %(max_delete_share)s,
            %(max_failed_share)s, %(paused)s, %(next_due_at)s)
    ON CONFLICT (slug) DO UPDATE SET
        name = excluded.name, settings = excluded.settings, schedule = excluded.schedule, sinks = excluded.sinks, extraction = excluded.extraction,
        max_delete_share = excluded.max_delete_share, max_failed_share = excluded.max_failed_share, paused = excluded.paused,
        next_due_at = CASE WHEN e.schedule IS DISTINCT FROM excluded.schedule OR e.removed_at IS NOT NULL THEN excluded.next_due_at ELSE e.next_due_at END,
        removed_at = NULL, subscribe_at = CASE WHEN e.settings IS DISTINCT FROM excluded.settings THEN NULL ELSE e.subscribe_at END,
        updated_at = CASE WHEN (e.name, e.settings, e.schedule, e.sinks, e.extraction, e.max_delete_share, e.max_failed_share, e.paused, e.removed_at)
                          IS DISTINCT FROM (excluded.name, excluded.settings, excluded.schedule, excluded.sinks, excluded.extraction,
                                            excluded.max_delete_share, excluded.max_failed_share, excluded.paused, NULL)
                     THEN %(now)s ELSE e.updated_at END
    WHERE e.connector_id = excluded.connector_id
    RETURNING coalesce((SELECT old.settings IS DISTINCT FROM e.settings FROM old), false) AS settings_changed
"""
