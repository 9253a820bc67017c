"""Files of an older schema stay as they are when parts come to be known, and lose their parts when the schema goes back."""

from __future__ import annotations

import psycopg
import pytest
from pydantic import SecretStr

from connector_pipelines.store.catalog import schema
from connector_pipelines.store.catalog.database import Database
from tests.catalog_world import World, ref
from tests.store.parts_acts import part, tree, unpack

ONE_FILE = """
    WITH t AS (INSERT INTO tenants (name) VALUES ('t') RETURNING id),
         c AS (INSERT INTO connectors (tenant_id, name, kind) SELECT id, 'c', 'local_folder' FROM t RETURNING id, tenant_id),
         e AS (INSERT INTO endpoints (tenant_id, connector_id, slug, name) SELECT tenant_id, id, 'e', 'e' FROM c RETURNING id, tenant_id)
    INSERT INTO files (tenant_id, endpoint_id, external_id, path, version, media_type, window_day, status, first_sync)
    SELECT tenant_id, id, 'a.zip', 'a.zip', '1', 'application/zip', '2026-01-01', 'extracted', 1 FROM e
"""


def rows(url: SecretStr, statement: str) -> list[tuple]:
    with psycopg.connect(url.get_secret_value(), autocommit=True) as connection:
        connection.execute(f"SET ROLE {schema.OPERATOR_ROLE}")
        found = connection.execute(statement)
        return found.fetchall() if found.description else []


def test_a_file_of_the_schema_before_is_a_file_of_its_source(database_url: str) -> None:
    url = SecretStr(database_url)
    schema.upgrade(url, "0002")
    rows(url, ONE_FILE)

    schema.upgrade(url)

    assert rows(url, "SELECT external_id, parent_id, root_id, part_name, depth FROM files") == [("a.zip", None, None, None, 0)]


def test_going_back_takes_parts_and_leaves_files(database_url: str) -> None:
    url = SecretStr(database_url)
    schema.upgrade(url)
    database = Database(url)
    with World(database) as world:
        world.snapshot(ref("a.zip"))
        unpack(world, "a.zip", part("x"), part("y.zip"))
        unpack(world, "a.zip/y.zip", part("z"))
        assert len(tree(world)) == 4
    database.close()

    schema.downgrade(url, "0002")

    assert rows(url, "SELECT external_id, status FROM files") == [("a.zip", "extracted")]


@pytest.mark.parametrize("lie", ["external_id = 'x'", "root_id = NULL", "part_name = NULL", "depth = 0"])
def test_a_row_is_a_file_or_a_part_and_nothing_between(mail, lie):
    with pytest.raises(psycopg.errors.CheckViolation):
        mail.execute(f"UPDATE files SET {lie} WHERE path = 'mail/note.txt'")


def test_two_parts_of_a_file_cannot_have_one_name(mail):
    with pytest.raises(psycopg.errors.UniqueViolation):
        mail.execute("UPDATE files SET part_name = 'all.zip' WHERE path = 'mail/note.txt'")
