"""How a Postgres connection is opened, pooled, and its errors told in our five classes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg_pool import ConnectionPool

__all__ = ["KEEPALIVES", "borrowed", "connect", "error_of", "facts_of", "open_pool", "postgres_errors", "storable", "storable_json"]

CONNECT_TIMEOUT_S = 10
POOL_WAIT_S = 30.0

# A machine that vanished without a word is noticed in about a minute, and with it the locks it held for us. The last is in ms: of
# what was sent and not acknowledged, for which keepalives do not ask.
KEEPALIVES: dict[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 4,
    "tcp_user_timeout": 60_000,
}

# What a server says to a connection it refuses comes without an SQLSTATE.
_REFUSED = re.compile(r"password authentication failed|no pg_hba\.conf entry|is not permitted to log in|FATAL:  role .* does not exist")
_NO_DATABASE = re.compile(r"FATAL:  database .* does not exist")
_FATAL = re.compile(r"FATAL:  (.+)")

_DISK_FULL = "53100"
_PASSWORD_REFUSED = frozenset({"28P01", "28000"})
_PRIVILEGE = frozenset({"42501", "3D000", "0LP01"})
_PASSES = frozenset({"40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "53300", "53200", "25P03"})


def connect(url: SecretStr, *, autocommit: bool = False, within_s: int = CONNECT_TIMEOUT_S) -> Connection[Any]:
    """A connection of one's own, closed by the caller; made within `within_s` seconds (at least 2, libpq says).

    Raises:
        Unavailable: No server answers there.
        Unauthenticated: The user or password was refused.
        ConfigurationError: There is no such database, or the URL is none.
    """
    from connector_pipelines.net._silence import WatchfulConnection

    facts_of(url)
    with postgres_errors("connect to Postgres"):
        found = WatchfulConnection.connect(url.get_secret_value(), autocommit=autocommit, connect_timeout=within_s, **KEEPALIVES)
    found.url = url.get_secret_value()
    return found


def facts_of(url: SecretStr) -> dict[str, Any]:
    """The parts of the URL by libpq's names, such as ``host`` and ``dbname``; the password is among them.

    Raises:
        ConfigurationError: Postgres cannot read it.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    with suppress(ProgrammingError):
        return dict(conninfo_to_dict(url.get_secret_value()))
    # Out here, not in an except clause: libpq quotes the URL it could not read, password included, and Python keeps on an
    # error what was being handled when it was raised, `from None` or not.
    raise ConfigurationError("the database URL is not one Postgres reads", advice="write postgresql://user:password@host:5432/database")


def open_pool(url: SecretStr, *, max_size: int = 10) -> ConnectionPool[Connection[Any]]:
    """A pool that opens connections as they are asked for, and checks one before lending it."""
    from psycopg_pool import ConnectionPool

    from connector_pipelines.net._silence import WatchfulConnection

    def configure(connection: Connection[Any]) -> None:
        if isinstance(connection, WatchfulConnection):
            connection.url = url.get_secret_value()

    return ConnectionPool(
        url.get_secret_value(),
        connection_class=WatchfulConnection,
        configure=configure,
        kwargs={"connect_timeout": CONNECT_TIMEOUT_S, **KEEPALIVES},
        min_size=0,
        max_size=max_size,
        timeout=POOL_WAIT_S,
        max_idle=60,
        # As long as somebody waits: a server that is back within that time was never away.
        reconnect_timeout=POOL_WAIT_S,
        check=ConnectionPool.check_connection,
        open=True,
    )


@contextmanager
def borrowed(pool: ConnectionPool[Connection[Any]], url: SecretStr) -> Iterator[Connection[Any]]:
    """A connection of the pool on `url`, in a transaction that ends with the block.

    Raises:
        ConnectorError: As `connect`; also Unavailable where every connection is in use.
    """
    from psycopg_pool import PoolTimeout

    with ExitStack() as stack:
        try:
            connection = stack.enter_context(pool.connection())
        except PoolTimeout:
            # A pool only says that it waited in vain; a connection of our own says why.
            connect(url).close()
            raise
        yield connection


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
    told = "" if state else str(error)
    if state in _PASSWORD_REFUSED or _REFUSED.search(told):
        return Unauthenticated(f"could not {doing}: the user or password was refused", advice="check the database URL's user and password")
    if state in _PRIVILEGE or _NO_DATABASE.search(told):
        return ConfigurationError(
            f"could not {doing}: the database or a privilege is missing ({_primary(error)})", advice="see docs/troubleshooting.md"
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


def storable(text: str) -> str:
    """`text` without what Postgres refuses: NUL, and lone surrogates, which names of files may hold."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "").encode(errors="replace").decode()


def storable_json(value: object) -> Any:
    """`value` as JSON that ``jsonb`` takes: its texts storable, numbers that are none as null, anything unknown as text."""
    if isinstance(value, Mapping):
        return {storable(str(k)): storable_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [storable_json(v) for v in value]
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else storable(str(value))


def _primary(error: Exception) -> str:
    """What the server said, without what libpq puts around it: that repeats parts of the URL."""
    diagnostics = getattr(error, "diag", None)
    if diagnostics and diagnostics.message_primary:
        return str(diagnostics.message_primary)
    said = _FATAL.search(str(error))
    return said[1] if said else ""
