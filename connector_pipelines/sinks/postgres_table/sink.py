"""Keeps records as typed rows: upserts by document, follows deletions, refuses what is late."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, PermanentError, Unavailable
from connector_pipelines.core.protocols import Tools
from connector_pipelines.core.types import Ability, Document, DocumentRef, Probe, Stream
from connector_pipelines.net.postgres import storable
from connector_pipelines.sinks._batches import latest
from connector_pipelines.sinks._postgres import WRITE_LIMIT, Database, schema_of
from connector_pipelines.sinks.postgres_table.columns import OWN
from connector_pipelines.sinks.postgres_table.config import Config
from connector_pipelines.sinks.postgres_table.tables import Place, Table, Tables
from connector_pipelines.sinks.postgres_table.values import pointer
from connector_pipelines.telemetry import get_logger

if TYPE_CHECKING:
    from psycopg import Cursor

__all__ = ["Sink"]

_INVENTORY_ROWS = 5_000

_MAY_CREATE = """
SELECT CASE WHEN to_regnamespace(quote_ident(%(schema)s)) IS NULL THEN has_database_privilege(current_database(), 'CREATE')
            ELSE has_schema_privilege(%(schema)s, 'CREATE') END
"""
# A row that was removed at a higher generation stays removed: who puts it is late.
_UPSERT = """
INSERT INTO {table} AS held ({columns}) SELECT {columns} FROM pg_temp.incoming i
WHERE NOT EXISTS (SELECT FROM {schema}._removed r WHERE r.document_id = i._document_id AND r.generation > i._generation)
ORDER BY i._document_id
ON CONFLICT (_document_id) DO UPDATE SET ({columns}) = ROW ({excluded}), _synced_at = now() WHERE excluded._generation >= held._generation
"""
_BACK = """
DELETE FROM {schema}._removed r USING pg_temp.incoming i WHERE r.document_id = i._document_id AND r.generation <= i._generation
"""
_REMOVE = """
DELETE FROM {table} held USING unnest(%(ids)s::uuid[], %(generations)s::bigint[]) AS gone (document_id, generation)
WHERE held._document_id = gone.document_id AND held._generation <= gone.generation
"""
_REMEMBER = """
INSERT INTO {schema}._removed AS r (document_id, tenant_id, generation)
SELECT document_id, tenant_id, generation FROM unnest(%(ids)s::uuid[], %(tenants)s::text[], %(generations)s::bigint[]) AS gone (document_id, tenant_id, generation)
ON CONFLICT (document_id) DO UPDATE SET generation = greatest(r.generation, excluded.generation) WHERE r.tenant_id = excluded.tenant_id
"""


class Sink:
    """Writers of an endpoint take turns: columns change under nobody, and who is late sees that he is."""

    config_type = Config

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        self._name, self._schema = name, schema_of(name, config)
        self._database = Database(config.url, tools)
        self._tables = Tables(self._schema, depth=config.flatten, limit=config.max_columns)
        self._known: dict[Place, Table] = {}
        self._lock = threading.Lock()

    def test(self) -> Probe:
        account = self._database.account()
        try:
            with self._database.transaction("test the sink") as cursor:
                return Probe(account=account, abilities=(Ability("connect", True, "A connection was made."), *self._abilities(cursor)))
        except ConnectorError as error:
            return Probe(account=account, abilities=(Ability("connect", False, f"{error}. {error.advice}".rstrip(". ")),))

    def declare(self, tenant_id: str, endpoint: str, streams: Sequence[Stream]) -> None:
        with self._turn([(tenant_id, endpoint)]) as cursor:
            for stream in streams:
                table = self._table(cursor, Place(storable(tenant_id), storable(endpoint), storable(stream.name)), stream)
                self._change(cursor, table, stream)

    def put(self, documents: Sequence[Document]) -> None:
        groups: dict[Place, list[Document]] = defaultdict(list)
        for document in latest(documents):
            if document.record is None:
                raise PermanentError(f"the document {document.id} has no record", advice="a table sink keeps the records of streams only")
            place = Place(storable(document.tenant_id), storable(document.endpoint), storable(document.record.stream.name))
            groups[place].append(document)
        if groups:
            with self._turn((place.tenant_id, place.endpoint) for place in groups) as cursor:
                for place, some in groups.items():
                    self._write(cursor, place, some)

    def delete(self, documents: Sequence[DocumentRef]) -> None:
        groups: dict[tuple[str, str], list[DocumentRef]] = defaultdict(list)
        for one in latest(documents):
            groups[storable(one.tenant_id), storable(one.endpoint)].append(one)
        if not groups:
            return
        with self._turn(groups) as cursor:
            for (tenant_id, endpoint), some in groups.items():
                values = {"ids": [d.id for d in some], "generations": [d.generation for d in some], "tenants": [tenant_id] * len(some)}
                for table in self._tables.of_endpoint(cursor, tenant_id, endpoint):
                    self._run(cursor, _REMOVE, table, values)
                cursor.execute(self._tables.sql(_REMEMBER), values)

    def inventory(self, tenant_id: str, endpoint: str) -> Iterator[tuple[str, int]]:
        with self._database.transaction("take inventory") as cursor:
            tables = self._tables.of_endpoint(cursor, tenant_id, endpoint) if self._tables.exists(cursor) else []
        for table in tables:
            yield from self._listed(table)

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _turn(self, endpoints: Iterable[tuple[str, str]]) -> Iterator[Cursor[Any]]:
        """A transaction that alone writes to these endpoints' tables. What is known of tables is forgotten where it fails."""
        with self._lock:  # threads share what is known of the tables
            import psycopg

            try:
                with self._database.transaction("write to the sink", limit=WRITE_LIMIT) as cursor:
                    self._tables.make(cursor)
                    for tenant_id, endpoint in sorted(set(endpoints)):
                        self._tables.take_turn(cursor, storable(tenant_id), storable(endpoint))
                    yield cursor
            except BaseException as error:
                self._known.clear()
                if isinstance(error, psycopg.errors.UndefinedColumn):
                    raise Unavailable(
                        "could not write to the sink: a column of its tables is gone", advice="the next try makes it again"
                    ) from error
                raise

    def _write(self, cursor: Cursor[Any], place: Place, documents: list[Document]) -> None:
        stream = documents[0].record.stream  # type: ignore[union-attr]  # `put` has looked
        table = self._table(cursor, place, stream)
        rows = table.columns.rows([d.record.fields for d in documents])  # type: ignore[union-attr]
        self._change(cursor, table, stream)
        self._copy(cursor, table, documents, rows)
        self._run(cursor, _UPSERT, table.name, columns=[*OWN[:2], *table.columns.names])
        cursor.execute(self._tables.sql(_BACK))
        cursor.execute("DROP TABLE pg_temp.incoming")

    def _table(self, cursor: Cursor[Any], place: Place, stream: Stream) -> Table:
        known = self._known.get(place)
        if known is None or self._tables.version(cursor, place) != known.version:
            known = self._known[place] = self._tables.open(cursor, place, stream)
        return known

    def _change(self, cursor: Cursor[Any], table: Table, stream: Stream) -> None:
        if not table.columns.changed:
            return
        for held, beside in table.columns.beside:
            get_logger(__name__).warning(
                "field_changed_type", sink=self._name, table=f"{self._schema}.{table.name}", column=held.name, type=held.type,
                met=beside.type, kept_in=beside.name,
            )  # fmt: skip
        self._tables.change(cursor, table, [pointer(*field.split(".")) for field in stream.primary_key])

    def _copy(self, cursor: Cursor[Any], table: Table, documents: list[Document], rows: list[list[object]]) -> None:
        from psycopg.sql import SQL, Identifier

        names = [*OWN[:2], *table.columns.names]
        columns = SQL(", ").join(map(Identifier, names))
        target = Identifier(self._schema, table.name)
        cursor.execute(SQL("CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(columns, target))
        with cursor.copy(SQL("COPY pg_temp.incoming ({}) FROM STDIN").format(columns)) as copy:
            for document, row in zip(documents, rows, strict=True):
                copy.write_row((document.id, document.generation, *row))

    def _run(
        self, cursor: Cursor[Any], statement: Any, table: str, values: Mapping[str, object] | None = None, columns: Sequence[str] = ()
    ) -> None:
        from psycopg.sql import SQL, Identifier

        names = [Identifier(c) for c in columns]
        parts = {"columns": SQL(", ").join(names), "excluded": SQL(", ").join(SQL("excluded.{}").format(n) for n in names)}
        # Never prepared: a plan kept from when the table was small may read it whole once it is not.
        cursor.execute(self._tables.sql(statement, table=Identifier(self._schema, table), **parts), values, prepare=False)

    def _listed(self, table: str) -> Iterator[tuple[str, int]]:
        from psycopg.sql import SQL, Identifier

        after = str(UUID(int=0))
        page = SQL("SELECT _document_id::text, _generation FROM {} WHERE _document_id > %s ORDER BY _document_id LIMIT %s").format(
            Identifier(self._schema, table)
        )
        while True:
            # A page a transaction: a slow reader must not hold a connection, nor keep the server from tidying up.
            with self._database.transaction("take inventory") as cursor:
                rows = cursor.execute(page, [after, _INVENTORY_ROWS]).fetchall()
            yield from rows
            if len(rows) < _INVENTORY_ROWS:
                return
            after = rows[-1][0]

    def _abilities(self, cursor: Cursor[Any]) -> Iterator[Ability]:
        row = cursor.execute(_MAY_CREATE, {"schema": self._schema}).fetchone()
        may_create = bool(row and row[0])
        advice = f"grant create on database to this role, or make the schema {self._schema} for it"
        yield Ability("create tables", may_create, f"In schema {self._schema}." if may_create else f"Not allowed: {advice}.")
        if self._tables.exists(cursor):
            try:
                self._tables.check(cursor)
            except ConfigurationError as error:
                yield Ability("use the tables", False, f"{error}; {error.advice}")
