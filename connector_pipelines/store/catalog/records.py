"""Records on their way from their content to a document and on to the sinks that keep them: by the thousand, never one by one.

Whoever makes documents of records keeps their rows locked from reading to writing, in one transaction, so that no claim
has to be written down; who comes second passes them over. What the sinks are owed is planned in the same transaction. Who
tells a sink does so alone (`telling`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from threading import Event
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from connector_pipelines.core.errors import Unavailable
from connector_pipelines.core.types import DayRange
from connector_pipelines.net.postgres import postgres_errors
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Database, Transaction, copy_into, integers
from connector_pipelines.store.catalog.deliveries import OWED, WANTED, Owed
from connector_pipelines.store.catalog.failures import ItemFailure, record_failures
from connector_pipelines.store.catalog.workers import Worker, require_alive

__all__ = [
    "OwedRecord", "Rendered", "Waiting", "make_stale", "owed", "save_failed", "save_noted", "save_rendered", "save_unrendered", "take", "telling",
    "unrendered", "waiting",
]  # fmt: skip

UNRENDERED = "record, no text"
"""What made the documents of records that no sink of text asked for."""

# Beside 1129271891 (schema) and 1129271892 (workers); the second key is a hash of endpoint and sink.
_TELLING = 1129271893
_POLL_S = 0.5

_WAITING = """
    endpoint_id = %(endpoint)s AND status = 'stored' AND stream IS NOT NULL AND (retry_at IS NULL OR retry_at <= %(now)s)
    AND window_day BETWEEN coalesce(%(first)s, '-infinity'::date) AND coalesce(%(last)s, 'infinity'::date)
