"""Brings a database to the schema this version needs: roles, then Alembic revisions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.net.postgres import connect, postgres_errors

if TYPE_CHECKING:
    from alembic.config import Config
    from psycopg import Connection

__all__ = ["APP_ROLE", "HEAD", "OPERATOR_ROLE", "current_revision", "downgrade", "ensure", "upgrade"]

HEAD = "0012"
"""The newest revision; a test holds it against the folder."""

APP_ROLE = "connector_pipelines_app"
OPERATOR_ROLE = "connector_pipelines_operator"

_MIGRATIONS = Path(__file__).parent.parent / "migrations"
_LOCK = 1129271891
"""Key of the advisory lock under which one process at a time migrates a database."""

LOCK_WAIT_S = 600.0
"""Longer than a migration takes: who waits longer waits for one that hangs."""


def ensure(url: SecretStr, *, may_upgrade: bool) -> None:
    """Make sure the database has this version's schema. An empty database gets it in any case.

    Raises:
        ConfigurationError: It has an older schema and `may_upgrade` is false, or a newer one than this version knows.
    """
    with connect(url, autocommit=True) as connection:
        found = current_revision(connection)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise ConfigurationError(
            f"the database has schema {found}, this version knows {HEAD}", advice="install the version that wrote it, or a newer one"
        )
    if found is not None and not may_upgrade:
        raise ConfigurationError(
            f"the database has schema {found}, this version needs {HEAD}", advice="back it up, then run `connectors migrate`"
        )
    upgrade(url)


def upgrade(url: SecretStr, revision: str = HEAD) -> None:
    """Make the roles, then run every revision up to `revision`. Safe to start several times at once."""
    with connect(url, autocommit=True) as lock, postgres_errors("migrate the database"):
        _take_turns(lock)
        _ensure_roles(lock)
        _alembic(url, "upgrade", revision)


def downgrade(url: SecretStr, revision: str) -> None:
    """Undo revisions down to `revision`; data of the tables they made is lost."""
    with connect(url, autocommit=True) as lock, postgres_errors("migrate the database"):
        _take_turns(lock)
        _alembic(url, "downgrade", revision)


def current_revision(connection: Connection[Any]) -> str | None:
    """The revision the database is at, or None for an empty one."""
    row = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
    if row is None or row[0] is None:
        return None
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found[0]) if found else None


def _take_turns(connection: Connection[Any]) -> None:
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [str(int(LOCK_WAIT_S * 1000))])
    connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])


def _ensure_roles(connection: Connection[Any]) -> None:
    import psycopg

    for role in (APP_ROLE, OPERATOR_ROLE):
        # Roles belong to the server: two databases of it may be migrated at once, and one of them comes second.
        for _ in range(10):
            try:
                _ensure_role(connection, role)
                break
            except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation, psycopg.errors.InternalError):
                continue
            except psycopg.errors.InsufficientPrivilege as error:
                raise ConfigurationError(
                    f"the database user may not make the role {role}",
                    advice=f"as an administrator: CREATE ROLE {role} NOLOGIN; GRANT {role} TO the user of the database URL",
                ) from error


def _ensure_role(connection: Connection[Any], role: str) -> None:
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
        connection.execute(f"CREATE ROLE {role} NOLOGIN")
    # What counts is SET ROLE: a login without INHERIT may do that, and since Postgres 16 the maker of a role may not.
    # Where it can be had without inheriting, what forgets to step down sees nothing instead of every tenant.
    modern = connection.info.server_version >= 160000
    member = connection.execute("SELECT pg_has_role(current_user, %s, %s)", [role, "SET" if modern else "MEMBER"]).fetchone()
    if not member or not member[0]:
        connection.execute(f"GRANT {role} TO CURRENT_USER {'WITH INHERIT FALSE, SET TRUE' if modern else ''}")


def _alembic(url: SecretStr, direction: str, revision: str) -> None:
    from alembic import command
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    # Connected by psycopg itself, which knows more forms of URL than SQLAlchemy.
    engine = create_engine("postgresql+psycopg://", creator=lambda: connect(url), poolclass=NullPool, hide_parameters=True)
    try:
        with engine.begin() as connection:
            getattr(command, direction)(_config(connection), revision)
    except DBAPIError as error:
        raise (error.orig or error) from error


def _config(connection: object) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
