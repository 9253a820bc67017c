"""An endpoint whose files hold files: archives in a service in memory, synced for real into a sink in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import SecretStr

from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, ExtractionLimits, SinkSettings
from connector_pipelines.core.types import DayRange, Document
from connector_pipelines.pipeline import operations
from connector_pipelines.pipeline.report import StageReport, SyncReport
from connector_pipelines.pipeline.session import Progress, Services, Session, open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.sinks import memory
from connector_pipelines.store.catalog import configuration, schema
from connector_pipelines.store.catalog.failures import FailureRow, failures_of, retry
from connector_pipelines.testing.memory_source import Config, Service, Source
from connector_pipelines.testing.tools import plain_tools

__all__ = ["PartsWorld", "archive"]

WRITTEN_AT = (2024, 1, 1, 0, 0, 0)


def archive(*members: tuple[str, bytes | str]) -> bytes:
    """A zip archive, of the same bytes for the same members; names may repeat."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, body in members:
            # Without the check of `writestr`, which warns of names that repeat.
            made.NameToInfo.pop(name, None)
            made.writestr(zipfile.ZipInfo(name, WRITTEN_AT), body)
    return out.getvalue()


@dataclass(slots=True)
class PartsWorld:
    """The service that is synced, and what came of it."""

    services: Services
    service: Service = field(default_factory=Service)
    store: memory.Store = field(default_factory=memory.Store)
    told: list[Progress] = field(default_factory=list)

    @contextmanager
    def session(self, change: Callable[[Session], Session] = lambda session: session) -> Iterator[Session]:
        source = Source(Config(page_size=50), plain_tools(), service=self.service)
        sink = memory.Sink("held", memory.Config(), plain_tools(), store=self.store)
        with self.services.open("feed", "run", progress=self.told.append) as session:
            yield change(replace(session, source=source, sinks={"held": sink}))

    def sync(self, *, sweep: bool = False) -> SyncReport:
        with self.session() as session:
            return operations.sync(session, sweep=sweep)

    def run_stage(self, stage: str, days: DayRange, *, redo_first: bool = False) -> StageReport:
        with self.session() as session:
            return operations.run_stage(session, stage, days, redo_first=redo_first)

    @property
    def documents(self) -> dict[str, Document]:
        """What the sink holds, by path."""
        found = self.store.documents.values()
        assert len({d.path for d in found}) == len(found), "something is there twice"
        return {d.path: d for d in found}

    @property
    def texts(self) -> dict[str, str]:
        """Text by path, of what is no archive: the text of one is the names inside."""
        return {p: "".join(c.text for c in d.chunks) for p, d in self.documents.items() if d.media_type != "application/zip"}

    @property
    def failures(self) -> Sequence[FailureRow]:
        with self.services.database.operator() as tx:
            return failures_of(tx, limit=10_000)

    def retry(self) -> int:
        with self.services.database.operator() as tx:
            return retry(tx)

    def rows(self, statement: str) -> list[dict]:
        with self.services.database.operator() as tx:
            return tx.execute(statement).fetchall()

    def configure(self, **limits: object) -> None:
        """The kind is the configuration's only; what is read from is put in its place by `session`."""
        endpoint = EndpointConfig(
            slug="feed",
            settings={"root": "/"},
            sinks=("held",),
            max_delete_share=1.0,
            max_failed_share=1.0,
            extraction=ExtractionLimits(**limits),
        )
        connector = ConnectorConfig(name="feed", kind="local_folder", endpoints=(endpoint,))
        with self.services.database.operator() as tx:
            configuration.apply(tx, ConnectorsFile(sinks={"held": SinkSettings(kind="memory")}, connectors=(connector,)), actor="test")


@contextmanager
def parts_world(database_url: str, home: Path) -> Iterator[PartsWorld]:
    url = SecretStr(database_url)
    schema.ensure(url, may_upgrade=True)
    services = open_services(load_settings({"CONNECTORS_HOME": str(home), "CONNECTORS_EXTRACT_WORKERS": "2"}), url)
    world = PartsWorld(services)
    world.configure()
    yield world
    services.close()
