"""How an endpoint is forgotten: every sink is told first, then its rows go, then the bytes nobody refers to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from connector_pipelines.core.errors import Busy, ConnectorError
from connector_pipelines.core.protocols import Sink, TakesInventory
from connector_pipelines.core.types import DocumentRef
from connector_pipelines.pipeline.session import Services, open_sink
from connector_pipelines.pipeline.subscribing import stop_subscriptions
from connector_pipelines.store.catalog import administration, scheduling
from connector_pipelines.store.catalog.configuration import Endpoint, sink_settings
from connector_pipelines.store.catalog.configuration import endpoint as endpoint_of
from connector_pipelines.store.catalog.workers import Worker, worker
from connector_pipelines.telemetry import get_logger

__all__ = ["Purged", "purge"]

BATCH = 500

T = TypeVar("T")
_Told = tuple[str, Sink]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What went.

    Attributes:
        sinks: Names of the sinks that were told.
        bytes: Of stored objects; 0 too where other syncs were running, for then the objects are left to a later purge.
        left: Whether they were.
    """

    slug: str
    files: int
    documents: int
    sinks: tuple[str, ...]
    bytes: int
    left: bool


def purge(services: Services, slug: str, run_id: str, now: datetime, *, actor: str) -> Purged:
    """Forget the endpoint, put aside or not. May be stopped anywhere and run again.

    Raises:
        ConfigurationError: There is no such endpoint.
        Busy: A sync of it is running.
        Unavailable: A sink is away; nothing is forgotten before it was told.
    """
    with services.database.operator() as tx:
        endpoint = endpoint_of(tx, slug, even_removed=True)
    with worker(services.database, run_id) as me:
        _take(services, endpoint, me)
        with services.database.operator() as tx:
            files = administration.put_aside(tx, endpoint, now)
        _unsubscribe(services, slug, now)
        with services.database.operator() as tx:
            documents, configured = administration.documents_of(tx, endpoint), sink_settings(tx)
        for name in configured:
            sink = open_sink(name, configured, services.tools)
            try:
                _remove(services, endpoint, (name, sink), documents, now)
            finally:
                sink.close()
        with services.database.operator() as tx:
            administration.forget(tx, endpoint, now, actor=actor)
        left, size = _delete_objects(services, endpoint, me)
    return Purged(slug=slug, files=files, documents=len(documents), sinks=tuple(configured), bytes=size, left=left)


def _take(services: Services, endpoint: Endpoint, me: Worker) -> None:
    with services.database.operator() as tx:
        if not scheduling.hold(tx, endpoint.id, me):
            raise Busy(f"a sync of {endpoint.slug!r} is running", advice="wait for it to end, or stop it, then purge again")


def _unsubscribe(services: Services, slug: str, now: datetime) -> None:
    """Afterwards nobody could. What cannot be stopped ends by itself within days, and until then its calls are refused."""
    try:
        stop_subscriptions(services, slug, clock=lambda: now)
    except ConnectorError as error:
        get_logger(__name__).warning("subscriptions_left", endpoint=slug, code=error.code, reason=str(error))


def _remove(services: Services, endpoint: Endpoint, told: _Told, documents: Sequence[tuple[int, DocumentRef]], now: datetime) -> None:
    name, sink = told
    for batch in _batches(documents):
        sink.delete([ref for _, ref in batch])
        with services.database.operator() as tx:
            administration.told_removed(tx, name, [file_id for file_id, _ in batch], now)
    if isinstance(sink, TakesInventory):
        # What an earlier life of the slug left behind is no document of ours any more.
        held = list(sink.inventory(endpoint.tenant_id, endpoint.slug))
        for strangers in _batches(held):
            sink.delete(
                [
                    DocumentRef(id=i, tenant_id=endpoint.tenant_id, endpoint=endpoint.slug, generation=generation + 1)
                    for i, generation in strangers
                ]
            )


def _delete_objects(services: Services, endpoint: Endpoint, me: Worker) -> tuple[bool, int]:
    """Whether objects were left because others are at work, and the bytes of those deleted."""
    with services.database.operator() as tx:
        if administration.another_is_alive(tx, me):
            return True, 0
        orphans = administration.unreferenced_blobs(tx, endpoint.tenant_id)
        services.blobs.delete(key for key, _ in orphans.objects)
    return False, sum(size for _, size in orphans.objects)


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
