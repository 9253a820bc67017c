"""What works for one tenant sees that tenant's rows only, in every table there is."""

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.store.catalog import schema
from connector_pipelines.store.catalog.database import copy_into

# Of the installation, not of a tenant: no row in them names content.
SHARED = {"alembic_version", "workers", "sinks", "partitions"}

# The operator's alone: what works for a tenant may not even look.
OPERATORS = {"secrets", "tokens", "rate_limits", "circuits", "webhook_refusals"}

# The least a row needs, beside its tenant; a new table of a tenant's is to be added here.
ROWS = {
    "connectors": "INSERT INTO connectors (id, tenant_id, name, kind) VALUES (md5('c' || %(t)s::text)::uuid, %(t)s::uuid, 'c', 'k')",
    "endpoints": """INSERT INTO endpoints (id, tenant_id, connector_id, slug, name)
                    VALUES (md5('e' || %(t)s::text)::uuid, %(t)s::uuid, md5('c' || %(t)s::text)::uuid, md5(%(t)s::text), 'e')""",
    "blobs": "INSERT INTO blobs (tenant_id, sha256, key, size) VALUES (%(t)s::uuid, 'x', 'k', 1)",
    "files": """INSERT INTO files (tenant_id, endpoint_id, external_id, path, version, media_type, window_day, status, first_sync)
                VALUES (%(t)s::uuid, md5('e' || %(t)s::text)::uuid, 'f', 'f', '1', 't', '2026-01-01', 'listed', 1)""",
    "folders": """INSERT INTO folders (tenant_id, endpoint_id, external_id, path)
                  VALUES (%(t)s::uuid, md5('e' || %(t)s::text)::uuid, 'd', 'd')""",
    "documents": """INSERT INTO documents (id, tenant_id, file_id, sha256, media_type, content_type, chunk_count, characters, extractor)
                    SELECT md5('d' || %(t)s::text)::uuid, tenant_id, id, 'x', 't', 't', 0, 0, 'e' FROM files WHERE tenant_id = %(t)s::uuid""",
    "chunks": "INSERT INTO chunks (document_id, tenant_id, ordinal, content_hash, text) VALUES (md5('d' || %(t)s::text)::uuid, %(t)s::uuid, 0, 'x', 'x')",
    "embeddings": "INSERT INTO embeddings (tenant_id, model, content_hash, vector) VALUES (%(t)s::uuid, 'm', 'x', 'x')",
    "deliveries": "INSERT INTO deliveries (file_id, sink, tenant_id, endpoint_id) SELECT id, 's', tenant_id, endpoint_id FROM files WHERE tenant_id = %(t)s::uuid",
    "failures": """INSERT INTO failures (tenant_id, endpoint_id, item, stage, error_class, code, message)
                   VALUES (%(t)s::uuid, md5('e' || %(t)s::text)::uuid, 'i', 's', 'permanent', 'c', 'm')""",
    "sync_logs": "INSERT INTO sync_logs (tenant_id, endpoint_id, run_id, stage) VALUES (%(t)s::uuid, md5('e' || %(t)s::text)::uuid, 'r', 's')",
    "webhook_inbox": "INSERT INTO webhook_inbox (tenant_id, connector_id, delivery_id, payload) VALUES (%(t)s::uuid, md5('c' || %(t)s::text)::uuid, 'd', '{}')",
    "subscriptions": """INSERT INTO subscriptions (id, tenant_id, endpoint_id, resource, address, secret_sha256, expires_at, renew_at, created_at)
                        VALUES (md5('s' || %(t)s::text)::uuid, %(t)s::uuid, md5('e' || %(t)s::text)::uuid, 'r', 'a', sha256('s'), now(), now(), now())""",
    "notifications_owed": """INSERT INTO notifications_owed (tenant_id, endpoint_id, inbox_id)
                             SELECT tenant_id, md5('e' || %(t)s::text)::uuid, id FROM webhook_inbox WHERE tenant_id = %(t)s::uuid""",
    "outbox": "INSERT INTO outbox (tenant_id, subject, payload) VALUES (%(t)s::uuid, 's', '{}')",
    "audit_log": "INSERT INTO audit_log (tenant_id, actor, action, subject) VALUES (%(t)s::uuid, 'a', 'b', 'c')",
}


@pytest.fixture
def tenants(database):
    """Two tenants with a row in every table."""
    with database.operator() as tx:
        ours, theirs = (
            str(tx.execute("INSERT INTO tenants (name) VALUES (%s) RETURNING id", [n]).fetchone()["id"]) for n in ("ours", "theirs")
        )
        for tenant in (ours, theirs):
            for statement in ROWS.values():
                tx.execute(statement, {"t": tenant})
    return ours, theirs


def tables(database):
    with database.operator() as tx:
        rows = tx.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')").fetchall()
    return {r["relname"] for r in rows}


def count(tx, table):
    return tx.execute(f"SELECT count(*) AS n FROM {table}").fetchone()["n"]


def test_every_table_is_shared_or_a_tenants(database):
    assert tables(database) == SHARED | OPERATORS | set(ROWS) | {"tenants"}


