"""Where does a benchmark work? In a folder that is gone afterwards, with a Postgres of its own, on the catalog as it is shipped."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from benchmarks._costs import Meter
from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, Schedule
from connector_pipelines.embedded.postgres import EmbeddedPostgres
from connector_pipelines.pipeline.session import Services, open_services
from connector_pipelines.settings import Settings
from connector_pipelines.store.catalog import configuration, schema
from connector_pipelines.store.catalog.configuration import Endpoint

__all__ = ["Installation", "installation", "temporary_folder"]


@dataclass(frozen=True, slots=True)
class Installation:
    """Services on an empty catalog with both embedded sinks.

    Attributes:
        meter: Counts the Postgres apart.
    """

    base: Path
    url: str
    services: Services
    meter: Meter

    def configure(self, settings: Mapping[str, Mapping[str, Any]], **shared: Any) -> None:
        """Make these, slug to settings, the endpoints of kind `local_folder`; those of before are put aside."""
        endpoints = tuple(EndpointConfig(slug=slug, settings=dict(given), **shared) for slug, given in settings.items())
        wanted = ConnectorsFile(connectors=(ConnectorConfig(name="files", kind="local_folder", endpoints=endpoints),))
        with self.services.database.operator() as tx:
            configuration.apply(tx, wanted, actor="benchmark")

    def endpoint(self, slug: str) -> Endpoint:
        with self.services.database.operator() as tx:
            return configuration.endpoint(tx, slug)

    def many(self, count: int, schedule: Schedule) -> None:
        """So many endpoints with one schedule."""
        self.configure({f"e{n:04}": {"root": str(self.base)} for n in range(count)}, schedule=schedule)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    base = Path(tempfile.mkdtemp(prefix="connectors-benchmark-"))
    # The Postgres runs as another user where we are root, and has to get through.
    base.chmod(0o711)
    try:
        yield base
    finally:
        shutil.rmtree(base)


@contextmanager
def installation() -> Iterator[Installation]:
    """An installation of its own; its variables are those of this process while it lasts."""
    with temporary_folder() as base:
        server = EmbeddedPostgres(base / "postgres", elsewhere=base / "elsewhere")
        with server.use() as url, _environment(base, url):
            schema.ensure(SecretStr(url), may_upgrade=True)
            settings = Settings(home=base / "home", config_file=base / "connectors.yaml", database_url=SecretStr(url))
            services = open_services(settings, SecretStr(url))
            try:
                yield Installation(base, url, services, Meter(_postmaster(base)))
            finally:
                services.close()


def _postmaster(base: Path) -> int:
    (file,) = base.rglob("postmaster.pid")
    return int(file.read_text().split()[0])


@contextmanager
def _environment(base: Path, url: str) -> Iterator[None]:
    """Dagster's processes and assets take their settings from there."""
    given = {
        "DATABASE_URL": url,
        "CONNECTORS_HOME": str(base / "home"),
        "CONNECTORS_CONFIG": str(base / "connectors.yaml"),
        "DAGSTER_HOME": str(base / "dagster"),
        "CONNECTORS_LOG_LEVEL": "ERROR",
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
