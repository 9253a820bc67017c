"""What of the past the catalog may forget, and how it is told to: in pieces, so that no statement holds up a sync."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime

from connector_pipelines.store.catalog.administration import another_is_alive
from connector_pipelines.store.catalog.database import Database, Transaction
from connector_pipelines.store.catalog.workers import ALIVE, Worker

__all__ = ["BATCH", "forget_before", "tenant_ids", "wait_until_alone"]

BATCH = 5_000
"""Rows that one transaction deletes."""

_POLL_S = 0.5


def forget_before(database: Database, history: datetime, audit: datetime) -> dict[str, int]:
    """Delete rows about what was over before these instants; by table, how many.

    Args:
        history: For sync logs, resolved failures, handled webhooks, sent events, gone files, unused vectors, ended workers.
        audit: For the audit log, of which the last application of `connectors.yaml` stays: it says what the file was.
    """
    times = {"history": history, "audit": audit, "limit": BATCH}
    return {table: _in_batches(database, table, which, times) for table, which in _FORGOTTEN.items()}


def tenant_ids(tx: Transaction) -> list[str]:
    return [row["id"] for row in tx.execute("SELECT id::text FROM tenants ORDER BY name").fetchall()]


def wait_until_alone(tx: Transaction, me: Worker, patience_s: float) -> bool:
    """Whether no other worker is alive, waiting that long for it. Until `tx` ends, none can begin: it waits for us.

    Who waits for a quiet moment where syncs come one upon the other would wait for ever.
    """
    tx.execute("LOCK TABLE workers IN SHARE ROW EXCLUSIVE MODE")
    give_up_at = time.monotonic() + patience_s
    while another_is_alive(tx, me):
        if time.monotonic() >= give_up_at:
            return False
        time.sleep(_POLL_S)
    return True


def _in_batches(database: Database, table: str, which: str, times: Mapping[str, object]) -> int:
    done = 0
    while True:
        with database.operator() as tx:
            deleted = tx.execute(f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {which} LIMIT %(limit)s))", times).rowcount
        done += deleted
        # Less than a full piece was the last one; but of files, the next may have been what these were inside of.
        if deleted == 0 or (deleted < BATCH and table != "files"):
            return done


_FORGOTTEN = {
    # The newest of each stage stays: it says how long ago that was.
    "sync_logs": """sync_logs l WHERE l.started_at < %(history)s
        AND EXISTS (SELECT FROM sync_logs n WHERE n.endpoint_id = l.endpoint_id AND n.stage = l.stage AND n.id > l.id)""",
    "failures": "failures WHERE resolved_at < %(history)s",
    # An endpoint that was purged answers for nothing any more.
    "webhook_inbox": """webhook_inbox i WHERE coalesce(i.done_at, i.received_at) < %(history)s
        AND NOT EXISTS (SELECT FROM notifications_owed o WHERE o.inbox_id = i.id)""",
    "webhook_refusals": "webhook_refusals WHERE day < (%(history)s::timestamptz AT TIME ZONE 'UTC')::date",
    # Those of kinds that nobody looks after any more.
    "subscriptions": "subscriptions WHERE coalesce(closed_at, expires_at) < %(history)s",
    "outbox": "outbox WHERE sent_at < %(history)s",
    "rate_limits": "rate_limits WHERE updated_at < %(history)s AND coalesce(paused_until < now(), true)",
    # Of users that a connector acted for: it fetches another when it does so again.
    "tokens": "tokens WHERE subject <> '' AND greatest(expires_at, failed_at, stored_at, asked_at) < %(history)s",
    "circuits": "circuits WHERE updated_at < %(history)s",
    # Only when every sink was told: else nobody would know any more that it is to be removed there.
    "files": """files f WHERE f.status = 'deleted' AND f.deleted_at < %(history)s
        AND NOT EXISTS (SELECT FROM deliveries d WHERE d.file_id = f.id AND d.status <> 'removed')
        AND NOT EXISTS (SELECT FROM files part WHERE part.parent_id = f.id)""",
    "embeddings": """embeddings e WHERE e.created_at < %(history)s
        AND NOT EXISTS (SELECT FROM chunks c WHERE c.tenant_id = e.tenant_id AND c.content_hash = e.content_hash)""",
    # A dead one that still holds an endpoint is how a sync is known to have been interrupted.
    "workers": f"""workers w WHERE w.started_at < %(history)s AND w.id NOT IN {ALIVE}
        AND NOT EXISTS (SELECT FROM endpoints e WHERE e.holder = w.id)""",
    "audit_log": """audit_log WHERE at < %(audit)s
        AND id <> coalesce((SELECT max(id) FROM audit_log WHERE action = 'apply_file'), 0)""",
}
"""By table, which rows: what stands after `FROM`."""
