"""What a sink that keeps records is told: thousands at once, read from few objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, takewhile

from connector_pipelines.core.errors import ConnectorError, NotFound
from connector_pipelines.core.protocols import KeepsRecords
from connector_pipelines.core.types import Document, Record, Stream
from connector_pipelines.pipeline.records import BATCH_BYTES, contents_of, streams_of, undeclared
from connector_pipelines.pipeline.rendering import fields_of
from connector_pipelines.pipeline.report import StageReport
from connector_pipelines.pipeline.session import Progress, Scope, Session
from connector_pipelines.pipeline.telling import refused, tell
from connector_pipelines.store.blobs import Slice
from connector_pipelines.store.catalog import deliveries, records
from connector_pipelines.store.catalog.deliveries import FailedDelivery, Owed
from connector_pipelines.store.catalog.records import OwedRecord

__all__ = ["deliver_records"]

BATCH = 5_000


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is told at once. `documents` are what to put, by file; `unreadable` what cannot be."""

    owed: Sequence[OwedRecord]
    documents: Mapping[int, Document]
    unreadable: Sequence[FailedDelivery]


def deliver_records(session: Session, name: str, scope: Scope, report: StageReport) -> None:
    """Tell the sink everything it is owed in the scope, after it was planned."""
    sink, endpoint = session.sinks[name], session.endpoint
    streams = streams_of(session)
    read = partial(_batch, session, name, scope, streams)
    with records.telling(session.database, endpoint, name, session.stop), ThreadPoolExecutor(1, thread_name_prefix="ahead") as ahead:
        batch = read(0)
        if batch.owed and isinstance(sink, KeepsRecords):
            sink.declare(endpoint.tenant_id, endpoint.slug, list(streams.values()))
        while batch.owed:
            # While the sink is told, what it is told next is read.
            coming = ahead.submit(read, batch.owed[-1].owed.file_id)
            _tell(session, name, batch, report)
            done = report.counts["delivered"] + report.counts["removed"]
            session.progress(Progress(endpoint=endpoint.slug, stage=name, done=done, failed=report.counts["failed"]))
            batch = coming.result()


def _batch(session: Session, name: str, scope: Scope, streams: Mapping[str, Stream], after: int) -> _Batch:
    """What comes after that file, with as much content as fits into memory, one record at least."""
    endpoint, worker = session.endpoint, session.worker
    with session.database.tenant(endpoint.tenant_id) as tx:
        owed = records.owed(tx, endpoint, name, worker, days=scope.days, now=session.clock(), after=after, limit=BATCH)
    fitting = sum(1 for _ in takewhile(lambda size: size <= BATCH_BYTES, accumulate(one.size for one in owed)))
    owed = owed[: max(fitting, 1)]
    documents, unreadable = _documents(session, name, streams, [one for one in owed if one.owed.put])
    return _Batch(owed, documents, unreadable)


def _tell(session: Session, name: str, batch: _Batch, report: StageReport) -> None:
    """Removals first: what should not be there any more is gone soonest."""
    sink, endpoint, now, documents = session.sinks[name], session.endpoint, session.clock(), batch.documents
    removals = [one.owed for one in batch.owed if not one.owed.put]
    failed = tell(lambda some: sink.delete(deliveries.refs(endpoint, some)), removals, name, now)
    puts = [one.owed for one in batch.owed if one.owed.file_id in documents]
    failed += [*tell(lambda some: sink.put([documents[one.file_id] for one in some]), puts, name, now), *batch.unreadable]
    bad = {one.owed.file_id for one in failed}
    told = [one.owed for one in batch.owed if one.owed.file_id not in bad]
    with session.database.tenant(endpoint.tenant_id) as tx:
        deliveries.save(tx, name, told, session.clock())
        deliveries.save_failed(tx, endpoint, name, failed, session.clock())
    _count(report, told, failed)


def _documents(
    session: Session, sink: str, streams: Mapping[str, Stream], puts: Sequence[OwedRecord]
) -> tuple[dict[int, Document], list[FailedDelivery]]:
    """By file, what to put; and what cannot be."""
    contents = contents_of(session, [Slice(one.key, one.position, one.size) if one.key else None for one in puts])
    documents: dict[int, Document] = {}
    failed = []
    for one, content in zip(puts, contents, strict=True):
        try:
            documents[one.owed.file_id] = _document(session, streams, one, content)
        except ConnectorError as error:
            failed.append(refused(one.owed, sink, error, session.clock()))
    return documents, failed


def _document(session: Session, streams: Mapping[str, Stream], one: OwedRecord, content: bytes | NotFound) -> Document:
    if isinstance(content, NotFound):
        raise content
    stream = streams.get(one.stream or "")
    if stream is None:
        raise undeclared(one.stream or "")
    owed, endpoint = one.owed, session.endpoint
    return Document(
        id=owed.document_id or "", tenant_id=endpoint.tenant_id, endpoint=endpoint.slug, generation=owed.generation, kind=endpoint.kind,
        title=one.title or owed.path.rsplit("/", 1)[-1], path=owed.path, media_type=one.media_type, url=one.url, modified_at=one.modified_at,
        acl=one.acl, record=Record(stream=stream, fields=fields_of(content)),
    )  # fmt: skip


def _count(report: StageReport, told: Sequence[Owed], failed: Sequence[FailedDelivery]) -> None:
    for (day, put), number in Counter((one.day, one.put) for one in told).items():
        report.add("delivered" if put else "removed", day, number)
    for fault in failed:
        report.add("failed" if fault.failure.retry_at is None else "retried_later", fault.owed.day)
