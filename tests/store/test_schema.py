"""The schema: from nothing, from every earlier revision, back, and by several at once."""

from __future__ import annotations

import secrets
import threading
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, Unavailable
from connector_pipelines.store.catalog import schema
from connector_pipelines.store.catalog.database import Database
from tests.catalog_world import at_once

REVISIONS = sorted(p.name.split("_")[0] for p in (schema._MIGRATIONS / "versions").glob("[0-9]*.py"))


@pytest.fixture
def url(database_url):
    return SecretStr(database_url)


@pytest.fixture
def newest(url):
    schema.upgrade(url)
    return url


@pytest.fixture
def login(url, _administration):
    """Makes a login of few rights, and gives the URL it comes by."""
    name = f"login_{secrets.token_hex(6)}"
    database = urlsplit(url.get_secret_value()).path.removeprefix("/")

    def make(*statements: str) -> SecretStr:
        _administration.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pass'")
        with psycopg.connect(url.get_secret_value(), autocommit=True) as connection:
            for statement in (f'GRANT ALL ON DATABASE "{database}" TO {name}', *statements):
                connection.execute(statement.format(login=name))
        parts = urlsplit(url.get_secret_value())
        return SecretStr(parts._replace(netloc=f"{name}:pass@{parts.hostname}:{parts.port}").geturl())

    yield make
    with psycopg.connect(url.get_secret_value(), autocommit=True) as connection:
        connection.execute(f"GRANT {name} TO CURRENT_USER")
        connection.execute(f"DROP OWNED BY {name} CASCADE")
    _administration.execute(f"DROP ROLE {name}")


def revision(url):
    with psycopg.connect(url.get_secret_value()) as connection:
        return schema.current_revision(connection)


def shape(url):
    """Every column, index and policy there is."""
    with psycopg.connect(url.get_secret_value()) as connection:
        return (
            connection.execute(
                """SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
                   WHERE table_schema = 'public' ORDER BY 1, 2"""
            ).fetchall(),
            connection.execute("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1").fetchall(),
            connection.execute("SELECT tablename, policyname, roles, qual FROM pg_policies ORDER BY 1, 2").fetchall(),
            connection.execute(
                """SELECT table_name, grantee, privilege_type FROM information_schema.role_table_grants
                   WHERE table_schema = 'public' ORDER BY 1, 2, 3"""
            ).fetchall(),
        )


def test_the_head_is_the_newest_file():
    assert REVISIONS[-1] == schema.HEAD


def test_an_empty_database_gets_the_schema_even_where_upgrades_are_not_allowed(url):
    schema.ensure(url, may_upgrade=False)

    assert revision(url) == schema.HEAD


@pytest.mark.parametrize("earlier", REVISIONS[:-1])
def test_each_earlier_revision_comes_up_to_what_an_empty_database_gets(url, catalog_url, earlier):
    schema.upgrade(url, earlier)
    assert revision(url) == earlier

    schema.ensure(url, may_upgrade=True)

    assert revision(url) == schema.HEAD
    assert shape(url) == shape(catalog_url)


@pytest.mark.parametrize("to", ["base", *REVISIONS[:-1]])
def test_down_and_up_again_leads_to_the_same_schema(newest, to):
    before = shape(newest)

    schema.downgrade(newest, to)
    assert revision(newest) == (None if to == "base" else to)
    schema.upgrade(newest)

    assert shape(newest) == before


def test_down_to_the_base_leaves_nothing_behind(newest):
    schema.downgrade(newest, "base")

    columns, _, policies, grants = shape(newest)
    assert {c[0] for c in columns} == {"alembic_version"}
    assert policies == []
    assert {g[1] for g in grants}.isdisjoint({schema.APP_ROLE, schema.OPERATOR_ROLE})


def test_an_older_schema_without_leave_to_upgrade_says_what_to_run(url):
    schema.upgrade(url, REVISIONS[0])

    with pytest.raises(ConfigurationError, match=f"has schema {REVISIONS[0]}, this version needs {schema.HEAD}") as caught:
        schema.ensure(url, may_upgrade=False)

    assert "connectors migrate" in caught.value.advice
    assert revision(url) == REVISIONS[0]


def test_a_newer_schema_than_we_know_is_left_alone(newest):
    with psycopg.connect(newest.get_secret_value()) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(ConfigurationError, match=f"has schema 9999, this version knows {schema.HEAD}"):
        schema.ensure(newest, may_upgrade=True)

    assert revision(newest) == "9999"


def test_several_may_upgrade_at_once(url):
    together = threading.Barrier(4)

    def upgrade():
        together.wait()
        schema.ensure(url, may_upgrade=True)

    at_once(*[upgrade] * 4)

    assert revision(url) == schema.HEAD


def test_an_upgrade_that_waits_for_another_gives_up_in_time(url, monkeypatch):
    monkeypatch.setattr(schema, "LOCK_WAIT_S", 0.1)

    with psycopg.connect(url.get_secret_value(), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [schema._LOCK])
        with pytest.raises(Unavailable, match="could not migrate the database"):
            schema.upgrade(url)


def test_a_login_that_may_not_make_roles_is_told_what_an_administrator_has_to_do(url, login):
    theirs = login("GRANT ALL ON SCHEMA public TO {login}")

    with pytest.raises(ConfigurationError, match=f"may not make the role {schema.APP_ROLE}") as caught:
        schema.upgrade(theirs)

    assert f"GRANT {schema.APP_ROLE} TO" in caught.value.advice


def test_a_login_that_was_given_the_roles_needs_no_more(url, login):
    schema._ensure_roles(psycopg.connect(url.get_secret_value(), autocommit=True))
    theirs = login(
        "GRANT ALL ON SCHEMA public TO {login}",
        "ALTER ROLE {login} NOINHERIT",
        f"GRANT {schema.APP_ROLE}, {schema.OPERATOR_ROLE} TO {{login}}",
    )

    schema.upgrade(theirs)

    database = Database(theirs)
    with database.operator() as tx:
        assert tx.execute("SELECT count(*) AS n FROM tenants").fetchone() == {"n": 0}
    database.close()


def test_a_login_that_may_not_make_tables_is_told_so(url, login):
    schema._ensure_roles(psycopg.connect(url.get_secret_value(), autocommit=True))
    theirs = login(f"GRANT {schema.APP_ROLE}, {schema.OPERATOR_ROLE} TO {{login}}")

    with pytest.raises(ConfigurationError, match="permission denied for schema public"):
        schema.upgrade(theirs)


def test_a_server_that_is_not_there_is_unavailable():
    with pytest.raises(Unavailable):
        schema.ensure(SecretStr("postgresql://u:secret@127.0.0.1:1/x"), may_upgrade=True)
