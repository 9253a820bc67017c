"""The catalog: who, what to sync, what was found, what each sink holds.

Revision: 0001
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE tenants (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- A run worker: a process that takes work. It is alive while its connection keeps the advisory lock (1129271892, id).
CREATE TABLE workers (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id     text NOT NULL,
    host       text NOT NULL,
    pid        integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE connectors (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id         uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name              text NOT NULL,
    kind              text NOT NULL,
    auth_type         text NOT NULL DEFAULT 'none'
                      CHECK (auth_type IN ('none', 'oauth2', 'apikey', 'basic', 'bearer', 'certificate', 'sigv4', 'custom')),
    auth_config       jsonb NOT NULL DEFAULT '{}',
    scopes            text[] NOT NULL DEFAULT '{}',
    api_spec          jsonb,
    status            text NOT NULL DEFAULT 'idle' CHECK (status IN ('idle', 'syncing', 'active', 'error', 'disabled')),
    last_connected_at timestamptz,
    last_error        jsonb,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, name)
);

CREATE TABLE sinks (
    name     text PRIMARY KEY,
    kind     text NOT NULL,
    settings jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE partitions (
    kind     text PRIMARY KEY,
    start    date NOT NULL,
    every    text NOT NULL CHECK (every IN ('day', 'week', 'month')),
    timezone text NOT NULL
);

CREATE TABLE endpoints (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id         uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    connector_id      uuid NOT NULL REFERENCES connectors ON DELETE CASCADE,
    slug              text NOT NULL UNIQUE,
    name              text NOT NULL,
    settings          jsonb NOT NULL DEFAULT '{}',
    schedule          jsonb NOT NULL DEFAULT '{"type": "manual"}',
    sinks             text[] NOT NULL DEFAULT '{}',
    extraction        jsonb NOT NULL DEFAULT '{}',
    max_delete_share  double precision NOT NULL DEFAULT 0.3,
    max_failed_share  double precision NOT NULL DEFAULT 0.5,
    paused            boolean NOT NULL DEFAULT false,
    removed_at        timestamptz,
    cursor            text NOT NULL DEFAULT '',
    cursor_at         timestamptz,
    -- Begun syncs. With the slug it names one due sync for ever: the key under which a run is asked for.
    sync_number       bigint NOT NULL DEFAULT 0,
    next_due_at       timestamptz,
    requested_at      timestamptz,
    retry_at          timestamptz,
    holder            integer REFERENCES workers ON DELETE SET NULL,
    started_at        timestamptz,
    synced_at         timestamptz,
    swept_at          timestamptz,
    last_sync_s       double precision,
    last_error        jsonb,
    held_deletions    jsonb,
    deletions_approved boolean NOT NULL DEFAULT false,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE blobs (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    sha256    bytea NOT NULL,
    key       text NOT NULL,
    size      bigint NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, sha256)
);

CREATE TABLE files (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id          uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    endpoint_id        uuid NOT NULL REFERENCES endpoints ON DELETE CASCADE,
    external_id        text NOT NULL,
    path               text NOT NULL,
    version            text NOT NULL,
    identity           text,
    size               bigint,
    media_type         text NOT NULL,
    source_modified_at timestamptz,
    source_created_at  timestamptz,
    url                text,
    checksum           text,
    window_day         date NOT NULL,
    sha256             bytea,
    status             text NOT NULL CHECK (status IN ('listed', 'stored', 'extracted', 'skipped', 'failed', 'deleted')),
    reason             text,
    generation         bigint NOT NULL DEFAULT 1,
    attempts           integer NOT NULL DEFAULT 0,
    retry_at           timestamptz,
    claimed_by         integer,
    first_sync         bigint NOT NULL,
    first_seen_at      timestamptz NOT NULL DEFAULT now(),
    changed_at         timestamptz NOT NULL DEFAULT now(),
    deleted_at         timestamptz,
    UNIQUE (endpoint_id, external_id)
);
CREATE INDEX files_waiting ON files (endpoint_id, status, id) WHERE status IN ('listed', 'stored');
CREATE INDEX files_by_window ON files (endpoint_id, window_day);
CREATE INDEX files_by_identity ON files (endpoint_id, identity) WHERE identity IS NOT NULL;
CREATE INDEX files_by_blob ON files (tenant_id, sha256) WHERE sha256 IS NOT NULL;

CREATE TABLE documents (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id         uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    file_id           bigint NOT NULL UNIQUE REFERENCES files ON DELETE CASCADE,
    sha256            bytea NOT NULL,
    -- What the source said the bytes are when they were read; content_type is what they turned out to be.
    media_type        text NOT NULL,
    title             text,
    content_type      text NOT NULL,
    chunk_count       integer NOT NULL,
    characters        bigint NOT NULL,
    acl               jsonb,
    metadata          jsonb NOT NULL DEFAULT '{}',
    warnings          text[] NOT NULL DEFAULT '{}',
    extractor         text NOT NULL,
    extracted_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE chunks (
    document_id  uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
    tenant_id    uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    ordinal      integer NOT NULL,
    content_hash bytea NOT NULL,
    text         text NOT NULL,
    place        jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (document_id, ordinal)
);

CREATE TABLE embeddings (
    tenant_id    uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    model        text NOT NULL,
    content_hash bytea NOT NULL,
    -- float32, little endian
    vector       bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, model, content_hash)
);

CREATE TABLE deliveries (
    file_id      bigint NOT NULL REFERENCES files ON DELETE CASCADE,
    sink         text NOT NULL,
    tenant_id    uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    endpoint_id  uuid NOT NULL REFERENCES endpoints ON DELETE CASCADE,
    status       text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'removed', 'failed')),
    generation   bigint NOT NULL DEFAULT 0,
    -- Set for every delivery that is owed, and for some that no longer are: where to look, so that not all rows are looked at.
    owed         boolean NOT NULL DEFAULT true,
    attempts     integer NOT NULL DEFAULT 0,
    retry_at     timestamptz,
    claimed_by   integer,
    delivered_at timestamptz,
    PRIMARY KEY (file_id, sink)
);
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint_id, sink, status);
CREATE INDEX deliveries_owed ON deliveries (endpoint_id, sink, file_id) WHERE owed;
CREATE INDEX deliveries_later ON deliveries (endpoint_id) WHERE retry_at IS NOT NULL;

CREATE TABLE failures (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    endpoint_id uuid NOT NULL REFERENCES endpoints ON DELETE CASCADE,
    file_id     bigint REFERENCES files ON DELETE CASCADE,
    item        text NOT NULL,
    stage       text NOT NULL,
    sink        text NOT NULL DEFAULT '',
    error_class text NOT NULL,
    code        text NOT NULL,
    message     text NOT NULL,
    attempts    integer NOT NULL DEFAULT 1,
    first_at    timestamptz NOT NULL DEFAULT now(),
    last_at     timestamptz NOT NULL DEFAULT now(),
    next_try_at timestamptz,
    resolved_at timestamptz
);
-- By file where there is one: it may be renamed while its failure is open.
CREATE UNIQUE INDEX failures_open ON failures (endpoint_id, stage, sink, (coalesce(file_id::text, item))) WHERE resolved_at IS NULL;
CREATE INDEX failures_by_file ON failures (file_id) WHERE resolved_at IS NULL;

CREATE TABLE sync_logs (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id     uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    endpoint_id   uuid NOT NULL REFERENCES endpoints ON DELETE CASCADE,
    run_id        text NOT NULL,
    stage         text NOT NULL,
    started_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    status        text NOT NULL DEFAULT 'started' CHECK (status IN ('started', 'done', 'failed')),
    counts        jsonb NOT NULL DEFAULT '{}',
    error_code    text,
    error_message text
);
CREATE INDEX sync_logs_by_endpoint ON sync_logs (endpoint_id, id DESC);

CREATE TABLE webhook_inbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id    uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    connector_id uuid NOT NULL REFERENCES connectors ON DELETE CASCADE,
    delivery_id  text NOT NULL,
    payload      jsonb NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT now(),
    done_at      timestamptz,
    UNIQUE (connector_id, delivery_id)
);

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

CREATE TABLE outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id  uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    subject    text NOT NULL,
    payload    jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at    timestamptz
);

CREATE TABLE audit_log (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid REFERENCES tenants ON DELETE CASCADE,
    actor     text NOT NULL,
    action    text NOT NULL,
    subject   text NOT NULL,
    details   jsonb NOT NULL DEFAULT '{}',
    at        timestamptz NOT NULL DEFAULT now()
);
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("""
        DROP TABLE audit_log, outbox, subscriptions, webhook_inbox, sync_logs, failures, deliveries, embeddings, chunks,
                   documents, files, blobs, endpoints, partitions, sinks, connectors, workers, tenants
    """)
