"""Folders a source names, what it keeps to fetch a file by, and who may see an item.

`folders` are kept so that sources need not be: what lies below one follows it, and their paths are asked for again. `files.folder` is
the id of the folder a file lies in, `files.locator` what its source fetches it by, `files.acl` who may see it; a part has its outermost
file's. `deliveries.digest` is of what the sink was told, `deliveries.told` the generation it was told with, where that is a lower one
than it stands for now: what would be told again alike is not told again.

Revision: 0010, after 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

APP, OPERATOR = "connector_pipelines_app", "connector_pipelines_operator"
MINE = "tenant_id = (SELECT nullif(current_setting('connector_pipelines.tenant_id', true), '')::uuid)"

TABLES = """
CREATE TABLE folders (
    endpoint_id uuid NOT NULL,
    external_id text NOT NULL,
    tenant_id   uuid NOT NULL,
    -- Id at the source of the folder it lies in; of one that need not be here.
    parent      text,
    path        text NOT NULL,
    target      text,
    acl         jsonb,
    PRIMARY KEY (endpoint_id, external_id),
    FOREIGN KEY (endpoint_id, tenant_id) REFERENCES endpoints (id, tenant_id) ON DELETE CASCADE
);
CREATE INDEX folders_by_parent ON folders (endpoint_id, parent) WHERE parent IS NOT NULL;
CREATE INDEX folders_by_target ON folders (endpoint_id, target) WHERE target IS NOT NULL;

ALTER TABLE files ADD COLUMN folder text, ADD COLUMN locator text, ADD COLUMN acl jsonb;
CREATE INDEX files_by_folder ON files (endpoint_id, folder) WHERE folder IS NOT NULL;

-- Never written: who may see a document is its file's.
ALTER TABLE documents DROP COLUMN acl;

ALTER TABLE deliveries ADD COLUMN digest bytea, ADD COLUMN told bigint;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON folders TO {APP}, {OPERATOR}")
    op.execute("ALTER TABLE folders ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE folders FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY of_the_tenant ON folders TO {APP} USING ({MINE}) WITH CHECK ({MINE})")
    op.execute(f"CREATE POLICY of_the_operator ON folders TO {OPERATOR} USING (true) WITH CHECK (true)")


def downgrade() -> None:
    """Folders go. What a sink holds of a lower generation than its delivery stands for is told again by the next sweep."""
    op.execute("ALTER TABLE deliveries DROP COLUMN digest, DROP COLUMN told")
    op.execute("ALTER TABLE documents ADD COLUMN acl jsonb")
    op.execute("ALTER TABLE files DROP COLUMN folder, DROP COLUMN locator, DROP COLUMN acl")
    op.execute("DROP TABLE folders")
