"""A notification is owed to each endpoint of its connector: it is done when the last of them has looked.

Revision: 0009, after 0008
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

APP, OPERATOR = "connector_pipelines_app", "connector_pipelines_operator"
MINE = "tenant_id = (SELECT nullif(current_setting('connector_pipelines.tenant_id', true), '')::uuid)"

TABLES = """
-- How calls of the connector's webhook are proven genuine; NULL: it has none.
ALTER TABLE connectors ADD COLUMN webhook jsonb;

-- Rises when a call that the sender gave no name comes again: who has taken it up before has not answered for it since.
ALTER TABLE webhook_inbox ADD COLUMN told integer NOT NULL DEFAULT 1;

CREATE TABLE notifications_owed (
    endpoint_id uuid NOT NULL,
    inbox_id    bigint NOT NULL REFERENCES webhook_inbox ON DELETE CASCADE,
    tenant_id   uuid NOT NULL,
    told        integer NOT NULL DEFAULT 1,
    PRIMARY KEY (endpoint_id, inbox_id),
    FOREIGN KEY (endpoint_id, tenant_id) REFERENCES endpoints (id, tenant_id) ON DELETE CASCADE
);
CREATE INDEX notifications_owed_by_inbox ON notifications_owed (inbox_id);

-- Calls that were refused, per connector, reason and day.
CREATE TABLE webhook_refusals (
    connector_id uuid NOT NULL REFERENCES connectors ON DELETE CASCADE,
    day          date NOT NULL,
    reason       text NOT NULL,
    calls        bigint NOT NULL DEFAULT 0,
    last_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connector_id, day, reason)
);
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON notifications_owed TO {APP}, {OPERATOR}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_refusals TO {OPERATOR}")
    op.execute("ALTER TABLE notifications_owed ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE notifications_owed FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY of_the_tenant ON notifications_owed TO {APP} USING ({MINE}) WITH CHECK ({MINE})")
    op.execute(f"CREATE POLICY of_the_operator ON notifications_owed TO {OPERATOR} USING (true) WITH CHECK (true)")


def downgrade() -> None:
    op.execute("DROP TABLE webhook_refusals, notifications_owed")
    op.execute("ALTER TABLE webhook_inbox DROP COLUMN told")
    op.execute("ALTER TABLE connectors DROP COLUMN webhook")
