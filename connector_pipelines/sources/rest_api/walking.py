"""Goes through streams, and below their records through what hangs on them: children and attachments."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from connector_pipelines.core.errors import Forbidden, NotFound, PermanentError
from connector_pipelines.core.types import Below, Change, DayRange, Deleted, FileRef, Skipped, Unlistable, Upserted
from connector_pipelines.sources.rest_api import paths
from connector_pipelines.sources.rest_api.api import Api, Ask
from connector_pipelines.sources.rest_api.config import Config
from connector_pipelines.sources.rest_api.files import attached
from connector_pipelines.sources.rest_api.gathering import gather
from connector_pipelines.sources.rest_api.ids import address_of
from connector_pipelines.sources.rest_api.place import Tracker, now_of
from connector_pipelines.sources.rest_api.reading import Listed, Listing
from connector_pipelines.sources.rest_api.records import ROOT, Above, Shape, key_of
from connector_pipelines.sources.rest_api.streams import StreamSettings
from connector_pipelines.sources.rest_api.templates import fill, fill_path

__all__ = ["Pass", "Rejected", "Step", "Walker"]

Taken = tuple[Mapping[str, Any], FileRef]
"""A record that is told, with the item made of it."""


class Rejected(Exception):
    """The API refuses to go on from where a stream was read to."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a walk found next.

    Attributes:
        whole: The page that these changes end, and all below its records, has been told.
        advances: And one may go on after it another time.
    """

    changes: Sequence[Change] = ()
    whole: bool = False
    advances: bool = False


@dataclass(slots=True, kw_only=True)
class Pass:
    """One pass over the streams.

    Attributes:
        kind: A snapshot names what there is; a delta also what is gone; a window what has a time in `days`.
        trackers: By stream, those that are asked for what is new.
        open_ended: Streams of which it is not proven that nothing was missed.
    """

    kind: Literal["snapshot", "delta", "window"]
    days: DayRange = DayRange()  # noqa: RUF009 - frozen
    trackers: dict[str, Tracker] = field(default_factory=dict)
    open_ended: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Walker:
    def __init__(self, config: Config, api: Api, clock: Callable[[], datetime]) -> None:
        self._api, self._clock = api, clock
        self.settings = {stream.name: stream for stream in config.streams}
        self.shapes = {stream.name: Shape(stream) for stream in config.streams}
        self._children: dict[str, list[StreamSettings]] = {name: [] for name in self.settings}
        for stream in config.streams:
            if stream.parent is not None:
                self._children[stream.parent.stream].append(stream)

    @property
    def tops(self) -> list[StreamSettings]:
        return [stream for stream in self.settings.values() if stream.parent is None]

    def children(self, stream: StreamSettings) -> list[StreamSettings]:
        return self._children[stream.name]

    def ask(self, stream: StreamSettings, above: Above = ROOT) -> Ask:
        return Ask(
            what=f"stream {stream.name!r}",
            url=fill_path(stream.path, above.values),
            method=stream.method,
            params=fill(stream.params, above.values),
            body=fill(stream.request_body, above.values) if stream.method == "POST" else None,
            headers=stream.headers,
        )

    def listing(self, stream: StreamSettings, ask: Ask) -> Listing:
        return Listing(
            self._api,
            ask,
            paginator=stream.paginator,
            completeness=stream.completeness,
            key=lambda record: key_of(record, stream.primary_key),
            selector=stream.record_selector,
            missing_is_empty=stream.missing_is_empty,
        )

    def walk(self, stream: StreamSettings, run: Pass, above: Above = ROOT, *, ask: Ask | None = None) -> Iterator[Step]:
        """A stream, and all below its records.

        Raises:
            Rejected: The API does not take the place that the stream was read to.
        """
        tracker = run.trackers.get(stream.name)
        listing = self.listing(stream, ask or _since(self.ask(stream, above), stream, tracker))
        listing.needs_to_exist = above is ROOT
        ids: set[str] = set()
        for page in listing:
            changes, taken = self._changes(stream, page, above, run)
            if above is not ROOT:
                ids.update(ref.id for _, ref in taken)
            yield Step(changes)
            yield from self.hanging(stream, taken, above, run)
            yield Step(whole=True, advances=listing.advances)
        if listing.rejected:
            raise Rejected(stream.name)
        yield from self._ended(stream, listing, above, run, ids=ids)

    def hanging(self, stream: StreamSettings, taken: Sequence[Taken], above: Above, run: Pass) -> Iterator[Step]:
        """What hangs on these records."""
        tasks: list[Callable[[], Iterator[Step]]] = []
        at_once = stream.concurrency if stream.attachments else 1
        for record, ref in taken:
            if stream.attachments:
                tasks.append(_task(self._files, stream, record, ref, run))
            for child in self.children(stream):
                higher = self.above(child, record, ref, above) if _is_read(child, run) else None
                if higher is not None:
                    tasks.append(_task(self._below, child, run, higher))
                    at_once = max(at_once, child.concurrency)
        yield from gather(tasks, at_once)

    def all_below(self, stream: StreamSettings, child: StreamSettings, run: Pass) -> Iterator[Step]:
        """A child stream below every record of its parent, whether that changed or not."""
        shape = self.shapes[stream.name]
        listing = self.listing(stream, self.ask(stream))
        for page in listing:
            items = [(record, shape.item(record)) for record in page.records if not shape.is_gone(record)]
            aboves = [self.above(child, record, item.ref, ROOT) for record, item in items if isinstance(item, Upserted)]
            yield from gather([_task(self._below, child, run, above) for above in aboves if above is not None], child.concurrency)
        if listing.problem is not None:
            run.open_ended.add(child.name)

    def above(self, child: StreamSettings, record: Mapping[str, Any], ref: FileRef, higher: Above) -> Above | None:
        """What `child` is read below, or None where the record does not say: then it has no children."""
        if child.parent is None:
            return None
        values = {name: paths.find(record, path) for name, path in child.parent.params.items()}
        if any(value is None or value == "" for value in values.values()):
            return None
        copied = {name: paths.find(record, path) for name, path in child.parent.copy_fields.items()}
        return Above(f"{ref.id}/", f"{ref.path}/", copied, {**higher.values, **values})

    def gone(self, stream: StreamSettings, record_id: str) -> list[Change]:
        """A record is gone, and with it what hangs on it."""
        hangs = bool(stream.attachments or self.children(stream))
        return [Deleted(record_id), *([Below(record_id)] if hangs else [])]

    def _changes(self, stream: StreamSettings, page: Listed, above: Above, run: Pass) -> tuple[list[Change], list[Taken]]:
        shape, tracker = self.shapes[stream.name], run.trackers.get(stream.name)
        changes: list[Change] = []
        taken: list[Taken] = []
        hangs = any(files.path for files in stream.attachments) or any(_is_read(child, run) for child in self.children(stream))
        with run.lock:
            if tracker is not None:
                tracker.server_says(now_of(page.answer.headers, self._clock()))
                if page.begins:
                    tracker.begin()
            for record in page.records:
                item = shape.item(record, above)
                if tracker is not None and not _is_news(tracker, shape, record, item, hangs=hangs):
                    continue
                if shape.is_gone(record):
                    changes += self.gone(stream, _id(item)) if run.kind == "delta" else ()
                elif run.kind != "window" or _is_in(item, run.days):
                    changes.append(item)
                    if isinstance(item, Upserted):
                        taken.append((record, item.ref))
                elif isinstance(item, Upserted) and self.children(stream):
                    taken.append((record, item.ref))
        return changes, taken

    def _below(self, child: StreamSettings, run: Pass, above: Above) -> Iterator[Step]:
        try:
            # What is told in the middle of something is never a place to go on from.
            yield from (Step(step.changes) for step in self.walk(child, run, above) if step.changes)
        except NotFound:
            # The parent went while it was read; so did what was below it.
            if run.kind == "delta" and child.cursor is None:
                yield Step((Below(f"{above.id}{child.name}"),))
        except (Forbidden, PermanentError) as error:
            yield Step((Unlistable(f"{above.path}{child.name}", error.code, str(error)),))

    def _files(self, stream: StreamSettings, record: Mapping[str, Any], ref: FileRef, run: Pass) -> Iterator[Step]:
        address = address_of(ref.id, self.settings)
        for files in stream.attachments:
            try:
                found = list(attached(self._api, stream, files, record=ref, fields=record, address=address))
            except NotFound:
                found = []
            except (Forbidden, PermanentError) as error:
                yield Step((Unlistable(ref.path, error.code, str(error)),))
                continue
            if run.kind == "delta":
                yield Step((*found, Below(f"{ref.id}/~{files.name}", frozenset(map(_id, found)))))
            elif found:
                yield Step([one for one in found if run.kind != "window" or _is_in(one, run.days)])

    def _ended(self, stream: StreamSettings, listing: Listing, above: Above, run: Pass, *, ids: set[str]) -> Iterator[Step]:
        if listing.problem is not None:
            with run.lock:
                run.open_ended.add(stream.name)
            if run.kind != "window":
                yield Step((Unlistable(f"{above.path}{stream.name}", listing.code, f"stream {stream.name!r}: {listing.problem}"),))
        elif run.kind == "delta" and above is not ROOT and stream.cursor is None:
            yield Step((Below(f"{above.id}{stream.name}", frozenset(ids)),))


def _since(ask: Ask, stream: StreamSettings, tracker: Tracker | None) -> Ask:
    cursor = stream.cursor
    value = tracker.asked() if tracker is not None and cursor is not None else None
    if cursor is None or value is None:
        return ask
    said = value if cursor.template == "{cursor}" else cursor.template.replace("{cursor}", str(value))
    return ask.plus(cursor.parameter, said, cursor.place).accepting(cursor.rejected_statuses)


def _is_read(child: StreamSettings, run: Pass) -> bool:
    return run.kind != "delta" or (child.read == "sync" and child.parent is not None and child.parent.only_changed)


def _is_news(tracker: Tracker, shape: Shape, record: Mapping[str, Any], item: Upserted | Skipped, *, hangs: bool) -> bool:
    cursor = shape.settings.cursor
    if isinstance(item, Skipped):
        return tracker.is_news(paths.find(record, cursor.field) if cursor else None, item.id, item.reason)
    raw = item.ref.modified_at if shape.cursor_is_modified else paths.find(record, cursor.field) if cursor else None
    return tracker.is_news(raw, item.ref.id, item.ref.version, hangs=hangs)


def _task(function: Callable[..., Iterator[Step]], *arguments: Any) -> Callable[[], Iterator[Step]]:
    return lambda: function(*arguments)


def _id(item: Upserted | Skipped) -> str:
    return item.ref.id if isinstance(item, Upserted) else item.id


def _is_in(item: Upserted | Skipped, days: DayRange) -> bool:
    at = (item.ref.modified_at or item.ref.created_at) if isinstance(item, Upserted) else None
    if at is None:
        return True  # Without a time it belongs to the day it was first seen on, which the catalog knows.
    day = at.astimezone(UTC).date()
    return (days.first is None or days.first <= day) and (days.last is None or day <= days.last)
