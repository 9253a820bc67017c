"""Files a snapshot named under a new id that are ones we know by identity: they keep their rows."""

from __future__ import annotations

from datetime import datetime

from connector_pipelines.store.catalog.database import Transaction
from connector_pipelines.store.catalog.parts import take_along

__all__ = ["rejoin_moved"]


def rejoin_moved(tx: Transaction, endpoint_id: str, now: datetime) -> int:
    """Give them their old rows back, of those the temporary tables of the pass tell of; how many."""
    # The new id may have been recorded by an earlier pass that was cut before its end: what counts is that nothing was
    # made of it yet.
    tx.execute(
        """CREATE TEMPORARY TABLE moved ON COMMIT DROP AS
           SELECT DISTINCT ON (old.identity) old.id AS old_id, fresh.*
           FROM unnamed u JOIN files old ON old.id = u.id
           JOIN files fresh ON old.endpoint_id = fresh.endpoint_id AND old.identity = fresh.identity AND old.id <> fresh.id
           JOIN named here ON here.external_id = fresh.external_id
           WHERE fresh.endpoint_id = %s AND (fresh.status = 'listed' OR fresh.inline AND fresh.status = 'stored') AND old.status <> 'deleted' AND fresh.first_sync > old.first_sync
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
                  stream = m.stream, inline = m.inline, folder = m.folder, locator = m.locator, acl = m.acl,
                  sha256 = coalesce(m.sha256, CASE WHEN f.version = m.version THEN f.sha256 END),
                  status = CASE WHEN m.inline THEN 'stored' WHEN f.version <> m.version OR f.status = 'failed' OR f.sha256 IS NULL THEN 'listed'
                                WHEN f.media_type <> m.media_type THEN 'stored' ELSE f.status END,
                  reason = CASE WHEN f.version = m.version AND f.status = 'skipped' AND f.media_type = m.media_type THEN f.reason END,
                  attempts = 0, retry_at = NULL, claimed_by = NULL, generation = f.generation + 1, changed_at = m.changed_at
           FROM moved m WHERE f.id = m.old_id RETURNING f.id"""
    ).fetchall()
    take_along(tx, [r["id"] for r in moved], now)
    return len(moved)
