"""An installation whose database, object store, source and sink can be taken away at a named point."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr
from ruamel.yaml import YAML

from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.embedded.configured import apply_file
from connector_pipelines.pipeline import operations
from connector_pipelines.pipeline.report import SyncReport
from connector_pipelines.pipeline.session import Services, open_services
from connector_pipelines.settings import Settings, load_settings
from connector_pipelines.store.catalog import schema
from connector_pipelines.store.catalog.reports import EndpointStatus, endpoint_status
from connector_pipelines.store.catalog.scheduling import due
from tests.cli.conftest import Place
from tests.faults.gated import Gates
from tests.faults.way import Way

REPOSITORY = Path(__file__).parents[2]
LIMIT_S = 60.0

_ENTRY_POINTS = """\
[connector_pipelines.sources]
gated = tests.faults.gated:Source
following = tests.faults.following:Source
[connector_pipelines.sinks]
gated = tests.faults.gated:Sink
"""


def eventually(found: Callable[[], bool], limit_s: float = LIMIT_S) -> bool:
    """Whether it came true: what another thread or process does is seen by looking again."""
    give_up_at = time.monotonic() + limit_s
    while not found():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.02)
    return True


@dataclass(frozen=True, slots=True)
class Ended:
    """How a sync in a thread ended."""

    error: BaseException | None
    report: SyncReport


@dataclass(slots=True)
class House:
    """The installation. `way` leads to its database, as all of it knows it; `direct_url` goes past it."""

    folder: Path
    way: Way
    direct_url: str
    variables: Mapping[str, str]
    services: Services
    gates: Gates
    place: Place
    direct: Services = field(init=False)

    def __post_init__(self) -> None:
        self.direct = open_services(self.services.settings, SecretStr(self.direct_url))

    def close(self) -> None:
        self.direct.close()
        self.services.close()

    def settings_variables(self) -> dict[str, str]:
        """What a process of the house has in its environment, for this process."""
        home = self.folder / "home"
        given = {"CONNECTORS_HOME": str(home), "CONNECTORS_CONFIG": str(self.place.yaml), "DAGSTER_HOME": str(home / "dagster")}
        return {**{name: value for name, value in self.variables.items() if name != "PYTHONPATH"}, **given}

    def configure(self, *endpoints: Mapping[str, Any], kind: str = "gated", sinks: Sequence[str] = ("one",)) -> None:
        """Apply a `connectors.yaml` with these endpoints, on sinks of the kind `gated`."""
        blocks = [{"settings": {"gates": str(self.gates.folder)} if kind == "gated" else {}, **given} for given in endpoints]
        file = {
            "sinks": {name: {"kind": "gated", "settings": {"gates": str(self.gates.folder)}} for name in sinks},
            "connectors": [{"name": "Under test", "kind": kind, "endpoints": blocks}],
        }
        YAML(typ="safe").dump(file, self.place.yaml)
        apply_file(self.direct, self.place.yaml, "test")

    def sync(self, slug: str = "docs", *, run_id: str = "run") -> SyncReport:
        with self.services.open(slug, run_id) as session:
            return operations.sync(session)

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """The database is away for the length of the block, and not waited for as long as in earnest."""
        pool = self.services.database._pool
        waits_s, pool.timeout = pool.timeout, 0.3
        with self.way.cut_off():
            yield
        pool.timeout = waits_s

    @contextmanager
    def syncing(self, slug: str = "docs") -> Iterator[Callable[[], Ended]]:
        """A sync in a thread; what is given waits for its end."""
        ended: list[Ended] = []

        def run() -> None:
            report = SyncReport()
            try:
                with self.services.open(slug, "first") as session:
                    operations.sync(session, report=report)
            except ConnectorError as error:
                ended.append(Ended(error, report))
            else:
                ended.append(Ended(None, report))

        thread = threading.Thread(target=run)
        thread.start()

        def result() -> Ended:
            thread.join(LIMIT_S)
            assert ended, "the sync did not end, or ended with a bug"
            return ended[0]

        try:
            yield result
        finally:
            for gate in self.gates.folder.glob("hold-*"):
                gate.unlink()
            thread.join(LIMIT_S)

    def status(self, slug: str = "docs") -> EndpointStatus:
        with self.direct.database.operator() as tx:
            return endpoint_status(tx, slug)[0]

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with self.direct.database.operator() as tx:
            return tx.execute(query, values).fetchall()

    def due(self, now: Any, kind: str = "gated") -> dict[str, str]:
        """By slug, why it is due."""
        with self.direct.database.operator() as tx:
            return {d.slug: d.reason for d in due(tx, kind, now)}

    def put(self, sink: str = "one") -> list[str]:
        """Paths the sink was told to hold, in order."""
        return [line.removeprefix(f"put {sink} ") for line in self.gates.done() if line.startswith(f"put {sink} ")]

    @contextmanager
    def command(self, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
        """`connectors …` as a process of its own, killed at the end where it still runs."""
        with self._started(self.place.command(*arguments), variables) as process:
            yield process

    @contextmanager
    def sync_process(self, slug: str = "docs", **variables: str) -> Iterator[subprocess.Popen[str]]:
        """The same for one sync without Dagster."""
        with self._started([sys.executable, "-m", "tests.faults.syncing", slug], variables) as process:
            yield process

    @contextmanager
    def _started(self, command: list[str], variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
        output = (self.folder / f"output-{time.monotonic_ns()}.txt").open("w+")
        with output, subprocess.Popen(
            command, cwd=self.folder, env={**self.place.environment, **variables}, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, text=True, start_new_session=True,
            # A shell that starts the tests in the background has it ignored, and this is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - it takes no lock
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()


def said(folder: Path) -> str:
    """What the process that `House.command` started last has written so far."""
    newest = max(folder.glob("output-*.txt"), key=lambda p: int(p.stem.partition("-")[2]))
    return newest.read_text()


@pytest.fixture
def house(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    plugins = tmp_path / "plugins"
    (plugins / "gated-1.0.dist-info").mkdir(parents=True)
    (plugins / "gated-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: gated\nVersion: 1.0\n")
    (plugins / "gated-1.0.dist-info" / "entry_points.txt").write_text(_ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(plugins))
    parts = urlsplit(database_url)
    schema.ensure(SecretStr(database_url), may_upgrade=True)
    with Way(f"{parts.hostname}:{parts.port}") as way:
        url = parts._replace(netloc=f"{parts.username}:{parts.password}@{way.address}").geturl()
        variables = {"DATABASE_URL": url, "PYTHONPATH": os.pathsep.join([str(plugins), str(REPOSITORY)]), "CONNECTORS_EXTRACT_WORKERS": "1"}
        place = Place(tmp_path, variables)
        made = House(
            tmp_path, way, database_url, variables, open_services(_settings(tmp_path), SecretStr(url)), Gates(tmp_path / "gates"), place
        )
        made.gates.folder.mkdir()
        yield made
        made.close()


def _settings(folder: Path) -> Settings:
    return load_settings(
        {
            "CONNECTORS_HOME": str(folder / "home"), "CONNECTORS_CONFIG": str(folder / "connectors.yaml"), "CONNECTORS_EXTRACT_WORKERS": "1",
            "DAGSTER_HOME": str(folder / "home" / "dagster"),
        }
    )  # fmt: skip
