"""One migrated database for these tests, swept before each use."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from connector_pipelines.embedded.postgres import EmbeddedPostgres
from connector_pipelines.store.catalog import schema
from tests.databases import END_OTHERS, drop_database
from tests.net.auth.world import Kept, kept_in


@pytest.fixture(scope="session")
def _migrated(postgres: EmbeddedPostgres, _administration: psycopg.Connection) -> Iterator[str]:
    name = f"auth_{secrets.token_hex(8)}"
    _administration.execute(f'CREATE DATABASE "{name}"')
    url = urlsplit(postgres.ensure_running())._replace(path=f"/{name}").geturl()
    schema.upgrade(SecretStr(url))
    yield url
    drop_database(_administration, name)


@pytest.fixture
def kept(_migrated: str) -> Iterator[Kept]:
    with psycopg.connect(_migrated, autocommit=True) as connection:
        connection.execute(END_OTHERS)
        connection.execute(f"SET ROLE {schema.OPERATOR_ROLE}")
        for table in ("tenants", "audit_log", "sinks", "partitions"):
            connection.execute(f"DELETE FROM {table}")
    found = kept_in(_migrated)
    yield found
    found.database.close()
