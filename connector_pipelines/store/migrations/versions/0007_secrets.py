"""What is kept sealed: secrets of the installation, and the token of each connector. The key is never in the database.

`sealed` is nonce, ciphertext and tag of AES-256-GCM under the key `key_id` names, bound to the row it is in. Both tables
are the operator's alone.

Revision: 0007, after 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

OPERATOR = "connector_pipelines_operator"

TABLES = """
CREATE TABLE secrets (
    name       text PRIMARY KEY,
    key_id     text NOT NULL,
    sealed     bytea NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- A row without a token says how fetching the first one failed.
CREATE TABLE tokens (
    connector_id uuid PRIMARY KEY REFERENCES connectors ON DELETE CASCADE,
    key_id       text,
    sealed       bytea,
    generation   bigint NOT NULL DEFAULT 0,
    -- Of the sign-in settings it was fetched with: a token of another application is no use.
    settings     text NOT NULL DEFAULT '',
    account      text NOT NULL DEFAULT '',
    scopes       text[] NOT NULL DEFAULT '{}',
    expires_at   timestamptz,
    stored_at    timestamptz,
    -- The next one was asked for, and nothing was heard yet.
    asked_at     timestamptz,
    failed_at    timestamptz,
    failure      jsonb,
    CHECK ((sealed IS NULL) = (key_id IS NULL) AND (sealed IS NULL) = (stored_at IS NULL))
);
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON secrets, tokens TO {OPERATOR}")


def downgrade() -> None:
    """Sealed secrets are lost, and connectors are signed out."""
    op.execute("DROP TABLE tokens, secrets")
