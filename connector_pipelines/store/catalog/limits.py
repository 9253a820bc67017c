"""What all processes of an installation know of limits and of hosts that do not answer, in Postgres.

Two connections for a process that sends something, none for one that does not: one hears what others change (LISTEN), one looks
and changes. A change is two round trips: the row is locked and read, and written with what the pure functions of `net.limits`
make of it, by the database's clock.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from psycopg import Rollback
from psycopg.errors import InvalidParameterValue, UndefinedTable
from psycopg.rows import dict_row
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Unavailable
from connector_pipelines.net._silence import WatchfulConnection
from connector_pipelines.net.limits import Bucket, Circuit, Seen
from connector_pipelines.net.limits.buckets import cleared
from connector_pipelines.net.limits.circuits import forgotten
from connector_pipelines.net.postgres import connect, postgres_errors, storable
from connector_pipelines.store.catalog.schema import OPERATOR_ROLE

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

__all__ = ["PostgresLimits", "clear", "limits_of"]

CHANNEL = "connector_pipelines_limits"
ANSWER_S = 2.0
"""A server that has said nothing for so long is away: who wants to send does not wait for it."""

CONNECT_S = 2
_LONGEST_PAYLOAD = 7_000
_INSTANTS = frozenset({"paused_until", "next_at", "throttled_at", "spread_until", "open_until", "probe_until"})

State = TypeVar("State", Bucket, Circuit)


@dataclass(frozen=True, slots=True)
class _Table(Generic[State]):
    """How a class of `net.limits` and a table go together: its fields are the table's columns."""

    state: type[State]
    name: str
    key: str
    # What changes with every permit: nobody has to be told of it, and nothing is lost with it.
    quiet: frozenset[str]

    @property
    def columns(self) -> list[str]:
        return [field.name for field in fields(self.state)]

    @property
    def select(self) -> str:
        shown = (f"extract(epoch FROM {c})::float8 AS {c}" if c in _INSTANTS else c for c in self.columns)
        return f"SELECT {self.key} AS name, {', '.join(shown)} FROM {self.name} WHERE {self.key}"

    @property
    def upsert(self) -> str:
        values = [f"to_timestamp(%({c})s)" if c in _INSTANTS else f"%({c})s" for c in self.columns]
        assigned = ", ".join(f"{c} = excluded.{c}" for c in self.columns)
        return f"""
            INSERT INTO {self.name} AS known ({self.key}, {", ".join(self.columns)}) VALUES (%(name)s, {", ".join(values)})
            ON CONFLICT ({self.key}) DO UPDATE SET {assigned}, updated_at = now() WHERE known.version = %(version)s - 1 RETURNING version"""

    def of(self, row: Mapping[str, Any]) -> State:
        return self.state(**{column: row[column] for column in self.columns})

    def is_quiet(self, old: State, new: State) -> bool:
        before, after = asdict(old), asdict(new)
        return all(before[column] == after[column] for column in self.columns if column not in self.quiet)


_BUCKETS = _Table(Bucket, "rate_limits", "bucket", frozenset({"version", "next_at", "grown_s"}))
_CIRCUITS = _Table(Circuit, "circuits", "circuit", frozenset({"version"}))
_TABLES: Mapping[str, _Table[Any]] = {"bucket": _BUCKETS, "circuit": _CIRCUITS}


class PostgresLimits:
    """The shared state of an installation, as `net.limits.SharedState` says. Connects on first use."""

    def __init__(self, url: SecretStr) -> None:
        self._url = url
        self._connection: Connection[Any] | None = None
        self._turn = threading.Lock()
        self._closed = False

    def look(self, buckets: Collection[str], circuits: Collection[str]) -> Seen:
        with self._desk() as connection, connection.pipeline():
            # First: what the others see is of this instant or of a later one.
            clock = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8 AS now")
            found = connection.execute(f"{_BUCKETS.select} = ANY(%s)", [list(buckets)])
            broken = connection.execute(f"{_CIRCUITS.select} = ANY(%s)", [list(circuits)])
            return Seen(_now(clock), {r["name"]: _BUCKETS.of(r) for r in found}, {r["name"]: _CIRCUITS.of(r) for r in broken})

    def change_bucket(self, name: str, change: Callable[[Bucket, float], Bucket]) -> Bucket:
        with self._desk() as connection:
            return _changed(connection, _BUCKETS, name, change)

    def change_circuit(self, name: str, change: Callable[[Circuit, float], Circuit]) -> Circuit:
        with self._desk() as connection:
            return _changed(connection, _CIRCUITS, name, change)

    def listen(
        self, heard: Callable[[str, Bucket | Circuit | None], None], *, ready: Callable[[], None], wanted: Callable[[], bool]
    ) -> None:
        with _listening(self._url) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            ready()
            while wanted() and not self._closed:
                for notice in connection.notifies(timeout=1.0):
                    heard(*_told(notice.payload))
                    if not wanted():
                        break

    def close(self) -> None:
        self._closed = True
        with self._turn:
            self._hang_up()

    @contextmanager
    def _desk(self) -> Iterator[Connection[Any]]:
        """The connection for looks and changes; one at a time. After a fault it is opened anew."""
        if not self._turn.acquire(timeout=ANSWER_S):
            raise Unavailable("could not ask for limits: no answer to what was asked before")
        try:
            if self._connection is None or self._connection.closed:
                self._connection = _open(self._url)
            with _postgres_errors("ask for limits"):
                yield self._connection
        except ConnectorError:
            self._hang_up()
            raise
        finally:
            if self._closed:
                self._hang_up()
            self._turn.release()

    def _hang_up(self) -> None:
        found, self._connection = self._connection, None
        if found is not None:
            with suppress(Exception):
                found.close()


