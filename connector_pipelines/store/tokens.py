"""The tokens of connectors, and of users that they act for: sealed in a row each, and held by one process of the installation at a time.

What holds a token is an advisory lock on a connection of its own: a process that dies lets go by dying. All times are the
database's, since the clocks of two machines may differ.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb
from pydantic import SecretStr, TypeAdapter

from connector_pipelines.core.auth import Auth
from connector_pipelines.core.errors import Busy, ConnectorError, Unavailable
from connector_pipelines.net.postgres import postgres_errors
from connector_pipelines.net.protocols import LockedToken, Token, TokenFailure, TokenState
from connector_pipelines.store.catalog.database import Database, Transaction, scoped
from connector_pipelines.store.sealing import Sealer, token_place
from connector_pipelines.telemetry import get_logger, redact, scrub

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["SealedTokens", "SignedIn", "forget_users", "signed_in"]

SAVE_BUDGET_S = 60.0
"""For as long a database that is away is waited for with a new token in hand: where refresh tokens rotate, losing it is signing out."""

_LOOKS_EVERY_MS = 500
_AUTH: TypeAdapter[Auth] = TypeAdapter(Auth)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """What is known of one connector's sign-in without opening its token.

    Attributes:
        id: The connector's. What follows `auth` is of its own token, but for the last two.
        settings: As `TokenState.settings`; None where there is no token.
        left_s: As `TokenState.left_s`.
        failure: As `ConnectorError.as_json`.
        acts_for: How many users there is a token of.
        refused: Users of whom the last fetch of a token failed, by name, and what it said; the first few of them.
    """

    id: str
    connector: str
    tenant: str
    kind: str
    status: str
    auth: Auth
    settings: str | None
    account: str
    expires_at: datetime | None
    left_s: float | None
    stored_at: datetime | None
    failed_at: datetime | None
    failure: Mapping[str, str] | None
    acts_for: int
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Place:
    """Of a token. `subject` is the user it acts for, empty for the connector itself."""

    connector_id: str
    subject: str

    @property
    def key(self) -> dict[str, str]:
        """Of its row."""
        return {"id": self.connector_id, "subject": self.subject}

    @property
    def sealed(self) -> str:
        return token_place(self.connector_id, self.subject)


class SealedTokens:
    """The `TokenStore` of the connector of that id, where it acts as itself or for one user."""

    def __init__(self, database: Database, sealer: Sealer, connector_id: str, subject: str = "") -> None:
        self._database, self._sealer, self._place = database, sealer, _Place(connector_id, subject)

    def read(self) -> TokenState:
        with self._database.operator() as tx:
            return _read(tx, self._sealer, self._place)

    @contextmanager
    def locked(self, *, within_s: float, stop: threading.Event) -> Iterator[LockedToken]:
        held = _Held(self._database, self._sealer, self._place)
        try:
            held.take(within_s, stop)
            yield held
        finally:
            held.close()


def signed_in(tx: Transaction) -> list[SignedIn]:
    """Every connector that has an endpoint, by name. Needs an operator's transaction."""
    rows = tx.execute(
        """SELECT c.id::text, c.name AS connector, t.name AS tenant, c.kind, c.status, c.auth_config AS auth,
                  CASE WHEN k.sealed IS NOT NULL THEN k.settings END AS settings, coalesce(k.account, '') AS account, k.expires_at,
                  extract(epoch FROM k.expires_at - clock_timestamp())::double precision AS left_s, k.stored_at, k.failed_at, k.failure,
                  (SELECT count(*) FROM tokens u WHERE u.connector_id = c.id AND u.subject <> '' AND u.sealed IS NOT NULL) AS acts_for,
                  (SELECT coalesce(json_object_agg(r.subject, r.said), '{}') FROM (
                      SELECT u.subject, coalesce(u.failure->>'code', '') || ': ' || coalesce(u.failure->>'message', '') AS said FROM tokens u
                      WHERE u.connector_id = c.id AND u.subject <> '' AND u.failure IS NOT NULL ORDER BY u.subject LIMIT 10) r) AS refused
           FROM connectors c JOIN tenants t ON t.id = c.tenant_id LEFT JOIN tokens k ON k.connector_id = c.id AND k.subject = ''
           WHERE EXISTS (SELECT FROM endpoints e WHERE e.connector_id = c.id AND e.removed_at IS NULL) ORDER BY c.name, t.name"""
    ).fetchall()
    return [SignedIn(**{**row, "auth": _AUTH.validate_python(row["auth"] or {"type": "none"})}) for row in rows]