"""


class Waiting(NamedTuple):
    """A record whose content is here, and of which no document was made. A tuple: they come by the hundred thousand."""

    file_id: int
    stream: str
    path: str
    day: date
    attempts: int
    key: str | None
    position: int
    size: int


class Rendered(NamedTuple):
    """The document of a record. `chunks` are texts with their hashes, in order."""

    file_id: int
    title: str
    url: str | None
    made_by: str
    chunks: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class OwedRecord:
    """One record that a sink is to be told, with all there is to say of it. Of a removal only `owed` is of interest."""

    owed: Owed
    stream: str | None
    title: str | None
    media_type: str
    url: str | None
    modified_at: datetime | None
    acl: Mapping[str, object] | None
    key: str | None
    position: int
    size: int


def waiting(tx: Transaction, endpoint: Endpoint, *, days: DayRange, now: datetime) -> int:
    """How many records wait to become documents and may be taken now."""
    row = tx.execute(f"SELECT count(*) AS n FROM files WHERE {_WAITING}", _values(endpoint, days, now)).fetchone()
    return int(row["n"]) if row else 0


def make_stale(tx: Transaction, endpoint: Endpoint, made_by: Mapping[str, str], now: datetime) -> int:
    """Put back the records whose document was made in another way than `made_by` says for their stream; how many.

    Looked at only where that says something else than last time; empty, while no sink wants text, it puts back nothing.
    """
    row = tx.execute("SELECT rendered FROM endpoints WHERE id = %s FOR NO KEY UPDATE", [endpoint.id]).fetchone()
    if row is None or row["rendered"] == made_by:
        return 0
    changed = {stream: made for stream, made in made_by.items() if row["rendered"].get(stream) != made}
    stale = tx.execute(
        """WITH stale AS (
               SELECT f.id FROM files f JOIN unnest(%(streams)s::text[], %(made)s::text[]) AS m(stream, made_by) ON f.stream = m.stream
               WHERE f.endpoint_id = %(endpoint)s AND (f.status = 'failed' OR f.status = 'extracted' AND EXISTS (
                   SELECT FROM documents x WHERE x.file_id = f.id AND x.extractor <> m.made_by)) ORDER BY f.id FOR NO KEY UPDATE OF f)
           UPDATE files f SET status = 'stored', reason = NULL, attempts = 0, retry_at = NULL, generation = generation + 1, changed_at = %(now)s
           FROM stale WHERE f.id = stale.id""",
        {"endpoint": endpoint.id, "streams": list(changed), "made": list(changed.values()), "now": now},
    ).rowcount
    tx.execute("UPDATE endpoints SET rendered = %s WHERE id = %s", [Jsonb(dict(made_by)), endpoint.id])
    return stale


def take(tx: Transaction, endpoint: Endpoint, *, days: DayRange, now: datetime, limit: int) -> list[Waiting]:
    """Up to `limit` records that wait, oldest row first, locked until the transaction ends."""
    rows = tx.cursor(row_factory=tuple_row).execute(
        f"""WITH f AS (SELECT id, stream, path, window_day, attempts, tenant_id, sha256 FROM files WHERE {_WAITING}
                       ORDER BY id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED)
            SELECT f.id, f.stream, f.path, f.window_day, f.attempts, b.key, coalesce(b.position, 0), coalesce(b.size, 0)
            FROM f LEFT JOIN blobs b ON b.tenant_id = f.tenant_id AND b.sha256 = f.sha256 ORDER BY f.id""",
        _values(endpoint, days, now) | {"limit": limit},
    )
    return list(map(Waiting._make, rows))


def save_rendered(tx: Transaction, endpoint: Endpoint, made: Sequence[Rendered], made_by: Mapping[str, str], now: datetime) -> None:
    """Make these the documents of records that `take` locked, and plan them for the sinks."""
    sinks = _sinks(tx, endpoint, made_by)
    copy_into(
        tx, "rendered", ("file_id", "title", "url", "extractor", "chunk_count", "characters"),
        ((r.file_id, r.title, r.url, r.made_by, len(r.chunks), sum(len(text) for text, _ in r.chunks)) for r in made), like="documents",
    )  # fmt: skip
    tx.execute("CREATE TEMPORARY TABLE fresh_chunks (file_id bigint, ordinal integer, content_hash bytea, text text) ON COMMIT DROP")
    copy_into(
        tx, "fresh_chunks", ("file_id", "ordinal", "content_hash", "text"),
        ((r.file_id, ordinal, digest, text) for r in made for ordinal, (text, digest) in enumerate(r.chunks)),
    )  # fmt: skip
    values = {"tenant": endpoint.tenant_id, "endpoint": endpoint.id, "sinks": sinks, "now": now}
    tx.execute("DELETE FROM chunks c USING rendered r JOIN documents x ON x.file_id = r.file_id WHERE c.document_id = x.id")
    tx.execute(_DOCUMENTS, values)
    tx.execute(
        """INSERT INTO chunks (tenant_id, document_id, ordinal, content_hash, text)
           SELECT %(tenant)s, x.id, c.ordinal, c.content_hash, c.text FROM fresh_chunks c JOIN documents x ON x.file_id = c.file_id""",
        values,
    )
    tx.execute(
        "UPDATE failures x SET resolved_at = %(now)s FROM rendered r WHERE x.file_id = r.file_id AND x.stage = 'documents' AND x.resolved_at IS NULL",
        values,
    )
    tx.execute(_PLANNED, values)
    tx.execute("DROP TABLE rendered, fresh_chunks")


def save_unrendered(tx: Transaction, endpoint: Endpoint, *, days: DayRange, now: datetime, limit: int) -> dict[date, int]:
    """Make documents without text of up to `limit` records that wait, and plan them; by day, how many. Nobody looks at their content."""
    sinks = _sinks(tx, endpoint, {})
    rows = tx.execute(
        _UNRENDERED, _values(endpoint, days, now) | {"tenant": endpoint.tenant_id, "sinks": sinks, "limit": limit, "made_by": UNRENDERED}
    ).fetchall()
    return {row["day"]: row["n"] for row in rows}


def unrendered(tx: Transaction, endpoint: Endpoint) -> bool:
    """Whether documents of records were made without looking at their content when that was looked at last."""
    row = tx.execute("SELECT rendered = '{}' AS yes FROM endpoints WHERE id = %s", [endpoint.id]).fetchone()
    return bool(row and row["yes"])


def save_noted(tx: Transaction, endpoint: Endpoint, files: Sequence[int], now: datetime) -> dict[date, int]:
    """As `save_unrendered`, for records that this transaction has just written, as extracted and planned; by day, how many."""
    values = {"tenant": endpoint.tenant_id, "endpoint": endpoint.id, "now": now, "made_by": UNRENDERED}
    rows = tx.execute(_NOTED, values | {"files": integers(files), "sinks": _sinks(tx, endpoint, {})}).fetchall()
    return {row["day"]: row["n"] for row in rows}


def save_failed(tx: Transaction, endpoint: Endpoint, failed: Sequence[ItemFailure], now: datetime) -> None:
    """Records that `take` locked and that cannot become a document."""
    record_failures(tx, endpoint, failed, now)
    tx.execute(
        """UPDATE files f SET status = 'failed', reason = t.code, attempts = t.attempts, retry_at = NULL, changed_at = %s
           FROM unnest(%s::bigint[], %s::text[], %s::int[]) AS t(id, code, attempts) WHERE f.id = t.id""",
        [now, [f.file_id for f in failed], [f.error.code for f in failed], [f.attempts for f in failed]],
    )


@contextmanager
def telling(database: Database, endpoint: Endpoint, sink: str, stop: Event) -> Iterator[None]:
    """Be the only one who tells the sink of the endpoint's records, for the length of the block; waits for another who does.

    Instead of a claim on each of them, which costs as much as noting that it was told. A process that dies lets go.

    Raises:
        Unavailable: `stop` was set while another was at it.
    """
    with database.connect() as connection, postgres_errors("wait for our turn at the sink"):
        key = [_TELLING, f"{endpoint.id} {sink}"]
        while connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", key).fetchone() != (True,):
            if stop.wait(_POLL_S):
                raise Unavailable("the run was stopped")
        try:
            yield
        finally:
            # The server notices only a little later that a connection was closed.
            with suppress(psycopg.Error):
                connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", key)


def owed(
    tx: Transaction, endpoint: Endpoint, sink: str, worker: Worker, *, days: DayRange, now: datetime, after: int, limit: int
) -> list[OwedRecord]:
    """Up to `limit` of what `plan` marked and the sink is still owed, with what it is to be told. Needs `telling`.

    They are in order of file; those up to the id `after` are passed over.
    """
    require_alive(tx, worker)
    values = _values(endpoint, days, now) | {"sink": sink, "of_records": [sink], "after": after, "limit": limit}
    rows = tx.cursor(row_factory=tuple_row).execute(_OWED_RECORDS, values).fetchall()
    # Before it is told to hold again what it was told to drop, nothing says any more that it holds nothing.
    if back := [row[0] for row in rows if row[-1]]:
        tx.execute("UPDATE deliveries SET status = 'pending' WHERE sink = %s AND file_id = ANY(%s::bigint[])", [sink, integers(back)])
    return [OwedRecord(Owed(*row[:8]), *row[8:-1]) for row in rows]


def _values(endpoint: Endpoint, days: DayRange, now: datetime) -> dict[str, Any]:
    return {"endpoint": endpoint.id, "first": days.first, "last": days.last, "now": now}


def _sinks(tx: Transaction, endpoint: Endpoint, made_by: Mapping[str, str]) -> list[str]:
    """The endpoint's sinks, which stay these until the transaction ends.

    Raises:
        Unavailable: Documents are to be made in another way by now than `made_by` says.
    """
    row = tx.execute("SELECT sinks, rendered FROM endpoints WHERE id = %s FOR NO KEY UPDATE", [endpoint.id]).fetchone()
    if row is None or row["rendered"] != made_by:
        raise Unavailable(
            f"the templates or sinks of {endpoint.slug!r} were changed while its records were made into documents",
            advice="nothing to do; the next run goes on",
        )
    return list(row["sinks"])


_WRITE_DOCUMENT = """
    ON CONFLICT (file_id) DO UPDATE SET sha256 = excluded.sha256, media_type = excluded.media_type, title = excluded.title, url = excluded.url,
        content_type = excluded.content_type, chunk_count = excluded.chunk_count, characters = excluded.characters, metadata = '{}', warnings = '{}',
        extractor = excluded.extractor, extracted_at = excluded.extracted_at, read_again = false
