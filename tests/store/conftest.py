"""An empty catalog for each test: one database, migrated once and swept before each use."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from connector_pipelines.store.catalog import schema
from connector_pipelines.store.catalog.database import Database
from tests.catalog_world import World, ref
from tests.databases import END_OTHERS, drop_database
from tests.store.parts_acts import message, part, read_all, unpack


@pytest.fixture(scope="session")
def _catalog(postgres, _administration):
    name = f"catalog_{secrets.token_hex(8)}"
    _administration.execute(f'CREATE DATABASE "{name}"')
    url = SecretStr(urlsplit(postgres.ensure_running())._replace(path=f"/{name}").geturl())
    schema.upgrade(url)
    yield url
    drop_database(_administration, name)


@pytest.fixture
def catalog_url(_catalog):
    """URL of a database with the newest schema and no rows. Making one for each test would cost a checkpoint each."""
    with psycopg.connect(_catalog.get_secret_value(), autocommit=True) as connection:
        connection.execute(END_OTHERS)
        connection.execute(f"SET ROLE {schema.OPERATOR_ROLE}")
        for table in ("tenants", "audit_log", "workers", "sinks", "partitions"):
            connection.execute(f"DELETE FROM {table}")
    return _catalog


@pytest.fixture
def database(catalog_url):
    found = Database(catalog_url)
    yield found
    found.close()


@pytest.fixture
def world(database):
    with World(database) as found:
        yield found


@pytest.fixture
def mail(world: World) -> World:
    """A message with a text and an archive attached, in which there is another text; all of it extracted."""
    world.snapshot(message(), ref("beside"))
    unpack(world, "mail", part("note.txt"), part("all.zip"))
    unpack(world, "mail/all.zip", part("deep.txt"))
    read_all(world)
    return world
