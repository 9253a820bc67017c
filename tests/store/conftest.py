"""An empty catalog for each test: one database, migrated once and swept before each use."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from connector_pipelines.store.catalog import schema
from connector_pipelines.store.catalog.database import Database
from tests.catalog_world import World
from tests.databases import drop_database


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
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
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
