"""Files inside files: rows that no source names, which come, change and go with the file they are in.

Whoever writes rows of parts holds the row of the outermost file locked, so that all of a tree is changed by one at a
time: a container that is deleted while a part of it is being read leaves nothing behind. Outermost files are locked in
order of id, before any part; then the order among the parts does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from connector_pipelines.core.errors import ConnectorError, ResourceError
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Transaction, copy_into
from connector_pipelines.store.catalog.failures import ItemFailure, record_failures

__all__ = ["StoredPart", "delete_parts", "lock_trees", "refuse_large_trees", "save_parts", "take_along"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    """A file inside a file, its bytes in the blob store. `name` is its only one in the file that holds it."""

    name: str
    media_type: str
    modified_at: datetime | None
    sha256: bytes
    key: str
    size: int


def lock_trees(tx: Transaction, roots: Sequence[int]) -> None:
    """Keep everybody else from writing to these outermost files, and so to what is inside them."""
    tx.execute("SELECT 1 FROM files WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [list(roots)])


def save_parts(tx: Transaction, endpoint: Endpoint, found: Mapping[int, Sequence[StoredPart]], now: datetime) -> int:
    """Make these exactly the parts of the files by whose ids they are listed; how many now wait to be extracted.

    A part as it was is left as it is. One with other bytes, or that had gone, is taken up again, without being read again where
    its document is of the same bytes. One that is not among them any more is deleted, and what is inside it.
    """
    if not any(found.values()):
        delete_parts(tx, list(found), now)
        return 0
    rows = ((file_id, p.name, p.sha256, p.size, p.media_type, p.modified_at, p.key) for file_id, parts in found.items() for p in parts)
    columns = ("parent_id", "part_name", "sha256", "size", "media_type", "source_modified_at", "url")
    copy_into(tx, "found_parts", columns, rows, like="files")
    values = {"tenant": endpoint.tenant_id, "now": now, "parents": list(found)}
    tx.execute(_BLOBS, values)
    vanished = [r["id"] for r in tx.execute(_VANISHED, values).fetchall()]
    gone = {*vanished, *_inside(tx, vanished)}
    _delete(tx, sorted(gone), now)
    # Some of these files may be parts of others of them, read before their own file turned out not to hold them any more.
    values["parents"] = [file_id for file_id in found if file_id not in gone]
    changed = tx.execute(_CHANGED, values).fetchall()
    added = tx.execute(_ADDED, values).rowcount
    tx.execute("DROP TABLE found_parts")
    replaced = [r["id"] for r in changed if r["status"] == "extracted"]
    _resolve(tx, replaced, now)
    return added + len(changed) - len(replaced)


def delete_parts(tx: Transaction, parents: Sequence[int], now: datetime) -> None:
    """Delete what is inside these files, however deep: they are no more, or yield nothing any more."""
    _delete(tx, _inside(tx, parents), now)


def take_along(tx: Transaction, parents: Sequence[int], now: datetime) -> None:
    """After these files were changed at their source: what is inside has their new path, address, readers and day, or goes with one left out."""
    if not parents:
        return
    holding = tx.execute(
        """SELECT id, status = 'skipped' AS is_left_out FROM files p WHERE id = ANY(%s)
           AND EXISTS (SELECT FROM files i WHERE i.parent_id = p.id AND i.status <> 'deleted')""",
        [list(parents)],
    ).fetchall()
    if not holding:
        return
    delete_parts(tx, [r["id"] for r in holding if r["is_left_out"]], now)
    level = [r["id"] for r in holding if not r["is_left_out"]]
    while level:
        level = [r["id"] for r in tx.execute(_FOLLOW, {"parents": level, "now": now}).fetchall()]


def refuse_large_trees(tx: Transaction, endpoint: Endpoint, roots: Sequence[int], now: datetime) -> list[tuple[int, date]]:
    """Fail those of the outermost files that hold more, all depths together, than one may; ids and days of those that failed.

    Nothing inside is kept: which of it came first is chance, and there may be no end to what has not been opened yet.
    """
    limits = endpoint.extraction
    values = {"roots": list(roots), "parts": limits.max_parts_total, "bytes": limits.max_parts_total_bytes}
    large = tx.execute(_TOO_LARGE, values).fetchall()
    delete_parts(tx, [r["root_id"] for r in large], now)
    # One with a new version on its way is judged by that.
    failed = [r for r in large if r["status"] == "extracted"]
    errors: dict[int, ConnectorError] = {r["root_id"]: _too_large(endpoint, r["parts"], r["bytes"]) for r in failed}
    tx.execute(
        """UPDATE files SET status = 'failed', reason = %s, generation = generation + 1, changed_at = %s, claimed_by = NULL, attempts = 1
           WHERE id = ANY(%s)""",
        [ResourceError.code, now, list(errors)],
    )
    failures = [ItemFailure(item=r["path"], file_id=r["root_id"], stage="documents", error=errors[r["root_id"]]) for r in failed]
    record_failures(tx, endpoint, failures, now)
    return [(r["root_id"], r["window_day"]) for r in failed]


def _too_large(endpoint: Endpoint, parts: int, size: int) -> ResourceError:
    limits = endpoint.extraction
    if parts > limits.max_parts_total:
        name, most, met = "max_parts_total", limits.max_parts_total, f"more than {limits.max_parts_total} files"
    else:
        name, most, met = "max_parts_total_bytes", limits.max_parts_total_bytes, f"{size} bytes of files"
    return ResourceError(
        f"holds {met}, those inside files inside it counted too; none of them was kept",
        advice=f"raise `extraction.{name}` of the endpoint, if you trust the file",
        limit=f"{name}={most}",
    )


def _inside(tx: Transaction, parents: Sequence[int]) -> list[int]:
    """Ids of what is inside these files, however deep. What is inside a deleted part is deleted already.

    Level by level: of a recursive query the planner expects so much that it reads the whole table.
    """
    found: list[int] = []
    level = list(parents)
    while level:
        rows = tx.execute("SELECT id FROM files WHERE parent_id = ANY(%s) AND status <> 'deleted'", [level]).fetchall()
        level = [r["id"] for r in rows]
        found += level
    return found


def _delete(tx: Transaction, ids: Sequence[int], now: datetime) -> None:
    if ids:
        tx.execute(_DELETE, {"ids": list(ids), "now": now})
        _resolve(tx, ids, now)


def _resolve(tx: Transaction, ids: Sequence[int], now: datetime) -> None:
    if ids:
        tx.execute("UPDATE failures SET resolved_at = %s WHERE file_id = ANY(%s) AND resolved_at IS NULL", [now, list(ids)])


_BLOBS = """
    INSERT INTO blobs (tenant_id, sha256, key, size, stored_at)
    SELECT %(tenant)s, sha256, min(url), min(size), %(now)s FROM found_parts GROUP BY sha256 ORDER BY sha256
    ON CONFLICT (tenant_id, sha256) DO NOTHING
