"""Files that wait for a stage: claimed in batches, and written back only where the claim still holds.

A file is written back where its generation is the one that was claimed. A change the source told in the meantime has
raised it: then what was done belongs to an older version, is dropped, and the file waits again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from psycopg.types.json import Jsonb

from connector_pipelines.core.types import Chunk, DayRange, Facts, FileRef
from connector_pipelines.net.postgres import storable, storable_json
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Transaction, copy_into
from connector_pipelines.store.catalog.failures import ItemFailure, record_failures, resolve
from connector_pipelines.store.catalog.listing import ref_of
from connector_pipelines.store.catalog.workers import DEAD_CLAIM, Worker

__all__ = [
    "Claimed",
    "Extracted",
    "Failed",
    "SkippedFile",
    "Stored",
    "claim",
    "redo",
    "release",
    "save_extracted",
    "save_failed",
    "save_skipped",
    "save_stored",
    "waiting",
]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A file this worker has taken. `blob_key` is None before the download."""

    file_id: int
    generation: int
    ref: FileRef
    day: date
    attempts: int
    sha256: bytes | None
    blob_key: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    file: Claimed
    sha256: bytes
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Extracted:
    """`extractor` names extractor, chunker and their versions: what made these chunks."""

    file: Claimed
    content_type: str
    extractor: str
    facts: Facts
    chunks: tuple[Chunk, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SkippedFile:
    file: Claimed
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """`failure.retry_at` None means the file has failed; otherwise it waits until then."""

    file: Claimed
    failure: ItemFailure


def claim(tx: Transaction, endpoint: Endpoint, worker: Worker, *, status: str, days: DayRange, now: datetime, limit: int) -> list[Claimed]:
    """Take up to `limit` files in `status`, oldest row first, that no live worker has and that are not waiting for a later try."""
    rows = tx.execute(
        f"""WITH taken AS (
                SELECT id FROM files
                WHERE endpoint_id = %(endpoint)s AND status = %(status)s AND (retry_at IS NULL OR retry_at <= %(now)s)
                  AND window_day BETWEEN coalesce(%(first)s, '-infinity'::date) AND coalesce(%(last)s, 'infinity'::date) AND {DEAD_CLAIM}
                ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
            UPDATE files f SET claimed_by = %(worker)s FROM taken WHERE f.id = taken.id
            RETURNING f.*, (SELECT b.key FROM blobs b WHERE b.tenant_id = f.tenant_id AND b.sha256 = f.sha256) AS blob_key""",
        {
            "endpoint": endpoint.id, "status": status, "first": days.first, "last": days.last, "now": now, "worker": worker.id, "limit": limit,
        },
    ).fetchall()  # fmt: skip
    return sorted((_claimed(row) for row in rows), key=lambda c: c.file_id)


def release(tx: Transaction, endpoint: Endpoint, worker: Worker) -> None:
    """Let go of everything this worker still has of the endpoint, files and deliveries."""
    tx.execute(
        "UPDATE files SET claimed_by = NULL WHERE endpoint_id = %s AND status IN ('listed', 'stored') AND claimed_by = %s",
        [endpoint.id, worker.id],
    )
    tx.execute("UPDATE deliveries SET claimed_by = NULL WHERE endpoint_id = %s AND claimed_by = %s", [endpoint.id, worker.id])


def waiting(tx: Transaction, endpoint: Endpoint, *, status: str, days: DayRange, now: datetime) -> int:
    """How many files wait for a stage and may be taken now, those other live workers have included."""
    row = tx.execute(
        """SELECT count(*) AS n FROM files WHERE endpoint_id = %s AND status = %s AND (retry_at IS NULL OR retry_at <= %s)
           AND window_day BETWEEN coalesce(%s, '-infinity'::date) AND coalesce(%s, 'infinity'::date)""",
        [endpoint.id, status, now, days.first, days.last],
    ).fetchone()
    return int(row["n"]) if row else 0


def save_stored(tx: Transaction, endpoint: Endpoint, done: Sequence[Stored], now: datetime) -> int:
    """Files whose bytes are in the blob store; those whose bytes were extracted before skip that stage. How many were written."""
    _still_claimed(tx, [s.file for s in done], "listed")
    copy_into(
        tx,
        "done",
        ("id", "generation", "sha256", "url", "size"),
        [(s.file.file_id, s.file.generation, s.sha256, s.key, s.size) for s in done],
        like="files",
    )
    tx.execute(
        "INSERT INTO blobs (tenant_id, sha256, key, size, stored_at) SELECT %s, sha256, min(url), min(size), %s FROM done GROUP BY sha256 ORDER BY sha256 ON CONFLICT (tenant_id, sha256) DO NOTHING",
        [endpoint.tenant_id, now],
    )
    rows = tx.execute(
        """UPDATE files f SET sha256 = d.sha256, size = d.size, claimed_by = NULL, attempts = 0, retry_at = NULL, reason = NULL,
                  status = CASE WHEN EXISTS (SELECT 1 FROM documents x WHERE x.file_id = f.id AND x.sha256 = d.sha256 AND x.media_type = f.media_type)
                                THEN 'extracted' ELSE 'stored' END
           FROM done d WHERE f.id = d.id AND f.generation = d.generation AND f.status = 'listed' RETURNING f.id, f.status""",
    ).fetchall()
    resolve(tx, [r["id"] for r in rows], ["files"], now)
    resolve(tx, [r["id"] for r in rows if r["status"] == "extracted"], ["documents"], now)
    tx.execute("DROP TABLE done")
    return len(rows)


def save_extracted(tx: Transaction, endpoint: Endpoint, done: Sequence[Extracted], now: datetime) -> int:
    """Documents and exactly their chunks; how many were written."""
    kept = _still_claimed(tx, [e.file for e in done], "stored")
    done = [e for e in done if e.file.file_id in kept]
    ids = {r["file_id"]: r["id"] for r in (_upsert_document(tx, endpoint, e, now) for e in done)}
    tx.execute("DELETE FROM chunks WHERE document_id = ANY(%s)", [list(ids.values())])
    rows = (
        (ids[e.file.file_id], endpoint.tenant_id, c.ordinal, c.hash, c.text, Jsonb(storable_json(c.place.as_json())))
        for e in done
        for c in e.chunks
    )
    columns = ("document_id", "tenant_id", "ordinal", "content_hash", "text", "place")
    copy_into(tx, "fresh_chunks", columns, rows, like="chunks")
    tx.execute("INSERT INTO chunks (document_id, tenant_id, ordinal, content_hash, text, place) SELECT * FROM fresh_chunks")
    tx.execute("DROP TABLE fresh_chunks")
    tx.execute(
        "UPDATE files SET status = 'extracted', reason = NULL, claimed_by = NULL, attempts = 0, retry_at = NULL WHERE id = ANY(%s)",
        [list(ids)],
    )
    resolve(tx, list(ids), ["documents"], now)
    return len(ids)


def save_skipped(tx: Transaction, done: Sequence[SkippedFile], now: datetime) -> int:
    """Files that are left out on purpose, and why."""
    kept = _still_claimed(tx, [s.file for s in done], "stored")
    reasons = {s.file.file_id: s.reason for s in done if s.file.file_id in kept}
    tx.execute(
        """UPDATE files f SET status = 'skipped', reason = t.reason, claimed_by = NULL, changed_at = %s
           FROM unnest(%s::bigint[], %s::text[]) AS t(id, reason) WHERE f.id = t.id""",
        [now, list(reasons), list(reasons.values())],
    )
    resolve(tx, list(reasons), ["files", "documents"], now)
    return len(reasons)


def save_failed(tx: Transaction, endpoint: Endpoint, done: Sequence[Failed], now: datetime, *, status: str) -> int:
    """Files a stage could not take: in the ledger, and either waiting for another try or failed."""
    kept = _still_claimed(tx, [f.file for f in done], status)
    failed = [f for f in done if f.file.file_id in kept]
    record_failures(tx, endpoint, [f.failure for f in failed], now)
    tx.execute(
        """UPDATE files f SET claimed_by = NULL, attempts = t.attempts, retry_at = t.retry_at, changed_at = %s,
                  status = CASE WHEN t.retry_at IS NULL THEN 'failed' ELSE f.status END,
                  reason = CASE WHEN t.retry_at IS NULL THEN t.code ELSE f.reason END
           FROM unnest(%s::bigint[], %s::int[], %s::timestamptz[], %s::text[]) AS t(id, attempts, retry_at, code) WHERE f.id = t.id""",
        [
            now,
            [f.file.file_id for f in failed],
            [f.failure.attempts for f in failed],
            [f.failure.retry_at for f in failed],
            [f.failure.error.code for f in failed],
        ],
    )
    return len(failed)


def redo(tx: Transaction, endpoint: Endpoint, *, stage: Literal["files", "documents"], days: DayRange) -> int:
    """Put files back so that `stage` does them again; how many."""
    again = {
        "files": ("listed", ["stored", "extracted", "failed", "skipped"]),
        "documents": ("stored", ["extracted", "failed", "skipped"]),
    }[stage]
    return tx.execute(
        """UPDATE files f SET status = %(to)s, reason = NULL, attempts = 0, retry_at = NULL, claimed_by = NULL, generation = generation + 1
           WHERE endpoint_id = %(endpoint)s AND status = ANY(%(from)s) AND version <> '' AND (%(to)s = 'listed' OR sha256 IS NOT NULL)
             AND window_day BETWEEN coalesce(%(first)s, '-infinity'::date) AND coalesce(%(last)s, 'infinity'::date)
""",
        {"endpoint": endpoint.id, "to": again[0], "from": again[1], "first": days.first, "last": days.last},
    ).rowcount


def _still_claimed(tx: Transaction, files: Sequence[Claimed], status: str) -> frozenset[int]:
    rows = tx.execute(
        """SELECT f.id FROM files f JOIN unnest(%s::bigint[], %s::bigint[]) AS t(id, generation) ON f.id = t.id AND f.generation = t.generation
           WHERE f.status = %s ORDER BY f.id FOR UPDATE OF f""",
        [[c.file_id for c in files], [c.generation for c in files], status],
    ).fetchall()
    return frozenset(r["id"] for r in rows)


def _upsert_document(tx: Transaction, endpoint: Endpoint, done: Extracted, now: datetime) -> dict[str, Any]:
    row = tx.execute(
        """INSERT INTO documents (tenant_id, file_id, sha256, media_type, title, content_type, chunk_count, characters, metadata, warnings, extractor, extracted_at)
           VALUES (%(tenant)s, %(file)s, %(sha256)s, %(told_type)s, %(title)s, %(type)s, %(chunks)s, %(characters)s, %(metadata)s, %(warnings)s, %(extractor)s, %(now)s)
           ON CONFLICT (file_id) DO UPDATE SET sha256 = excluded.sha256, media_type = excluded.media_type, title = excluded.title, content_type = excluded.content_type,
               chunk_count = excluded.chunk_count, characters = excluded.characters, metadata = excluded.metadata, warnings = excluded.warnings,
               extractor = excluded.extractor, extracted_at = excluded.extracted_at
           RETURNING id, file_id""",
        {
            "tenant": endpoint.tenant_id, "file": done.file.file_id, "sha256": done.file.sha256, "told_type": storable(done.file.ref.media_type),
            "title": None if done.facts.title is None else storable(done.facts.title), "type": storable(done.content_type),
            "chunks": len(done.chunks), "characters": sum(len(c.text) for c in done.chunks), "metadata": Jsonb(storable_json(done.facts.details)),
            "warnings": list(map(storable, done.facts.warnings)), "extractor": done.extractor, "now": now,
        },
    ).fetchone()  # fmt: skip
    return row or {}


def _claimed(row: Any) -> Claimed:
    return Claimed(row["id"], row["generation"], ref_of(row), row["window_day"], row["attempts"], row["sha256"], row["blob_key"])
