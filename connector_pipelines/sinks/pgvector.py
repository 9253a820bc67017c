"""Vectors in Postgres: chunks found by the closeness of their meaning, with the pgvector extension.

Small is exact, large is approximate: the HNSW index is made at the end of the delivery that passes 10,000 chunks, and a search whose tenant and
endpoint have fewer than that reads them all and misses nothing. Measured on 2 shared cores, 256 dimensions, batches of
2,000 chunks: 5,200 chunks/s are written without the index and 800 to 1,200 with it; reading 20,000 takes 25 ms (100 on a
busy machine), the index over 100,000 answers in 5 (17), with 0.96 to 0.99 of the ten nearest among the ten found.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import Field

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.protocols import Tools
from connector_pipelines.core.types import Ability, Chunk, Document, Hit, Query
from connector_pipelines.net.postgres import storable
from connector_pipelines.sinks._postgres import WRITE_LIMIT, PostgresConfig
from connector_pipelines.sinks._postgres_tables import PostgresTables, hits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Cursor

    from connector_pipelines.core.types import Vector

__all__ = ["Config", "Sink"]

INDEX_FROM_CHUNKS = 10_000
"""Chunks from which the approximate index is made and used; below, every search reads them all."""

_INDEX_LIMIT = timedelta(hours=1)
_LEAST_VERSION = (0, 8)  # iterative scans, without which a filtered search finds too little
_MOST_DIMENSIONS = 4_000  # of an HNSW index over halfvec
_MOST_EF_SEARCH = 1_000
_LEAST_EF_SEARCH = 100
_MOST_SCANNED = 100_000
_DIMENSION = "dimension"

_EXTENSION = """
SELECT e.extversion, a.default_version, s.rolsuper OR NOT v.superuser OR (v.trusted AND has_database_privilege(current_database(), 'CREATE')),
       to_regtype('halfvec') IS NOT NULL
FROM pg_available_extensions a
JOIN pg_available_extension_versions v ON v.name = a.name AND v.version = a.default_version
JOIN pg_roles s ON s.rolname = current_user
LEFT JOIN pg_extension e ON e.extname = a.name
WHERE a.name = 'vector'
"""

_IS_LARGE = "SELECT count(*) >= %(rows)s FROM (SELECT FROM {chunks} LIMIT %(rows)s) counted"
_SCOPE_IS_LARGE = """
SELECT count(*) >= %(rows)s FROM (
    SELECT FROM {chunks} WHERE tenant_id = %(tenant)s AND (%(endpoint)s::text IS NULL OR endpoint = %(endpoint)s) LIMIT %(rows)s) counted
"""
_NEAREST = """
WITH near AS MATERIALIZED (
    SELECT document_id, ordinal, embedding <=> %(vector)s::halfvec AS distance FROM {chunks}
    WHERE tenant_id = %(tenant)s AND (%(endpoint)s::text IS NULL OR endpoint = %(endpoint)s) ORDER BY {order} LIMIT %(limit)s)
