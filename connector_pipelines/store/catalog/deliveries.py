"""What each sink holds, and what it is still to be told."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from connector_pipelines.core.types import Chunk, DayRange, Document, DocumentRef, Place
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Transaction, copy_into, integers
from connector_pipelines.store.catalog.failures import ItemFailure, record_failures
from connector_pipelines.store.catalog.workers import ALIVE, Worker, require_alive

if TYPE_CHECKING:
    from connector_pipelines.core.types import Vector

__all__ = [
    "OWED", "WANTED", "FailedDelivery", "Owed", "claim", "documents", "heal", "held", "holds_all", "let_go", "plan", "redeliver", "refs", "save",
    "save_embeddings", "save_failed", "unknown", "vectors",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Owed:
    """One thing a sink is to be told. `put` false means: hold nothing. `document_id` None: it never was a document.

    `holds` is the digest of what the sink is known to hold for it, where that is known: who claims it takes that knowledge along.
    """

    file_id: int
    generation: int
    put: bool
    document_id: str | None
    day: date
    path: str
    attempts: int
    chunks: int
    holds: bytes | None = None


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    owed: Owed
    failure: ItemFailure


WANTED = "(f.stream IS NOT NULL OR d.sink <> ALL(%(of_records)s::text[]))"
"""SQL: the sink `d.sink` is to hold what the file `f` is. Those that keep records hold nothing else."""

# A sink is owed a put when it does not hold the file's present generation, and a removal when the file is no longer
# anything (deleted, failed or skipped, or no record any more) and it may hold something. Files on their way are left as they are.
OWED = f"""
    (f.status = 'extracted' AND {WANTED} AND NOT (d.status IN ('delivered', 'failed') AND d.generation = f.generation))
    OR ((f.status IN ('deleted', 'failed', 'skipped') OR f.status = 'extracted' AND NOT {WANTED}) AND d.status <> 'removed')
"""


# All of it in one statement, which sees one state of things. Rows of deliveries are locked in order of file, as `_lock` does: those
# marked already, too, since who is just noting an older generation as told may be about to take the mark away. And what came back and went
# again before a sink was told of it is owed nothing any more.
_PLAN_CHANGED = f"""
    WITH f AS (
        SELECT id, tenant_id, endpoint_id, status, generation, stream FROM files
        WHERE endpoint_id = %(endpoint)s AND planned <> generation AND status IN ('extracted', 'skipped', 'failed', 'deleted')
        ORDER BY id FOR NO KEY UPDATE
    ), added AS (
        INSERT INTO deliveries (file_id, sink, tenant_id, endpoint_id)
        SELECT f.id, d.sink, f.tenant_id, f.endpoint_id FROM f CROSS JOIN unnest(%(sinks)s::text[]) AS d(sink)
        WHERE f.status = 'extracted' AND {WANTED} ORDER BY f.id, d.sink ON CONFLICT DO NOTHING
    ), changed AS (
        SELECT d.file_id, d.sink, ({OWED}) AS due FROM f JOIN deliveries d ON d.file_id = f.id
        WHERE d.sink = ANY(%(sinks)s) AND (d.owed OR ({OWED})) ORDER BY d.file_id, d.sink FOR UPDATE OF d
    ), owed AS (
        UPDATE deliveries d SET owed = c.due FROM changed c WHERE d.file_id = c.file_id AND d.sink = c.sink
    )
    UPDATE files SET planned = f.generation FROM f WHERE files.id = f.id
"""


# Every file of the endpoint, for a sink that is new to it or that keeps other things than it did.
_PLAN_ALL_ADDED = f"""
    INSERT INTO deliveries (file_id, sink, tenant_id, endpoint_id)
    SELECT f.id, d.sink, f.tenant_id, f.endpoint_id FROM files f CROSS JOIN (SELECT %(sink)s::text AS sink) d
    WHERE f.endpoint_id = %(endpoint)s AND f.status = 'extracted' AND {WANTED} ORDER BY f.id ON CONFLICT DO NOTHING
