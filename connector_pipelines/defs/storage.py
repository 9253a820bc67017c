"""Where Dagster keeps runs, events and ticks: in the Postgres of the installation, in a schema of its own.

In `dagster.yaml`, of the embedded default and of a production::

    storage:
      custom: {module: connector_pipelines.defs.storage, class: EmbeddedPostgresStorage, config: {}}

    storage:
      custom: {module: connector_pipelines.defs.storage, class: BatchingPostgresStorage, config: {postgres_url: {env: DATABASE_URL}}}

Every Dagster process makes one of these first of all, so each finds the local Postgres running, and keeps it up for as
long as it lives. With `DATABASE_URL` set, the embedded one is that database: one schema works for both, while the user of
an operator's Postgres may often not make databases. The other never starts one: in a container whose `DATABASE_URL` was
forgotten, a database of its own would look as if all were well.
"""

import os
from collections.abc import Mapping
from typing import Any, Self, TypeVar

from dagster import Field, StringSource
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.defs.event_log import BatchingEventLogStorage
from connector_pipelines.embedded.stack import database_url
from connector_pipelines.net.postgres import KEEPALIVES, connect, postgres_errors
from connector_pipelines.settings import load_settings

__all__ = ["SCHEMA", "BatchingPostgresStorage", "EmbeddedPostgresStorage", "dagster_url"]

SCHEMA = "dagster"

EVENT_BATCH = "1000"
"""Events Dagster writes at once; `event_log` says what that saves."""

_LOCK = 1129271894
_TABLES = ("runs", "event_logs", "jobs")
"""The first table of each of the three storages."""


class BatchingPostgresStorage(DagsterPostgresStorage):
    """Dagster's Postgres storage, with its events in batches, in the schema `dagster` of the database of `postgres_url`."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        self._event_log_storage = BatchingEventLogStorage(postgres_url)

    @classmethod
    def config_type(cls) -> dict[str, Field]:
        return {"postgres_url": Field(StringSource, description="postgresql://user:password@host:5432/database")}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        # Without it each event of a run is a round trip of its own; Dagster knows no other place to say so.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENT_BATCH)
        return _made(cls, cls._url(config_value), inst_data)

    @staticmethod
    def _url(config_value: Mapping[str, Any]) -> SecretStr:
        # By way of the settings, which know more ways to write it than psycopg does, and keep its password out of logs.
        found = load_settings({"DATABASE_URL": config_value["postgres_url"]}).database_url
        if found is None:
            raise ConfigurationError("the database URL of Dagster's storage is empty", advice="set DATABASE_URL where this process starts")
        return found

    @property
    def event_storage_data(self) -> None:
        """None of the three can be made alone: Dagster's own would ask for a URL."""
        return

    @property
    def run_storage_data(self) -> None:
        return

    @property
    def schedule_storage_data(self) -> None:
        return


class EmbeddedPostgresStorage(BatchingPostgresStorage):
    """The same on the installation's own database, wherever that is; nothing to configure."""

    @classmethod
    def config_type(cls) -> dict[str, Field]:
        return {}

    @staticmethod
    def _url(config_value: Mapping[str, Any]) -> SecretStr:  # noqa: ARG004 - there is none
        return database_url(load_settings())


_Storage = TypeVar("_Storage", bound=BatchingPostgresStorage)


def dagster_url(url: SecretStr) -> str:
    """The same database as psycopg2 takes it, with our schema as the only one in sight."""
    from sqlalchemy import make_url

    # Plain postgresql:// means another driver from SQLAlchemy 2.1 on.
    found = make_url(url.get_secret_value()).set(drivername="postgresql+psycopg2")
    given = found.query.get("options", "")
    options = " ".join([*([given] if isinstance(given, str) else given), f"-csearch_path={SCHEMA}"]).strip()
    timed = {"connect_timeout": "10", **{name: str(value) for name, value in KEEPALIVES.items()}, **found.query, "options": options}
    return found.set(query=timed).render_as_string(hide_password=False)


def _made(cls: type[_Storage], url: SecretStr, inst_data: ConfigurableClassData | None) -> _Storage:
    with connect(url, autocommit=True) as connection, postgres_errors("prepare Dagster's tables"):
        if not _ready(connection):
            # Webserver, daemon and code server start at once; tables made by two at a time fail in one of them.
            connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            _make_schema(connection)
            return cls(postgres_url=dagster_url(url), inst_data=inst_data)
    return cls(postgres_url=dagster_url(url), inst_data=inst_data)


def _ready(connection: Any) -> bool:
    names = [f"{SCHEMA}.{table}" for table in _TABLES]
    return bool(connection.execute("SELECT bool_and(to_regclass(n) IS NOT NULL) FROM unnest(%s::text[]) AS t(n)", [names]).fetchone()[0])


def _make_schema(connection: Any) -> None:
    import psycopg

    try:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"the database user may not make the schema {SCHEMA!r}",
            advice=f"as an administrator: CREATE SCHEMA {SCHEMA} AUTHORIZATION the user of the database URL",
        ) from error
