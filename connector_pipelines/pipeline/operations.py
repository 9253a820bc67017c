"""What can be asked of an endpoint: sync it, run one stage for some windows, heal its sinks, forget it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from connector_pipelines.core.errors import Busy, ConfigurationError, ConnectorError, DeletionsHeld, TransientError
from connector_pipelines.core.protocols import TakesInventory
from connector_pipelines.core.types import DayRange, DocumentRef
from connector_pipelines.pipeline.delivering import deliver
from connector_pipelines.pipeline.downloading import download_files
from connector_pipelines.pipeline.extracting import extract_documents
from connector_pipelines.pipeline.faults import check_budget
from connector_pipelines.pipeline.listing import list_changes
from connector_pipelines.pipeline.reindexing import switch_if_filled
from connector_pipelines.pipeline.report import StageReport, SyncReport
from connector_pipelines.pipeline.session import Scope, Session
from connector_pipelines.store.catalog import deliveries, scheduling, work
from connector_pipelines.store.catalog.configuration import endpoint
from connector_pipelines.store.catalog.reports import stage_log

__all__ = ["STAGES", "heal_sinks", "redo", "run_stage", "stages_of", "sync"]

STAGES = ("listing", "files", "documents")
"""Stages before the sinks, in order; after them comes one stage per sink of the endpoint, by its name."""

HOLD_WAIT_S = 300.0
HOLD_POLL_S = 1.0
AFTER_INTERRUPTION = timedelta(minutes=15)


def stages_of(session: Session) -> tuple[str, ...]:
    return (*STAGES, *session.endpoint.sinks)


def sync(session: Session, *, sweep: bool = False, notified: bool = False, report: SyncReport | None = None) -> SyncReport:
    """One pass: what changed is noticed and taken through every stage.

    With `sweep`, everything is looked at, and what the sinks hold is mended. With `notified`, only what notifications are about, where the
    source can and nothing else asks for this sync. A stage that cannot go on does not keep the
    later ones from what waits for them: the first error is raised at the end. `report` is filled as the stages go, for
    callers who want it although the sync raises.

    Raises:
        Busy: A live worker is syncing this endpoint; there is nothing to do here.
        DeletionsHeld: More files are gone than may vanish unasked; everything else was done.
        TooManyFailed: More items failed than the endpoint's budget.
        ConnectorError: What stopped the first stage that could not go on.
    """
    report = report if report is not None else SyncReport()
    with _held(session, wait_s=0):
        # Whoever held it before may have moved the cursor.
        with session.database.operator() as tx:
            session = replace(session, endpoint=endpoint(tx, session.endpoint.slug))
        started_at = session.clock()
        with session.database.operator() as tx:
            only_notified = scheduling.begin(
                tx, session.endpoint.id, session.endpoint.schedule, started_at, notified=notified and not sweep
            )
        error: BaseException | None = None
        try:
            _run_stages(session, report, sweep=sweep, only_notified=only_notified)
            _raise_first(session, report)
        except BaseException as stopped:
            error = stopped
            raise
        finally:
            _finish(session, started_at, error, _stage_of(error, report))
    return report


def run_stage(session: Session, stage: str, days: DayRange, *, redo_first: bool = False, sweep: bool = True) -> StageReport:
    """Run one stage for the windows chosen. `listing` asks once, however many windows: for those alone where the source can be
    asked so (`ListsWindows`), else for everything it has.

    Raises:
        Busy: Another worker is listing this endpoint and did not finish within five minutes.
        ConnectorError: What stopped it.
    """
    if redo_first:
        redo(session, stage, days)
    if stage == "listing":
        with _held(session, wait_s=HOLD_WAIT_S):
            report = _logged(session, stage, days, sweep=sweep)
        _raise_held(session, report)
        return report
    report = _logged(session, stage, days)
    check_budget([report], session.endpoint.max_failed_share)
    return report


def redo(session: Session, stage: str, days: DayRange) -> int:
    """Make `stage` do again what it has done for these windows; how many files or documents."""
    with session.database.tenant(session.endpoint.tenant_id) as tx:
        if stage in session.sinks:
            return deliveries.redeliver(tx, session.endpoint, stage, days)
        if stage == "files":
            return work.redo(tx, session.endpoint, stage="files", days=days)
        if stage == "documents":
            return work.redo(tx, session.endpoint, stage="documents", days=days)
    return 0


def heal_sinks(session: Session) -> dict[str, int]:
    """Compare what each sink holds with what it was told, and owe it the difference; by sink, how many differed.

    What is mended is told by the sink's next delivery. Sinks that cannot take inventory are left out.
    """
    differing = {}
    for name, sink in session.sinks.items():
        if not isinstance(sink, TakesInventory):
            continue
        with session.database.tenant(session.endpoint.tenant_id) as tx:
            told = deliveries.held(tx, session.endpoint, name)
        holds = dict(sink.inventory(session.endpoint.tenant_id, session.endpoint.slug))
        wrong = [i for i in told.keys() | holds.keys() if told.get(i) != holds.get(i)]
        differing[name] = len(wrong)
        _owe(session, name, wrong, holds, told)
        # Should whoever delivered the last document have been killed before this.
        switch_if_filled(session, name)
    return differing


def _owe(session: Session, sink: str, wrong: Sequence[str], holds: dict[str, int], told: dict[str, int]) -> None:
    if not wrong:
        return
    endpoint = session.endpoint
    with session.database.tenant(endpoint.tenant_id) as tx:
        deliveries.heal(tx, endpoint, sink, wrong)
        strangers = deliveries.unknown(tx, endpoint, [i for i in wrong if i in holds and i not in told])
    session.sinks[sink].delete(
        [DocumentRef(id=i, tenant_id=endpoint.tenant_id, endpoint=endpoint.slug, generation=holds[i] + 1) for i in strangers]
    )


def _run_stages(session: Session, report: SyncReport, *, sweep: bool, only_notified: bool) -> None:
    if sweep:
        try:
            report.mended = heal_sinks(session)
        except ConnectorError as error:
            report.errors["sweep"] = error
    for stage in stages_of(session):
        if stage == "files" and _stopped(report.errors.get("listing")):
            continue  # Who was refused once is not to knock again for each file.
        try:
            report.stages[stage] = _logged(session, stage, DayRange(), sweep=sweep, only_notified=only_notified)
        except ConnectorError as error:
            report.errors[stage] = error


def _stopped(error: Exception | None) -> bool:
    return isinstance(error, ConfigurationError) or (isinstance(error, ConnectorError) and error.stops_connector)


def _logged(session: Session, stage: str, days: DayRange, *, sweep: bool = False, only_notified: bool = False) -> StageReport:
    with stage_log(session.database, session.endpoint, session.worker.run_id, stage) as log, _claims_let_go(session):
        if stage == "listing":
            return list_changes(session, log, days=days, sweep=sweep, only_notified=only_notified)
        if stage == "files":
            return download_files(session, log, Scope(days=days))
        if stage == "documents":
            return extract_documents(session, log, Scope(days=days))
        return deliver(session, log, Scope(days=days), stage)


def _raise_first(session: Session, report: SyncReport) -> None:
    for error in report.errors.values():
        raise error
    _raise_held(session, report.stages.get("listing"))
    check_budget(list(report.stages.values()), session.endpoint.max_failed_share)


def _raise_held(session: Session, report: StageReport | None) -> None:
    if report is not None and report.held:
        slug = session.endpoint.slug
        raise DeletionsHeld(
            f"{report.held} known files of {slug!r} are gone at the source, more than its share of {session.endpoint.max_delete_share:.0%}; none was deleted",
            advice=f"if they are meant to be gone: `connectors approve {slug}`; if not, bring the source back and sync again",
        )


def _stage_of(error: BaseException | None, report: SyncReport) -> str | None:
    return next((stage for stage, met in report.errors.items() if met is error), None)


def _finish(session: Session, started_at: datetime, error: BaseException | None, stage: str | None) -> None:
    now = session.clock()
    retry_at = None
    if error is not None and not isinstance(error, ConnectorError):
        # A person ended it, or a bug did: not at once. A run that was killed leaves no word here, and is due at once.
        retry_at = now + AFTER_INTERRUPTION
    elif isinstance(error, TransientError) and error.retry_after_s:
        retry_at = now + timedelta(seconds=error.retry_after_s)
    with session.database.operator() as tx:
        scheduling.finish(
            tx,
            session.endpoint.id,
            started_at=started_at,
            now=now,
            error=_told(error, stage),
            stops=isinstance(error, ConnectorError) and error.stops_connector,
            retry_at=retry_at,
        )


def _told(error: BaseException | None, stage: str | None) -> dict[str, str] | None:
    from connector_pipelines.telemetry import scrub

    if error is None:
        return None
    if isinstance(error, ConnectorError):
        told = {name: scrub(text) for name, text in error.as_json().items()}
        return told if stage is None else {**told, "stage": stage}
    return {"code": "interrupted", "class": "transient", "message": f"stopped by {type(error).__name__}", "advice": ""}


@contextmanager
def _held(session: Session, *, wait_s: float) -> Iterator[None]:
    """Hold the endpoint's feed: one listing at a time."""
    _until(lambda: _hold(session), wait_s, lambda: _taken(session))
    try:
        yield
    finally:
        with session.database.operator() as tx:
            scheduling.release(tx, session.endpoint.id, session.worker)


def _hold(session: Session) -> bool:
    with session.database.operator() as tx:
        return scheduling.hold(tx, session.endpoint.id, session.worker)


def _taken(session: Session) -> Busy:
    with session.database.operator() as tx:
        by = scheduling.holder(tx, session.endpoint.id)
    who = f" (run {by.run_id[:8]}, process {by.pid} on {by.host})" if by else ""
    return Busy(f"another run is syncing {session.endpoint.slug!r}{who}", advice="it does the same work; nothing is lost")


def _until(done: Callable[[], bool], wait_s: float, otherwise: Callable[[], Busy]) -> None:
    deadline = time.monotonic() + wait_s
    while not done():
        if time.monotonic() >= deadline:
            raise otherwise()
        time.sleep(HOLD_POLL_S)


@contextmanager
def _claims_let_go(session: Session) -> Iterator[None]:
    """However a stage ends, nothing stays claimed by it; a process that dies lets go by dying."""
    try:
        yield
    finally:
        with session.database.tenant(session.endpoint.tenant_id) as tx:
            work.release(tx, session.endpoint, session.worker)
