"""How the sinks that live in Postgres reach it: settings, one small pool, transactions with limits, errors told in our classes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pydantic import Field, SecretStr

from connector_pipelines.core.errors import PermanentError, Unauthenticated, Unavailable
from connector_pipelines.core.protocols import SinkConfig, Tools
from connector_pipelines.core.references import SecretReference
from connector_pipelines.net.postgres import connect, facts_of, open_pool, postgres_errors

if TYPE_CHECKING:
    from psycopg import Connection, Cursor
    from psycopg_pool import ConnectionPool

__all__ = ["READ_LIMIT", "WRITE_LIMIT", "Database", "PostgresConfig", "schema_of"]

WRITE_LIMIT = timedelta(minutes=5)
READ_LIMIT = timedelta(seconds=15)

_MAX_CONNECTIONS = 4
_NAME_BYTES = 63  # of an identifier in Postgres, which cuts longer ones without a word
_GONE = frozenset({"42P01", "3F000"})  # undefined table, invalid schema name
_NOT_NOW = frozenset({"53", "57", "58"})  # classes: resources, operator intervention, system (I/O) errors
_READ_ONLY = "25006"


class PostgresConfig(SinkConfig):
    """What every sink in Postgres may be told."""

    url: SecretReference | None = Field(
        None,
        description="Reference (`env:NAME`, `vault:MOUNT/PATH#FIELD` or another) to the database's URL. Default: the installation's own Postgres.",
    )
    schema_name: str | None = Field(
        None, alias="schema", pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="Schema of the sink's tables. Default: `sink_` and its name."
    )


class Database:
    """Connections opened on first use. Used by several threads at once."""

    def __init__(self, url: str | None, tools: Tools) -> None:
        self._reference = url
        self._tools = tools
        self._pool: ConnectionPool[Connection[Any]] | None = None
        self._lock = threading.Lock()

    @contextmanager
    def transaction(self, doing: str, *, limit: timedelta = READ_LIMIT) -> Iterator[Cursor[Any]]:
        """A read committed transaction, each statement of which may take `limit`.

        Raises:
            Unavailable: No server answers, or it cannot do this just now.
            Unauthenticated: The user or password was refused.
            ConfigurationError: The database or a privilege is missing.
            PermanentError: The server refuses a value.
        """
        from psycopg import IsolationLevel

        with _errors(doing), self._opened().connection() as connection, connection.cursor() as cursor:
            # Not what a role or database may be set to: a later statement has to see what was committed while we waited for a lock.
            connection.isolation_level = IsolationLevel.READ_COMMITTED
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(int(limit.total_seconds() * 1000))])
            yield cursor

    def account(self) -> str:
        """Who we are there, as ``user@host:port/database``; never the password."""
        facts = facts_of(self._url())
        return f"{facts.get('user', '')}@{facts.get('host', '')}:{facts.get('port', 5432)}/{facts.get('dbname', '')}"

    def close(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close(timeout=5)

    def _opened(self) -> ConnectionPool[Connection[Any]]:
        with self._lock:
            if self._pool is None:
                url = self._url()
                # A pool only says that it waited in vain; a connection of our own says why, and at once.
                connect(url).close()
                self._pool = open_pool(url, max_size=_MAX_CONNECTIONS)
            return self._pool

    def _url(self) -> SecretStr:
        return self._tools.database_url if self._reference is None else self._tools.secret(self._reference)


def schema_of(name: str, config: PostgresConfig) -> str:
    """The sink's schema. A name too long for Postgres is shortened and kept apart from others by a hash."""
    wanted = config.schema_name or f"sink_{name}"
    return wanted if len(wanted) <= _NAME_BYTES else f"{wanted[: _NAME_BYTES - 9]}_{sha256(wanted.encode()).hexdigest()[:8]}"


@contextmanager
def _errors(doing: str) -> Iterator[None]:
    """What `net.postgres` tells apart, and what only happens to tables that others may drop and values that others made."""
    import psycopg

    try:
        with postgres_errors(doing):
            yield
    except psycopg.Error as error:
        state = error.sqlstate or ""
        if state in _GONE:
            raise Unavailable(f"could not {doing}: a table of the sink is gone", advice="the next try makes it again") from error
        if state == _READ_ONLY or state[:2] in _NOT_NOW:
            raise Unavailable(f"could not {doing}: the database server cannot do it just now (SQLSTATE {state})") from error
        if state.startswith("28"):
            raise Unauthenticated(f"could not {doing}: the user was refused (SQLSTATE {state})") from error
        if isinstance(error, psycopg.DataError) or state.startswith("54"):
            raise PermanentError(f"could not {doing}: the database refuses a value (SQLSTATE {state})") from error
        raise
