"""Files that wait for a stage: claimed in batches, and written back only where the claim still holds.

A file is written back where its generation is the one that was claimed. A change the source told in the meantime has
raised it: then what was done belongs to an older version, is dropped, and the file waits again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from connector_pipelines.core.types import Chunk, DayRange, Facts, FileRef
from connector_pipelines.net.postgres import storable, storable_json
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Transaction, copy_into
from connector_pipelines.store.catalog.failures import ItemFailure, record_failures, resolve
from connector_pipelines.store.catalog.listing import ref_of
from connector_pipelines.store.catalog.parts import StoredPart, delete_parts, lock_trees, refuse_large_trees, save_parts
from connector_pipelines.store.catalog.workers import DEAD_CLAIM, Worker, require_alive

__all__ = [
    "Claimed",
    "Extracted",
    "Failed",
    "SavedDocuments",
    "SkippedFile",
    "Stored",
    "claim",
    "lock",
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
    """A file this worker has taken.

    Attributes:
        blob_key: Of the object its bytes are in; None before the download.
        blob_position: Where in the object they begin.
        blob_size: How many they are.
        root_id: Of a part, the outermost file it is in.
        depth: How many files it is inside of.
    """

    file_id: int
    generation: int
    ref: FileRef
    day: date
    attempts: int
    sha256: bytes | None
    blob_key: str | None
    root_id: int | None = None
    depth: int = 0
    blob_position: int = 0
    blob_size: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    file: Claimed
    sha256: bytes
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was made of a file.

    Attributes:
        extractor: Names extractor, chunker and their versions: what made these chunks.
        parts: The files inside it.
        shortfall: What of it was left out, for the ledger; the document stands.
    """

    file: Claimed
    content_type: str
    extractor: str
    facts: Facts
    chunks: tuple[Chunk, ...] = field(repr=False)
    parts: tuple[StoredPart, ...] = field(default=(), repr=False)
    shortfall: ItemFailure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedDocuments:
    """What became of documents that were to be saved.

    Attributes:
        file_ids: Files whose documents were written.
        parts: How many parts of them wait to be extracted now.
        failed: Days of the outermost files that hold more than one may, and were refused for that.
    """

    file_ids: frozenset[int]
    parts: int = 0
    failed: tuple[date, ...] = ()


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
    """Take up to `limit` files in `status`, oldest row first, that no live worker has and that are not waiting for a later try.

    Records are not among them: those go by the thousand (`records`).
    """
    require_alive(tx, worker)
    rows = tx.execute(
        f"""WITH taken AS (
                SELECT id, tenant_id, sha256 FROM files
                WHERE endpoint_id = %(endpoint)s AND status = %(status)s AND stream IS NULL AND (retry_at IS NULL OR retry_at <= %(now)s)
                  AND window_day BETWEEN coalesce(%(first)s, '-infinity'::date) AND coalesce(%(last)s, 'infinity'::date) AND {DEAD_CLAIM}
                ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
            UPDATE files f SET claimed_by = %(worker)s FROM taken LEFT JOIN blobs b ON (b.tenant_id, b.sha256) = (taken.tenant_id, taken.sha256)
            WHERE f.id = taken.id RETURNING f.*, b.key AS blob_key, b.position AS blob_position, b.size AS blob_size""",
        {
            "endpoint": endpoint.id, "status": status, "first": days.first, "last": days.last, "now": now, "worker": worker.id, "limit": limit,
        },
    ).fetchall()  # fmt: skip
    return sorted((_claimed(row) for row in rows), key=lambda c: c.file_id)


def release(tx: Transaction, endpoint: Endpoint, worker: Worker) -> None:
    """Let go of everything this worker still has of the endpoint, files and deliveries."""
    tx.execute(
        """WITH mine AS (SELECT id FROM files WHERE endpoint_id = %(endpoint)s AND status IN ('listed', 'stored') AND claimed_by = %(worker)s
                         ORDER BY id FOR NO KEY UPDATE)
           UPDATE files f SET claimed_by = NULL FROM mine WHERE f.id = mine.id""",
        {"endpoint": endpoint.id, "worker": worker.id},
    )
    # What is claimed is owed; said here, it is found by the index of what is.
    tx.execute("UPDATE deliveries SET claimed_by = NULL WHERE endpoint_id = %s AND claimed_by = %s AND owed", [endpoint.id, worker.id])