"""
_PLAN_ALL_OWED = f"""
    WITH changed AS (
        SELECT d.file_id FROM deliveries d JOIN files f ON f.id = d.file_id
        WHERE d.endpoint_id = %(endpoint)s AND d.sink = %(sink)s AND NOT d.owed AND ({OWED}) ORDER BY d.file_id FOR UPDATE OF d)
    UPDATE deliveries d SET owed = true FROM changed c WHERE d.file_id = c.file_id AND d.sink = %(sink)s
"""


def plan(tx: Transaction, endpoint: Endpoint, sink: str, of_records: Collection[str] = ()) -> None:
    """Mark what the sink is owed, with a row for each document of the endpoint: a sink added later finds its work by this.

    What has changed since the last time is planned for all sinks of the endpoint at once; what did not is not looked at.

    Args:
        of_records: Names of the endpoint's sinks that keep records.
    """
    row = tx.execute("SELECT sinks, planned_sinks, record_sinks FROM endpoints WHERE id = %s FOR NO KEY UPDATE", [endpoint.id]).fetchone()
    sinks, planned, kept = (row["sinks"], row["planned_sinks"], row["record_sinks"]) if row else ([], [], [])
    values = {"endpoint": endpoint.id, "sink": sink, "sinks": sinks, "of_records": sorted(of_records)}
    for added in sorted({*sinks, sink} - (set(planned) - (set(kept) ^ set(of_records)))):
        tx.execute(_PLAN_ALL_ADDED, values | {"sink": added})
        tx.execute(_PLAN_ALL_OWED, values | {"sink": added})
    if sinks != planned or kept != values["of_records"]:
        tx.execute("UPDATE endpoints SET planned_sinks = sinks, record_sinks = %(of_records)s WHERE id = %(endpoint)s", values)
    tx.execute(_PLAN_CHANGED, values)
    # Those that were put back by name: to be told again, or because a sink lost them.
    tx.execute(
        """WITH back AS (SELECT file_id FROM deliveries WHERE endpoint_id = %(endpoint)s AND sink = %(sink)s AND status = 'pending' AND NOT owed
                         ORDER BY file_id FOR UPDATE)
           UPDATE deliveries d SET owed = true FROM back WHERE d.file_id = back.file_id AND d.sink = %(sink)s""",
        values,
    )


def claim(
    tx: Transaction, endpoint: Endpoint, sink: str, worker: Worker, *, days: DayRange, now: datetime, limit: int, of_records: bool = False
) -> list[Owed]:
    """Take up to `limit` of what `plan` marked and the sink is still owed, in file order; `of_records` is whether it keeps those."""
    require_alive(tx, worker)
    rows = tx.execute(
        f"""WITH taken AS (
                SELECT d.file_id, d.sink, f.generation, f.status = 'extracted' AND {WANTED} AS put, f.window_day, f.path,
                       CASE WHEN d.status = 'delivered' THEN d.digest END AS holds
                FROM deliveries d JOIN files f ON f.id = d.file_id
                WHERE d.endpoint_id = %(endpoint)s AND d.sink = %(sink)s AND d.owed AND ({OWED}) AND (d.retry_at IS NULL OR d.retry_at <= %(now)s)
                  AND f.window_day BETWEEN coalesce(%(first)s, '-infinity'::date) AND coalesce(%(last)s, 'infinity'::date)
                  AND (d.claimed_by IS NULL OR d.claimed_by NOT IN {ALIVE})
                ORDER BY d.file_id LIMIT %(limit)s FOR UPDATE OF d SKIP LOCKED)
            UPDATE deliveries d SET claimed_by = %(worker)s, digest = NULL, status = CASE WHEN t.put AND d.status = 'removed' THEN 'pending' ELSE d.status END
            FROM taken t LEFT JOIN documents x ON x.file_id = t.file_id WHERE d.file_id = t.file_id AND d.sink = t.sink
            RETURNING d.file_id, t.generation, t.put, t.window_day AS day, t.path, d.attempts, t.holds,
                      x.id::text AS document_id, coalesce(x.chunk_count, 0) AS chunks""",
        {
            "endpoint": endpoint.id, "sink": sink, "first": days.first, "last": days.last, "now": now, "worker": worker.id, "limit": limit,
            "of_records": [sink] if of_records else [],
        },
    ).fetchall()  # fmt: skip
    return sorted((Owed(**row) for row in rows), key=lambda o: o.file_id)


def documents(tx: Transaction, endpoint: Endpoint, owed: Sequence[Owed]) -> tuple[list[Document], list[Owed]]:
    """The documents to put, with their chunks and without vectors; and those that changed since they were claimed.

    Read in one statement, so that chunks and generation belong together.
    """
    wanted = {o.file_id: o for o in owed}
    rows = tx.execute(
        """SELECT f.id AS file_id, f.generation, f.status, f.path, coalesce(x.url, f.url) AS url, f.source_modified_at, x.id::text AS document_id, x.title, x.content_type,
                  f.acl,
                  x.metadata || CASE WHEN p.id IS NULL THEN '{}' ELSE jsonb_build_object('part_of', p.path) END AS metadata,
                  (SELECT jsonb_agg(jsonb_build_array(c.text, encode(c.content_hash, 'hex'), c.place) ORDER BY c.ordinal) FROM chunks c
                   WHERE c.document_id = x.id) AS chunks
           FROM files f JOIN documents x ON x.file_id = f.id LEFT JOIN files p ON p.id = f.parent_id WHERE f.id = ANY(%s) ORDER BY f.id""",
        [list(wanted)],
    ).fetchall()
    current = [r for r in rows if r["status"] == "extracted" and r["generation"] == wanted[r["file_id"]].generation]
    found = {r["file_id"] for r in current}
    return [_document(endpoint, r) for r in current], [o for o in owed if o.file_id not in found]


def vectors(tx: Transaction, tenant_id: str, model: str, hashes: Iterable[bytes]) -> dict[bytes, Vector]:
    """Vectors already paid for, by content hash."""
    import numpy as np

    rows = tx.execute(
        "SELECT content_hash, vector FROM embeddings WHERE tenant_id = %s AND model = %s AND content_hash = ANY(%s)",
        [tenant_id, model, list(hashes)],
    ).fetchall()
    return {r["content_hash"]: np.frombuffer(r["vector"], dtype="<f4") for r in rows}


def save_embeddings(tx: Transaction, tenant_id: str, model: str, found: Mapping[bytes, Vector]) -> None:
    """Keep them; in one order, so that runs that embed the same texts wait for each other instead of both for ever."""
    rows = ((h, v.astype("<f4").tobytes()) for h, v in found.items())
    copy_into(tx, "embedded", ("content_hash", "vector"), rows, like="embeddings")
    tx.execute(
        """INSERT INTO embeddings (tenant_id, model, content_hash, vector)
           SELECT %s::uuid, %s, content_hash, vector FROM embedded ORDER BY content_hash ON CONFLICT DO NOTHING""",
        [tenant_id, model],
    )
    tx.execute("DROP TABLE embedded")


def save(
    tx: Transaction,
    sink: str,
    told: Sequence[Owed],
    now: datetime,
    *,
    digests: Mapping[int, bytes] | None = None,
    alike: Sequence[Owed] = (),
) -> None:
    """The sink has been told these, and holds the `alike` as they are already; what changed meanwhile stays owed, because its generation differs.

    Args:
        digests: By file, of what the sink holds now.
    """
    files = integers(o.file_id for o in (*told, *alike))
    _lock(tx, sink, files)
    same: dict[tuple[int, bool, bool], list[int]] = {}
    for some, was_told in ((told, True), (alike, False)):
        for one in some:
            same.setdefault((one.generation, one.put, was_told), []).append(one.file_id)
    tx.execute("SELECT set_config('enable_seqscan', 'off', true)")
    for (generation, put, was_told), ids in same.items():
        # By the key, row by row: to join what was told, a planner without statistics reads the tables whole for each batch. Only the
        # key is an index by file, and by sink it must not go.
        tx.execute(
            f"""UPDATE deliveries d SET status = %(status)s, generation = %(generation)s, attempts = 0, retry_at = NULL, claimed_by = NULL,
                      {"delivered_at = %(now)s, told = NULL" if was_told else "told = coalesce(d.told, d.generation)"},
                      digest = {"(%(digests)s::bytea[])[array_position(%(files)s::bigint[], d.file_id)]" if digests else "NULL"},
                      owed = (SELECT f.generation FROM files f WHERE f.id = d.file_id) <> %(generation)s
               WHERE d.file_id = ANY(%(files)s::bigint[]) AND d.sink || '' = %(sink)s""",
            {
                "status": "delivered" if put else "removed", "generation": generation, "now": now, "files": integers(ids), "sink": sink,
                "digests": [(digests or {}).get(each) for each in ids],
            },
        )  # fmt: skip
    tx.execute("SELECT set_config('enable_seqscan', 'on', true)")
    tx.execute(
        """UPDATE failures SET resolved_at = %s WHERE file_id = ANY(%s::bigint[]) AND stage = 'deliver' AND sink = %s AND resolved_at IS NULL""",
        [now, files, sink],
    )


def save_failed(tx: Transaction, endpoint: Endpoint, sink: str, failed: Sequence[FailedDelivery], now: datetime) -> None:
    _lock(tx, sink, integers(f.owed.file_id for f in failed))
    record_failures(tx, endpoint, [f.failure for f in failed], now)
    tx.execute(
        """UPDATE deliveries d SET owed = f.generation <> t.generation OR t.retry_at IS NOT NULL OR NOT t.put, claimed_by = NULL, attempts = t.attempts, retry_at = t.retry_at,
                  status = CASE WHEN t.retry_at IS NULL AND t.put THEN 'failed' ELSE d.status END,
                  generation = CASE WHEN t.retry_at IS NULL AND t.put THEN t.generation ELSE d.generation END
           FROM unnest(%s::bigint[], %s::int[], %s::timestamptz[], %s::bigint[], %s::boolean[]) AS t(file_id, attempts, retry_at, generation, put)
           JOIN files f ON f.id = t.file_id WHERE d.file_id = t.file_id AND d.sink = %s""",
        [
            [f.owed.file_id for f in failed], [f.failure.attempts for f in failed], [f.failure.retry_at for f in failed],
            [f.owed.generation for f in failed], [f.owed.put for f in failed], sink,
        ],
    )  # fmt: skip


def let_go(tx: Transaction, sink: str, owed: Sequence[Owed]) -> None:
    """Give claimed deliveries back untold; they stay owed."""
    tx.execute("UPDATE deliveries SET claimed_by = NULL WHERE sink = %s AND file_id = ANY(%s)", [sink, [o.file_id for o in owed]])


def redeliver(tx: Transaction, endpoint: Endpoint, sink: str, days: DayRange) -> int:
    """Make the sink be told everything of these days again."""
    return tx.execute(
        """UPDATE deliveries d SET status = 'pending', attempts = 0, retry_at = NULL, claimed_by = NULL FROM files f
           WHERE f.id = d.file_id AND d.endpoint_id = %s AND d.sink = %s AND d.status <> 'removed'
             AND f.window_day BETWEEN coalesce(%s, '-infinity'::date) AND coalesce(%s, 'infinity'::date)""",
        [endpoint.id, sink, days.first, days.last],
    ).rowcount


def held(tx: Transaction, endpoint: Endpoint, sink: str) -> dict[str, int]:
    """What the catalog believes the sink holds: the generation it was told, by document id."""
    rows = tx.execute(
        """SELECT x.id::text AS id, coalesce(d.told, d.generation) AS generation FROM deliveries d JOIN documents x ON x.file_id = d.file_id
           WHERE d.endpoint_id = %s AND d.sink = %s AND d.status = 'delivered'""",
        [endpoint.id, sink],
    ).fetchall()
    return {r["id"]: r["generation"] for r in rows}


def holds_all(tx: Transaction, sink: str) -> bool:
    """Whether the sink holds every document of every endpoint it belongs to, but for those it refused for good. Needs an operator's transaction."""
    row = tx.execute(
        """SELECT NOT EXISTS (
               SELECT 1 FROM files f JOIN endpoints e ON e.id = f.endpoint_id LEFT JOIN deliveries d ON d.file_id = f.id AND d.sink = %(sink)s
               WHERE e.removed_at IS NULL AND %(sink)s = ANY(e.sinks) AND f.status = 'extracted'
                 AND (d.status IN ('delivered', 'failed') AND d.generation = f.generation) IS NOT TRUE) AS all_held""",
        {"sink": sink},
    ).fetchone()
    return bool(row and row["all_held"])


