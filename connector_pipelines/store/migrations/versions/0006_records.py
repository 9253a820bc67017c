"""Items whose content comes with the listing: many of them are landed in one object.

`files.stream` names the stream of a record; `files.inline` is true of every item, record or not, whose content came with its
listing: it is never downloaded. A row of `blobs` then says which bytes of an object are its own.

Revision: 0006, after 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE files ADD COLUMN stream text, ADD COLUMN inline boolean NOT NULL DEFAULT false,
            ADD CONSTRAINT files_records_are_inline CHECK (stream IS NULL OR inline);
        ALTER TABLE blobs ADD COLUMN position bigint NOT NULL DEFAULT 0;
        CREATE INDEX blobs_by_key ON blobs (tenant_id, key);
    """)


def downgrade() -> None:
    """What came with its listing goes: the older version knows no object with several blobs in it."""
    op.execute("ALTER TABLE files NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE blobs NO FORCE ROW LEVEL SECURITY")
    op.execute("CREATE TEMPORARY TABLE landed ON COMMIT DROP AS SELECT DISTINCT tenant_id, sha256 FROM files WHERE inline AND sha256 IS NOT NULL")
    op.execute("DELETE FROM files WHERE inline")
    op.execute("DELETE FROM blobs b USING landed l WHERE b.tenant_id = l.tenant_id AND b.sha256 = l.sha256")
    op.execute("ALTER TABLE files FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE blobs FORCE ROW LEVEL SECURITY")
    op.execute("DROP INDEX blobs_by_key")
    op.execute("ALTER TABLE blobs DROP COLUMN position")
    op.execute("ALTER TABLE files DROP CONSTRAINT files_records_are_inline, DROP COLUMN stream, DROP COLUMN inline")