"""

_DOCUMENTS = f"""
    INSERT INTO documents (tenant_id, file_id, sha256, media_type, content_type, title, url, chunk_count, characters, extractor, extracted_at)
    SELECT %(tenant)s, f.id, f.sha256, f.media_type, f.media_type, r.title, r.url, r.chunk_count, r.characters, r.extractor, %(now)s
    FROM rendered r JOIN files f ON f.id = r.file_id ORDER BY f.id {_WRITE_DOCUMENT}
"""

# Generations come to their end here, so they are planned here, for every sink: of records each takes all. Whatever a sink was told
# is of a lower generation.
_PLANNED = """
    WITH owed AS (
        INSERT INTO deliveries (file_id, sink, tenant_id, endpoint_id)
        SELECT r.file_id, s.name, %(tenant)s, %(endpoint)s FROM rendered r CROSS JOIN unnest(%(sinks)s::text[]) AS s(name) ORDER BY r.file_id, s.name
        ON CONFLICT (file_id, sink) DO UPDATE SET owed = true
    )
    UPDATE files f SET status = 'extracted', planned = generation, reason = NULL, attempts = 0, retry_at = NULL
    FROM rendered r WHERE f.id = r.file_id
"""

# The same in one statement, for records of which no text is wanted: `f` are their rows.
_MADE = f"""
    bared AS (
        DELETE FROM chunks c USING f JOIN documents x ON x.file_id = f.id WHERE c.document_id = x.id
    ), made AS (
        INSERT INTO documents (tenant_id, file_id, sha256, media_type, content_type, chunk_count, characters, extractor, extracted_at)
        SELECT %(tenant)s, id, sha256, media_type, media_type, 0, 0, %(made_by)s, %(now)s FROM f ORDER BY id {_WRITE_DOCUMENT}
    ), owed AS (
        INSERT INTO deliveries (file_id, sink, tenant_id, endpoint_id)
        SELECT f.id, s.name, %(tenant)s, %(endpoint)s FROM f CROSS JOIN unnest(%(sinks)s::text[]) AS s(name) ORDER BY f.id, s.name
        ON CONFLICT (file_id, sink) DO UPDATE SET owed = true
    )"""

_UNRENDERED = f"""
    WITH f AS MATERIALIZED (
        SELECT id, sha256, media_type, window_day FROM files WHERE {_WAITING} ORDER BY id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
    ), {_MADE}, mended AS (
        UPDATE failures x SET resolved_at = %(now)s FROM f WHERE x.file_id = f.id AND x.stage = 'documents' AND x.resolved_at IS NULL
    ), done AS (
        UPDATE files SET status = 'extracted', planned = generation, reason = NULL, attempts = 0, retry_at = NULL FROM f WHERE files.id = f.id
    )
    SELECT window_day AS day, count(*) AS n FROM f GROUP BY window_day