def lock(tx: Transaction, files: Sequence[Claimed]) -> None:
    """Before results of several kinds are written: everybody takes the rows, and those of the files they are in, in one order."""
    lock_trees(tx, [f.root_id or f.file_id for f in files])


def waiting(tx: Transaction, endpoint: Endpoint, *, status: str, days: DayRange, now: datetime) -> int:
    """How many files wait for a stage and may be taken now, those other live workers have included; records are not among them."""
    row = tx.execute(
        """SELECT count(*) AS n FROM files WHERE endpoint_id = %s AND status = %s AND stream IS NULL AND (retry_at IS NULL OR retry_at <= %s)
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
                  status = CASE WHEN EXISTS (SELECT 1 FROM documents x WHERE x.file_id = f.id AND x.sha256 = d.sha256 AND x.media_type = f.media_type
                                             AND NOT x.read_again)
                                THEN 'extracted' ELSE 'stored' END
           FROM done d WHERE f.id = d.id AND f.generation = d.generation AND f.status = 'listed' RETURNING f.id, f.status""",
    ).fetchall()
    resolve(tx, [r["id"] for r in rows], ["files"], now)
    resolve(tx, [r["id"] for r in rows if r["status"] == "extracted"], ["documents"], now)
    tx.execute("DROP TABLE done")
    return len(rows)


def save_extracted(tx: Transaction, endpoint: Endpoint, done: Sequence[Extracted], now: datetime) -> SavedDocuments:
    """Documents with exactly their chunks and parts."""
    kept = _still_claimed(tx, [e.file for e in done], "stored")
    done = [e for e in done if (e.file.file_id, e.file.generation) in kept]
    ids = _upsert_documents(tx, endpoint, done, now)
    _replace_chunks(tx, endpoint, done, ids)
    tx.execute(
        "UPDATE files SET status = 'extracted', reason = NULL, claimed_by = NULL, attempts = 0, retry_at = NULL WHERE id = ANY(%s)",
        [list(ids)],
    )
    parts = save_parts(tx, endpoint, {e.file.file_id: e.parts for e in done}, now)
    grown = {e.file.root_id or e.file.file_id for e in done if e.parts}
    refused = dict(refuse_large_trees(tx, endpoint, sorted(grown), now)) if grown else {}
    lacking = [e.shortfall for e in done if e.shortfall and e.file.file_id not in refused]
    resolve(tx, list(ids.keys() - refused.keys() - {f.file_id for f in lacking}), ["documents"], now)
    record_failures(tx, endpoint, lacking, now)
    gone = {e.file.file_id for e in done if (e.file.root_id or e.file.file_id) in refused}
    return SavedDocuments(file_ids=frozenset(ids.keys() - gone), parts=parts, failed=tuple(refused.values()))


def save_skipped(tx: Transaction, done: Sequence[SkippedFile], now: datetime) -> int:
    """Files that are left out on purpose, and why."""
    kept = _still_claimed(tx, [s.file for s in done], "stored")
    reasons = {s.file.file_id: s.reason for s in done if (s.file.file_id, s.file.generation) in kept}
    tx.execute(
        """UPDATE files f SET status = 'skipped', reason = t.reason, claimed_by = NULL, changed_at = %s
           FROM unnest(%s::bigint[], %s::text[]) AS t(id, reason) WHERE f.id = t.id""",
        [now, list(reasons), list(reasons.values())],
    )
    delete_parts(tx, list(reasons), now)
    resolve(tx, list(reasons), ["files", "documents"], now)
    return len(reasons)


def save_failed(tx: Transaction, endpoint: Endpoint, done: Sequence[Failed], now: datetime, *, status: str) -> int:
    """Files a stage could not take: in the ledger, and either waiting for another try or failed."""
    kept = _still_claimed(tx, [f.file for f in done], status)
    failed = [f for f in done if (f.file.file_id, f.file.generation) in kept]
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
    delete_parts(tx, [f.file.file_id for f in failed if f.failure.retry_at is None], now)
    return len(failed)


