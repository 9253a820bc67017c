"""Items whose content comes with the listing: many of them are landed in one object.

`files.stream` names the stream of a record; `files.inline` is true of every item, record or not, whose content came with its
listing: it is never downloaded. A row of `blobs` then says which bytes of an object are its own. `documents.url` is where a record is
opened, when its stream says that; `endpoints.rendered` how the documents of each stream were made when that was looked at last,
`endpoints.record_sinks` which of its sinks keep records: those were planned for records alone.

Every row pays for each parent that is looked up when it is written; those that say nothing a nearer parent does not say are gone: what
belongs to a file goes with it, and a file belongs to one endpoint and tenant.

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
        ALTER TABLE documents ADD COLUMN url text;
        ALTER TABLE endpoints ADD COLUMN rendered jsonb NOT NULL DEFAULT '{}', ADD COLUMN record_sinks text[] NOT NULL DEFAULT '{}';
        ALTER TABLE blobs ADD COLUMN position bigint NOT NULL DEFAULT 0;
        -- Not by tenant first: without statistics the planner would go through all blobs of a tenant by it, for each of them.
        CREATE INDEX blobs_by_key ON blobs (key);
        ALTER TABLE documents DROP CONSTRAINT documents_tenant_id_fkey;
        ALTER TABLE chunks DROP CONSTRAINT chunks_tenant_id_fkey;
        ALTER TABLE deliveries DROP CONSTRAINT deliveries_endpoint_id_tenant_id_fkey;
        ALTER TABLE blobs DROP CONSTRAINT blobs_tenant_id_fkey;
        CREATE FUNCTION forget_blobs() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS
            $$ BEGIN DELETE FROM blobs WHERE tenant_id = OLD.id; RETURN NULL; END $$;
        CREATE TRIGGER forget_blobs AFTER DELETE ON tenants FOR EACH ROW EXECUTE FUNCTION forget_blobs();
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
    op.execute("""
        ALTER TABLE documents ADD CONSTRAINT documents_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants ON DELETE CASCADE;
        ALTER TABLE chunks ADD CONSTRAINT chunks_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants ON DELETE CASCADE;
        ALTER TABLE deliveries ADD CONSTRAINT deliveries_endpoint_id_tenant_id_fkey
            FOREIGN KEY (endpoint_id, tenant_id) REFERENCES endpoints (id, tenant_id) ON DELETE CASCADE;
        ALTER TABLE blobs ADD CONSTRAINT blobs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants ON DELETE CASCADE;
        DROP TRIGGER forget_blobs ON tenants;
        DROP FUNCTION forget_blobs();
    """)
    op.execute("DROP INDEX blobs_by_key")
    op.execute("ALTER TABLE documents DROP COLUMN url")
    op.execute("ALTER TABLE endpoints DROP COLUMN rendered, DROP COLUMN record_sinks")
    op.execute("ALTER TABLE blobs DROP COLUMN position")
    op.execute("ALTER TABLE files DROP CONSTRAINT files_records_are_inline, DROP COLUMN stream, DROP COLUMN inline")
