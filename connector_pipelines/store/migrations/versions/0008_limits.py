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
-- One row for each bucket that ever had something to say; `connector_pipelines.net.limits.Bucket` says what each column means.
CREATE TABLE rate_limits (
    bucket       text PRIMARY KEY,
    -- Rises with every write, `epoch` with every pause: permits of an older one are void.
    version      bigint NOT NULL,
    epoch        bigint NOT NULL DEFAULT 0,
    paused_until timestamptz,
    -- Where the next permits begin: each one taken moves it on by 1 / rate.
    next_at      timestamptz,
    -- Requests a second; NULL while none was ever refused.
    rate         double precision,
    grown_s      double precision NOT NULL DEFAULT 0,
    throttles    integer NOT NULL DEFAULT 0,
    throttled_at timestamptz,
    strikes      integer NOT NULL DEFAULT 0,
    rate_before  double precision,
    achieved     double precision NOT NULL DEFAULT 0,
    counted      bigint NOT NULL DEFAULT 0,
    spread       double precision,
    spread_until timestamptz,
    updated_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE circuits (
    circuit     text PRIMARY KEY,
    version     bigint NOT NULL,
    failures    integer NOT NULL DEFAULT 0,
    open_until  timestamptz,
    opened      integer NOT NULL DEFAULT 0,
    -- The one request that tries an open circuit, and until when nobody else may.
    probes      bigint NOT NULL DEFAULT 0,
    probe_until timestamptz,
    updated_at  timestamptz NOT NULL DEFAULT now()
);
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limits, circuits TO {OPERATOR}")


def downgrade() -> None:
    op.execute("DROP TABLE circuits, rate_limits")