SELECT near.document_id, d.generation, near.ordinal, 1 - near.distance
FROM near JOIN {documents} d USING (document_id) ORDER BY near.distance, near.document_id, near.ordinal
"""
_BY_INDEX = "embedding <=> %(vector)s::halfvec"
# Adding nothing keeps the planner off the index, whose answer would be approximate.
_EXACTLY = "(embedding <=> %(vector)s::halfvec) + 0, document_id, ordinal"


class Config(PostgresConfig):
    """Settings of a pgvector sink."""

    model: str = Field(
        "wordllama",
        min_length=1,
        description="Embedding model: `wordllama`, or `fastembed:` and a model's name. A sink keeps the model it was first filled with.",
    )


class Sink(PostgresTables):
    """Vectors as ``halfvec``: half the room of single precision, at the same answers."""

    config_type = Config
    kind = "pgvector"
    chunk_columns = (*PostgresTables.chunk_columns, "embedding")

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        super().__init__(name, config, tools)
        self._config = config
        self._dimension: int | None = None
        self._indexed = False
        self._large: set[tuple[str, str | None]] = set()

    @property
    def model(self) -> str:
        return self._config.model

    def settle(self) -> None:
        """Make the approximate index once there are enough chunks: whole, and not under the load it was made for."""
        if not self._indexed and self._dimension is not None:
            self._index()

    def search(self, query: Query) -> Sequence[Hit]:
        if query.vector is None:
            raise ValueError("a search in a vector sink needs the query's vector")
        if query.limit <= 0:
            return []
        with self._database.transaction("search the sink") as cursor:
            if not self._exists(cursor):
                return []
            recorded = self._check(cursor).get(_DIMENSION)
            if recorded is None:
                return []
            self._refuse_other_dimension(int(recorded), query.vector)
            return self._nearest(cursor, query)

    def _facts(self) -> dict[str, str]:
        return {**super()._facts(), "model": self.model}

    def _add_column(self, cursor: Cursor[Any]) -> None:
        self._require_extension(cursor)
        # Its dimension is that of the first vector that comes; until one does, no chunk can be here.
        cursor.execute(self._sql("ALTER TABLE {chunks} ADD COLUMN embedding halfvec NOT NULL"))

    def _prepare(self, chunks: Sequence[tuple[Document, Chunk]]) -> None:
        if not self._ready:
            self._dimension, self._indexed = None, False
        super()._prepare(chunks)
        if not chunks:
            return
        if self._dimension is None:
            self._dimension = self._settled_dimension(_vector(chunks[0][1]))
        for _, chunk in chunks:
            self._refuse_other_dimension(self._dimension, _vector(chunk))

    def _extra(self, chunk: Chunk) -> tuple[object, ...]:
        return (_literal(_vector(chunk)),)

    def _abilities(self, cursor: Cursor[Any]) -> Iterator[Ability]:
        yield from super()._abilities(cursor)
        try:
            found = self._extension(cursor)
        except ConfigurationError as error:
            yield Ability("store vectors", False, f"{error}; {error.advice}")
        else:
            yield Ability("store vectors", True, found)

    def _settled_dimension(self, vector: Vector) -> int:
        """The dimension the column has; that of `vector` from now on, where it has none yet."""
        from psycopg.sql import Literal

        with self._database.transaction("set the vectors' dimension", limit=WRITE_LIMIT) as cursor:
            self._take_lock(cursor)
            recorded = self._check(cursor).get(_DIMENSION)
            if recorded is not None:
                return int(recorded)
            if len(vector) > _MOST_DIMENSIONS:
                raise ConfigurationError(f"model {self.model!r} has {len(vector)} dimensions, pgvector indexes {_MOST_DIMENSIONS} at most")
            cursor.execute(self._sql("ALTER TABLE {chunks} ALTER COLUMN embedding TYPE halfvec({n})", n=Literal(len(vector))))
            self._record(cursor, _DIMENSION, str(len(vector)))
        return len(vector)

    def _refuse_other_dimension(self, dimension: int, vector: Vector) -> None:
        if vector.shape != (dimension,):
            raise ConfigurationError(
                f"sink {self._name!r} holds vectors of {dimension} dimensions and was given one of shape {vector.shape}",
                advice="the model behind the name has changed: give the sink another name or another `schema`, it is then filled anew",
            )

    def _nearest(self, cursor: Cursor[Any], query: Query) -> list[Hit]:
        from psycopg.sql import SQL

        values = {"tenant": storable(query.tenant_id), "endpoint": query.endpoint and storable(query.endpoint), "limit": query.limit}
        values |= {"vector": _literal(query.vector), "rows": INDEX_FROM_CHUNKS}
        large = self._is_large(cursor, values)
        if large:
            self._search_thoroughly(cursor, query.limit)
        nearest = self._sql(_NEAREST, order=SQL(_BY_INDEX if large else _EXACTLY))
        # Never prepared: a plan made for any limit and any tenant does without the index.
        return hits(cursor.execute(nearest, values, prepare=False).fetchall())

    def _is_large(self, cursor: Cursor[Any], values: dict[str, Any]) -> bool:
        """Whether to go by the index. Counting ten thousand takes as long as that, so what was large once is not counted again."""
        scope = (values["tenant"], values["endpoint"])
        if scope not in self._large and _first(cursor.execute(self._sql(_SCOPE_IS_LARGE), values, prepare=False)):
            self._large.add(scope)
        return scope in self._large

    def _search_thoroughly(self, cursor: Cursor[Any], limit: int) -> None:
        """Let the index be read on until enough of the tenant's chunks are found, however many of others lie between."""
        cursor.execute(
            """SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.max_scan_tuples', %s, true),
                      set_config('hnsw.ef_search', %s, true)""",
            [str(_MOST_SCANNED), str(min(max(limit, _LEAST_EF_SEARCH), _MOST_EF_SEARCH))],
        )

    def _index(self) -> None:
        """Make the approximate index once there are enough chunks; whoever comes first makes it.

        In a transaction of its own, so that it waits for writers with no lock they could wait for. Writers wait for it in
        turn: some seconds, once. CREATE INDEX CONCURRENTLY would spare them and leave an invalid index behind when cut.
        """
        with self._database.transaction("index the vectors", limit=_INDEX_LIMIT) as cursor:
            if not _first(cursor.execute(self._sql(_IS_LARGE), {"rows": INDEX_FROM_CHUNKS})):
                return
            if not _first(cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 1))", [self._schema])):
                return
            # Helpers share memory in /dev/shm, of which containers have 64 MB: the build would fail there.
            cursor.execute("SET LOCAL max_parallel_maintenance_workers = 0")
            cursor.execute(self._sql("CREATE INDEX IF NOT EXISTS chunks_by_meaning ON {chunks} USING hnsw (embedding halfvec_cosine_ops)"))
        self._indexed = True

    def _require_extension(self, cursor: Cursor[Any]) -> None:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('connector_pipelines extension vector', 0))")
        self._extension(cursor)
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")

    def _extension(self, cursor: Cursor[Any]) -> str:
        """What is there of pgvector.

        Raises:
            ConfigurationError: It is missing and cannot be added by us, or too old, or out of sight.
        """
        cursor.execute(_EXTENSION)
        installed, available, may_create, in_sight = cursor.fetchone() or (None, None, False, False)
        version = installed or available
        if version is None:
            raise ConfigurationError("the Postgres server has no pgvector", advice="install pgvector 0.8 or later on the database server")
        if tuple(int(n) for n in version.split(".")[:2]) < _LEAST_VERSION:
            raise ConfigurationError(f"pgvector is {version}, 0.8 is needed", advice="update it, then: ALTER EXTENSION vector UPDATE")
        if installed is None and not may_create:
            raise ConfigurationError(
                "the extension vector is not in the database", advice="as a superuser, run there: CREATE EXTENSION vector"
            )
        if installed is not None and not in_sight:
            raise ConfigurationError("the extension vector is in a schema not searched", advice="add its schema to the role's search_path")
        return f"pgvector {version}."


def _vector(chunk: Chunk) -> Vector:
    if chunk.vector is None:
        raise ValueError(f"chunk {chunk.ordinal} has no vector: this sink must be given embedded chunks")
    return chunk.vector


def _literal(vector: Vector | None) -> str:
    # Rounded to what is stored first, or each number would travel with twice the digits.
    return "" if vector is None else str(vector.astype("float16").tolist())


def _first(cursor: Cursor[Any]) -> Any:
    row = cursor.fetchone()
    return None if row is None else row[0]
