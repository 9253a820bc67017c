"""How the catalog is reached, and what its faults come out as."""

from __future__ import annotations

import contextlib
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, Unauthenticated, Unavailable
from connector_pipelines.net import postgres
from connector_pipelines.store.catalog.database import Database, copy_into
from connector_pipelines.store.catalog.listing import ANALYSE_FROM
from tests.catalog_world import World, ref
from tests.databases import END_OTHERS
from tests.faults.way import Way


def another(url, **parts):
    split = urlsplit(url.get_secret_value())
    netloc = f"{parts.pop('user', split.username)}:{parts.pop('password', split.password)}@{split.hostname}:{parts.pop('port', split.port)}"
    return SecretStr(split._replace(netloc=netloc, **parts).geturl())


def cut_off(url):
    with psycopg.connect(url.get_secret_value(), autocommit=True) as connection:
        connection.execute(END_OTHERS)


@pytest.mark.parametrize(
    ("parts", "expected", "says"),
    [
        ({"password": "wrong-password"}, Unauthenticated, "user or password was refused"),
        ({"user": "nobody"}, Unauthenticated, "user or password was refused"),
        ({"path": "/no_such_database"}, ConfigurationError, "does not exist"),
        ({"port": 1}, Unavailable, "no server answers"),
    ],
)
def test_a_connection_that_fails_says_why_in_our_terms(catalog_url, parts, expected, says):
    with pytest.raises(expected, match=says) as caught:
        postgres.connect(another(catalog_url, **parts))

    assert "wrong-password" not in str(caught.value)


def test_a_url_that_is_none_is_a_mistake_of_configuration_and_is_not_repeated():
    with pytest.raises(ConfigurationError) as caught:
        postgres.connect(SecretStr("host=x password=very-secret nonsense"))

    assert "very-secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("parts", "expected"),
    [({"password": "wrong"}, Unauthenticated), ({"path": "/no_such_database"}, ConfigurationError), ({"port": 1}, Unavailable)],
)
def test_a_pool_that_gets_no_connection_says_why_too(catalog_url, monkeypatch, parts, expected):
    monkeypatch.setattr(postgres, "POOL_WAIT_S", 0.2)
    database = Database(another(catalog_url, **parts))

    with pytest.raises(expected) as caught, database.operator():
        pytest.fail("there is no connection to lend")

    assert "became free" not in str(caught.value)
    database.close()


def test_a_pool_that_is_used_up_says_so(catalog_url, monkeypatch):
    monkeypatch.setattr(postgres, "POOL_WAIT_S", 0.1)
    database = Database(catalog_url, max_connections=1)

    with database.operator(), pytest.raises(Unavailable, match="no database connection became free"), database.operator():
        pytest.fail("there is no second connection")

    database.close()


def test_a_connection_cut_in_the_middle_is_unavailable_and_the_next_one_works(database, catalog_url):
    def use_what_was_cut():
        with database.operator() as tx:
            cut_off(catalog_url)
            tx.execute("SELECT 1")

    with pytest.raises(Unavailable):
        use_what_was_cut()

    with database.operator() as tx:
        assert tx.execute("SELECT 1 AS one").fetchone() == {"one": 1}


def test_a_listing_whose_connection_is_cut_is_unavailable(world, catalog_url):
    with world.listing() as listing:
        cut_off(catalog_url)
        with pytest.raises(Unavailable):
            listing.absent()


class CutAt(Way):
    """Ends every connection at the statement that begins with those words."""

    def __init__(self, server, words):
        super().__init__(server)
        self._words = words

    def _pass_on(self, come, go):
        with contextlib.suppress(OSError):
            while (data := come.recv(65536)) and self._words not in data:
                go.sendall(data)
        come.close()
        go.close()


def reached_by(way, url):
    return Database(another(url, port=way.port))


def server_of(url):
    parts = urlsplit(url.get_secret_value())
    return f"{parts.hostname}:{parts.port}"


def test_a_connection_that_is_cut_as_it_is_made_ready_is_unavailable(catalog_url):
    with CutAt(server_of(catalog_url), b"SET idle_session_timeout") as way, pytest.raises(Unavailable):
        reached_by(way, catalog_url).connect()


def test_a_listing_that_is_cut_as_it_tells_the_planner_of_new_rows_is_unavailable(catalog_url):
    with (
        CutAt(server_of(catalog_url), b"ANALYZE files") as way,
        closing(reached_by(way, catalog_url)) as database,
        World(database) as world,
        pytest.raises(Unavailable),
    ):
        world.snapshot(*(ref(str(n)) for n in range(ANALYSE_FROM)))


def test_a_mistake_in_our_own_sql_stays_a_bug(database):
    with pytest.raises(psycopg.errors.UndefinedColumn), database.operator() as tx:
        tx.execute("SELECT nonsense FROM files")


def test_a_transaction_that_fails_changes_nothing(database):
    with pytest.raises(psycopg.errors.DivisionByZero), database.operator() as tx:
        tx.execute("WITH half AS (INSERT INTO tenants (name) VALUES ('half') RETURNING 1) SELECT 1 / (1 - count(*)) FROM half")

    with database.operator() as tx:
        assert tx.execute("SELECT name FROM tenants").fetchall() == []


def test_text_that_postgres_refuses_is_stored_without_what_it_refuses(world):
    world.snapshot(ref("nul\x00", path="a\x00b\ud800.txt"), ref("plain"))

    assert {r["path"] for r in world.rows("SELECT path FROM files")} == {"ab?.txt", "plain"}


def test_copying_nothing_leaves_an_empty_table(database):
    with database.operator() as tx:
        copy_into(tx, "none", ("id",), [], like="files")
        assert tx.execute("SELECT count(*) AS n FROM none").fetchone() == {"n": 0}
