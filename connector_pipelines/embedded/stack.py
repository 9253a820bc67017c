"""Which database and object store this process works on: what the environment names, else the local ones, started if need be."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import SecretStr

from connector_pipelines.embedded.postgres import EmbeddedPostgres
from connector_pipelines.pipeline.session import Services, open_services
from connector_pipelines.settings import Settings
from connector_pipelines.store.catalog import schema

__all__ = ["database_url", "embedded_postgres", "open_installation"]


def embedded_postgres(settings: Settings) -> EmbeddedPostgres:
    """The local Postgres of this installation, running or not; one and the same for the whole process."""
    return _in(settings.home / "postgres")


def database_url(settings: Settings) -> SecretStr:
    """The URL of `DATABASE_URL`, or of the local Postgres, which then runs for as long as this process does."""
    if settings.database_url is not None:
        return settings.database_url
    return SecretStr(embedded_postgres(settings).ensure_running())


def open_installation(settings: Settings) -> Services:
    """Services on a database that has this version's schema.

    Raises:
        ConfigurationError: The schema is not this version's, and the database is not ours to upgrade unasked.
        Unavailable: No database answers.
    """
    url = database_url(settings)
    schema.ensure(url, may_upgrade=settings.database_url is None)
    return open_services(settings, url)


@cache
def _in(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder)
