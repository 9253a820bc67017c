"""An endpoint whose source has records, between a source in memory and sinks in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, SinkSettings
from connector_pipelines.pipeline.session import Services, Session
from connector_pipelines.sinks import memory
from connector_pipelines.store.catalog import configuration
from connector_pipelines.store.catalog.failures import FailureRow, failures_of
from connector_pipelines.testing import memory_records
from connector_pipelines.testing.memory_source import Config, Service, Source, StreamConfig
from connector_pipelines.testing.tools import plain_tools

__all__ = ["RecordsWorld"]

SINKS = {"table": "records", "search": "text"}


@dataclass(slots=True)
class RecordsWorld:
    """`table` keeps records, `search` text. What is configured is a folder; what is read from is put in its place."""

    services: Services
    service: Service = field(default_factory=Service)
    streams: tuple[StreamConfig, ...] = (StreamConfig(name="contacts"),)
    records: memory_records.Store = field(default_factory=memory_records.Store)
    texts: memory.Store = field(default_factory=memory.Store)
    days_later: int = 0

    def configure(self, *sinks: str, **endpoint: Any) -> None:
        wanted = EndpointConfig(
            slug="crm", settings={"root": "/nowhere"}, sinks=sinks, **{"max_delete_share": 1.0, "max_failed_share": 1.0} | endpoint
        )
        file = ConnectorsFile(
            connectors=(ConnectorConfig(name="crm", kind="local_folder", endpoints=(wanted,)),),
            sinks={name: SinkSettings(kind="memory") for name in SINKS},
        )
        with self.services.database.operator() as tx:
            configuration.apply(tx, file, actor="test")

    @contextmanager
    def open(self, **source: Any) -> Iterator[Session]:
        with self.services.open("crm", "run") as session:
            config = Config(**{"page_size": 50, "streams": self.streams} | source)
            sinks = {name: self._sink(name) for name in session.endpoint.sinks}
            later = timedelta(days=self.days_later)
            yield replace(
                session, source=Source(config, plain_tools(), service=self.service), sinks=sinks, clock=lambda: datetime.now(UTC) + later
            )

    def put(self, name: str, /, **fields: Any) -> str:
        """A record of the stream that the name begins with."""
        return self.service.put(name, json.dumps(fields).encode())

    def held_records(self) -> dict[str, Any]:
        return {d.path: d.record and d.record.fields for d in self.records.documents.values()}

    def held_texts(self) -> dict[str, str]:
        return {d.path: "\n".join(c.text for c in d.chunks) for d in self.texts.documents.values()}

    def failures(self) -> list[FailureRow]:
        with self.services.database.operator() as tx:
            return failures_of(tx, limit=1000)

    def statuses(self) -> dict[str, str]:
        with self.services.database.operator() as tx:
            return {r["path"]: r["status"] for r in tx.execute("SELECT path, status FROM files").fetchall()}

    def _sink(self, name: str) -> Any:
        if SINKS[name] == "records":
            return memory_records.Sink(name, memory_records.Config(), plain_tools(), store=self.records)
        return memory.Sink(name, memory.Config(), plain_tools(), store=self.texts)
