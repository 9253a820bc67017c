"""`store:` references: sealed in a real Postgres, and sealed anew while somebody writes."""

from __future__ import annotations

import logging
from itertools import pairwise

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, Unavailable
from connector_pipelines.pipeline.keeping import open_secrets
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog.database import Database
from connector_pipelines.store.catalog.sealed import SealedRow, delete_secret, put_secret, sealed_secret, stored_secrets
from connector_pipelines.store.sealing import Sealer, given_keys, new_key, secret_place, token_place
from connector_pipelines.store.secrets import rotate
from connector_pipelines.testing.vault import VaultStandIn
from tests.secrets_world import every_cell

CANARY = "stored-canary-5f0d11"
OLD, NEW = new_key(), new_key()


def sealer(*keys: str) -> Sealer:
    return Sealer(given_keys(SecretStr(",".join(keys))))


def put(database: Database, name: str, value: str, key: str = OLD) -> None:
    key_id, sealed = sealer(key).seal(value.encode(), place=secret_place(name))
    with database.operator() as tx:
        put_secret(tx, SealedRow(name, key_id, sealed), actor="a person")


def opened(database: Database, **variables: str):
    return open_secrets(
        load_settings({"DATABASE_URL": "postgresql://u:p@h/d", "CONNECTORS_SECRET_KEYS": OLD, **variables}), database, sealer(OLD)
    )


@pytest.fixture
def audited(database):
    """What the audit log says, oldest first."""

    def rows():
        with database.operator() as tx:
            found = tx.execute("SELECT actor, action, subject, details FROM audit_log ORDER BY id").fetchall()
        return [(row["actor"], row["action"], row["subject"], row["details"]) for row in found]

    return rows


@pytest.fixture
def connector(database, world):
    """The id of a connector."""
    with database.operator() as tx:
        return str(tx.execute("SELECT id FROM connectors LIMIT 1").fetchone()["id"])


@pytest.fixture(autouse=True)
def _no_secrets_before(database):
    with database.operator() as tx:
        tx.execute("DELETE FROM secrets")


def keep_token(database, connector, text: bytes, key: str) -> None:
    key_id, sealed = sealer(key).seal(text, place=token_place(connector))
    with database.operator() as tx:
        tx.execute(
            """INSERT INTO tokens (connector_id, key_id, sealed, stored_at) VALUES (%s, %s, %s, now())
               ON CONFLICT (connector_id, subject) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed""",
            [connector, key_id, sealed],
        )


def token(database, connector) -> SealedRow:
    with database.operator() as tx:
        row = tx.execute("SELECT key_id, sealed FROM tokens WHERE connector_id = %s", [connector]).fetchone()
    return SealedRow(connector, row["key_id"], bytes(row["sealed"]))


def test_what_was_stored_is_resolved(database):
    put(database, "api", CANARY)

    assert opened(database).resolve("store:api").get_secret_value() == CANARY


def test_no_cell_of_the_database_shows_it_nor_a_key(database, catalog_url):
    put(database, "api", CANARY)
    opened(database).resolve("store:api")

    seen = list(every_cell(catalog_url.get_secret_value()))

    assert ("secrets.name", b"api") in seen
    assert [place for place, value in seen if CANARY.encode() in value or OLD.encode() in value] == []


def test_a_secret_that_is_not_there_is_told_with_the_command_that_stores_it(database):
    with pytest.raises(ConfigurationError, match="'store:api': there is none") as caught:
        opened(database).resolve("store:api")

    assert "connectors secrets set api" in caught.value.advice


def test_a_secret_under_a_key_that_is_lost_is_told_with_the_id_of_the_key(database):
    put(database, "api", CANARY, NEW)

    with pytest.raises(ConfigurationError, match=f"secrets/api is sealed under the key {sealer(NEW).key_id}"):
        opened(database).resolve("store:api")


def test_a_sealed_value_copied_to_another_name_does_not_open(database):
    put(database, "weak", "known-to-many")
    with database.operator() as tx:
        tx.execute("INSERT INTO secrets (name, key_id, sealed) SELECT 'strong', key_id, sealed FROM secrets")

    with pytest.raises(ConfigurationError, match="moved from elsewhere"):
        opened(database).resolve("store:strong")


def test_each_fetch_is_audited_with_who_asked_and_how_it_went(database, audited):
    put(database, "api", CANARY)
    secrets = opened(database).acting_for("run 17")
    secrets.resolve("store:api")
    secrets.resolve("store:api")
    with pytest.raises(ConfigurationError):
        secrets.resolve("store:other")

    assert audited() == [
        ("a person", "secret_set", "store:api", {"key_id": sealer(OLD).key_id}),
        ("run 17", "secret_fetched", "store:api", {"outcome": "fetched"}),
        ("run 17", "secret_fetched", "store:other", {"outcome": "configuration"}),
    ]