def limits_of(connection: Connection[Any]) -> Seen:
    """Every bucket and circuit there is, with the database's time. Needs an operator's transaction, as `clear` does."""
    clock = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8 AS now")
    found = [connection.execute(f"{table.select} IS NOT NULL ORDER BY 1").fetchall() for table in (_BUCKETS, _CIRCUITS)]
    return Seen(_now(clock), {r["name"]: _BUCKETS.of(r) for r in found[0]}, {r["name"]: _CIRCUITS.of(r) for r in found[1]})


def clear(connection: Connection[Any], name: str) -> list[str]:
    """Forget what is known of the bucket or circuit of that name, or of all of a connector's; every process hears of it. Which they were.

    Raises:
        ConfigurationError: There is none.
    """
    seen = limits_of(connection)
    buckets, circuits = ([one for one in known if one == name or one.startswith(f"{name}/")] for known in (seen.buckets, seen.circuits))
    if not buckets and not circuits:
        raise ConfigurationError(f"nothing is known of {name!r}", advice="`connectors limits` lists buckets and circuits")
    for bucket in buckets:
        _changed(connection, _BUCKETS, bucket, lambda known, _: cleared(known))
    for circuit in circuits:
        _changed(connection, _CIRCUITS, circuit, lambda known, _: forgotten(known))
    return buckets + circuits


def _changed(connection: Connection[Any], table: _Table[State], name: str, change: Callable[[State, float], State]) -> State:
    while True:
        with connection.pipeline(), connection.transaction():
            # First: an instant before the row was locked is early, and what ends late does no harm.
            clock = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8 AS now")
            row = connection.execute(f"{table.select} = %s FOR UPDATE", [storable(name)]).fetchone()
            known = table.state() if row is None else table.of(row)
            wanted = change(known, _now(clock))
            if wanted is known:
                return known
            stored = replace(wanted, version=known.version + 1)
            is_quiet = table.is_quiet(known, stored)
            if is_quiet:
                connection.execute("SET LOCAL synchronous_commit = off")
            written = connection.execute(table.upsert, {"name": storable(name), **asdict(stored)})
            if not is_quiet:
                connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, _telling(table, name, stored)])
            if written.fetchone() is not None:
                return stored
            # Somebody made the row meanwhile: what he was told of it is not.
            raise Rollback


def _now(cursor: Cursor[Any]) -> float:
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM gives a row
    return float(row["now"])


def _telling(table: _Table[State], name: str, state: State) -> str:
    told = json.dumps({"table": table.key, "name": name, "state": asdict(state)})
    # 8,000 bytes is what Postgres carries; who is told nothing looks.
    return told if len(told) < _LONGEST_PAYLOAD else ""


def _told(payload: str) -> tuple[str, Bucket | Circuit | None]:
    try:
        told = json.loads(payload)
        return told["name"], _TABLES[told["table"]].state(**told["state"])
    except (ValueError, KeyError, TypeError):
        # Of another version of this program, or too long to be told.
        return "", None


@contextmanager
def _postgres_errors(doing: str) -> Iterator[None]:
    """As `postgres_errors`; a database that was never migrated is no bug: `connectors test` comes before anything is applied."""
    try:
        with postgres_errors(doing):
            yield
    except (UndefinedTable, InvalidParameterValue) as error:
        raise ConfigurationError(f"could not {doing}: the database has no schema yet", advice="`connectors apply` makes it") from error


def _open(url: SecretStr) -> Connection[Any]:
    """A connection on which silence is an answer: nothing here takes long."""
    connection = connect(url, autocommit=True, within_s=CONNECT_S)
    connection.row_factory = dict_row
    if isinstance(connection, WatchfulConnection):
        connection.url, connection.silence_s = None, ANSWER_S
    limit_ms = int(ANSWER_S * 1000 * 0.75)
    with _postgres_errors("ask for limits"):
        connection.execute(
            "SELECT set_config('role', %s, false), set_config('idle_session_timeout', '0', false), set_config('statement_timeout', %s, false)",
            [OPERATOR_ROLE, str(limit_ms)],
        )
    return connection


@contextmanager
def _listening(url: SecretStr) -> Iterator[Connection[Any]]:
    connection = _open(url)
    try:
        with _postgres_errors("hear of limits"):
            yield connection
    finally:
        with suppress(Exception):
            connection.close()