def forget_users(tx: Transaction, connector_id: str) -> int:
    """Keep no token of a user that the connector acts for; how many there were. Needs an operator's transaction.

    None is held for that: one that is being fetched meanwhile is of a generation that is over, and is not stored.
    """
    return tx.execute(f"{_FORGET} WHERE connector_id = %s AND subject <> '' AND sealed IS NOT NULL", [connector_id]).rowcount


class _Held:
    """A `LockedToken` on a connection of its own."""

    def __init__(self, database: Database, sealer: Sealer, place: _Place) -> None:
        self._database, self._sealer, self._place = database, sealer, place
        self._connection = database.connect()
        self._generation: int | None = None

    def take(self, within_s: float, stop: threading.Event) -> None:
        deadline = time.monotonic() + within_s
        with postgres_errors("hold the token"):
            while not _lock(self._connection, self._place, deadline):
                if stop.is_set() or time.monotonic() >= deadline:
                    raise Busy("another process is fetching the token", advice="nothing to do; it is the same token")

    def read(self) -> TokenState:
        with scoped(self._connection, None) as tx:
            found = _read(tx, self._sealer, self._place)
        self._generation = found.generation
        return found

    def asking(self) -> None:
        # Sealing comes first: without a key, the answer could not be kept.
        _ = self._sealer.key_id
        with scoped(self._connection, None) as tx:
            # It tells of processes that die, not of machines.
            tx.execute("SET LOCAL synchronous_commit = off")
            tx.execute(
                "INSERT INTO tokens (connector_id, subject, asked_at) VALUES (%(id)s, %(subject)s, clock_timestamp())"
                " ON CONFLICT (connector_id, subject) DO UPDATE SET asked_at = clock_timestamp()",
                self._place.key,
            )

    def save(self, token: Token, *, settings: str) -> TokenState:
        came_at = time.monotonic()
        values = {**self._place.key, "settings": settings, "generation": self._replaced(), **_sealed(token, self._sealer, self._place)}

        def write(tx: Transaction) -> TokenState:
            left_s = None if token.lifetime_s is None else token.lifetime_s - (time.monotonic() - came_at)
            # Whatever the database is set to: a token that is used is one that survives a crash.
            tx.execute("SET LOCAL synchronous_commit = on")
            row = tx.execute(_SAVE, {**values, "left_s": left_s}).fetchone()
            if row is None:
                return _read(tx, self._sealer, self._place)
            return TokenState(token=token, generation=row["generation"], left_s=left_s, settings=settings)

        saved = self._surely(write)
        self._generation = saved.generation
        return saved

    def failed(self, error: ConnectorError) -> None:
        told = {name: scrub(text) for name, text in error.as_json().items()}
        # Any other leaves open whether a token was given, and the answer lost.
        refused = error.error_class in {"security", "configuration"}
        with scoped(self._connection, None) as tx:
            tx.execute(
                """INSERT INTO tokens AS k (connector_id, subject, failed_at, failure) VALUES (%(id)s, %(subject)s, clock_timestamp(), %(told)s)
                   ON CONFLICT (connector_id, subject) DO UPDATE SET failed_at = clock_timestamp(), failure = %(told)s,
                       asked_at = CASE WHEN %(refused)s THEN NULL ELSE k.asked_at END""",
                {**self._place.key, "told": Jsonb(told), "refused": refused},
            )

    def forget(self) -> None:
        with scoped(self._connection, None) as tx:
            # The row stays: a process that holds the forgotten token must not take the next one for it.
            tx.execute(f"{_FORGET} WHERE connector_id = %(id)s AND subject = %(subject)s", self._place.key)

    def close(self) -> None:
        # The server notices only a little later that a connection was closed; what is orderly ended is free at once.
        with suppress(psycopg.Error):
            self._connection.execute("SELECT pg_advisory_unlock_all()")
        self._connection.close()

    def _replaced(self) -> int:
        """Generation of what a new token takes the place of; not opened for that: whose key is lost is signed in anew."""
        if self._generation is None:
            with scoped(self._connection, None) as tx:
                row = tx.execute(
                    "SELECT generation FROM tokens WHERE connector_id = %(id)s AND subject = %(subject)s", self._place.key
                ).fetchone()
            self._generation = row["generation"] if row else 0
        return self._generation

    def _surely(self, write: Callable[[Transaction], TokenState]) -> TokenState:
        deadline = time.monotonic() + SAVE_BUDGET_S
        while True:
            try:
                with scoped(self._connection, None) as tx:
                    return write(tx)
            except Unavailable as error:
                if time.monotonic() >= deadline:
                    get_logger(__name__).error("token_lost", connector_id=self._place.connector_id, problem=str(error))
                    raise
                get_logger(__name__).warning("token_not_stored_yet", connector_id=self._place.connector_id, problem=str(error))
                self._reconnect()

    def _reconnect(self) -> None:
        # The lock went with the connection; `_SAVE` looks whether somebody took it meanwhile.
        self._connection.close()
        time.sleep(1)
        with suppress(ConnectorError):
            self._connection = self._database.connect()


