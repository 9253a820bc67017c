"""Tokens at rest: sealed, held by one at a time, and stored although the database falters."""

from __future__ import annotations

import threading

import pytest
from pydantic import SecretStr

from connector_pipelines.core.auth import NoAuth
from connector_pipelines.core.errors import Busy, ConfigurationError, Unauthenticated, Unavailable
from connector_pipelines.net.protocols import Token
from connector_pipelines.store.sealing import Sealer, given_keys, new_key, no_keys
from connector_pipelines.store.tokens import SealedTokens, signed_in
from tests.catalog_world import World

STOP = threading.Event()
TOKEN = Token(
    access_token=SecretStr("canary-access"), refresh_token=SecretStr("canary-refresh"), lifetime_s=3600.0, scopes=("read", "write"),
    account="ada@example.com", extra={"instance_url": "https://eu.example.com"},
)  # fmt: skip


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(given_keys(SecretStr(new_key())))


@pytest.fixture
def store(world: World, sealer: Sealer) -> SealedTokens:
    return SealedTokens(world.database, sealer, world.endpoint.connector_id)


def save(store: SealedTokens, token: Token = TOKEN, settings: str = "these") -> None:
    with store.locked(within_s=5, stop=STOP) as held:
        held.read()
        held.save(token, settings=settings)


def test_a_token_reads_back_whole(store: SealedTokens) -> None:
    save(store)
    state = store.read()

    assert state.token == TOKEN
    assert (state.generation, state.settings, state.failure, state.interrupted) == (1, "these", None, False)
    assert state.left_s == pytest.approx(3600, abs=30)


def test_before_the_first_token_there_is_none(store: SealedTokens) -> None:
    assert store.read().token is None
    assert store.read().generation == 0


def test_neither_token_is_in_the_database_in_clear(store: SealedTokens, world: World) -> None:
    save(store)
    (row,) = world.rows("SELECT t.*::text AS whole, encode(sealed, 'escape') AS sealed FROM tokens t")
    assert "canary" not in f"{row['whole']}{row['sealed']}"


def test_a_token_that_was_moved_to_another_connector_does_not_open(store: SealedTokens, sealer: Sealer, world: World) -> None:
    save(store)
    other = world.rows("INSERT INTO connectors (tenant_id, name, kind) SELECT tenant_id, 'other', kind FROM connectors RETURNING id::text")[
        0
    ]["id"]
    world.execute(
        "INSERT INTO tokens SELECT %s::uuid, key_id, sealed, generation, settings, account, scopes, expires_at, stored_at FROM tokens",
        other,
    )
    with pytest.raises(ConfigurationError, match="does not open"):
        SealedTokens(world.database, sealer, other).read()


def test_whose_key_is_lost_signs_in_anew(store: SealedTokens, world: World) -> None:
    save(store)
    renewed = SealedTokens(world.database, Sealer(given_keys(SecretStr(new_key()))), world.endpoint.connector_id)
    with pytest.raises(ConfigurationError, match="not among the keys in force"):
        renewed.read()
    with renewed.locked(within_s=5, stop=STOP) as held:
        held.save(TOKEN, settings="these")

    assert renewed.read().generation == 2


def test_without_a_key_nothing_is_asked_for(world: World) -> None:
    keyless = SealedTokens(world.database, Sealer(no_keys), world.endpoint.connector_id)
    with keyless.locked(within_s=5, stop=STOP) as held, pytest.raises(ConfigurationError, match="no key to seal"):
        held.asking()
    assert world.rows("SELECT * FROM tokens") == []


def test_one_holds_it_at_a_time_and_reading_needs_no_hold(store: SealedTokens) -> None:
    save(store)
    with store.locked(within_s=5, stop=STOP):
        with pytest.raises(Busy), store.locked(within_s=0, stop=STOP):
            pass
        assert store.read().token == TOKEN
    with store.locked(within_s=0, stop=STOP):
        pass


def test_a_wait_for_it_ends_when_the_run_is_stopped(store: SealedTokens) -> None:
    stopped = threading.Event()
    stopped.set()
    with store.locked(within_s=5, stop=STOP), pytest.raises(Busy), store.locked(within_s=60, stop=stopped):
        pass


def test_a_hold_whose_connection_is_lost_is_free(store: SealedTokens, world: World) -> None:
    with store.locked(within_s=5, stop=STOP):
        _break(world)
        with store.locked(within_s=10, stop=STOP):
            pass


def test_a_new_token_is_stored_although_the_connection_broke_while_it_was_fetched(store: SealedTokens, world: World) -> None:
    save(store)
    with store.locked(within_s=5, stop=STOP) as held:
        held.read()
        _break(world)
        state = held.save(Token(access_token=SecretStr("second")), settings="these")

    assert state.generation == store.read().generation == 2


def test_a_token_stored_by_another_meanwhile_is_not_overwritten(store: SealedTokens, world: World) -> None:
    save(store)
    with store.locked(within_s=5, stop=STOP) as held:
        held.read()
        _break(world)
        save(store, Token(access_token=SecretStr("of somebody faster")))
        state = held.save(Token(access_token=SecretStr("late")), settings="these")

    assert state.token is not None
    assert state.token.access_token.get_secret_value() == "of somebody faster"


def test_that_it_failed_is_known_to_all_until_the_next_token(store: SealedTokens) -> None:
    with store.locked(within_s=5, stop=STOP) as held:
        held.asking()
        held.failed(Unauthenticated("it has ended, said canary-refresh", advice="sign in"))
    failed = store.read()
    save(store)

    assert failed.failure is not None
    assert failed.failure.error["code"] == "unauthenticated"
    assert failed.failure.error["advice"] == "sign in"
    assert failed.failure.ago_s < 60
    assert not failed.interrupted
    assert store.read().failure is None


def test_an_answer_that_was_lost_is_remembered_until_the_next_one(store: SealedTokens) -> None:
    with store.locked(within_s=5, stop=STOP) as held:
        held.asking()
    killed = store.read().interrupted
    with store.locked(within_s=5, stop=STOP) as held:
        held.asking()
        held.failed(Unavailable("cut"))
    cut = store.read().interrupted
    save(store)

    assert (killed, cut, store.read().interrupted) == (True, True, False)


def test_what_is_forgotten_is_gone_and_the_next_token_is_another(store: SealedTokens, world: World) -> None:
    save(store)
    with store.locked(within_s=5, stop=STOP) as held:
        held.forget()
    forgotten = store.read()
    save(store)

    assert forgotten.token is None
    assert forgotten.generation == 2
    assert store.read().generation == 3
    assert world.rows("SELECT sealed IS NOT NULL AS sealed FROM tokens") == [{"sealed": True}]


def test_who_is_signed_in_is_told_without_opening_a_token(store: SealedTokens, world: World) -> None:
    save(store)
    with world.database.operator() as tx:
        (one,) = signed_in(tx)

    assert (one.connector, one.auth, one.account, one.settings) == ("files", NoAuth(), "ada@example.com", "these")
    assert one.left_s == pytest.approx(3600, abs=30)


def test_tokens_are_no_tenants_business(store: SealedTokens, world: World) -> None:
    save(store)
    with pytest.raises(ConfigurationError, match="privilege"), world.database.tenant(world.endpoint.tenant_id) as tx:
        tx.execute("SELECT * FROM tokens")


def _break(world: World) -> None:
    """End the connection that holds the token."""
    with world.database.connect() as connection:
        connection.execute(
            """SELECT pg_terminate_backend(l.pid, 10000) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
               WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.objsubid = 1 AND l.pid <> pg_backend_pid()"""
        )
