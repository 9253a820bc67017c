"""Stage per sink: the sink is told exactly what it should now hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from connector_pipelines.core.protocols import EmbedsChunks, Settles, Sink
from connector_pipelines.core.types import Chunk, Document
from connector_pipelines.pipeline.delivering_records import deliver_records
from connector_pipelines.pipeline.embedding import canonical_name, load_model
from connector_pipelines.pipeline.reindexing import switch_if_filled
from connector_pipelines.pipeline.report import StageReport
from connector_pipelines.pipeline.session import Progress, Scope, Session
from connector_pipelines.pipeline.telling import digest_of, tell
from connector_pipelines.store.catalog import deliveries
from connector_pipelines.store.catalog.deliveries import FailedDelivery, Owed
from connector_pipelines.store.catalog.reports import StageLog

if TYPE_CHECKING:
    from connector_pipelines.core.types import Vector

__all__ = ["deliver"]

BATCH_DOCUMENTS = 200
BATCH_CHUNKS = 2000
"""Chunks held in memory at once; one document with more goes alone."""


def deliver(session: Session, log: StageLog, scope: Scope, sink_name: str) -> StageReport:
    """Tell one sink everything it is owed in the scope: documents to hold, documents to hold no more."""
    report, sink = StageReport(sink_name, counts=log.counts), session.sinks[sink_name]
    endpoint, database = session.endpoint, session.database
    with database.tenant(endpoint.tenant_id) as tx:
        deliveries.plan(tx, endpoint, sink_name, session.record_sinks)
    if sink_name in session.record_sinks:
        deliver_records(session, sink_name, scope, report)
    else:
        _deliver_text(session, sink_name, scope, report)
    if report.counts["delivered"] and isinstance(sink, Settles):
        sink.settle()
    if report.counts["delivered"] or report.counts["removed"]:
        switch_if_filled(session, sink_name)
    return report


def _deliver_text(session: Session, sink_name: str, scope: Scope, report: StageReport) -> None:
    sink = session.sinks[sink_name]
    while owed := _claim(session, sink_name, scope):
        for batch in _batches(owed):
            _tell(session, sink, sink_name, batch, report)
            done = report.counts["delivered"] + report.counts["removed"]
            session.progress(Progress(endpoint=session.endpoint.slug, stage=sink_name, done=done, failed=report.counts["failed"]))


def _claim(session: Session, sink: str, scope: Scope) -> list[Owed]:
    with session.database.tenant(session.endpoint.tenant_id) as tx:
        return deliveries.claim(tx, session.endpoint, sink, session.worker, days=scope.days, now=session.clock(), limit=BATCH_DOCUMENTS)


def _batches(owed: Sequence[Owed]) -> Iterator[list[Owed]]:
    batch: list[Owed] = []
    for one in owed:
        if batch and sum(o.chunks for o in batch) + one.chunks > BATCH_CHUNKS:
            yield batch
            batch = []
        batch.append(one)
    yield batch


def _tell(session: Session, sink: Sink, name: str, batch: list[Owed], report: StageReport) -> None:
    """Removals first: what should not be found any more is gone soonest. What the sink holds as it is now is not told again."""
    endpoint, database = session.endpoint, session.database
    removals, puts = [o for o in batch if not o.put], [o for o in batch if o.put]
    failed = tell(lambda some: sink.delete(deliveries.refs(endpoint, some)), removals, name, session.clock())
    with database.tenant(endpoint.tenant_id) as tx:
        documents, changed = deliveries.documents(tx, endpoint, puts)
    by_id = {d.id: d for d in documents}
    digests = {o.file_id: digest_of(by_id[o.document_id]) for o in puts if o.document_id in by_id}
    alike = [o for o in puts if o.holds is not None and digests.get(o.file_id) == o.holds]
    differing = [o for o in puts if o.file_id in digests and o not in alike]
    failed += tell(
        lambda some: sink.put(_embedded(session, sink, [by_id[o.document_id or ""] for o in some])), differing, name, session.clock()
    )
    left = {o.file_id for o in (*alike, *changed, *(f.owed for f in failed))}
    told = [o for o in batch if o.file_id not in left]
    with database.tenant(endpoint.tenant_id) as tx:
        deliveries.save(tx, name, told, session.clock(), digests=digests, alike=alike)
        deliveries.save_failed(tx, endpoint, name, failed, session.clock())
        deliveries.let_go(tx, name, changed)
    _count(report, told, alike, failed)


def _count(report: StageReport, told: Sequence[Owed], alike: Sequence[Owed], failed: Sequence[FailedDelivery]) -> None:
    for one in told:
        report.add("delivered" if one.put else "removed", one.day)
        report.add("chunks", one.day, one.chunks if one.put else 0)
    for one in alike:
        report.add("unchanged", one.day)
    for fault in failed:
        report.add("failed" if fault.failure.retry_at is None else "retried_later", fault.owed.day)


def _embedded(session: Session, sink: Sink, documents: list[Document]) -> list[Document]:
    """The documents with a vector on each chunk, where the sink wants one. Equal text is embedded once per tenant and model."""
    if not isinstance(sink, EmbedsChunks):
        return documents
    model = canonical_name(sink.model)
    by_hash: dict[bytes, Chunk] = {c.hash: c for d in documents for c in d.chunks}
    tenant_id = session.endpoint.tenant_id
    with session.database.tenant(tenant_id) as tx:
        found = deliveries.vectors(tx, tenant_id, model, by_hash)
    missing = [c for h, c in by_hash.items() if h not in found]
    if missing:
        # Loaded only here: a sink that shares another's model, or is filled again, needs no weights.
        loaded = load_model(model, cache=session.services.settings.home / "models")
        fresh: dict[bytes, Vector] = dict(zip((c.hash for c in missing), loaded.embed([c.text for c in missing]), strict=True))
        with session.database.tenant(tenant_id) as tx:
            deliveries.save_embeddings(tx, tenant_id, model, fresh)
        found |= fresh
    return [replace(d, chunks=tuple(replace(c, vector=found[c.hash]) for c in d.chunks)) for d in documents]
