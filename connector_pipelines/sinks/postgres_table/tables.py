"""The tables of a table sink in its schema: one for each stream of records, and four of our own that begin with `_`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, LiteralString

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.types import ColumnType, Stream
from connector_pipelines.net.postgres import storable
from connector_pipelines.sinks.postgres_table.columns import Column, Columns
from connector_pipelines.sinks.postgres_table.values import POSTGRES_TYPES, pointer

if TYPE_CHECKING:
    from psycopg import Cursor
    from psycopg.sql import Composable, Composed

__all__ = ["Place", "Table", "Tables"]

_FORMAT = "1"
_NAME_BYTES = 63

_REGISTRY = """
CREATE TABLE {schema}._about (key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE {schema}._tables (
    table_name text PRIMARY KEY, tenant_id text NOT NULL, endpoint text NOT NULL, stream text NOT NULL, version bigint NOT NULL DEFAULT 0,
    UNIQUE (tenant_id, endpoint, stream)
);
CREATE TABLE {schema}._columns (
    table_name text NOT NULL REFERENCES {schema}._tables ON DELETE CASCADE, column_name text NOT NULL, field text NOT NULL, type text NOT NULL,
    ordinal integer GENERATED ALWAYS AS IDENTITY, since timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (table_name, column_name)
);
CREATE TABLE {schema}._removed (document_id uuid PRIMARY KEY, tenant_id text NOT NULL, generation bigint NOT NULL);
INSERT INTO {schema}._about VALUES ('format', {format}), ('kind', 'postgres_table');
"""
_TABLE = """
CREATE TABLE {table} (_document_id uuid PRIMARY KEY, _generation bigint NOT NULL, _synced_at timestamptz NOT NULL DEFAULT now());
"""
# What somebody dropped is made again by the next record that has it.
_FORGET_DROPPED = """
DELETE FROM {schema}._columns c WHERE c.table_name = %(table)s AND NOT EXISTS (
    SELECT FROM information_schema.columns i
    WHERE (i.table_schema, i.table_name, i.column_name) = (%(schema)s, c.table_name, c.column_name))
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose records a table holds."""

    tenant_id: str
    endpoint: str
    stream: str


@dataclass(slots=True)
class Table:
    """A table as it was when last looked at. `version` rises with every change of its columns."""

    name: str
    version: int
    columns: Columns


class Tables:
    """Knows and changes the tables. What changes one is called in a transaction that holds the lock of its endpoint (`take_turn`).

    Args:
        depth, limit: As `Columns`.
    """

    def __init__(self, schema: str, *, depth: int, limit: int) -> None:
        self._schema, self._depth, self._limit = schema, depth, limit

    def exists(self, cursor: Cursor[Any]) -> bool:
        # Not by to_regclass: it answers from what the session remembers, and that is looked through when a relation is locked, which
        # a wait for another who makes the tables is not.
        row = cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = '_about')",
            [self._schema],
        ).fetchone()
        return bool(row and row[0])

    def make(self, cursor: Cursor[Any]) -> None:
        """Make the schema and the registry where they are missing.

        Raises:
            ConfigurationError: The schema holds another sink's tables.
        """
        if not self.exists(cursor):
            self._lock(cursor, "")
        if not self.exists(cursor):
            # Asked first: CREATE SCHEMA IF NOT EXISTS wants the privilege even where the schema is there.
            row = cursor.execute(
                "SELECT to_regnamespace(quote_ident(%(s)s)) IS NULL, to_regclass(quote_ident(%(s)s) || '.about') IS NOT NULL",
                {"s": self._schema},
            ).fetchone()
            if row and row[1]:
                raise ConfigurationError(
                    f"the schema {self._schema!r} holds the documents of another sink",
                    advice="give this sink another name or another `schema`",
                )
            if row and row[0]:
                cursor.execute(self.sql("CREATE SCHEMA {schema}"))
            cursor.execute(self.sql(_REGISTRY))
        self.check(cursor)

    def take_turn(self, cursor: Cursor[Any], tenant_id: str, endpoint: str) -> None:
        """Let nobody else change tables of the endpoint until the transaction ends. Who takes several does so in their order."""
        self._lock(cursor, f"{tenant_id} {endpoint}")

    def check(self, cursor: Cursor[Any]) -> None:
        """Raises ConfigurationError where another version of this sink made the schema."""
        facts = dict(cursor.execute(self.sql("SELECT key, value FROM {schema}._about")).fetchall())
        if facts.get("format") != _FORMAT:
            raise ConfigurationError(
                f"the schema {self._schema!r} has format {facts.get('format')!r}, this version knows {_FORMAT!r}",
                advice="install the version that made it, or give the sink another `schema`",
            )

    def version(self, cursor: Cursor[Any], place: Place) -> int | None:
        """Of the table, or None where there is none."""
        row = cursor.execute(
            self.sql("SELECT version FROM {schema}._tables WHERE (tenant_id, endpoint, stream) = (%s, %s, %s)"),
            [place.tenant_id, place.endpoint, place.stream],
        ).fetchone()
        return row[0] if row else None

    def of_endpoint(self, cursor: Cursor[Any], tenant_id: str, endpoint: str) -> list[str]:
        """Names of the tables with records of the endpoint."""
        rows = cursor.execute(
            self.sql("SELECT table_name FROM {schema}._tables WHERE tenant_id = %s AND endpoint = %s ORDER BY table_name"),
            [storable(tenant_id), storable(endpoint)],
        )
        return [row[0] for row in rows]

    def open(self, cursor: Cursor[Any], place: Place, stream: Stream) -> Table:
        """The table as it is now, made where it is missing."""
        found = cursor.execute(
            self.sql("SELECT table_name, version FROM {schema}._tables WHERE (tenant_id, endpoint, stream) = (%s, %s, %s)"),
            [place.tenant_id, place.endpoint, place.stream],
        ).fetchone()
        if found and not self._is_there(cursor, found[0]):
            cursor.execute(self.sql("DELETE FROM {schema}._tables WHERE table_name = %s"), [found[0]])
            found = None
        name, version = found or (self._create(cursor, place), 0)
        cursor.execute(self.sql(_FORGET_DROPPED), {"schema": self._schema, "table": name})
        rows = cursor.execute(
            self.sql("SELECT column_name, field, type FROM {schema}._columns WHERE table_name = %s ORDER BY ordinal"), [name]
        ).fetchall()
        declared = {pointer(*field.split(".")): kind for field, kind in stream.columns.items()}
        columns = Columns([Column(*row) for row in rows], declared, self._depth, self._limit)
        columns.expect(declared)
        return Table(name, version, columns)

    def change(self, cursor: Cursor[Any], table: Table, key: Sequence[str]) -> None:
        """Give the table the columns it lacks, and wider types. `key`: pointers of the fields an index is made of, once all are there."""
        from psycopg.sql import SQL, Identifier

        columns, target = table.columns, Identifier(self._schema, table.name)
        changes = [SQL("ADD COLUMN {} {}").format(Identifier(c.name), _type(c.type)) for c in columns.added]
        added = {c.name for c in columns.added}
        for column in (c for c in columns.widened if c.name not in added):
            parts = {"c": Identifier(column.name), "t": _type(column.type)}
            # A date becomes the instant at which it begins in UTC, whatever the session's time zone.
            using = "({c}::timestamp AT TIME ZONE 'UTC')" if column.type == "timestamp" else "{c}::{t}"
            changes.append(SQL("ALTER COLUMN {c} TYPE {t} USING " + using).format(**parts))
        if changes:
            cursor.execute(SQL("ALTER TABLE {} {}").format(target, SQL(", ").join(changes)))
        self._register(cursor, table)
        indexed = [next((c.name for c in columns.known if c.field == at), None) for at in key]
        if added & set(indexed) and all(indexed):
            names = SQL(", ").join(Identifier(n) for n in indexed if n)
            cursor.execute(SQL("CREATE INDEX ON {} ({})").format(target, names))
        columns.added, columns.widened, columns.beside = [], [], []

    def sql(self, text: LiteralString, **parts: Composable) -> Composed:
        from psycopg.sql import SQL, Identifier, Literal

        return SQL(text).format(schema=Identifier(self._schema), format=Literal(_FORMAT), **parts)

    def _is_there(self, cursor: Cursor[Any], table: str) -> bool:
        row = cursor.execute("SELECT to_regclass(quote_ident(%s) || '.' || quote_ident(%s)) IS NOT NULL", [self._schema, table]).fetchone()
        return bool(row and row[0])

    def _lock(self, cursor: Cursor[Any], what: str) -> None:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"connector_pipelines sink {self._schema} {what}"])

    def _register(self, cursor: Cursor[Any], table: Table) -> None:
        changed = {c.name: c for c in (*table.columns.added, *table.columns.widened)}
        cursor.executemany(
            self.sql(
                """INSERT INTO {schema}._columns (table_name, column_name, field, type) VALUES (%s, %s, %s, %s)
                   ON CONFLICT (table_name, column_name) DO UPDATE SET type = excluded.type, since = now()"""
            ),
            [(table.name, c.name, storable(c.field), c.type) for c in changed.values()],
        )
        row = cursor.execute(
            self.sql("UPDATE {schema}._tables SET version = version + 1 WHERE table_name = %s RETURNING version"), [table.name]
        ).fetchone()
        table.version = row[0] if row else 0

    def _create(self, cursor: Cursor[Any], place: Place) -> str:
        from psycopg.sql import Identifier

        self._lock(cursor, "")
        name = f"{place.endpoint}__{place.stream}"
        taken = cursor.execute(self.sql("SELECT 1 FROM {schema}._tables WHERE table_name = %s"), [name]).fetchone()
        if taken or len(name.encode()) > _NAME_BYTES:
            # Of another tenant, or `a__b` and `c` beside `a` and `b__c`.
            told = sha256("\0".join((place.tenant_id, place.endpoint, place.stream)).encode()).hexdigest()[:8]
            name = f"{name.encode()[: _NAME_BYTES - 9].decode(errors='ignore')}_{told}"
        cursor.execute(self.sql(_TABLE, table=Identifier(self._schema, name)))
        cursor.execute(
            self.sql("INSERT INTO {schema}._tables (table_name, tenant_id, endpoint, stream) VALUES (%s, %s, %s, %s)"),
            [name, place.tenant_id, place.endpoint, place.stream],
        )
        return name


def _type(kind: ColumnType) -> Composable:
    from psycopg.sql import SQL

    return SQL(POSTGRES_TYPES[kind])