def heal(tx: Transaction, endpoint: Endpoint, sink: str, document_ids: Sequence[str]) -> int:
    """Owe the sink these documents again, because what it holds is not what it was told; how many are ours."""
    return tx.execute(
        """UPDATE deliveries d SET status = 'pending', generation = 0, attempts = 0, retry_at = NULL FROM documents x
           WHERE x.file_id = d.file_id AND d.endpoint_id = %s AND d.sink = %s AND x.id = ANY(%s::uuid[])""",
        [endpoint.id, sink, list(document_ids)],
    ).rowcount


def unknown(tx: Transaction, endpoint: Endpoint, document_ids: Sequence[str]) -> list[str]:
    """Those of the ids that are no document of this endpoint: left behind by something that is gone."""
    rows = tx.execute(
        """SELECT w.id FROM unnest(%s::text[]) AS w(id) WHERE NOT EXISTS (
               SELECT 1 FROM documents x JOIN files f ON f.id = x.file_id WHERE x.id::text = w.id AND f.endpoint_id = %s)""",
        [list(document_ids), endpoint.id],
    ).fetchall()
    return [r["id"] for r in rows]


def refs(endpoint: Endpoint, owed: Sequence[Owed]) -> list[DocumentRef]:
    """What to remove; a file that never was a document is nowhere."""
    return [
        DocumentRef(id=o.document_id, tenant_id=endpoint.tenant_id, endpoint=endpoint.slug, generation=o.generation)
        for o in owed
        if o.document_id
    ]


def _lock(tx: Transaction, sink: str, files: str) -> None:
    """In order of file, as planning does: two runs wait for each other instead of both for ever."""
    # Counted, so that the rows need not be sent.
    tx.execute(
        """SELECT count(*) FROM (SELECT FROM deliveries WHERE sink = %s AND file_id = ANY(%s::bigint[]) ORDER BY file_id FOR UPDATE) locked""",
        [sink, files],
    )


def _document(endpoint: Endpoint, row: Mapping[str, Any]) -> Document:
    chunks = tuple(
        Chunk(ordinal=n, text=text, hash=bytes.fromhex(digest), place=Place(**place))
        for n, (text, digest, place) in enumerate(row["chunks"] or ())
    )
    return Document(
        id=row["document_id"],
        tenant_id=endpoint.tenant_id,
        endpoint=endpoint.slug,
        generation=row["generation"],
        kind=endpoint.kind,
        title=row["title"] or row["path"].rsplit("/", 1)[-1],
        path=row["path"],
        media_type=row["content_type"],
        url=row["url"],
        modified_at=row["source_modified_at"],
        acl=row["acl"],
        metadata=row["metadata"],
        chunks=chunks,
    )
