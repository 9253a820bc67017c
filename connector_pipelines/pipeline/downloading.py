"""Stage `files`: each listed file streamed into the blob store, verified."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Unauthenticated, Unavailable
from connector_pipelines.pipeline.crew import Width
from connector_pipelines.pipeline.draining import Work, drain
from connector_pipelines.pipeline.faults import Streak, item_failure
from connector_pipelines.pipeline.report import StageReport
from connector_pipelines.pipeline.session import Progress, Scope, Session
from connector_pipelines.store.catalog import work
from connector_pipelines.store.catalog.reports import StageLog

__all__ = ["download_files"]

STAGE = "files"


def download_files(session: Session, log: StageLog, scope: Scope) -> StageReport:
    """Bring the bytes of every listed file of the scope into the blob store."""
    report, streak = StageReport(STAGE, counts=log.counts), Streak("the source")
    endpoint, database = session.endpoint, session.database
    with database.tenant(endpoint.tenant_id) as tx:
        total = work.waiting(tx, endpoint, status="listed", days=scope.days, now=session.clock())

    def claim(limit: int) -> list[work.Claimed]:
        with database.tenant(endpoint.tenant_id) as tx:
            return work.claim(tx, endpoint, session.worker, status="listed", days=scope.days, now=session.clock(), limit=limit)

    def save(results: list[work.Stored | work.Failed]) -> None:
        stored = [r for r in results if isinstance(r, work.Stored)]
        failed = [r for r in results if isinstance(r, work.Failed)]
        with database.tenant(endpoint.tenant_id) as tx:
            work.save_stored(tx, endpoint, stored, session.clock())
            work.save_failed(tx, endpoint, failed, session.clock(), status="listed")
        _count(report, stored, failed)
        session.progress(
            Progress(endpoint=endpoint.slug, stage=STAGE, done=report.counts["stored"], failed=report.counts["failed"], total=total)
        )
        streak.check(failed, any_done=bool(stored))

    todo = Work(claim=claim, do=partial(_download, session), save=save)
    drain(todo, width=Width(session.services.settings.download_threads), stop=session.stop)
    return report


def _download(session: Session, file: work.Claimed) -> work.Stored | work.Failed:
    blobs = session.services.blobs
    try:
        with _opened(session, file) as chunks:
            blob = blobs.put(session.endpoint.tenant_id, chunks, size=file.ref.size, checksum=file.ref.checksum)
    except _SourceFault as fault:
        return item_failure(file, STAGE, fault.error, session.clock())
    except ConnectorError as error:
        # Of the bytes (they are not what was described) it is the file's; of our own store it is everybody's.
        if isinstance(error, Unavailable | ConfigurationError):
            raise
        return item_failure(file, STAGE, error, session.clock())
    return work.Stored(file, bytes.fromhex(blob.sha256), blob.key, blob.size)


class _SourceFault(Exception):
    """The other side's fault, told apart from our own store's."""

    def __init__(self, error: ConnectorError) -> None:
        super().__init__(str(error))
        self.error = error


class _opened:  # noqa: N801 - used like a function, in a `with`
    """The file's bytes; every fault of the source, on opening or on the way, comes out as `_SourceFault`."""

    def __init__(self, session: Session, file: work.Claimed) -> None:
        self._session, self._file = session, file

    def __enter__(self) -> Iterator[bytes]:
        try:
            self._stream = self._session.source.open(self._file.ref)
            return self._guarded(self._stream.__enter__())
        except ConnectorError as error:
            raise _fault(error) from error

    def __exit__(self, *exc: object) -> None:
        try:
            self._stream.__exit__(*exc)  # type: ignore[arg-type]
        except ConnectorError as error:
            # The source was told how it ended, and knows better: what does not have its checksum may have changed meanwhile.
            raise _fault(error) from error

    def _guarded(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        try:
            for chunk in chunks:
                if self._session.stop.is_set():
                    raise Unavailable("the run was stopped")
                yield chunk
        except ConnectorError as error:
            raise _fault(error) from error


def _fault(error: ConnectorError) -> Exception:
    """What stops the whole connector passes as it is."""
    return error if isinstance(error, ConfigurationError | Unauthenticated) else _SourceFault(error)


def _count(report: StageReport, stored: list[work.Stored], failed: list[work.Failed]) -> None:
    for one in stored:
        report.add("stored", one.file.day)
        report.add("bytes", one.file.day, one.size)
    for bad in failed:
        report.add("failed" if bad.failure.retry_at is None else "retried_later", bad.file.day)
