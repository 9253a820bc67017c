"""Stage `listing`: what changed at the source, recorded page by page with the place reached."""

from __future__ import annotations

from connector_pipelines.core.protocols import ConfirmsAbsence
from connector_pipelines.core.types import START, Cursor
from connector_pipelines.pipeline.report import StageReport
from connector_pipelines.pipeline.session import Progress, Session
from connector_pipelines.store.catalog.listing import Absent, Listing, open_listing
from connector_pipelines.store.catalog.reports import StageLog, days_changed

__all__ = ["list_changes"]


def list_changes(session: Session, log: StageLog, *, sweep: bool = False) -> StageReport:
    """Record what the source says changed since the cursor; with `sweep`, everything it has.

    Files a complete snapshot lacks are deleted, unless they are more than the endpoint's share: then none is, and the
    report says how many are held until a person approves.
    """
    report, snapshot, cursor = StageReport("listing"), False, START
    now = session.clock()
    with open_listing(session.database, session.endpoint, log.id, now) as listing:
        for page in session.source.changes(START if sweep else Cursor(session.endpoint.cursor)):
            counts = listing.record(page)
            report.counts.update({name: getattr(counts, name) for name in counts.__slots__})
            snapshot, cursor = page.snapshot, page.cursor or cursor
            _tell(session, report)
        if snapshot:
            _finish_snapshot(session, listing, report, cursor)
    with session.database.tenant(session.endpoint.tenant_id) as tx:
        for day, changed in days_changed(tx, session.endpoint, now).items():
            report.days[day]["changed"] += changed
    report.counts["seen"] = sum(report.counts[c] for c in ("new", "changed", "restored", "unchanged"))
    log.counts.update(report.counts)
    return report


def _finish_snapshot(session: Session, listing: Listing, report: StageReport, cursor: Cursor) -> None:
    report.counts["moved"] = listing.find_moved()
    report.counts["new"] -= report.counts["moved"]
    absent = listing.absent()
    gone = _confirmed(session, absent)
    if absent.held(session.endpoint.max_delete_share) and gone and not listing.approved(absent):
        listing.hold_deletions(absent)
        report.held = len(absent.refs)
        report.counts["held"] = report.held
        return
    report.counts["deleted"] += listing.finish_snapshot(gone, cursor)
    report.counts["complete"] = int(listing.complete)


def _confirmed(session: Session, absent: Absent) -> list[str]:
    """Absence is a hint: files move while a source is listed, and where the source can, it looks again."""
    unsure = [ref for ref in absent.refs if ref.id not in absent.moved_on]
    if not unsure or not isinstance(session.source, ConfirmsAbsence):
        return [ref.id for ref in absent.refs]
    there = session.source.still_there(unsure)
    return [*absent.moved_on, *(ref.id for ref in unsure if ref.id not in there and ref.identity not in there)]


def _tell(session: Session, report: StageReport) -> None:
    seen = sum(report.counts[c] for c in ("new", "changed", "restored", "unchanged"))
    session.progress(Progress(endpoint=session.endpoint.slug, stage="listing", done=seen))