"""

_VANISHED = """
    SELECT f.id FROM files f WHERE f.parent_id = ANY(%(parents)s) AND f.status <> 'deleted'
    AND NOT EXISTS (SELECT FROM found_parts p WHERE p.parent_id = f.parent_id AND p.part_name = f.part_name)
"""

# The parents are named twice and more, so that the planner sees that few rows are meant and not all of the table.
# A time that was the parent's, for want of one of its own, does not change a part.
_CHANGED = """
    UPDATE files f SET
        sha256 = p.sha256, version = encode(p.sha256, 'hex'), size = p.size, media_type = p.media_type,
        path = parent.path || '/' || f.part_name, url = parent.url, acl = parent.acl, window_day = parent.window_day,
        source_modified_at = coalesce(p.source_modified_at, parent.source_modified_at),
        status = CASE WHEN EXISTS (SELECT FROM documents x WHERE x.file_id = f.id AND x.sha256 = p.sha256 AND x.media_type = p.media_type
                                        AND NOT x.read_again) THEN 'extracted' ELSE 'stored' END,
        reason = NULL, attempts = 0, retry_at = NULL, claimed_by = NULL, generation = f.generation + 1, changed_at = %(now)s, deleted_at = NULL
    FROM found_parts p JOIN files parent ON parent.id = p.parent_id
    WHERE f.parent_id = p.parent_id AND f.part_name = p.part_name AND f.parent_id = ANY(%(parents)s) AND parent.id = ANY(%(parents)s)
      AND (f.status = 'deleted' OR (f.sha256, f.media_type) IS DISTINCT FROM (p.sha256, p.media_type)
           OR p.source_modified_at IS DISTINCT FROM f.source_modified_at AND p.source_modified_at IS NOT NULL)
    RETURNING f.id, f.status
