"""Values of cursors and times: from the JSON of a record to something that compares, and back into a request."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

__all__ = ["STEPS", "Value", "instant", "just_before", "parse", "written"]

Value = int | Decimal | str
"""Of a time, microseconds since 1970; of a number, the number; of text, itself."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}
STEPS = {"iso": 1_000_000, "epoch_s": 1_000_000, "epoch_ms": 1_000, "date": 86_400_000_000, "number": 1}


def parse(raw: Any, form: str) -> Value | None:
    """The value of a field in that format of `CursorField`, or None where it holds nothing of the kind."""
    if raw is None or isinstance(raw, bool):
        return None
    if form == "text":
        return str(raw) or None
    if form in {"iso", "date"}:
        at = raw if isinstance(raw, datetime) else instant(raw)
        return None if at is None else (at - _EPOCH) // _MICROSECOND
    try:
        number = Decimal(raw) if not isinstance(raw, float) else Decimal(str(raw))
    except (InvalidOperation, ValueError, TypeError):
        return None
    if not number.is_finite():
        return None
    return int(number * _UNITS[form]) if form in _UNITS else number


def instant(raw: Any) -> datetime | None:
    """A time as ISO 8601, or as seconds or milliseconds since 1970, or None. Without a zone it is UTC."""
    try:
        if isinstance(raw, str):
            at = datetime.fromisoformat(raw)
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        if isinstance(raw, (int, Decimal)) and not isinstance(raw, bool):
            # Seconds reach this number in the year 5138, milliseconds did in 1973.
            return _EPOCH + timedelta(seconds=float(raw) / (1000 if raw >= 100_000_000_000 else 1))
    except (ValueError, OverflowError):
        pass
    return None


def just_before(value: Value, form: str) -> Value:
    """The next lower value a field of that format can hold, as far as an API is known to tell apart."""
    return value if isinstance(value, str) else value - STEPS[form]


def written(value: Value, form: str) -> str | int:
    """As a request says it: a format of `CursorField`, or a pattern of strftime. Never later than `value`."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else str(value)
    if isinstance(value, str) or form in {"number", "text"}:
        return value
    if form in _UNITS:
        return value // _UNITS[form]
    at = _EPOCH + timedelta(microseconds=value)
    if form == "date":
        return date.isoformat(at.date())
    if form == "iso":
        return at.strftime("%Y-%m-%dT%H:%M:%S") + (f".{at.microsecond:06}".rstrip("0") if at.microsecond else "") + "Z"
    return at.strftime(form)
