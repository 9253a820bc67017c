"""How the catalog is reached: a pool, and transactions that belong to one tenant or to the operator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import DictRow, dict_row
from pydantic import SecretStr

from connector_pipelines.net.postgres import borrowed, connect, open_pool, postgres_errors, storable
from connector_pipelines.store.catalog.schema import APP_ROLE, OPERATOR_ROLE

__all__ = ["Database", "Transaction", "by_index", "copy_into", "integers", "scoped"]

_READS_WHOLE = ("enable_hashjoin", "enable_mergejoin", "enable_material", "enable_bitmapscan")

Transaction = Connection[DictRow]
"""An open transaction that has stepped down to one of our two roles. Rows are dicts."""


class Database:
    """The catalog of an installation. Connects on first use; one per process, shared by its threads.

    Args:
        url: Of a user that is a member of both roles. It works as neither: every transaction steps down.
    """

    def __init__(self, url: SecretStr, *, max_connections: int = 12) -> None:
        self.url = url
        self._pool = open_pool(url, max_size=max_connections)

    @contextmanager
    def tenant(self, tenant_id: str) -> Iterator[Transaction]:
        """A transaction that sees the rows of one tenant, and commits at the end of the block."""
        with postgres_errors("use the catalog"), borrowed(self._pool, self.url) as connection, scoped(connection, tenant_id) as tx:
            yield tx

    @contextmanager
    def operator(self) -> Iterator[Transaction]:
        """A transaction across tenants: configuration, what is due, health. Never for content."""
        with postgres_errors("use the catalog"), borrowed(self._pool, self.url) as connection, scoped(connection, None) as tx:
            yield tx

    def connect(self) -> Connection[Any]:
        """A connection outside the pool, in autocommit, closed by the caller: for locks that live as long as it."""
        connection = connect(self.url, autocommit=True)
        try:
            # It rests while others work: a server that ends resting sessions would give its locks away.
            with postgres_errors("connect to Postgres"):
                connection.execute("SET idle_session_timeout = 0")
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        self._pool.close(timeout=5)


@contextmanager
def scoped(connection: Connection[Any], tenant_id: str | None) -> Iterator[Transaction]:
    """A transaction on `connection` as the tenant's role, or as the operator where `tenant_id` is None."""
    connection.row_factory = dict_row
    role = OPERATOR_ROLE if tenant_id is None else APP_ROLE
    with postgres_errors("use the catalog"), connection.transaction():
        connection.execute(
            "SELECT set_config('role', %s, true), set_config('connector_pipelines.tenant_id', %s, true)", [role, tenant_id or ""]
        )
        yield connection


@contextmanager
def by_index(tx: Transaction) -> Iterator[None]:
    """In the block, rows that are joined are found one by one, by an index: for a few of many, of which there may be no statistics yet."""
    _plan(tx, "off")
    yield
    _plan(tx, "on")


def copy_into(tx: Transaction, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]], like: str | None = None) -> None:
    """Fill the temporary table `table` (made `ON COMMIT DROP` with `like`'s column definitions) by COPY.

    COPY cannot write to a table with row level security, so everything in bulk goes through one of these. Text is
    stored without what Postgres refuses: one odd name must not keep a whole batch out. Values are of their column's
    own type, a UUID for a uuid: they travel in binary, which costs a sixth of writing and reading them as text.
    """
    target, names = sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    if like is not None:
        tx.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                target, names, sql.Identifier(like)
            )
        )
    described = tx.execute(sql.SQL("SELECT {} FROM {} LIMIT 0").format(names, target)).description or ()
    with tx.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(target, names)) as copy:
        copy.set_types([column.type_code for column in described])
        for row in rows:
            copy.write_row([storable(value) if isinstance(value, str) else value for value in row])


def integers(values: Iterable[int]) -> str:
    """An array of integers as Postgres reads one (``%s::bigint[]``): for thousands of them a tenth of what psycopg takes for a list."""
    return f"{{{','.join(map(str, values))}}}"


def _plan(tx: Transaction, state: str) -> None:
    tx.execute("SELECT " + ", ".join(f"set_config('{name}', '{state}', true)" for name in _READS_WHOLE))