"""

_ADDED = """
    INSERT INTO files (tenant_id, endpoint_id, parent_id, root_id, depth, part_name, path, version, size, media_type, source_modified_at, url, acl,
                       window_day, sha256, status, first_sync, first_seen_at, changed_at)
    SELECT parent.tenant_id, parent.endpoint_id, parent.id, coalesce(parent.root_id, parent.id), parent.depth + 1, p.part_name,
           parent.path || '/' || p.part_name, encode(p.sha256, 'hex'), p.size, p.media_type,
           coalesce(p.source_modified_at, parent.source_modified_at), parent.url, parent.acl, parent.window_day, p.sha256, 'stored', parent.first_sync, %(now)s, %(now)s
    FROM found_parts p JOIN files parent ON parent.id = p.parent_id
    WHERE parent.id = ANY(%(parents)s)
      AND NOT EXISTS (SELECT FROM files f WHERE f.parent_id = p.parent_id AND f.part_name = p.part_name AND f.parent_id = ANY(%(parents)s))
    ORDER BY parent.id, p.part_name
"""

# Rows are locked in order of id here and below: a worker that lets go of several does so, too.
_DELETE = """
    WITH gone AS (SELECT id FROM files WHERE id = ANY(%(ids)s) AND status <> 'deleted' ORDER BY id FOR NO KEY UPDATE)
    UPDATE files f SET status = 'deleted', reason = NULL, deleted_at = %(now)s, changed_at = %(now)s, generation = generation + 1,
           attempts = 0, retry_at = NULL, claimed_by = NULL
    FROM gone WHERE f.id = gone.id AND f.id = ANY(%(ids)s)
"""

# One level. Who is as it should be has nothing inside that is not.
_FOLLOW = """
    WITH following AS (
        SELECT f.id, p.path || '/' || f.part_name AS path, p.url, p.acl, p.window_day
        FROM files f JOIN files p ON p.id = f.parent_id
        WHERE f.parent_id = ANY(%(parents)s) AND p.id = ANY(%(parents)s) AND f.status <> 'deleted'
          AND (f.path, f.url, f.acl, f.window_day) IS DISTINCT FROM (p.path || '/' || f.part_name, p.url, p.acl, p.window_day)
        ORDER BY f.id FOR NO KEY UPDATE OF f
    )
    UPDATE files f SET path = t.path, url = t.url, acl = t.acl, window_day = t.window_day, changed_at = %(now)s, claimed_by = NULL,
           generation = f.generation + ((f.path, f.url, f.acl) IS DISTINCT FROM (t.path, t.url, t.acl))::int
    FROM following t WHERE f.id = t.id AND f.parent_id = ANY(%(parents)s) RETURNING f.id
"""

_TOO_LARGE = """
    SELECT s.*, r.status, r.path, r.window_day
    FROM (SELECT root_id, count(*) AS parts, sum(size)::bigint AS bytes FROM files WHERE root_id = ANY(%(roots)s) AND status <> 'deleted'
          GROUP BY root_id HAVING count(*) > %(parts)s OR sum(size) > %(bytes)s) s
    JOIN files r ON r.id = s.root_id
"""
