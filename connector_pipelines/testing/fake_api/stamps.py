"""How instants are written in answers and read in filters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Final, Literal

from connector_pipelines.testing.fake_api.clock import micros

__all__ = ["Timestamps", "read_stamp", "write_stamp"]

Timestamps = Literal["iso", "iso_millis", "iso_offset", "naive", "date", "epoch_s", "epoch_ms"]
"""`iso` is 2026-03-02T08:00:00Z; `iso_offset` the same instant as 13:30:00+05:30; `naive` says no zone and means UTC."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET: Final = timezone(timedelta(hours=5, minutes=30))
_DIGITS_OF_MILLIS: Final = 11


def write_stamp(stamp: int, style: Timestamps) -> str | int:
    """Microseconds since 1970 as the API writes them."""
    if style == "epoch_s":
        return stamp // 1_000_000
    if style == "epoch_ms":
        return stamp // 1000
    at = _EPOCH + timedelta(microseconds=stamp)
    if style == "date":
        return at.date().isoformat()
    if style == "iso_millis":
        return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"
    if style == "iso_offset":
        return at.astimezone(_OFFSET).isoformat(timespec="seconds")
    return at.strftime("%Y-%m-%dT%H:%M:%S") + ("" if style == "naive" else "Z")


def read_stamp(text: str) -> int:
    """What a filter says, in any of the styles.

    Raises:
        ValueError: It is none of them.
    """
    if text.lstrip("-").isdigit():
        number = int(text)
        return number * 1000 if len(text.lstrip("-")) > _DIGITS_OF_MILLIS else number * 1_000_000
    # A `+` that was not escaped arrives as a space.
    at = datetime.fromisoformat(text.strip().replace(" ", "+") if text.count(" ") == 1 and "T" in text else text.strip())
    return micros(at if at.tzinfo else at.replace(tzinfo=UTC))
