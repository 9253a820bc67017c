"""How far the streams were read: what the cursor of an endpoint says, and when it may move on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from connector_pipelines.core.types import Cursor
from connector_pipelines.sources.rest_api.decoding import short_hash
from connector_pipelines.sources.rest_api.streams import TIMES, CursorField
from connector_pipelines.sources.rest_api.values import STEPS, Value, instant, just_before, parse, written

__all__ = ["Place", "Tracker", "now_of", "read_cursor", "write_cursor"]

_VERSION = 1
_MOST_TOLD = 200
_NEAR_US = 300_000_000
_SECOND_US = 1_000_000
_AHEAD = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """How far one stream was read.

    Attributes:
        at: The value up to which nothing was missed; None where nothing was read yet.
        told: Of records at that value, and within `look_back` before: their hash (id and version) and value. They are given
            again by the API, and not told again.
    """

    at: Value | None = None
    told: Mapping[str, Value] = field(default_factory=dict)


def read_cursor(cursor: Cursor) -> dict[str, Place] | None:
    """What a cursor says, by stream; None where it is none of this version."""
    try:
        said = json.loads(cursor, parse_float=Decimal)
        if said["v"] != _VERSION:
            return None
        return {name: Place(_value(at), {h: _value(v) for h, v in told.items()}) for name, (at, told) in said["at"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def write_cursor(places: Mapping[str, Place]) -> Cursor:
    at = {name: [_json(place.at), {h: _json(v) for h, v in place.told.items()}] for name, place in places.items()}
    return Cursor(json.dumps({"v": _VERSION, "at": at}, separators=(",", ":")))


class Tracker:
    """Follows one pass over one stream, and says at its end how far it was read.

    Where records come in any order, one that was read early may have changed since, while the highest value seen is of later
    yet: so as much time as the pass took is left out again. Clocks are compared only to tell a value that is plainly wrong: one
    more than a day ahead of the server's does not move the place, or nothing before the year 2999 would be read again.
    """

    def __init__(self, settings: CursorField, place: Place) -> None:
        self._settings, self._place = settings, place
        self._high: Value | None = None
        self._ahead: Value | None = None
        self._limit: int | None = None
        self._seen: list[tuple[Value, str, str]] = []
        self._orderly = settings.order == "ascending"
        self._last: Value | None = None

    @property
    def orderly(self) -> bool:
        """Whether records came in ascending order so far, as declared."""
        return self._orderly

    def asked(self) -> str | int | None:
        """The value to ask for; None the first time."""
        settings, at = self._settings, self._place.at
        if at is None:
            return None if settings.initial is None else _said(settings.initial)
        if settings.format in TIMES and isinstance(at, int):
            at -= settings.look_back // timedelta(microseconds=1)
        return written(at if settings.inclusive else just_before(at, settings.format), settings.request_format or settings.format)

    def server_says(self, now: datetime) -> None:
        """Take the other side's time, as the first answer told it."""
        if self._limit is None:
            self._limit = (now + _AHEAD - _EPOCH) // timedelta(microseconds=1)

    def begin(self) -> None:
        """The order begins anew: a listing is read once more."""
        self._last = None

    def is_news(self, raw: Any, record_id: str, version: str, *, hangs: bool = False) -> bool:
        """Take in a record; whether it was not told before. `hangs`: something is read below it, and with it only."""
        value = parse(raw, self._settings.format)
        if value is None:
            return True
        self._note(value)
        if self._may_be_asked_again(value) and not (hangs and self._is_fresh(value)):
            self._seen.append((value, record_id, version))
            if len(self._seen) > 2 * _MOST_TOLD:
                self._prune()
        told = self._place.told
        return not told or short_hash(record_id, version) not in told

    def reached(self, took: timedelta = timedelta(0)) -> Place:
        """How far was read. `took`: of the pass, where records came in any order."""
        at = self._reached(took)
        return Place(at, self._kept(at) if at is not None else {})

    def _note(self, value: Value) -> None:
        if self._orderly and self._last is not None and _less(value, self._last):
            self._orderly = False
        self._last = value
        if self._limit is not None and self._settings.format in TIMES and _less(self._limit, value):
            self._ahead = value if self._ahead is None or _less(self._ahead, value) else self._ahead
        elif self._high is None or _less(self._high, value):
            self._high = value

    def _reached(self, took: timedelta) -> Value | None:
        at, high = self._place.at, self._high
        if high is None and (at is None or (self._limit is not None and isinstance(at, int) and at > self._limit)):
            high = self._ahead  # All of them are ahead: it is the clocks that differ.
        if high is None:
            return at
        if isinstance(high, int):
            high -= took // timedelta(microseconds=1)
        return high if at is None or _less(at, high) else at

    def _within(self, value: Value, at: Value) -> bool:
        if isinstance(value, int) and isinstance(at, int) and self._settings.format in TIMES:
            return value >= at - self._settings.look_back // timedelta(microseconds=1)
        return value == at

    def _kept(self, at: Value) -> dict[str, Value]:
        seen = [one for one in self._seen if not _less(one[0], at) or self._within(one[0], at)]
        told = {h: value for h, value in self._place.told.items() if not _less(value, at) or self._within(value, at)}
        told |= {short_hash(record_id, version): value for value, record_id, version in seen[-_MOST_TOLD:]}
        return dict(sorted(told.items(), key=lambda one: _order(one[1]))[-_MOST_TOLD:])

    def _may_be_asked_again(self, value: Value) -> bool:
        """Whether it is near enough to the end to be given again next time. A guess: what is told twice does no harm."""
        high = self._high if self._high is not None else self._ahead
        if isinstance(value, int) and isinstance(high, int):
            return value >= high - _NEAR_US - self._settings.look_back // timedelta(microseconds=1)
        return True

    def _is_fresh(self, value: Value) -> bool:
        """Whether what hangs on a record may change yet and leave it as it is: its second is not over, or may be written late."""
        if self._settings.format not in TIMES or not isinstance(value, int):
            return False
        open_for = self._settings.look_back // timedelta(microseconds=1) + STEPS[self._settings.format] + _SECOND_US
        return self._limit is None or value >= self._limit - _AHEAD // timedelta(microseconds=1) - open_for

    def _prune(self) -> None:
        self._seen = sorted(self._seen, key=lambda one: _order(one[0]))[-_MOST_TOLD:]


def now_of(headers: Mapping[str, str], clock: datetime) -> datetime:
    """The time of the other side, by its `Date` header (RFC 9110, 6.6.1), or ours."""
    from email.utils import parsedate_to_datetime

    try:
        return instant(parsedate_to_datetime(headers.get("date", "")).isoformat()) or clock
    except (ValueError, TypeError):
        return clock


def _less(one: Value, other: Value) -> bool:
    return str(one) < str(other) if isinstance(one, str) or isinstance(other, str) else one < other


def _order(value: Value) -> Any:
    return (1, value) if isinstance(value, str) else (0, value)


def _json(value: Value | None) -> Any:
    return {"n": str(value)} if isinstance(value, Decimal) else value


def _value(said: Any) -> Any:
    return Decimal(said["n"]) if isinstance(said, dict) else said


def _said(initial: Any) -> str | int:
    return initial if isinstance(initial, (str, int)) and not isinstance(initial, bool) else str(initial)
