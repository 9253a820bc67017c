"""What this process has sent just now, by bucket: what was too much when a refusal comes."""

from __future__ import annotations

import itertools
from collections import deque

__all__ = ["Tally"]

WINDOW_S = 2.0
MARK_S = 0.25

LEAST_S = 1.0
"""A burst counts as if it had taken this long: nobody sustains what was sent in its tenth of a second."""


class Tally:
    """Counts requests. Used by several threads at once; a mark made twice does no harm."""

    def __init__(self) -> None:
        self._counter = itertools.count(1)
        self._marks: deque[tuple[float, int]] = deque(maxlen=int(WINDOW_S / MARK_S) + 1)
        self._last = 0

    def add(self, now: float) -> None:
        self._last = next(self._counter)
        marks = self._marks
        if not marks or now - marks[-1][0] >= MARK_S:
            marks.append((now, self._last - 1))

    def sent(self, now: float) -> tuple[int, float]:
        """Requests of about the last two seconds, and how many that is a second; of before it was begun anew, none."""
        recent = [mark for mark in list(self._marks) if mark[0] >= now - WINDOW_S - MARK_S]
        if not recent:
            return 0, 0.0
        since, before = recent[0]
        sent = self._last - before
        return sent, sent / max(LEAST_S, now - since)

    def begin_anew(self) -> None:
        self._marks.clear()
