"""Everything one run needs for one endpoint: opened once, closed together."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from pydantic import SecretStr, ValidationError

from connector_pipelines.core.config import SinkSettings
from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.protocols import KeepsRecords, Sink, Source, Tools
from connector_pipelines.core.types import DayRange
from connector_pipelines.net.http import Counters, open_http
from connector_pipelines.net.limits import Limits
from connector_pipelines.pipeline.keeping import open_secrets
from connector_pipelines.pipeline.reaching import Account, auth_of_kind, connector_tools
from connector_pipelines.registry import sink_type, source_type
from connector_pipelines.settings import Settings
from connector_pipelines.store.blobs import Blobs, open_blobs
from connector_pipelines.store.catalog.configuration import Endpoint, endpoint, sink_settings
from connector_pipelines.store.catalog.database import Database
from connector_pipelines.store.catalog.folders import CatalogFolders
from connector_pipelines.store.catalog.limits import PostgresLimits
from connector_pipelines.store.catalog.scheduling import stop
from connector_pipelines.store.catalog.workers import Worker, worker
from connector_pipelines.store.sealing import Sealer
from connector_pipelines.store.secrets import Secrets

__all__ = ["Progress", "Scope", "Services", "Session", "open_services", "open_sink", "open_source", "open_unsigned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a stage is. `total` is None where it cannot be known yet; `note` says what holds it up just now."""

    endpoint: str
    stage: str
    done: int
    failed: int = 0
    total: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What of the endpoint a stage works on: days of source time, both inclusive. The default is everything."""

    days: DayRange = field(default_factory=DayRange)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What outlives a run: one per process."""

    settings: Settings
    database: Database
    blobs: Blobs
    tools: Tools
    secrets: Secrets
    sealer: Sealer
    limits: Limits

    @contextmanager
    def open(self, slug: str, run_id: str, *, progress: Callable[[Progress], None] | None = None) -> Iterator[Session]:
        """A session on the endpoint of that slug, registered as a worker of the run.

        Raises:
            ConfigurationError: There is no such endpoint, or its settings or sinks do not parse: then its connector
                waits for a person.
        """
        with self.database.operator() as tx:
            found, sinks = endpoint(tx, slug), sink_settings(tx)
        with ExitStack() as stack:
            stopping, requests = threading.Event(), Counters()
            try:
                mine = self.acting_for(f"run {run_id}")
                source = open_source(found, mine, stopping, requests)
                stack.callback(source.close)
                opened = {name: open_sink(name, sinks, mine.tools) for name in found.sinks}
            except ConfigurationError as error:
                with self.database.operator() as tx:
                    stop(tx, found.id, error.as_json(), datetime.now(UTC))
                raise
            for sink in opened.values():
                stack.callback(sink.close)
            me = stack.enter_context(worker(self.database, run_id))
            yield Session(
                endpoint=found, source=source, sinks=opened, services=mine, worker=me, progress=progress or _silent, stop=stopping,
                requests=requests,
            )  # fmt: skip

    def close(self) -> None:
        self.limits.close()
        self.secrets.close()
        self.database.close()

    def acting_for(self, actor: str) -> Services:
        """The same, with secrets fetched in the name of `actor`."""
        secrets = self.secrets.acting_for(actor)
        return replace(self, secrets=secrets, tools=replace(self.tools, secret=secrets.resolve))


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run's hold on one endpoint.

    Attributes:
        stop: Set when the run is to end: whatever takes long looks at it.
        clock: Now, aware, UTC.
        requests: What was asked of the other side by HTTP.
        noted: By day, documents of records that the listing made; the stage of documents tells of them.
    """

    endpoint: Endpoint
    source: Source
    sinks: Mapping[str, Sink]
    services: Services
    worker: Worker
    progress: Callable[[Progress], None]
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    noted: Counter[date] = field(default_factory=Counter)
    requests: Counters = field(default_factory=Counters)

    @property
    def database(self) -> Database:
        return self.services.database

    @property
    def record_sinks(self) -> frozenset[str]:
        """Names of the sinks that keep records, and no text."""
        return frozenset(name for name, sink in self.sinks.items() if isinstance(sink, KeepsRecords))

    @property
    def keeps_text(self) -> bool:
        """Whether any sink keeps text."""
        return len(self.record_sinks) < len(self.sinks)


def open_services(settings: Settings, database_url: SecretStr) -> Services:
    """The services of this process on the given database; connects on first use."""
    database, sealer = Database(database_url), Sealer(settings.sealing_keys)
    secrets = open_secrets(settings, database, sealer)
    s3 = settings.s3
    blobs = open_blobs(None if s3 else settings.home / "objects", s3)
    tools = Tools(
        secret=secrets.resolve,
        database_url=database_url,
        http=partial(open_http, name="house", outbound=settings.outbound),
        outbound=settings.outbound,
    )
    limits = Limits(PostgresLimits(database_url))
    return Services(settings=settings, database=database, blobs=blobs, tools=tools, secrets=secrets, sealer=sealer, limits=limits)


def open_source(found: Endpoint, services: Services, stop: threading.Event | None = None, requests: Counters | None = None) -> Source:
    """The endpoint's source, signed in as its connector; what it waits for ends when `stop` is set, its requests are counted in `requests`.

    Raises:
        ConfigurationError: The kind is unknown, or its settings do not parse.
    """
    kind = source_type(found.kind)
    account = Account(connector_id=found.connector_id, connector=found.connector, auth=auth_of_kind(found.auth, found.kind))
    tools = connector_tools(services, account, stop or threading.Event(), requests)
    tools = replace(tools, folders=CatalogFolders(services.database, found))
    return kind(_parse(f"endpoint {found.slug!r}", kind.config_type, found.settings), tools)


def open_unsigned(found: Endpoint, services: Services) -> Source:
    """The endpoint's source with nobody signed in, for what asks nobody: no key and no token has to be within reach.

    Raises:
        ConfigurationError: As `open_source`.
    """
    kind = source_type(found.kind)
    return kind(_parse(f"endpoint {found.slug!r}", kind.config_type, found.settings), services.tools)


def open_sink(name: str, configured: Mapping[str, SinkSettings], tools: Tools) -> Sink:
    """The sink of that name.

    Raises:
        ConfigurationError: No such sink is configured, its kind is unknown, or its settings do not parse.
    """
    if name not in configured:
        raise ConfigurationError(f"there is no sink {name!r}", advice=f"configured: {', '.join(sorted(configured)) or 'none'}")
    kind = sink_type(configured[name].kind)
    return kind(name, _parse(f"sink {name!r}", kind.config_type, configured[name].settings), tools)


def _parse(what: str, model: Any, settings: Mapping[str, Any]) -> Any:
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        mistakes = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise ConfigurationError(f"the settings of {what} do not parse: {mistakes}", advice="run `connectors validate`") from error


def _silent(_: Progress) -> None:
    """For callers that do not look."""
