"""What all processes of an installation know of the limits and the health of systems we do not own.

Revision: 0008, after 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OPERATOR = "connector_pipelines_operator"

TABLES = """
CREATE TABLE rate_limits (
    bucket       text PRIMARY KEY,
    paused_until timestamptz,
    -- Requests a second; NULL while none was ever refused.
    rate         double precision,
    -- When the next request may be sent: each one moves it on by 1 / rate.
    next_at      timestamptz,
    updated_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE circuits (
    circuit    text PRIMARY KEY,
    failures   integer NOT NULL DEFAULT 0,
    open_until timestamptz,
    opened     integer NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
);
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limits, circuits TO {OPERATOR}")


def downgrade() -> None:
    op.execute("DROP TABLE circuits, rate_limits")
