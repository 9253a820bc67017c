"""Tokens of the users that a connector acts for, each in a row of its own beside the connector's; two more ways to sign in.

`tokens.subject` is empty for the connector's own token. Those of users are many, and are only ever read one by one.

Revision: 0011, after 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BEFORE = ("none", "oauth2", "apikey", "basic", "bearer", "certificate", "sigv4", "custom")
GOOGLE = ("google", "google_service_account")


def upgrade() -> None:
    op.execute("ALTER TABLE tokens ADD COLUMN subject text NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE tokens DROP CONSTRAINT tokens_pkey, ADD PRIMARY KEY (connector_id, subject)")
    _allow((*BEFORE, *GOOGLE))


def downgrade() -> None:
    """Tokens of users are lost, and fetched anew; connectors that sign in to Google in the new ways have to be written anew."""
    op.execute("DELETE FROM tokens WHERE subject <> ''")
    op.execute("ALTER TABLE tokens DROP CONSTRAINT tokens_pkey, ADD PRIMARY KEY (connector_id)")
    op.execute("ALTER TABLE tokens DROP COLUMN subject")
    op.execute(f"UPDATE connectors SET auth_type = 'custom' WHERE auth_type IN {GOOGLE}")
    _allow(BEFORE)


def _allow(types: tuple[str, ...]) -> None:
    op.execute(f"ALTER TABLE connectors DROP CONSTRAINT connectors_auth_type_check, ADD CHECK (auth_type IN {types})")