def test_a_process_that_is_no_run_is_audited_by_its_number(database, audited):
    put(database, "api", CANARY)
    opened(database).resolve("store:api")

    assert audited()[-1][0].startswith("process ")


def test_a_fetch_that_cannot_be_audited_is_not_kept_from_the_run(monkeypatch, caplog):
    monkeypatch.setattr("connector_pipelines.net.postgres.POOL_WAIT_S", 0.1)
    logger = logging.getLogger("connector_pipelines.pipeline.keeping")
    logger.addHandler(caplog.handler)
    away = Database(SecretStr("postgresql://u:p@127.0.0.1:9/d"))
    with VaultStandIn() as vault:
        vault.put("kv/app", password=CANARY)
        variables = {"VAULT_ADDR": vault.address, "VAULT_TOKEN": vault.token("root")}

        found = opened(away, **variables).resolve("vault:kv/app#password").get_secret_value()

    with pytest.raises(Unavailable):
        opened(away).resolve("store:api")
    away.close()
    logger.removeHandler(caplog.handler)
    assert found == CANARY
    assert "secret_fetch_not_audited reference=vault:kv/app#password" in caplog.text
    assert CANARY not in caplog.text


def test_secrets_are_listed_by_name_and_removed(database, audited):
    put(database, "b", "x-of-b")
    put(database, "a", "x-of-a")
    with database.operator() as tx:
        gone, again = delete_secret(tx, "b", actor="me"), delete_secret(tx, "b", actor="me")
        left = stored_secrets(tx)

    assert (gone, again, [secret.name for secret in left]) == (True, False, ["a"])
    assert audited()[-1] == ("me", "secret_removed", "store:b", {})


def test_rotation_seals_secrets_and_tokens_under_the_first_key(database, connector, audited):
    put(database, "a", "x-of-a")
    put(database, "b", "x-of-b", NEW)
    keep_token(database, connector, b"token of it", OLD)

    done = rotate(database, sealer(NEW, OLD), actor="me")

    new = sealer(NEW)
    assert done.resealed == {"secrets": 1, "tokens": 1}
    assert done.in_use == {new.key_id: 3}
    assert audited()[-1][:3] == ("me", "secrets_rotated", new.key_id)
    kept = token(database, connector)
    assert new.open(kept.key_id, kept.sealed, place=token_place(connector)) == b"token of it"
    with database.operator() as tx:
        row = sealed_secret(tx, "a")
    assert new.open(row.key_id, row.sealed, place=secret_place("a")) == b"x-of-a"
    assert rotate(database, sealer(NEW), actor="me").resealed == {"secrets": 0, "tokens": 0}


def test_a_token_that_is_stored_while_it_is_sealed_anew_is_not_lost(database, connector):
    keep_token(database, connector, b"older", OLD)

    class Meanwhile(Sealer):
        """Somebody stores a newer token between our reading the row and writing it."""

        def seal(self, plaintext: bytes, *, place: str) -> tuple[str, bytes]:
            if plaintext == b"older":
                keep_token(database, connector, b"newer", OLD)
            return super().seal(plaintext, place=place)

    done = rotate(database, Meanwhile(given_keys(SecretStr(f"{NEW},{OLD}"))), actor="me")

    kept = token(database, connector)
    assert sealer(NEW).open(kept.key_id, kept.sealed, place=token_place(connector)) == b"newer"
    assert done.resealed["tokens"] == 1


def test_rotation_passes_over_what_no_key_opens_and_names_it(database, audited):
    lost = new_key()
    put(database, "a", "x-of-a")
    put(database, "lost", "x-of-lost", lost)

    done = rotate(database, sealer(NEW, OLD), actor="me")

    assert done.resealed["secrets"] == 1
    assert list(done.unreadable) == ["secrets/lost"]
    assert sealer(lost).key_id in done.unreadable["secrets/lost"]
    assert done.in_use == {sealer(NEW).key_id: 1, sealer(lost).key_id: 1}


def test_everything_works_at_each_step_of_a_rotation_whichever_keys_a_process_has(database):
    """The new key comes last first, so that nobody seals with it before everybody can open what it seals."""
    steps = [(OLD,), (OLD, NEW), (NEW, OLD), (NEW,)]
    for before, after in pairwise(steps):
        for number, keys in enumerate((before, after)):
            put_by = Sealer(given_keys(SecretStr(",".join(keys))))
            with database.operator() as tx:
                key_id, sealed = put_by.seal(b"value", place=secret_place(f"s{number}"))
                put_secret(tx, SealedRow(f"s{number}", key_id, sealed), actor="me")
        if after == (NEW,):
            rotate(database, sealer(*before), actor="me")
        for keys in (before, after):
            for name in ("s0", "s1"):
                with database.operator() as tx:
                    row = sealed_secret(tx, name)
                assert sealer(*keys).open(row.key_id, row.sealed, place=secret_place(name)) == b"value"
