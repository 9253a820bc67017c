"""The same for a source with a change feed: cursors that expire, deltas cut anywhere, and people working meanwhile."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, SinkSettings
from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.core.types import START, ChangePage, Cursor
from connector_pipelines.pipeline import operations
from connector_pipelines.pipeline.session import Services, open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.sinks import memory
from connector_pipelines.store.catalog import configuration, schema
from connector_pipelines.store.catalog.failures import retry
from connector_pipelines.testing.memory_source import Config, Service, Source
from connector_pipelines.testing.tools import plain_tools
from tests.pipeline.chaos import FlakySink, FlakySource

ROUNDS = 10


@pytest.fixture
def services(database_url: str, tmp_path: Path) -> Iterator[Services]:
    url = SecretStr(database_url)
    schema.ensure(url, may_upgrade=True)
    services = open_services(load_settings({"CONNECTORS_HOME": str(tmp_path), "CONNECTORS_EXTRACT_WORKERS": "1"}), url)
    # The kind is the configuration's only; what is read from is put in its place below.
    endpoint = EndpointConfig(slug="feed", settings={"root": str(tmp_path)}, sinks=("held",), max_delete_share=1.0, max_failed_share=1.0)
    connector = ConnectorConfig(name="feed", kind="local_folder", endpoints=(endpoint,))
    with services.database.operator() as tx:
        configuration.apply(tx, ConnectorsFile(sinks={"held": SinkSettings(kind="memory")}, connectors=(connector,)), actor="test")
    yield services
    services.close()


@pytest.mark.parametrize("seed", range(6))
def test_the_sink_ends_equal_to_the_feed_whatever_fails(seed: int, services: Services) -> None:
    dice, service, store = random.Random(seed), Service(), memory.Store()
    faults = 0

    for number in range(ROUNDS):
        for _ in range(dice.randrange(1, 12)):
            _edit(service, dice)
        if dice.random() < 0.2:
            service.forget_cursors()
        try:
            _sync(services, service, store, dice, chaos=dice.choice([0.0, 0.1, 0.4]), days_later=number)
        except ConnectorError:
            faults += 1
    with services.database.operator() as tx:
        retry(tx)
    _sync(services, service, store, dice, chaos=0.0, days_later=ROUNDS)

    assert faults, "nothing failed, so nothing was proven"
    assert _held(store) == {file.name: file.body.decode() for file in service.files.values()}


def _edit(service: Service, dice: random.Random) -> None:
    ids = list(service.files)
    action = dice.choice(("put", "put", "put", "remove", "rename"))
    if action == "remove" and ids:
        service.remove(dice.choice(ids))
    elif action == "rename" and ids:
        service.rename(dice.choice(ids), f"renamed {dice.random()}.txt")
    else:
        service.put(f"{dice.randrange(12)}.txt", f"text {dice.random()}".encode())


def _sync(services: Services, service: Service, store: memory.Store, dice: random.Random, *, chaos: float, days_later: int) -> None:
    source = Source(Config(page_size=2), plain_tools(), service=service)
    sink = memory.Sink("held", memory.Config(), plain_tools(), store=store)
    with services.open("feed", f"run {days_later}") as session:
        flaky = replace(
            session,
            source=Working(source, dice, chaos, service),
            sinks={"held": FlakySink(sink, dice, chaos)},
            clock=lambda: datetime.now(UTC) + timedelta(days=days_later),
        )
        operations.sync(flaky, sweep=dice.random() < 0.2)


class Working(FlakySource):
    """The flaky source, and people who change it while it is read."""

    def __init__(self, source: Source, dice: random.Random, chaos: float, service: Service) -> None:
        super().__init__(source, dice, chaos)
        self._service = service

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:
        for page in super().changes(cursor):
            yield page
            if self._dice.random() < self._chaos:
                _edit(self._service, self._dice)


def _held(store: memory.Store) -> dict[str, str]:
    return {document.path: "".join(c.text for c in document.chunks) for document in store.documents.values()}
