"""`connectors migrate`: bring the database to this version's schema."""

from __future__ import annotations

__all__ = ["migrate"]


def migrate() -> None:
    """Bring the database to the schema of this version.

    An empty database, and the embedded one, are brought there by any command. One you named in DATABASE_URL is changed by this command only: back it up first.
    """
    from connector_pipelines.cli.opening import quiet_settings
    from connector_pipelines.embedded.stack import database_url
    from connector_pipelines.net.postgres import connect
    from connector_pipelines.store.catalog import schema

    url = database_url(quiet_settings())
    with connect(url, autocommit=True) as connection:
        before = schema.current_revision(connection)
    if before == schema.HEAD:
        print(f"the database has schema {before} already; nothing to do")
        return
    schema.ensure(url, may_upgrade=True)
    print(f"the database has schema {schema.HEAD} now; it had {before or 'none'}")
