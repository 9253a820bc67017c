"""Stage `listing`: what changed at the source, recorded page by page with the place reached."""

from __future__ import annotations

from dataclasses import replace

from connector_pipelines.core.protocols import ConfirmsAbsence
from connector_pipelines.core.types import START, Cursor
from connector_pipelines.pipeline.report import StageReport
from connector_pipelines.pipeline.session import Progress, Session
from connector_pipelines.store.catalog.listing import Absent, Listing, PageCounts, open_listing
from connector_pipelines.store.catalog.reports import StageLog, days_changed

__all__ = ["list_changes"]


def list_changes(session: Session, log: StageLog, *, sweep: bool = False) -> StageReport:
    """Record what the source says changed since the cursor; with `sweep`, or when deletions were approved, everything it has.

    Files a complete snapshot lacks are deleted, unless they are more than the endpoint's share: then none is, and the
    report says how many are held until a person approves.
    """
    report, snapshot, cursor = StageReport("listing", counts=log.counts), False, START
    now = session.clock()
    with open_listing(session.database, session.endpoint, log.id, now) as listing:
        try:
            for page in session.source.changes(START if sweep or session.endpoint.deletions_approved else Cursor(session.endpoint.cursor)):
                _count(report, listing.record(page))
                snapshot, cursor = page.snapshot, page.cursor or cursor
                _tell(session, report)
        finally:
            # A snapshot that breaks off keeps what it found.
            _count(report, listing.flush())
        if snapshot:
            _finish_snapshot(session, listing, report, cursor)
    if not any(report.counts[c] for c in ("new", "changed", "restored", "moved", "deleted", "skipped")):
        report.counts["seen"] = report.counts["unchanged"]
        return report
    with session.database.tenant(session.endpoint.tenant_id) as tx:
        for day, changed in days_changed(tx, session.endpoint, now).items():
            report.days[day]["changed"] += changed
    report.counts["seen"] = sum(report.counts[c] for c in ("new", "changed", "restored", "unchanged"))
    return report


def _finish_snapshot(session: Session, listing: Listing, report: StageReport, cursor: Cursor) -> None:
    report.counts["moved"] = listing.find_moved()
    report.counts["new"] -= report.counts["moved"]
    gone = _confirmed(session, listing.absent())
    if gone.held(session.endpoint.max_delete_share) and not listing.approved(gone):
        listing.hold_deletions(gone)
        report.held = report.counts["held"] = len(gone.refs)
        return
    report.counts["deleted"] += listing.finish_snapshot([ref.id for ref in gone.refs], cursor)
    report.counts["complete"] = int(listing.complete)


def _confirmed(session: Session, absent: Absent) -> Absent:
    """Absence is a hint: files move while a source is listed, and where the source can, it looks again."""
    unsure = [ref for ref in absent.refs if ref.id not in absent.moved_on]
    if not unsure or not isinstance(session.source, ConfirmsAbsence):
        return absent
    there = session.source.still_there(unsure)
    return replace(absent, refs=tuple(r for r in absent.refs if r.id in absent.moved_on or not there & {r.id, r.identity}))


def _count(report: StageReport, written: PageCounts) -> None:
    report.counts.update({name: getattr(written, name) for name in written.__slots__})


def _tell(session: Session, report: StageReport) -> None:
    seen = sum(report.counts[c] for c in ("new", "changed", "restored", "unchanged"))
    session.progress(Progress(endpoint=session.endpoint.slug, stage="listing", done=seen))
