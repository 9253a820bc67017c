"""What time it is in the company: every edit is stamped with it, so that a test decides about order and ties."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["START_AT", "Clock", "micros"]

START_AT: Final = datetime(2026, 3, 2, 8, tzinfo=UTC)
"""A Monday morning: where a clock that is not told otherwise begins."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """Moves on by `step` with every edit. A step of zero makes ties; `step=None` is the time of this machine.

    Args:
        now: Aware.
    """

    def __init__(self, now: datetime = START_AT, step: timedelta | None = timedelta(seconds=1)) -> None:
        self._lock = threading.Lock()
        self._now = micros(now)
        self._step = step

    def tick(self) -> int:
        """The stamp of the next edit, in microseconds since 1970."""
        with self._lock:
            if self._step is None:
                return time.time_ns() // 1000
            self._now += self._step // timedelta(microseconds=1)
            return self._now

    def now(self) -> int:
        """The stamp of the last edit, or this machine's time; nothing moves on."""
        with self._lock:
            return time.time_ns() // 1000 if self._step is None else self._now

    def set(self, now: datetime) -> None:
        """Go there; backwards, too."""
        with self._lock:
            self._now = micros(now)

    def step(self, step: timedelta | None) -> None:
        with self._lock:
            self._step = step


def micros(at: datetime) -> int:
    """Microseconds since 1970 of an aware instant."""
    return (at - _EPOCH) // timedelta(microseconds=1)