def redo(tx: Transaction, endpoint: Endpoint, *, stage: Literal["files", "documents"], days: DayRange) -> int:
    """Put files back so that `stage` does them again; how many.

    Never downloaded are parts, which come with the file they are in, and what came with its listing: it was never asked for by itself.
    """
    again = {
        "files": ("listed", ["stored", "extracted", "failed", "skipped"]),
        "documents": ("stored", ["extracted", "failed", "skipped"]),
    }[stage]
    return tx.execute(
        """UPDATE files f SET status = %(to)s, reason = NULL, attempts = 0, retry_at = NULL, claimed_by = NULL, generation = generation + 1,
                  -- Where nothing else is known of the bytes, we may have counted them: exported anew they are others.
                  size = CASE WHEN %(to)s = 'listed' AND checksum IS NULL THEN NULL ELSE size END
           WHERE endpoint_id = %(endpoint)s AND status = ANY(%(from)s) AND version <> ''
             AND CASE %(to)s WHEN 'listed' THEN parent_id IS NULL AND NOT inline ELSE sha256 IS NOT NULL END
             AND window_day BETWEEN coalesce(%(first)s, '-infinity'::date) AND coalesce(%(last)s, 'infinity'::date)
""",
        {"endpoint": endpoint.id, "to": again[0], "from": again[1], "first": days.first, "last": days.last},
    ).rowcount


def _still_claimed(tx: Transaction, files: Sequence[Claimed], status: str) -> frozenset[tuple[int, int]]:
    """Id and generation of those that are as they were claimed: a file that changed meanwhile may be among `files` twice."""
    if any(c.root_id for c in files):
        lock(tx, files)
    rows = tx.execute(
        """SELECT f.id, f.generation FROM files f JOIN unnest(%s::bigint[], %s::bigint[]) AS t(id, generation) ON f.id = t.id AND f.generation = t.generation
           WHERE f.status = %s ORDER BY f.id FOR NO KEY UPDATE OF f""",
        [[c.file_id for c in files], [c.generation for c in files], status],
    ).fetchall()
    return frozenset((r["id"], r["generation"]) for r in rows)


def _upsert_documents(tx: Transaction, endpoint: Endpoint, done: Sequence[Extracted], now: datetime) -> dict[int, UUID]:
    """By file, the id of its document."""
    if not done:
        return {}
    columns = (
        "file_id", "sha256", "media_type", "title", "content_type", "chunk_count", "characters", "metadata", "warnings", "extractor", "read_again",
    )  # fmt: skip
    copy_into(tx, "fresh_documents", columns, map(_document_row, done), like="documents")
    rows = tx.execute(
        f"""INSERT INTO documents (tenant_id, extracted_at, {", ".join(columns)}) SELECT %s::uuid, %s, * FROM fresh_documents ORDER BY file_id
            ON CONFLICT (file_id) DO UPDATE SET sha256 = excluded.sha256, media_type = excluded.media_type, title = excluded.title, content_type = excluded.content_type,
                chunk_count = excluded.chunk_count, characters = excluded.characters, metadata = excluded.metadata, warnings = excluded.warnings,
                extractor = excluded.extractor, read_again = excluded.read_again, extracted_at = excluded.extracted_at
            RETURNING id, file_id""",
        [endpoint.tenant_id, now],
    ).fetchall()
    tx.execute("DROP TABLE fresh_documents")
    return {r["file_id"]: r["id"] for r in rows}


def _document_row(done: Extracted) -> tuple[object, ...]:
    facts = done.facts
    return (
        done.file.file_id, done.file.sha256, done.file.ref.media_type, facts.title, done.content_type, len(done.chunks),
        sum(len(c.text) for c in done.chunks), Jsonb(storable_json(facts.details)), list(map(storable, facts.warnings)), done.extractor,
        bool(done.parts or done.shortfall),
    )  # fmt: skip


def _replace_chunks(tx: Transaction, endpoint: Endpoint, done: Sequence[Extracted], ids: Mapping[int, UUID]) -> None:
    tx.execute("DELETE FROM chunks WHERE document_id = ANY(%s)", [list(ids.values())])
    rows = ((ids[e.file.file_id], c.ordinal, c.hash, c.text, Jsonb(storable_json(c.place.as_json()))) for e in done for c in e.chunks)
    copy_into(tx, "fresh_chunks", ("document_id", "ordinal", "content_hash", "text", "place"), rows, like="chunks")
    tx.execute(
        "INSERT INTO chunks (tenant_id, document_id, ordinal, content_hash, text, place) SELECT %s::uuid, * FROM fresh_chunks",
        [endpoint.tenant_id],
    )
    tx.execute("DROP TABLE fresh_chunks")


def _claimed(row: Any) -> Claimed:
    return Claimed(
        row["id"],
        row["generation"],
        ref_of(row),
        row["window_day"],
        row["attempts"],
        row["sha256"],
        row["blob_key"],
        row["root_id"],
        row["depth"],
        row["blob_position"] or 0,
        row["blob_size"] or 0,
    )
