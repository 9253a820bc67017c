"""What a sync reads: everything, what changed since a place, or what has a time in some days. As pages of changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.types import Change, ChangePage, Cursor, DayRange
from connector_pipelines.sources.rest_api import paths
from connector_pipelines.sources.rest_api.api import Api, Ask
from connector_pipelines.sources.rest_api.place import Place, Tracker, now_of, write_cursor
from connector_pipelines.sources.rest_api.reading import Listing
from connector_pipelines.sources.rest_api.records import key_of
from connector_pipelines.sources.rest_api.streams import TIMES, CursorField, DeletedItems, StreamSettings
from connector_pipelines.sources.rest_api.values import written
from connector_pipelines.sources.rest_api.walking import Pass, Rejected, Walker

__all__ = ["Feed"]

_HELD_PAGES = 5
_EXPIRED = Cursor("expired")
"""A cursor that is read as none, so that the next call reads everything."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Clocks:
    """`now`: aware, UTC. `elapsed_s`: seconds since some instant."""

    now: Callable[[], datetime]
    elapsed_s: Callable[[], float]


class Feed:
    def __init__(self, walker: Walker, api: Api, clocks: Clocks, page_records: int) -> None:
        self._walker, self._api, self._clocks, self._page_records = walker, api, clocks, page_records

    @property
    def keeps_places(self) -> bool:
        """Whether there is anything that is not read whole each time."""
        return any(stream.cursor is not None or stream.read == "sweep" for stream in self._walker.settings.values())

    def snapshot(self) -> Iterator[ChangePage]:
        run, places = Pass(kind="snapshot"), dict[str, Place]()
        self._check_all_are_there()
        gathered: list[Change] = []
        for stream in self._walker.tops:
            places |= self._first_places_of_deleted(stream)
            self._track(run, stream, {})
            begun = self._clocks.elapsed_s()
            for step in self._walker.walk(stream, run):
                gathered += step.changes
                while len(gathered) >= self._page_records:
                    yield ChangePage(changes=tuple(gathered[: self._page_records]), snapshot=True)
                    gathered = gathered[self._page_records :]
            places |= self._reached(run, stream, begun)
        yield ChangePage(changes=tuple(gathered), cursor=write_cursor(places), snapshot=True)

    def delta(self, places: Mapping[str, Place]) -> Iterator[ChangePage]:
        run, reached, gathered, told = Pass(kind="delta"), dict(places), list[Change](), False
        for stream in self._walker.tops:
            try:
                for changes, is_whole in self._stream_delta(stream, run, reached):
                    gathered += changes
                    # At the end of a page of the API the cursor moves on; within one only what is too much to hold is given.
                    if len(gathered) >= self._page_records * (1 if is_whole else _HELD_PAGES):
                        yield ChangePage(changes=tuple(gathered), cursor=write_cursor(reached))
                        gathered, told = [], True
            except Rejected:
                if not told and not gathered:
                    yield from self.snapshot()
                else:
                    # All pages of a call are of one kind. The next one reads everything.
                    yield ChangePage(changes=tuple(gathered), cursor=_EXPIRED)
                return
        yield ChangePage(changes=tuple(gathered), cursor=write_cursor(reached))

    def window(self, days: DayRange) -> Iterator[ChangePage]:
        run, gathered = Pass(kind="window", days=days), list[Change]()
        for stream in self._walker.tops:
            for step in self._walker.walk(stream, run, ask=self._asked_for(stream, days)):
                gathered += step.changes
                if len(gathered) >= self._page_records:
                    yield ChangePage(changes=tuple(gathered))
                    gathered = []
        yield ChangePage(changes=tuple(gathered))

    def _stream_delta(self, stream: StreamSettings, run: Pass, reached: dict[str, Place]) -> Iterator[tuple[Sequence[Change], bool]]:
        """Changes, and whether a page ends with them: then `reached` has been moved on as far as they go."""
        if stream.read == "sync":
            yield from ((changes, True) for changes in self._deleted(stream, reached))
            self._track(run, stream, reached)
            begun, start, tracker = self._clocks.elapsed_s(), reached.get(stream.name, Place()), run.trackers.get(stream.name)
            for step in self._walker.walk(stream, run):
                if step.whole and tracker is not None and _moves_on(stream):
                    # Once the order turns out not to be what was declared, only the beginning is safe.
                    reached[stream.name] = tracker.reached() if tracker.orderly and step.advances else start
                yield step.changes, step.whole
            reached |= self._reached(run, stream, begun)
        for child in self._walker.children(stream):
            if child.read == "sync" and child.parent is not None and not child.parent.only_changed:
                self._track(run, child, reached)
                begun = self._clocks.elapsed_s()
                for step in self._walker.all_below(stream, child, run):
                    yield step.changes, step.whole
                reached |= self._reached(run, child, begun)

    def _track(self, run: Pass, stream: StreamSettings, places: Mapping[str, Place]) -> None:
        """Trackers for a stream and for those below it."""
        if stream.cursor is not None and stream.name not in run.trackers:
            run.trackers[stream.name] = Tracker(stream.cursor, places.get(stream.name, Place()))
        for child in self._walker.children(stream):
            self._track(run, child, places)

    def _reached(self, run: Pass, stream: StreamSettings, begun_s: float) -> dict[str, Place]:
        """How far a stream was read, and those below it, where it is certain that nothing was missed."""
        took, reached = timedelta(seconds=self._clocks.elapsed_s() - begun_s), dict[str, Place]()
        for child in self._walker.children(stream):
            reached |= self._reached(run, child, begun_s)
        tracker = run.trackers.get(stream.name)
        if tracker is None or stream.cursor is None or stream.name in run.open_ended:
            return reached
        if stream.cursor.format not in TIMES and not tracker.orderly:
            raise ConfigurationError(
                f"stream {stream.name!r} is not in ascending order of {stream.cursor.field!r}, as `order: ascending` says",
                advice="Ask for that order by `params`.",
            )
        reached[stream.name] = tracker.reached(timedelta(0) if tracker.orderly and _moves_on(stream) else took)
        return reached

    def _check_all_are_there(self) -> None:
        """Ask each stream once before anything is told: what is not there stops a sync at its beginning."""
        for stream in self._walker.tops[1:]:
            for _ in self._walker.listing(stream, self._walker.ask(stream)):
                break

    def _first_places_of_deleted(self, stream: StreamSettings) -> dict[str, Place]:
        """Where a stream of deleted items is to be read from after this snapshot; taken before it begins."""
        deletions = stream.deletions
        if not isinstance(deletions, DeletedItems) or deletions.cursor is None:
            return {}
        tracker = Tracker(deletions.cursor, Place())
        for page in self._deleted_listing(stream, deletions, None):
            tracker.server_says(now_of(page.answer.headers, self._clocks.now()))
            for record in page.records:
                self._note(tracker, deletions.cursor, record, key_of(record, deletions.primary_key) or "")
        return {_place_of_deleted(stream): tracker.reached()}

    def _deleted(self, stream: StreamSettings, reached: dict[str, Place]) -> Iterator[list[Change]]:
        deletions = stream.deletions
        if not isinstance(deletions, DeletedItems):
            return
        name = _place_of_deleted(stream)
        tracker = Tracker(deletions.cursor, reached.get(name, Place())) if deletions.cursor else None
        begun = self._clocks.elapsed_s()
        listing = self._deleted_listing(stream, deletions, tracker)
        for page in listing:
            if tracker is not None:
                tracker.server_says(now_of(page.answer.headers, self._clocks.now()))
            keys = [(record, key_of(record, deletions.primary_key)) for record in page.records]
            gone = [key for record, key in keys if key and (tracker is None or self._note(tracker, deletions.cursor, record, key))]
            yield [change for key in gone for change in self._walker.gone(stream, f"{stream.name}/{key}")]
        if listing.rejected:
            raise Rejected(stream.name)
        if tracker is not None and listing.problem is None:
            reached[name] = tracker.reached(timedelta(seconds=self._clocks.elapsed_s() - begun))

    @staticmethod
    def _note(tracker: Tracker, cursor: CursorField | None, record: Mapping[str, object], key: str) -> bool:
        return tracker.is_news(paths.find(record, cursor.field) if cursor else None, key, "deleted")

    def _deleted_listing(self, stream: StreamSettings, deletions: DeletedItems, tracker: Tracker | None) -> Listing:
        ask = Ask(what=f"the deleted items of stream {stream.name!r}", url=deletions.path, params=deletions.params, headers=stream.headers)
        value, cursor = tracker.asked() if tracker else None, deletions.cursor
        if cursor is not None and value is not None:
            said = value if cursor.template == "{cursor}" else cursor.template.replace("{cursor}", str(value))
            ask = ask.plus(cursor.parameter, said, cursor.place).accepting(cursor.rejected_statuses)
        return Listing(
            self._api,
            ask,
            paginator=deletions.paginator,
            completeness="auto",
            key=lambda record: key_of(record, deletions.primary_key),
            selector=deletions.record_selector,
        )

    def _asked_for(self, stream: StreamSettings, days: DayRange) -> Ask:
        """The question about what has a time in `days`. What is below a record may be of other days, so then all are asked for."""
        ask, window = self._walker.ask(stream), stream.window
        if self._walker.children(stream) or window is None:
            return ask
        if days.first is not None:
            ask = ask.plus(window.start, window.template.replace("{value}", str(_written(days.first, window.format))), window.place)
        if days.last is not None and window.end is not None:
            said = window.end_template.replace("{value}", str(_written(days.last + timedelta(days=1), window.format)))
            known = ask.params.get(window.end) if window.place == "query" else None
            ask = ask.plus(window.end, said if known is None or window.start != window.end else (known, said), window.place)
        return ask


def _moves_on(stream: StreamSettings) -> bool:
    return stream.cursor is not None and stream.cursor.order == "ascending"


def _place_of_deleted(stream: StreamSettings) -> str:
    return f"{stream.name}/deleted"


def _written(day: date, form: str) -> str | int:
    return written((datetime.combine(day, time(), UTC) - _EPOCH) // timedelta(microseconds=1), form)