@pytest.mark.parametrize("table", sorted(OPERATORS))
def test_what_works_for_a_tenant_may_not_look_at_what_is_the_operators(database, tenants, table):
    with pytest.raises(ConfigurationError, match="permission denied"), database.tenant(tenants[0]) as tx:
        count(tx, table)


def test_security_is_on_and_forced_in_every_table_of_a_tenants(database):
    with database.operator() as tx:
        rows = tx.execute(
            """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
               AND relrowsecurity AND relforcerowsecurity"""
        ).fetchall()

    assert {r["relname"] for r in rows} == tables(database) - SHARED - OPERATORS


def test_a_tenant_sees_its_rows_and_no_others(database, tenants):
    ours, _ = tenants

    with database.tenant(ours) as tx:
        seen = {table: tx.execute(f"SELECT DISTINCT tenant_id::text AS t FROM {table}").fetchall() for table in ROWS}
        named = tx.execute("SELECT id::text FROM tenants").fetchall()

    assert seen == {table: [{"t": ours}] for table in ROWS}
    assert named == [{"id": ours}]


def test_without_a_tenant_the_applications_role_sees_nothing(database, tenants, catalog_url):
    with psycopg.connect(catalog_url.get_secret_value()) as connection:
        connection.execute(f"SET ROLE {schema.APP_ROLE}")
        seen = {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in (*ROWS, "tenants")}

    assert set(seen.values()) == {0}


def test_the_owner_of_the_tables_sees_nothing_before_it_steps_down(database, tenants, catalog_url):
    with psycopg.connect(catalog_url.get_secret_value()) as connection:
        seen = {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in (*ROWS, "tenants")}

    assert set(seen.values()) == {0}


@pytest.mark.parametrize("table", sorted(ROWS.keys() - {"audit_log"}))
def test_a_tenant_changes_and_deletes_no_others_rows(database, tenants, table):
    ours, theirs = tenants

    with database.tenant(ours) as tx:
        changed = tx.execute(f"UPDATE {table} SET tenant_id = tenant_id WHERE tenant_id = %s", [theirs]).rowcount
        deleted = tx.execute(f"DELETE FROM {table} WHERE tenant_id = %s", [theirs]).rowcount

    assert (changed, deleted) == (0, 0)
    with database.tenant(theirs) as tx:
        assert count(tx, table) == 1


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET actor = 'another'", "DELETE FROM audit_log"])
def test_a_tenant_adds_to_the_audit_log_and_changes_nothing_in_it(tenants, database, statement):
    with pytest.raises(Exception, match="permission denied"), database.tenant(tenants[0]) as tx:
        tx.execute(statement)


@pytest.mark.parametrize("table", sorted(ROWS.keys() - {"audit_log"}))
def test_a_tenant_gives_no_row_to_another(database, tenants, table):
    ours, theirs = tenants

    with pytest.raises(Exception, match="row-level security policy") as caught, database.tenant(ours) as tx:
        tx.execute(f"UPDATE {table} SET tenant_id = %s", [theirs])

    assert "42501" in str(getattr(caught.value.__cause__, "sqlstate", ""))


@pytest.mark.parametrize("table", ["tenants", *sorted(SHARED - {"alembic_version"})])
def test_a_tenant_changes_nothing_that_is_shared(database, tenants, table):
    with pytest.raises(Exception, match="permission denied"), database.tenant(tenants[0]) as tx:
        tx.execute(f"DELETE FROM {table}")


def test_the_operator_sees_every_tenants_rows(database, tenants):
    with database.operator() as tx:
        assert {table: count(tx, table) for table in (*ROWS, "tenants")} == dict.fromkeys((*ROWS, "tenants"), 2)


def test_our_roles_own_nothing_and_are_above_nothing(database):
    with database.operator() as tx:
        roles = tx.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles WHERE rolname = ANY(%s)",
            [[schema.APP_ROLE, schema.OPERATOR_ROLE]],
        ).fetchall()
        owned = tx.execute(
            "SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) = ANY(%s)", [[schema.APP_ROLE, schema.OPERATOR_ROLE]]
        ).fetchall()

    assert [set(r.values()) for r in roles] == [{False}, {False}]
    assert owned == []


def test_the_role_ends_with_the_transaction(database, tenants):
    ours, theirs = tenants

    for tenant in (ours, theirs, ours):
        with database.tenant(tenant) as tx:
            assert tx.execute("SELECT current_user AS u, id::text FROM tenants").fetchone() == {"u": schema.APP_ROLE, "id": tenant}
    with database.operator() as tx:
        assert tx.execute("SELECT current_user AS u").fetchone() == {"u": schema.OPERATOR_ROLE}


def test_copying_in_bulk_goes_by_a_temporary_table_and_keeps_to_the_tenant(database, tenants):
    ours, theirs = tenants
    columns = ("tenant_id", "model", "content_hash", "vector")

    def copy(tenant):
        with database.tenant(ours) as tx:
            copy_into(tx, "fresh", columns, [(UUID(tenant), "m", bytes([n]), b"v") for n in range(50)], like="embeddings")
            tx.execute("INSERT INTO embeddings (tenant_id, model, content_hash, vector) SELECT * FROM fresh")

    copy(ours)
    with database.tenant(ours) as tx:
        assert count(tx, "embeddings") == 51
    with pytest.raises(Exception, match="row-level security policy"):
        copy(theirs)
