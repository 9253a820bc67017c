"""When the next request of some buckets may be sent, by what all processes of the installation know of them.

A request that counts in several is let through by all of them. While one is paused nobody takes a permit of the others: it would
be lost, or come due when it must not be used. Then the narrowest gives its permit first and the widest, which most wait for, last; where a
pause began meanwhile, everything is asked for anew. Nothing is held while waiting, so nobody can wait for each other.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from connector_pipelines.core.errors import Unavailable
from connector_pipelines.net.limits.board import Board
from connector_pipelines.net.limits.buckets import Bucket, measured, pace, paused, remaining_told, throttled
from connector_pipelines.net.limits.line import NAP_S, Line, ended, too_far
from connector_pipelines.net.limits.tally import Tally
from connector_pipelines.net.protocols import Answered

__all__ = ["SharedLimiter"]


@dataclass(slots=True)
class _Own:
    """Of one bucket, what is this process's own.

    Attributes:
        told_until: By the board's clock: the latest end of a pause that every process knows of through us.
        throttles: The last refusal of which we have said what we had sent before.
    """

    tally: Tally
    told_until: float = 0.0
    throttles: int = 0
    telling: threading.Lock = field(default_factory=threading.Lock)


class SharedLimiter:
    """A `Limiter`, as the protocol says. `admit` and `learn` of one request are called in the same thread."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._owns: dict[str, _Own] = {}
        self._lines: dict[tuple[str, float | None], Line] = {}
        self._making = threading.Lock()
        self._sent_in = threading.local()
        # Those who could say it themselves may all be waiting for the end of that very pause.
        board.on_bucket = self._heard

    def admit(self, buckets: tuple[str, ...], *, within_s: float, stop: threading.Event, at_most: float | None = None) -> None:
        until = self._board.clock() + within_s
        narrowest, *wider = reversed(buckets)
        while True:
            if wider:
                self._rest(buckets, until, stop)
            epochs = {narrowest: self._let_through(narrowest, until, stop, at_most)}
            for bucket in wider:
                epochs[bucket] = self._let_through(bucket, until, stop, None)
            if not wider or all(self._board.bucket(bucket).epoch == epochs[bucket] for bucket in buckets[1:]):
                break
        now = self._board.clock()
        for bucket in buckets:
            self._owns[bucket].tally.add(now)
        self._sent_in.epochs = epochs

    def learn(self, bucket: str, answered: Answered) -> None:
        if answered.throttled or answered.retry_after_s is not None:
            self._tell(bucket, answered)
        elif answered.remaining is not None and answered.reset_s is not None:
            self._note_remaining(bucket, answered.remaining, answered.reset_s)

    def _rest(self, buckets: tuple[str, ...], until: float, stop: threading.Event) -> None:
        """Return when none of them is paused. Raises as `admit`."""
        while True:
            pauses = ((self._board.bucket(bucket).paused_until or 0.0, bucket) for bucket in buckets)
            ends_at, bucket = max(pauses)
            wait = ends_at - self._board.now()
            if wait <= 0:
                return
            if wait > max(0.0, until - self._board.clock()):
                too_far(bucket, wait)
            if stop.wait(min(wait, NAP_S)):
                ended(bucket)

    def _let_through(self, bucket: str, until: float, stop: threading.Event, at_most: float | None) -> int:
        """Wait for one bucket's permit; the epoch it is valid in."""
        known = self._board.bucket(bucket)
        own = self._owns.get(bucket) or self._own(bucket, known)
        if own.throttles != known.throttles:
            self._say_what_was_sent(bucket, own, known.throttles)
        if stop.is_set():
            raise Unavailable(f"{bucket}: the run is to end")
        if at_most is not None or known.paused_until is not None or known.rate is not None or known.spread is not None:
            known = self._wait(bucket, known, until, stop, at_most)
        return known.epoch

    def _wait(self, bucket: str, known: Bucket, until: float, stop: threading.Event, at_most: float | None) -> Bucket:
        while not self._is_free(known, at_most):
            epoch = self._line(bucket, at_most).stand(until, stop)
            known = self._board.bucket(bucket)
            # Who was woken late may have been overtaken by a pause.
            if known.epoch == epoch:
                break
        return known

    def _is_free(self, known: Bucket, at_most: float | None) -> bool:
        now = self._board.now()
        return (known.paused_until is None or now >= known.paused_until) and pace(known, now, at_most) is None

    def _tell(self, bucket: str, answered: Answered) -> None:
        """Begin or lengthen a pause. Of many that are told at once, few are written: one says what the others would."""
        board, own = self._board, self._owns.get(bucket) or self._own(bucket, self._board.bucket(bucket))
        until = board.clock() + (answered.retry_after_s or 0.0)
        epoch = board.bucket(bucket).epoch
        late = self._epochs().get(bucket, epoch) < epoch
        with own.telling:
            known = board.bucket(bucket)
            is_paused = known.paused_until is not None and board.now() < known.paused_until
            if answered.retry_after_s is None and (late or is_paused):
                return
            if answered.retry_after_s is not None and (late or is_paused) and until <= own.told_until:
                return
            left = None if answered.retry_after_s is None else max(0.0, until - board.clock())
            if answered.throttled:
                board.change_bucket(bucket, partial(throttled, retry_after_s=left, late=late, jitter=random.random()))  # noqa: S311 - no secret
            elif left is not None:
                board.change_bucket(bucket, partial(paused, for_s=left))
            own.told_until = max(own.told_until, until)
        self._say_what_was_sent(bucket, own, board.bucket(bucket).throttles)

    def _note_remaining(self, bucket: str, remaining: int, reset_s: float) -> None:
        own = self._owns.get(bucket) or self._own(bucket, self._board.bucket(bucket))
        _, per_s = own.tally.sent(self._board.clock())
        change = partial(remaining_told, remaining=remaining, reset_s=reset_s, own_per_s=per_s)
        known = self._board.bucket(bucket)
        if change(known, self._board.now()) is known:
            return
        with own.telling:
            known = self._board.bucket(bucket)
            if change(known, self._board.now()) is not known:
                self._board.change_bucket(bucket, change)

    def _say_what_was_sent(self, bucket: str, own: _Own, throttles: int) -> None:
        """What every process says after a refusal: together it is the rate that was too much."""
        with own.telling:
            if own.throttles == throttles:
                return
            own.throttles = throttles
            counted, per_s = own.tally.sent(self._board.clock())
            own.tally.begin_anew()
        if counted:
            self._board.change_bucket(bucket, lambda known, _: measured(known, throttles, counted, per_s))

    def _heard(self, bucket: str, found: Bucket) -> None:
        own = self._owns.get(bucket)
        if own is not None and found.throttles > own.throttles:
            self._say_what_was_sent(bucket, own, found.throttles)

    def _own(self, bucket: str, known: Bucket) -> _Own:
        with self._making:
            return self._owns.setdefault(bucket, _Own(Tally(), throttles=known.throttles))

    def _line(self, bucket: str, at_most: float | None) -> Line:
        with self._making:
            return self._lines.setdefault((bucket, at_most), Line(self._board, bucket, at_most))

    def _epochs(self) -> Mapping[str, int]:
        """By bucket, the epoch in which this thread's last request was let through."""
        found: Mapping[str, int] = self._sent_in.__dict__.get("epochs", {})
        return found
