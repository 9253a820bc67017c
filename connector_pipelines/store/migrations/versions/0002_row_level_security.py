"""Row level security: what works for one tenant sees that tenant's rows only.

The two roles are made by `store.catalog.schema` beforehand, because roles belong to the server and not to the database.
Neither owns a table. Security is forced, so that it holds for the owner too.

Revision: 0002, after 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APP, OPERATOR = "connector_pipelines_app", "connector_pipelines_operator"
OF_A_TENANT = (
    "connectors", "endpoints", "blobs", "files", "documents", "chunks", "embeddings", "deliveries", "failures", "sync_logs",
    "webhook_inbox", "subscriptions", "outbox", "audit_log",
)
SHARED = ("workers", "sinks", "partitions")
MINE = "tenant_id = nullif(current_setting('connector_pipelines.tenant_id', true), '')::uuid"


def upgrade() -> None:
    op.execute(f"GRANT USAGE ON SCHEMA public TO {APP}, {OPERATOR}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {OPERATOR}")
    op.execute(f"REVOKE ALL ON alembic_version FROM {OPERATOR}")
    op.execute(f"GRANT SELECT ON alembic_version TO {OPERATOR}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(OF_A_TENANT)} TO {APP}")
    op.execute(f"REVOKE UPDATE, DELETE ON audit_log FROM {APP}")
    op.execute(f"GRANT SELECT ON tenants, {', '.join(SHARED)} TO {APP}")
    for table in (*OF_A_TENANT, "tenants"):
        column = MINE.replace("tenant_id =", "id =", 1) if table == "tenants" else MINE
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY of_the_tenant ON {table} TO {APP} USING ({column}) WITH CHECK ({column})")
        op.execute(f"CREATE POLICY of_the_operator ON {table} TO {OPERATOR} USING (true) WITH CHECK (true)")


def downgrade() -> None:
    for table in (*OF_A_TENANT, "tenants"):
        op.execute(f"DROP POLICY of_the_tenant ON {table}")
        op.execute(f"DROP POLICY of_the_operator ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {APP}, {OPERATOR}")
    op.execute(f"REVOKE USAGE ON SCHEMA public FROM {APP}, {OPERATOR}")