"""

_NOTED = f"""
    WITH f AS MATERIALIZED (SELECT id, sha256, media_type, window_day FROM files WHERE id = ANY(%(files)s::bigint[])), {_MADE}
    SELECT window_day AS day, count(*) AS n FROM f GROUP BY window_day
"""

_OWED_RECORDS = f"""
    SELECT d.file_id, f.generation, f.status = 'extracted' AND {WANTED} AS put, x.id::text, f.window_day, f.path, d.attempts, 0,
           f.stream, x.title, f.media_type, coalesce(x.url, f.url), f.source_modified_at, f.acl, b.key, coalesce(b.position, 0), coalesce(b.size, 0),
           d.status = 'removed' AND f.status = 'extracted' AND {WANTED} AS back
    FROM deliveries d JOIN files f ON f.id = d.file_id LEFT JOIN documents x ON x.file_id = f.id
    LEFT JOIN blobs b ON b.tenant_id = f.tenant_id AND b.sha256 = f.sha256
    WHERE d.endpoint_id = %(endpoint)s AND d.sink = %(sink)s AND d.owed AND d.file_id > %(after)s AND ({OWED}) AND (d.retry_at IS NULL OR d.retry_at <= %(now)s)
      AND f.window_day BETWEEN coalesce(%(first)s, '-infinity'::date) AND coalesce(%(last)s, 'infinity'::date)
    ORDER BY d.file_id LIMIT %(limit)s
"""
