"""Parts: a file inside a file (an attachment, a member of an archive) is a row of `files` that its source never names.

A part has no id at its source: `external_id` is NULL, so that no name a source gives can ever be taken for one, and
listing never meets it. What it goes by is its name within its parent.

Revision: 0003, after 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PARTS = """
ALTER TABLE files
    ALTER COLUMN external_id DROP NOT NULL,
    -- The file this one is in, and the outermost: of which row security sees that it is the same tenant's.
    ADD COLUMN parent_id bigint REFERENCES files ON DELETE CASCADE,
    ADD COLUMN root_id   bigint,
    ADD COLUMN part_name text,
    -- How many files this one is inside of.
    ADD COLUMN depth     smallint NOT NULL DEFAULT 0,
    ADD CONSTRAINT files_named_by_source_or_part CHECK (
        CASE WHEN parent_id IS NULL THEN external_id IS NOT NULL AND root_id IS NULL AND part_name IS NULL AND depth = 0
             ELSE external_id IS NULL AND root_id IS NOT NULL AND part_name IS NOT NULL AND depth > 0 END);
-- Bytes that come back are read again where they hold files, which went with them, or where something of them was left out.
ALTER TABLE documents ADD COLUMN read_again boolean NOT NULL DEFAULT false;
CREATE UNIQUE INDEX files_by_parent ON files (parent_id, part_name) WHERE parent_id IS NOT NULL;
CREATE INDEX files_by_root ON files (root_id) WHERE root_id IS NOT NULL;
"""


def upgrade() -> None:
    op.execute(PARTS)


def downgrade() -> None:
    """Parts go, with their documents: the older version knows no file without an id at its source."""
    # Forced security hides the rows from the owner, too.
    op.execute("ALTER TABLE files NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM files WHERE parent_id IS NOT NULL")
    op.execute("ALTER TABLE files FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE documents DROP COLUMN read_again")
    op.execute("""
        ALTER TABLE files DROP CONSTRAINT files_named_by_source_or_part, DROP COLUMN parent_id, DROP COLUMN root_id, DROP COLUMN part_name,
                          DROP COLUMN depth, ALTER COLUMN external_id SET NOT NULL
    """)
