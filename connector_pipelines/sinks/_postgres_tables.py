"""What the sinks in Postgres have in common: documents and chunks in a schema of their own, and who may replace them when.

The row of `documents` is the lock: whoever may raise its generation may replace the document's chunks, and waits for
another who is doing so. All writers take these rows in the order of their ids, so they cannot wait for each other in a ring.
A deleted document keeps its row, without what it said, so that a late writer does not bring it back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, LiteralString
from uuid import UUID

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Unavailable
from connector_pipelines.core.protocols import Tools
from connector_pipelines.core.types import Ability, Chunk, Document, DocumentRef, Hit, Probe
from connector_pipelines.net.postgres import storable, storable_json
from connector_pipelines.sinks._batches import latest
from connector_pipelines.sinks._postgres import WRITE_LIMIT, Database, PostgresConfig, schema_of

if TYPE_CHECKING:
    from psycopg import Cursor
    from psycopg.sql import Composable, Composed

__all__ = ["PostgresTables", "hits"]

_FORMAT = "1"
_INVENTORY_ROWS = 5_000

_TABLES = """
CREATE TABLE {about} (key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE {documents} (
    document_id uuid PRIMARY KEY, tenant_id text NOT NULL, endpoint text NOT NULL, generation bigint NOT NULL,
    deleted boolean NOT NULL, kind text, title text, path text, url text, media_type text, modified_at timestamptz,
    acl jsonb, metadata jsonb
);
CREATE INDEX ON {documents} (tenant_id, endpoint, document_id) WHERE NOT deleted;
CREATE TABLE {chunks} (
    document_id uuid NOT NULL REFERENCES {documents} ON DELETE CASCADE, ordinal integer NOT NULL,
    tenant_id text NOT NULL, endpoint text NOT NULL, hash bytea NOT NULL, text text NOT NULL, place jsonb NOT NULL,
    PRIMARY KEY (document_id, ordinal)
);
CREATE INDEX ON {chunks} (tenant_id, endpoint);
"""
_INCOMING = """
CREATE TEMPORARY TABLE incoming_documents (LIKE {documents}) ON COMMIT DROP;
CREATE TEMPORARY TABLE incoming_chunks (LIKE {chunks}) ON COMMIT DROP;
"""
_RAISE_GENERATIONS = """
INSERT INTO {documents} AS held SELECT * FROM pg_temp.incoming_documents ORDER BY document_id
ON CONFLICT (document_id) DO UPDATE SET
    endpoint = excluded.endpoint, generation = excluded.generation, deleted = excluded.deleted, kind = excluded.kind,
    title = excluded.title, path = excluded.path, url = excluded.url, media_type = excluded.media_type,
    modified_at = excluded.modified_at, acl = excluded.acl, metadata = excluded.metadata
WHERE excluded.generation >= held.generation AND excluded.tenant_id = held.tenant_id
RETURNING document_id
"""
_DROP_CHUNKS = """
DELETE FROM {chunks} held WHERE held.document_id = ANY(%(accepted)s) AND NOT EXISTS (
    SELECT FROM pg_temp.incoming_chunks i WHERE i.document_id = held.document_id AND i.ordinal = held.ordinal)
"""
# What is already there is not even locked: a new version of a row costs an entry in every index, and the vectors' is dear.
# Joined by the key alone: given more columns to compare, the planner takes the index of tenants, which reads the tenant for each row.
_WRITE_CHUNKS = """
INSERT INTO {chunks} ({columns}) SELECT {incoming} FROM pg_temp.incoming_chunks i
LEFT JOIN {chunks} h ON h.document_id = i.document_id AND h.ordinal = i.ordinal
WHERE i.document_id = ANY(%(accepted)s)
  AND (h.tenant_id, h.endpoint, h.hash, h.place) IS DISTINCT FROM (i.tenant_id, i.endpoint, i.hash, i.place)
ORDER BY i.document_id, i.ordinal
ON CONFLICT (document_id, ordinal) DO UPDATE SET ({columns}) = ROW ({excluded})
"""
_INVENTORY = """
SELECT document_id::text, generation FROM {documents}
WHERE tenant_id = %s AND endpoint = %s AND NOT deleted AND document_id > %s ORDER BY document_id LIMIT %s
"""
_MAY_CREATE = """
SELECT CASE WHEN to_regnamespace(quote_ident(%(schema)s)) IS NULL THEN has_database_privilege(current_database(), 'CREATE')
            ELSE has_schema_privilege(%(schema)s, 'CREATE') END
"""
_DOCUMENT_COLUMNS = (
    "document_id", "tenant_id", "endpoint", "generation", "deleted", "kind", "title", "path", "url", "media_type",
    "modified_at", "acl", "metadata",
)  # fmt: skip


class PostgresTables:
    """A sink but for its search. A subclass adds a column to the chunks and says what the schema must have been made with."""

    kind: ClassVar[str]
    chunk_columns: ClassVar[tuple[LiteralString, ...]] = ("document_id", "ordinal", "tenant_id", "endpoint", "hash", "text", "place")

    def __init__(self, name: str, config: PostgresConfig, tools: Tools) -> None:
        self._name = name
        self._schema = schema_of(name, config)
        self._database = Database(config.url, tools)
        self._ready = False

    def test(self) -> Probe:
        account = self._database.account()
        try:
            with self._database.transaction("test the sink") as cursor:
                return Probe(account=account, abilities=(Ability("connect", True, "A connection was made."), *self._abilities(cursor)))
        except ConnectorError as error:
            detail = f"{error}. {error.advice}".rstrip(". ")
            return Probe(account=account, abilities=(Ability("connect", False, detail),))

    def put(self, documents: Sequence[Document]) -> None:
        batch = latest(documents)
        if batch:
            self._write(map(_document_row, batch), [(d, c) for d in batch for c in d.chunks])

    def delete(self, documents: Sequence[DocumentRef]) -> None:
        batch = latest(documents)
        if batch:
            self._write(map(_tombstone, batch), [])

    def inventory(self, tenant_id: str, endpoint: str) -> Iterator[tuple[str, int]]:
        after = str(UUID(int=0))
        while True:
            # A page a transaction: a slow reader must not hold a connection, nor keep the server from tidying up.
            with self._database.transaction("take inventory") as cursor:
                page = self._page(cursor, tenant_id, endpoint, after)
            yield from page
            if len(page) < _INVENTORY_ROWS:
                return
            after = page[-1][0]

    def close(self) -> None:
        self._database.close()

    def _facts(self) -> dict[str, str]:
        """What the schema records when made, and must be met with ever after."""
        return {"format": _FORMAT, "kind": self.kind}

    def _add_column(self, cursor: Cursor[Any]) -> None:
        """Complete the new table of chunks."""

    def _prepare(self, chunks: Sequence[tuple[Document, Chunk]]) -> None:  # noqa: ARG002 - for subclasses
        """Make the tables where they are missing. Processes that race wait for the first."""
        if self._ready:
            return
        with self._database.transaction("make the sink's tables", limit=WRITE_LIMIT) as cursor:
            self._take_lock(cursor)
            if not self._exists(cursor):
                self._create(cursor)
            self._check(cursor)
        self._ready = True

    def _extra(self, chunk: Chunk) -> tuple[object, ...]:  # noqa: ARG002 - for subclasses
        """Values of the columns a subclass copies beyond the common ones."""
        return ()

    def _abilities(self, cursor: Cursor[Any]) -> Iterator[Ability]:
        cursor.execute(_MAY_CREATE, {"schema": self._schema})
        may_create = bool(_value(cursor))
        advice = f"grant create on database to this role, or make the schema {self._schema} for it"
        yield Ability("create tables", may_create, f"In schema {self._schema}." if may_create else f"Not allowed: {advice}.")
        if self._exists(cursor):
            try:
                self._check(cursor)
            except ConfigurationError as error:
                yield Ability("use the tables", False, f"{error}; {error.advice}")

    def _write(self, documents: Iterator[tuple[object, ...]], chunks: Sequence[tuple[Document, Chunk]]) -> None:
        try:
            self._prepare(chunks)
            with self._database.transaction("write to the sink", limit=WRITE_LIMIT) as cursor:
                cursor.execute(self._sql(_INCOMING))
                self._copy(cursor, "incoming_documents", _DOCUMENT_COLUMNS, documents)
                self._copy(cursor, "incoming_chunks", self.chunk_columns, (_chunk_row(d, c) + self._extra(c) for d, c in chunks))
                self._replace(cursor)
        except Unavailable:
            self._ready = False  # should the tables have been dropped under us
            raise

    def _replace(self, cursor: Cursor[Any]) -> None:
        # Never prepared: a plan kept from when the tables were small may read them whole once they are not.
        cursor.execute(self._sql(_RAISE_GENERATIONS), prepare=False)
        accepted = {"accepted": [row[0] for row in cursor.fetchall()]}
        cursor.execute(self._sql(_DROP_CHUNKS), accepted, prepare=False)
        cursor.execute(self._sql(_WRITE_CHUNKS), accepted, prepare=False)

    def _copy(self, cursor: Cursor[Any], table: LiteralString, columns: Sequence[str], rows: Iterator[tuple[object, ...]]) -> None:
        from psycopg.sql import SQL, Identifier

        names = SQL(", ").join(map(Identifier, columns))
        with cursor.copy(SQL("COPY pg_temp.{} ({}) FROM STDIN").format(Identifier(table), names)) as copy:
            for row in rows:
                copy.write_row(row)

    def _page(self, cursor: Cursor[Any], tenant_id: str, endpoint: str, after: str) -> list[tuple[str, int]]:
        if not self._exists(cursor):
            return []
        return list(cursor.execute(self._sql(_INVENTORY), [tenant_id, endpoint, after, _INVENTORY_ROWS]))

    def _exists(self, cursor: Cursor[Any]) -> bool:
        # Not by to_regclass: it may answer from what the session remembers from before it waited for the lock.
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = 'about')",
            [self._schema],
        )
        return bool(_value(cursor))

    def _create(self, cursor: Cursor[Any]) -> None:
        # Asked first: CREATE SCHEMA IF NOT EXISTS wants the privilege even where the schema is there.
        cursor.execute("SELECT to_regnamespace(quote_ident(%s)) IS NULL", [self._schema])
        if _value(cursor):
            cursor.execute(self._sql("CREATE SCHEMA {schema}"))
        cursor.execute(self._sql(_TABLES))
        for key, value in self._facts().items():
            self._record(cursor, key, value)
        self._add_column(cursor)

    def _check(self, cursor: Cursor[Any]) -> dict[str, str]:
        """What is recorded in the schema.

        Raises:
            ConfigurationError: It was made with other settings.
        """
        recorded = dict(cursor.execute(self._sql("SELECT key, value FROM {about}")).fetchall())
        for key, value in self._facts().items():
            if recorded.get(key) != value:
                raise ConfigurationError(
                    f"the schema {self._schema!r} of sink {self._name!r} was made with {key} {recorded.get(key)!r}, the settings say {value!r}",
                    advice="set it back, or give the sink another name or another `schema`: it is then filled anew beside the old one",
                )
        return recorded

    def _record(self, cursor: Cursor[Any], key: str, value: str) -> None:
        cursor.execute(self._sql("INSERT INTO {about} VALUES (%s, %s)"), [key, value])

    def _take_lock(self, cursor: Cursor[Any]) -> None:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"connector_pipelines sink {self._schema}"])

    def _sql(self, text: LiteralString, **parts: Composable) -> Composed:
        from psycopg.sql import SQL, Identifier

        columns = [Identifier(c) for c in self.chunk_columns]
        tables = {table: Identifier(self._schema, table) for table in ("about", "documents", "chunks")}
        return SQL(text).format(
            schema=Identifier(self._schema),
            columns=SQL(", ").join(columns),
            incoming=SQL(", ").join(SQL("i.{}").format(c) for c in columns),
            excluded=SQL(", ").join(SQL("excluded.{}").format(c) for c in columns),
            **tables,
            **parts,
        )


def hits(rows: Sequence[tuple[Any, ...]]) -> list[Hit]:
    """From rows of document, generation, ordinal, score."""
    return [Hit(document_id=str(row[0]), generation=row[1], ordinal=row[2], score=float(row[3])) for row in rows]


def _document_row(d: Document) -> tuple[object, ...]:
    acl = None if d.acl is None else json.dumps(storable_json(d.acl))
    texts = (d.kind, d.title, d.path, d.url, d.media_type)
    return (
        *_reference(d, deleted=False),
        *(None if text is None else storable(text) for text in texts),
        d.modified_at,
        acl,
        json.dumps(storable_json(d.metadata)),
    )


def _tombstone(d: DocumentRef) -> tuple[object, ...]:
    reference = _reference(d, deleted=True)
    return reference + (None,) * (len(_DOCUMENT_COLUMNS) - len(reference))


def _reference(d: DocumentRef, *, deleted: bool) -> tuple[object, ...]:
    return d.id, storable(d.tenant_id), storable(d.endpoint), d.generation, deleted


def _chunk_row(d: Document, c: Chunk) -> tuple[object, ...]:
    place = json.dumps(storable_json(c.place.as_json()))
    return d.id, c.ordinal, storable(d.tenant_id), storable(d.endpoint), c.hash, storable(c.text), place


def _value(cursor: Cursor[Any]) -> Any:
    row = cursor.fetchone()
    return None if row is None else row[0]
