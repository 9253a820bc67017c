"""A small installation for Dagster: a folder to sync, a database, a `connectors.yaml`, and a source that fails on demand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from ruamel.yaml import YAML

from connector_pipelines.defs.build import build
from connector_pipelines.defs.known import Known
from connector_pipelines.defs.loading import read_known
from connector_pipelines.defs.services import close_services, services_of
from connector_pipelines.pipeline.session import Services
from connector_pipelines.settings import Settings, load_settings

FAULTY = """
from contextlib import contextmanager
from dagster import DagsterExecutionInterruptedError
from connector_pipelines.core.errors import DeletionsHeld, Forbidden, TransientError, Unauthenticated
from connector_pipelines.core.protocols import SourceConfig
from connector_pipelines.core.types import ChangePage, Cursor, FileRef, Upserted

class Config(SourceConfig):
    listing: str = ""
    opening: str = ""

FAULTS = {"interrupted": DagsterExecutionInterruptedError, "login": lambda: Unauthenticated("token=hunter2hunter2 was refused"),
          "away": lambda: TransientError("gone for lunch", retry_after_s=7200)}

class Source:
    config_type = Config
    version = "7"
    def __init__(self, config, tools): self.config = config
    def test(self): raise NotImplementedError
    def list(self, folder=""): return iter(self._refs())
    def _refs(self): return [FileRef(id=str(n), path=f"{n}.txt", version="1", media_type="text/plain", size=3) for n in range(3)]
    def changes(self, cursor=""):
        if self.config.listing: raise FAULTS[self.config.listing]()
        yield ChangePage(changes=tuple(map(Upserted, self._refs())), cursor=Cursor("end"), snapshot=True)
    @contextmanager
    def open(self, ref):
        if self.config.opening: raise FAULTS[self.config.opening]()
        yield iter([b"abc"])
    def close(self): pass
"""


@dataclass(frozen=True, slots=True)
class World:
    """An installation in a folder. Endpoints are given as `connectors.yaml` has them, by slug."""

    base: Path

    @property
    def settings(self) -> Settings:
        return load_settings()

    @property
    def services(self) -> Services:
        return services_of(self.settings)

    def write(self, name: str, day: str = "2024-03-05", text: str = "beams and girders") -> Path:
        path = self.base / "files" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        at = datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC).timestamp()
        os.utime(path, (at, at))
        return path

    def configure(self, *, kind: str = "local_folder", **endpoints: dict[str, Any]) -> Known:
        blocks = [{"slug": slug, "schedule": {"type": "interval", "every": "5m"}, **given} for slug, given in endpoints.items()]
        (self.base / "files").mkdir(exist_ok=True)
        for block in blocks:
            block.setdefault("settings", {"root": "files"} if kind == "local_folder" else {})
        file = {
            "sinks": {"search": {"kind": "postgres_text"}},
            "connectors": [{"name": kind, "kind": kind, "endpoints": blocks}],
            "partitions": {kind: {"start": "2024-01-01", "every": "month"}},
        }
        YAML(typ="safe").dump(file, self.settings.config_file)
        return read_known(self.settings)

    def run(self, known: Known, instance: dg.DagsterInstance, *keys: str, **given: Any) -> dg.ExecuteInProcessResult:
        """Materialise assets of the given keys (`kind/slug/stage`) in one run."""
        job = build(known).resolve_implicit_global_asset_job_def()
        chosen = [dg.AssetKey(key.split("/")) for key in keys]
        return job.execute_in_process(instance=instance, asset_selection=chosen, raise_on_error=False, **given)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.services.database.operator() as tx:
            return tx.execute(query).fetchall()

    def execute(self, statement: str) -> None:
        with self.services.database.operator() as tx:
            tx.execute(statement)


@pytest.fixture
def world(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    plugins = tmp_path / "plugins"
    (plugins / "faulty-1.0.dist-info").mkdir(parents=True)
    (plugins / "faulty_source.py").write_text(FAULTY)
    (plugins / "faulty-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (plugins / "faulty-1.0.dist-info" / "entry_points.txt").write_text("[connector_pipelines.sources]\nfaulty = faulty_source:Source\n")
    monkeypatch.syspath_prepend(str(plugins))
    for name, value in {
        "DATABASE_URL": database_url, "CONNECTORS_HOME": tmp_path / "home", "CONNECTORS_CONFIG": tmp_path / "connectors.yaml",
        "DAGSTER_HOME": tmp_path / "dagster_home", "CONNECTORS_EXTRACT_WORKERS": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    yield World(tmp_path)
    close_services()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found
