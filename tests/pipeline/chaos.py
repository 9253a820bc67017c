"""One sync in a process of its own that faults anywhere and may be killed at any moment."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from connector_pipelines.core.errors import ConnectorError, Forbidden, Unavailable
from connector_pipelines.core.protocols import ConfirmsAbsence, Sink, Source
from connector_pipelines.core.types import START, ChangePage, Cursor, Document, DocumentRef, FileRef, Record, Stream
from connector_pipelines.pipeline import operations
from connector_pipelines.pipeline.session import open_services
from connector_pipelines.settings import load_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What happens to one sync.

    Attributes:
        chaos: Probability of a fault at each place where one can happen.
        killed_after_s: Seconds after which the process is killed, or None.
        days_later: How far the clock is ahead, so that what waits for a later try is taken up.
    """

    database_url: str
    home: str
    seed: int
    chaos: float = 0.0
    killed_after_s: float | None = None
    days_later: int = 0
    sweep: bool = False


def run(plan: Plan) -> str:
    """Sync the endpoint `tree` as planned; the code of what stopped it, or `done`."""
    if plan.killed_after_s is not None:
        threading.Timer(plan.killed_after_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
    settings = load_settings({"CONNECTORS_HOME": plan.home, "CONNECTORS_EXTRACT_WORKERS": "2", "CONNECTORS_DOWNLOAD_THREADS": "4"})
    services = open_services(settings, SecretStr(plan.database_url))
    dice = random.Random(plan.seed)
    try:
        with services.open("tree", f"run-{plan.seed}") as session:
            flaky = replace(
                session,
                source=FlakySource(session.source, dice, plan.chaos),
                sinks={name: FlakySink(sink, dice, plan.chaos) for name, sink in session.sinks.items()},
                clock=lambda: datetime.now(UTC) + timedelta(days=plan.days_later),
            )
            operations.sync(flaky, sweep=plan.sweep)
    except ConnectorError as error:
        return error.code
    finally:
        services.close()
    return "done"


class FlakySource(Source):
    """The source, with connections that break and files that are refused for a while."""

    def __init__(self, source: Any, dice: random.Random, chaos: float) -> None:
        self._source, self._dice, self._chaos = source, dice, chaos

    def test(self) -> Any:
        return self._source.test()

    def list(self, folder: str = "") -> Iterator[FileRef]:
        return self._source.list(folder)

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:
        for page in self._source.changes(cursor):
            yield page
            if self._dice.random() < self._chaos / 3:
                raise Unavailable("the listing broke off")

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        if self._dice.random() < self._chaos / 2:
            raise Unavailable("no connection")
        with self._source.open(ref) as chunks:
            yield self._broken(chunks)

    def still_there(self, refs: Sequence[FileRef]) -> frozenset[str]:
        if isinstance(self._source, ConfirmsAbsence):
            return self._source.still_there(refs)
        return frozenset()

    def close(self) -> None:
        self._source.close()

    def _broken(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._dice.random() < self._chaos / 2:
                yield chunk[: len(chunk) // 2]
                raise Unavailable("the connection broke off")
            yield chunk


class FlakySink(Sink):
    """The sink, that fails before or, worse, after it did what it was told."""

    def __init__(self, sink: Any, dice: random.Random, chaos: float) -> None:
        self._sink, self._dice, self._chaos = sink, dice, chaos

    @property
    def model(self) -> str:
        return str(self._sink.model)  # a sink without one has no attribute of that name, and this raises AttributeError too

    def test(self) -> Any:
        return self._sink.test()

    def put(self, documents: Sequence[Document]) -> None:
        self._fault(Unavailable("the sink is away"))
        self._fault(Forbidden("the sink does not like this one"), share=0.2)
        self._sink.put(documents)
        self._fault(Unavailable("the answer was lost"))

    def delete(self, documents: Sequence[DocumentRef]) -> None:
        self._fault(Unavailable("the sink is away"))
        self._sink.delete(documents)
        self._fault(Unavailable("the answer was lost"))

    def inventory(self, tenant_id: str, endpoint: str) -> Iterator[tuple[str, int]]:
        self._fault(Unavailable("the sink is away"))
        return self._sink.inventory(tenant_id, endpoint)

    def close(self) -> None:
        self._sink.close()

    def _fault(self, error: ConnectorError, share: float = 1.0) -> None:
        if self._dice.random() < self._chaos * share:
            raise error


class FlakyStreams(FlakySource):
    """The same, for a source that declares streams."""

    def streams(self) -> Sequence[Stream]:
        return self._source.streams()

    def sample(self, stream: str, limit: int) -> Sequence[Record]:
        return self._source.sample(stream, limit)


class FlakyRecords(FlakySink):
    """The same, for a sink that keeps records."""

    def declare(self, tenant_id: str, endpoint: str, streams: Sequence[Stream]) -> None:
        self._fault(Unavailable("the sink is away"))
        self._sink.declare(tenant_id, endpoint, streams)
