"""Subscriptions: what other systems promised to tell us, per endpoint and resource, from before it is asked for until after it ended.

The table of 0001 was never written to; this one takes its place.

Revision: 0012, after 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

APP, OPERATOR = "connector_pipelines_app", "connector_pipelines_operator"
MINE = "tenant_id = (SELECT nullif(current_setting('connector_pipelines.tenant_id', true), '')::uuid)"

TABLE = """
DROP TABLE subscriptions;

-- opening: asked for, no answer yet. open. closing: not wanted any more, or replaced. closed: stopped; what comes late is still genuine.
-- failed: asked for, and refused; where may_exist, nobody knows whether it was.
CREATE TABLE subscriptions (
    id            uuid PRIMARY KEY,
    tenant_id     uuid NOT NULL,
    endpoint_id   uuid NOT NULL,
    resource      text NOT NULL,
    address       text NOT NULL,
    secret_sha256 bytea NOT NULL CHECK (length(secret_sha256) = 32),
    handle        text,
    state         text NOT NULL DEFAULT 'opening' CHECK (state IN ('opening', 'open', 'closing', 'closed', 'failed')),
    may_exist     boolean NOT NULL DEFAULT true,
    expires_at    timestamptz NOT NULL,
    renew_at      timestamptz NOT NULL,
    created_at    timestamptz NOT NULL,
    closed_at     timestamptz,
    calls         bigint NOT NULL DEFAULT 0,
    heard_at      timestamptz,
    last_error    jsonb,
    failing_since timestamptz,
    retry_at      timestamptz,
    FOREIGN KEY (endpoint_id, tenant_id) REFERENCES endpoints (id, tenant_id) ON DELETE CASCADE
);
-- Two who open at once: one of them comes second.
CREATE UNIQUE INDEX subscriptions_opening ON subscriptions (endpoint_id, resource) WHERE state = 'opening';
CREATE INDEX subscriptions_by_endpoint ON subscriptions (endpoint_id);

-- When to look again at what the endpoint wants to hear of, and why that could not be found out. NULL: as soon as may be.
ALTER TABLE endpoints ADD COLUMN subscribe_at timestamptz, ADD COLUMN subscribe_error jsonb;
"""

BEFORE = """
ALTER TABLE endpoints DROP COLUMN subscribe_at, DROP COLUMN subscribe_error;
DROP TABLE subscriptions;
CREATE TABLE subscriptions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id    uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    connector_id uuid NOT NULL REFERENCES connectors ON DELETE CASCADE,
    external_id  text NOT NULL,
    resource     text NOT NULL,
    expires_at   timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (connector_id, external_id)
);
"""


def upgrade() -> None:
    op.execute(TABLE)
    _of_the_tenant()


def downgrade() -> None:
    op.execute(BEFORE)
    _of_the_tenant()


def _of_the_tenant() -> None:
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON subscriptions TO {APP}, {OPERATOR}")
    op.execute("ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE subscriptions FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY of_the_tenant ON subscriptions TO {APP} USING ({MINE}) WITH CHECK ({MINE})")
    op.execute(f"CREATE POLICY of_the_operator ON subscriptions TO {OPERATOR} USING (true) WITH CHECK (true)")