def _lock(connection: Connection[Any], place: _Place, deadline: float) -> bool:
    wait_ms = max(1, min(_LOOKS_EVERY_MS, round((deadline - time.monotonic()) * 1000)))
    connection.execute(_PATIENCE, [f"{wait_ms}ms"])
    try:
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"connector_pipelines.{place.sealed}"])
    except psycopg.errors.LockNotAvailable:
        return False
    return True


# A machine that vanished without a word is noticed by the server in a minute, and not after the two hours it is used to.
_PATIENCE = """
    SELECT set_config('lock_timeout', %s, false), set_config('tcp_keepalives_idle', '20', false),
           set_config('tcp_keepalives_interval', '10', false), set_config('tcp_keepalives_count', '4', false)
"""


def _read(tx: Transaction, sealer: Sealer, place: _Place) -> TokenState:
    row = tx.execute(
        """SELECT key_id, sealed, generation, settings, account, scopes, asked_at IS NOT NULL AS interrupted, failure,
                  extract(epoch FROM expires_at - clock_timestamp())::double precision AS left_s,
                  extract(epoch FROM clock_timestamp() - failed_at)::double precision AS failed_s
           FROM tokens WHERE connector_id = %(id)s AND subject = %(subject)s""",
        place.key,
    ).fetchone()
    if row is None:
        return TokenState()
    return TokenState(
        token=None if row["sealed"] is None else _opened(row, sealer, place),
        generation=row["generation"],
        left_s=row["left_s"],
        settings=row["settings"],
        failure=TokenFailure(row["failure"], row["failed_s"]) if row["failure"] else None,
        interrupted=row["interrupted"],
    )


def _opened(row: Mapping[str, Any], sealer: Sealer, place: _Place) -> Token:
    kept = json.loads(sealer.open(row["key_id"], row["sealed"], place=place.sealed))
    for secret in (kept["access_token"], kept["refresh_token"]):
        if secret:
            redact(secret, passing=True)
    return Token(
        access_token=SecretStr(kept["access_token"]),
        refresh_token=SecretStr(kept["refresh_token"]) if kept["refresh_token"] else None,
        lifetime_s=kept["lifetime_s"],
        scopes=tuple(row["scopes"]),
        account=row["account"],
        extra=kept["extra"],
    )


def _sealed(token: Token, sealer: Sealer, place: _Place) -> dict[str, Any]:
    kept = {
        "access_token": token.access_token.get_secret_value(),
        "refresh_token": token.refresh_token.get_secret_value() if token.refresh_token else None,
        "lifetime_s": token.lifetime_s,
        "extra": dict(token.extra),
    }
    key_id, sealed = sealer.seal(json.dumps(kept).encode(), place=place.sealed)
    return {"key_id": key_id, "sealed": sealed, "account": token.account, "scopes": list(token.scopes)}


# Nothing where the generation is another: while the database was away, and the lock with it, somebody stored a later one.
_SAVE = """
    INSERT INTO tokens AS k (connector_id, subject, key_id, sealed, generation, settings, account, scopes, expires_at, stored_at)
    VALUES (%(id)s, %(subject)s, %(key_id)s, %(sealed)s, 1, %(settings)s, %(account)s, %(scopes)s,
            clock_timestamp() + make_interval(secs => %(left_s)s::double precision), clock_timestamp())
    ON CONFLICT (connector_id, subject) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed, generation = k.generation + 1,
        settings = excluded.settings, account = excluded.account, scopes = excluded.scopes, expires_at = excluded.expires_at,
        stored_at = excluded.stored_at, asked_at = NULL, failed_at = NULL, failure = NULL
    WHERE k.generation = %(generation)s
    RETURNING generation
"""

_FORGET = """
    UPDATE tokens SET key_id = NULL, sealed = NULL, generation = generation + 1, settings = '', account = '', scopes = '{}',
        expires_at = NULL, stored_at = NULL, asked_at = NULL, failed_at = NULL, failure = NULL"""
