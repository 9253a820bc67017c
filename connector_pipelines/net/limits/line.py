"""Who waits, in this process, for permits of one bucket: first come, first served.

The one in front leads: it takes permits for itself and for those behind it, and waits for their time. The others sleep until it
wakes them. So a process has one take under way for a bucket however many threads wait, and what a process that dies has
taken is a tenth of a second's worth.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import NoReturn

from connector_pipelines.core.errors import RateLimited, Unavailable
from connector_pipelines.net.limits.board import Board
from connector_pipelines.net.limits.buckets import Bucket, Slot, pace, taken, wait_s

__all__ = ["NAP_S", "Line", "ended", "expected_wait_s", "too_far"]

LOOK_S = 1.0
"""Who waits behind others looks this often whether it is to end, or waits in vain."""

NAP_S = 5.0
"""Who leads looks at least this often whether a pause was lifted."""


class _Waiter:
    __slots__ = ("epoch", "turn")

    def __init__(self) -> None:
        self.turn = threading.Event()
        self.epoch: int | None = None


class Line:
    """The line of one bucket, under one ceiling (requests a second, or None)."""

    def __init__(self, board: Board, bucket: str, ceiling: float | None) -> None:
        self._board = board
        self._bucket = bucket
        self._ceiling = ceiling
        self._lock = threading.Lock()
        self._waiting: deque[_Waiter] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def stand(self, until: float, stop: threading.Event) -> int:
        """Wait for a permit, given by the epoch it is valid in.

        Args:
            until: By the board's clock.

        Raises:
            RateLimited: There is none until then.
            Unavailable: `stop` was set.
        """
        me = _Waiter()
        with self._lock:
            ahead = len(self._waiting)
            if not ahead:
                me.turn.set()
            self._waiting.append(me)
        try:
            self._check(ahead, until, stop)
            return self._follow(me, until, stop)
        finally:
            self._leave(me)

    def _follow(self, me: _Waiter, until: float, stop: threading.Event) -> int:
        while not me.turn.wait(min(LOOK_S, max(0.05, until - self._board.clock()))):
            self._check(self._position(me), until, stop)
        return me.epoch if me.epoch is not None else self._lead(me, until, stop)

    def _lead(self, me: _Waiter, until: float, stop: threading.Event) -> int:
        while True:
            self._check(0, until, stop)
            slot = self._take(until)
            while self._is_valid(slot) and (wait := slot.at - self._board.now()) > 0:
                if not slot.permits:
                    too_far(self._bucket, wait)
                if stop.wait(min(wait, NAP_S)):
                    ended(self._bucket)
            if slot.permits and self._is_valid(slot):
                self._let_pass(me, slot)
                return slot.epoch

    def _take(self, until: float) -> Slot:
        found: list[Slot] = []
        wanted, within_s = len(self._waiting), max(0.0, until - self._board.clock())

        def change(bucket: Bucket, now: float) -> Bucket:
            changed, slot = taken(bucket, now, wanted, within_s=within_s, ceiling=self._ceiling)
            found.append(slot)
            return changed

        self._board.change_bucket(self._bucket, change)
        # The last: it may be asked again where another process was faster.
        return found[-1]

    def _is_valid(self, slot: Slot) -> bool:
        return self._board.bucket(self._bucket).epoch == slot.epoch

    def _let_pass(self, me: _Waiter, slot: Slot) -> None:
        with self._lock:
            # Me first; who left meanwhile is not in line any more, and what was taken for it is lost.
            for _ in range(min(slot.permits, len(self._waiting))):
                passes = self._waiting.popleft()
                passes.epoch = slot.epoch
                if passes is not me:
                    passes.turn.set()

    def _leave(self, me: _Waiter) -> None:
        with self._lock:
            if me.epoch is None:
                self._waiting.remove(me)
            if self._waiting:
                self._waiting[0].turn.set()

    def _position(self, me: _Waiter) -> int:
        with self._lock:
            return self._waiting.index(me) if me.epoch is None else 0

    def _check(self, ahead: int, until: float, stop: threading.Event) -> None:
        if stop.is_set():
            ended(self._bucket)
        known, now = self._board.bucket(self._bucket), self._board.now()
        wait = expected_wait_s(known, now, ahead, self._ceiling)
        if wait > max(0.0, until - self._board.clock()):
            too_far(self._bucket, wait)


def expected_wait_s(bucket: Bucket, now: float, ahead: int, ceiling: float | None) -> float:
    """How long a request waits behind `ahead` others of its process."""
    wait = wait_s(bucket, now, ceiling)
    # A pace that begins gently is soon a faster one: looked at in its middle it is not far off.
    per_s = pace(bucket, now + wait + 1.0, ceiling)
    return wait + (ahead / per_s if per_s else 0.0)


def too_far(bucket: str, wait_s: float) -> NoReturn:
    """For whom the next permit comes too late."""
    raise RateLimited(
        f"{bucket}: the next request may be sent in {wait_s:.1f} s, which is longer than this one can wait",
        advice="nothing to do; `connectors limits` shows what the other side asked for",
        retry_after_s=wait_s,
    )


def ended(bucket: str) -> NoReturn:
    """For whom waits when the run is to end."""
    raise Unavailable(f"{bucket}: the run is to end, and this request was waiting for its turn")
