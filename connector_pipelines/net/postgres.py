"""How a Postgres connection is opened, pooled, and its errors told in our five classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg_pool import ConnectionPool

__all__ = ["connect", "error_of", "open_pool", "postgres_errors"]

CONNECT_TIMEOUT_S = 10
POOL_WAIT_S = 30.0

# A server that vanished without a word is noticed in about a minute, and with it the locks it held for us.
_KEEPALIVES: dict[str, Any] = {"keepalives": 1, "keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 4}

_DISK_FULL = "53100"
_PASSWORD_REFUSED = frozenset({"28P01", "28000"})
_PRIVILEGE = frozenset({"42501", "3D000", "0LP01"})
_PASSES = frozenset({"40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "53300", "53200", "25P03"})


def connect(url: SecretStr, *, autocommit: bool = False) -> Connection[Any]:
    """A connection of one's own, closed by the caller.

    Raises:
        Unavailable: No server answers there.
        Unauthenticated: The password was refused.
    """
    import psycopg

    with postgres_errors("connect to Postgres"):
        return psycopg.connect(url.get_secret_value(), autocommit=autocommit, connect_timeout=CONNECT_TIMEOUT_S, **_KEEPALIVES)


def open_pool(url: SecretStr, *, max_size: int = 10) -> ConnectionPool[Connection[Any]]:
    """A pool that opens connections as they are asked for, and checks one before lending it."""
    from psycopg_pool import ConnectionPool

    return ConnectionPool(
        url.get_secret_value(),
        kwargs={"connect_timeout": CONNECT_TIMEOUT_S, **_KEEPALIVES},
        min_size=0,
        max_size=max_size,
        timeout=POOL_WAIT_S,
        max_idle=60,
        reconnect_timeout=5,
        check=ConnectionPool.check_connection,
        open=True,
    )


@contextmanager
def postgres_errors(doing: str) -> Iterator[None]:
    """Raise what psycopg raises inside as one of ours; a mistake in our own SQL stays a bug."""
    import psycopg
    from psycopg_pool import PoolTimeout

    try:
        yield
    except (psycopg.Error, PoolTimeout) as error:
        ours = error_of(error, doing)
        if ours is None:
            raise
        raise ours from error


def error_of(error: Exception, doing: str) -> ConnectorError | None:
    """Which of our errors `error` is, or None for a bug.

    The server's own text is left out: libpq repeats parts of the connection string in it.
    """
    import psycopg
    from psycopg_pool import PoolTimeout

    state = getattr(error, "sqlstate", None) or ""
    if state in _PASSWORD_REFUSED or "password authentication failed" in str(error):
        return Unauthenticated(f"could not {doing}: the user or password was refused", advice="check the database URL's user and password")
    if state in _PRIVILEGE:
        return ConfigurationError(
            f"could not {doing}: the database or a privilege is missing ({_primary(error)})", advice="see docs/deployment"
        )
    if state == _DISK_FULL:
        return Unavailable(
            f"could not {doing}: the database server's disk is full", advice="free space; nothing is lost, the next run goes on"
        )
    if isinstance(error, PoolTimeout):
        return Unavailable(f"could not {doing}: no database connection became free in {POOL_WAIT_S:.0f} s")
    if state in _PASSES or (isinstance(error, psycopg.OperationalError) and not state) or state.startswith("08"):
        reason = _primary(error) or "no server answers at the database URL"
        return Unavailable(f"could not {doing}: {reason}", advice="check that the database is up; nothing is lost, the next run goes on")
    return None


def _primary(error: Exception) -> str:
    diagnostics = getattr(error, "diag", None)
    return (diagnostics.message_primary or "") if diagnostics else ""
