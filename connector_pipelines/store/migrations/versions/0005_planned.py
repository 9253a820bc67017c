"""Which files' deliveries have been planned: a sync looks at those that have changed since, and not at all there are.

`files.planned` is the generation that was planned; a generation comes to an end (extracted, skipped, failed, deleted) once.
`endpoints.planned_sinks` are those it was planned for: one that was added since is planned from the beginning.

Revision: 0005, after 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE files ADD COLUMN planned bigint NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE endpoints ADD COLUMN planned_sinks text[] NOT NULL DEFAULT '{}'")
    op.execute("""
        CREATE INDEX files_unplanned ON files (endpoint_id, id)
        WHERE planned <> generation AND status IN ('extracted', 'skipped', 'failed', 'deleted')
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE files DROP COLUMN planned")
    op.execute("ALTER TABLE endpoints DROP COLUMN planned_sinks")
