"""Stage `documents`: each stored file's text, in chunks that know their place."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from connector_pipelines.core.config import ExtractionLimits
from connector_pipelines.core.errors import ConfigurationError, ConnectorError, ResourceError, Unavailable
from connector_pipelines.core.types import InputFile, Shortfall, Untaken
from connector_pipelines.pipeline import chunking
from connector_pipelines.pipeline.crew import Width
from connector_pipelines.pipeline.draining import Work, drain
from connector_pipelines.pipeline.faults import item_failure
from connector_pipelines.pipeline.parts import store_parts, too_deep
from connector_pipelines.pipeline.recognition import ocr_of
from connector_pipelines.pipeline.records import make_documents
from connector_pipelines.pipeline.report import StageReport
from connector_pipelines.pipeline.session import Progress, Scope, Session
from connector_pipelines.store.blobs import Slice
from connector_pipelines.store.catalog import work
from connector_pipelines.store.catalog.failures import ItemFailure
from connector_pipelines.store.catalog.reports import StageLog

if TYPE_CHECKING:
    from connector_pipelines.extractors._pool import ExtractionPool

__all__ = ["extract_documents"]

STAGE = "documents"

Outcome = work.Extracted | work.SkippedFile | work.Failed


def extract_documents(session: Session, log: StageLog, scope: Scope) -> StageReport:
    """Turn everything stored of the scope into documents: records in this process, files in workers that may be killed."""
    from connector_pipelines.extractors._pool import ExtractionPool, Limits

    report = StageReport(STAGE, counts=log.counts)
    make_documents(session, scope, report)
    endpoint, database = session.endpoint, session.database
    with database.tenant(endpoint.tenant_id) as tx:
        total = work.waiting(tx, endpoint, status="stored", days=scope.days, now=session.clock())
    if not total:
        return report
    limits = endpoint.extraction
    passwords = tuple(session.services.tools.secret(p).get_secret_value() for p in limits.passwords)

    def claim(limit: int) -> list[work.Claimed]:
        with database.tenant(endpoint.tenant_id) as tx:
            return work.claim(tx, endpoint, session.worker, status="stored", days=scope.days, now=session.clock(), limit=limit)

    def save(outcomes: list[Outcome]) -> None:
        nonlocal total
        total += _save(session, report, outcomes).parts
        done = sum(report.counts[c] for c in ("extracted", "skipped"))
        session.progress(Progress(endpoint=endpoint.slug, stage=STAGE, done=done, failed=report.counts["failed"], total=total))

    threads = session.services.settings.extract_workers
    with ExtractionPool(threads, Limits(time_s=limits.time_limit.total_seconds(), memory_bytes=limits.max_memory_bytes)) as pool:
        todo = Work(claim=claim, do=partial(_extract, session, pool, limits, passwords), save=save, abort=pool.close)
        drain(todo, width=Width(threads, first=threads), stop=session.stop)
    return report


def _extract(session: Session, pool: ExtractionPool, limits: ExtractionLimits, passwords: tuple[str, ...], file: work.Claimed) -> Outcome:
    if session.stop.is_set():
        raise Unavailable("the run was stopped")
    try:
        _check_size(file, limits)
        return _extracted(session, pool, limits, passwords, file)
    except ConnectorError as error:
        if isinstance(error, Unavailable | ConfigurationError):
            raise
        return item_failure(file, STAGE, error, session.clock())


def _extracted(session: Session, pool: ExtractionPool, limits: ExtractionLimits, passwords: tuple[str, ...], file: work.Claimed) -> Outcome:
    with _bytes_of(session, file) as path, session.services.blobs.scratch_folder() as folder:
        found = pool.extract(
            InputFile(
                path=path,
                name=file.ref.name,
                media_type=file.ref.media_type,
                passwords=passwords,
                max_text_bytes=limits.max_text_bytes,
                max_unpacked_bytes=limits.max_unpacked_bytes,
                parts_folder=folder if limits.max_depth else None,
                max_parts=limits.max_parts,
                ocr=ocr_of(limits.ocr, session.services.settings),
            )
        )
        if found is None:
            return work.SkippedFile(file, "no_extractor")
        if isinstance(found, Untaken):
            return work.SkippedFile(file, found.reason)
        # Left out rather than not asked for, so that the ledger can say how many.
        deep = too_deep(file, found.parts, limits)
        parts = () if deep else store_parts(session, found.parts)
    made_by = f"{found.extractor} {found.version}, chunks {chunking.VERSION}"
    shortfall = _shortfall(session, file, (*found.shortfalls, *([deep] if deep else ())))
    return work.Extracted(file, found.media_type, made_by, found.facts, chunking.chunk(found.sections), parts=parts, shortfall=shortfall)


def _bytes_of(session: Session, file: work.Claimed) -> AbstractContextManager[Path]:
    blobs, key = session.services.blobs, file.blob_key or ""
    if file.sha256 is None or key.endswith(file.sha256.hex()):
        return blobs.local_copy(key)
    # Its content came with the listing, and others' lie in the same object.
    return blobs.local_slice(Slice(key, file.blob_position, file.blob_size))


def _shortfall(session: Session, file: work.Claimed, met: Sequence[Shortfall]) -> ItemFailure | None:
    """A row of the ledger for what is missing in a document that stands."""
    if not met:
        return None
    error = ResourceError("; ".join(one.message for one in met), advice=met[0].advice, limit=met[0].limit)
    return item_failure(file, STAGE, error, session.clock()).failure


def _check_size(file: work.Claimed, limits: ExtractionLimits) -> None:
    if (file.ref.size or 0) > limits.max_file_bytes:
        raise ResourceError(
            f"the file has {file.ref.size} bytes, at most {limits.max_file_bytes} are extracted",
            advice="raise `extraction.max_file_bytes` of the endpoint",
            limit=f"max_file_bytes={limits.max_file_bytes}",
        )


def _save(session: Session, report: StageReport, outcomes: list[Outcome]) -> work.SavedDocuments:
    extracted = [o for o in outcomes if isinstance(o, work.Extracted)]
    skipped = [o for o in outcomes if isinstance(o, work.SkippedFile)]
    failed = [o for o in outcomes if isinstance(o, work.Failed)]
    now = session.clock()
    with session.database.tenant(session.endpoint.tenant_id) as tx:
        work.lock(tx, [o.file for o in outcomes])
        saved = work.save_extracted(tx, session.endpoint, extracted, now)
        work.save_skipped(tx, skipped, now)
        work.save_failed(tx, session.endpoint, failed, now, status="stored")
    for one in extracted:
        if one.file.file_id in saved.file_ids:
            _count(report, one)
    for day in saved.failed:
        report.add("failed", day)
    for skip in skipped:
        report.add("skipped", skip.file.day)
    for bad in failed:
        report.add("failed" if bad.failure.retry_at is None else "retried_later", bad.file.day)
    return saved


def _count(report: StageReport, one: work.Extracted) -> None:
    report.add("extracted", one.file.day)
    report.add("chunks", one.file.day, len(one.chunks))
    if one.parts:
        report.add("parts", one.file.day, len(one.parts))
    if unread := one.facts.details.get("pages_unread"):
        report.add("pages_unread", one.file.day, int(unread))
