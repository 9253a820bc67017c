"""Stage `listing`: what changed at the source, recorded page by page with the place reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time
from functools import partial
from zoneinfo import ZoneInfo

from connector_pipelines.core.protocols import ConfirmsAbsence, ListsWindows
from connector_pipelines.core.types import START, ChangePage, Cursor, DayRange
from connector_pipelines.pipeline.behind import behind
from connector_pipelines.pipeline.notified import answer_for, follow, owed_now
from connector_pipelines.pipeline.report import StageReport
from connector_pipelines.pipeline.session import Progress, Session
from connector_pipelines.store.catalog.listing import Absent, Listing, PageCounts, content_bytes, open_listing
from connector_pipelines.store.catalog.reports import StageLog, days_changed

__all__ = ["list_changes"]

EVER = DayRange()


def list_changes(
    session: Session, log: StageLog, *, days: DayRange = EVER, sweep: bool = False, only_notified: bool = False
) -> StageReport:
    """Record what the source says changed since the cursor; with `sweep`, or when deletions were approved, everything it has.

    With `only_notified`, only what the notifications waiting are about, where the source can tell; the cursor stays where it is.
    Whatever is looked at, it answers for the notifications that came before, but for a look at some `days`: where the source can be
    asked for those, it is, once for all of them; nothing is taken for gone, and the cursor stays where it is.

    Files a complete snapshot lacks are deleted, unless they are more than the endpoint's share: then none is, and the
    report says how many are held until a person approves.
    """
    report, snapshot, cursor = StageReport("listing", counts=log.counts), False, START
    now = session.clock()
    windows = _windows_of(session, days)
    waiting = [] if windows else owed_now(session)

    def written(counts: PageCounts) -> None:
        _count(report, counts)
        _tell(session, report)

    def record_now(page: ChangePage) -> None:
        written(listing.record(page))
        # What led to it is answered for next.
        written(listing.flush())

    note = not session.keeps_text
    with open_listing(session.database, session.endpoint, log.id, now, land=partial(_land, session), note=note) as listing:
        try:
            if not windows and not sweep:
                # The feed may leave out what they are about.
                waiting = follow(session, waiting, record_now)
            if windows or waiting or not only_notified:
                # While one page is written the source makes the next.
                with behind(written) as writing:
                    for page in windows or session.source.changes(_begin(session, sweep=sweep)):
                        writing.do(partial(listing.record, page), content_bytes(page))
                        snapshot, cursor = page.snapshot, page.cursor or cursor
        finally:
            # A snapshot that breaks off keeps what it found.
            written(listing.flush())
            session.noted.update(listing.noted)
        if snapshot:
            _finish_snapshot(session, listing, report, cursor)
    answer_for(session, waiting)
    _count_seen(session, report, now)
    return report


def _begin(session: Session, *, sweep: bool) -> Cursor:
    """Where the feed is read from."""
    return START if sweep or session.endpoint.deletions_approved else Cursor(session.endpoint.cursor)


def _windows_of(session: Session, days: DayRange) -> Iterator[ChangePage] | None:
    """What the source has of these days, or None where all days are meant or it cannot be asked for some."""
    if days == EVER or not isinstance(session.source, ListsWindows):
        return None
    pages = session.source.changes_in(_days_of_source(days, ZoneInfo(session.endpoint.timezone)))
    # Whatever it says: it was not asked for everything, and no place in its feed is reached.
    return (replace(page, cursor=None, snapshot=False) for page in pages)


def _days_of_source(days: DayRange, zone: ZoneInfo) -> DayRange:
    """The days UTC has while it is `days` in the zone where windows begin."""
    first = days.first and datetime.combine(days.first, time.min, zone).astimezone(UTC).date()
    last = days.last and datetime.combine(days.last, time.max, zone).astimezone(UTC).date()
    return DayRange(first, last)


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


def _land(session: Session, pack: bytes) -> str:
    return session.services.blobs.put(session.endpoint.tenant_id, [pack]).key


def _count(report: StageReport, written: PageCounts) -> None:
    report.counts.update({name: getattr(written, name) for name in written.__slots__})


def _count_seen(session: Session, report: StageReport, now: datetime) -> None:
    report.counts["seen"] = sum(report.counts[c] for c in ("new", "changed", "restored", "unchanged"))
    if any(report.counts[c] for c in ("new", "changed", "restored", "moved", "deleted", "skipped")):
        with session.database.tenant(session.endpoint.tenant_id) as tx:
            for day, changed in days_changed(tx, session.endpoint, now).items():
                report.days[day]["changed"] += changed


def _tell(session: Session, report: StageReport) -> None:
    seen = sum(report.counts[c] for c in ("new", "changed", "restored", "unchanged"))
    session.progress(Progress(endpoint=session.endpoint.slug, stage="listing", done=seen))
