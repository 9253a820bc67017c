"""Whether a request is tried again, and when: within its own budget, and within what all requests of a client may add to the load."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from connector_pipelines.core.errors import RateLimited, TransientError, Unavailable
from connector_pipelines.net.http._counters import Trace
from connector_pipelines.net.http._wire import Barred, Lost

__all__ = ["Allowance", "Clock", "Tries", "real_clock"]

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 20.0

_SHARE = 0.2
_FLOOR = 20.0
_MOST_SAVED = 100.0


@dataclass(frozen=True, slots=True)
class Clock:
    """`wait` takes seconds and says whether the run was stopped meanwhile; `jitter` takes the largest pause and gives one."""

    monotonic: Callable[[], float]
    wait: Callable[[float], bool]
    jitter: Callable[[float], float]


def real_clock(stop: threading.Event) -> Clock:
    # Full jitter: the whole of the pause is chance, which spreads those that failed together best.
    return Clock(time.monotonic, stop.wait, lambda longest_s: random.uniform(0, longest_s))  # noqa: S311 - no secret


class Allowance:
    """How many more tries a client has: a fifth of its requests, and a few to begin with.

    Without it, each of a hundred workers trying five times would be five times the load on a system that is down for load.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = _FLOOR

    def earn(self) -> None:
        with self._lock:
            self._left = min(_MOST_SAVED, self._left + _SHARE)

    def spend(self) -> bool:
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True


class Tries:
    """The tries of one request, noted in `trace`."""

    def __init__(self, budget_s: float, allowance: Allowance, clock: Clock, trace: Trace) -> None:
        self._budget_s, self._allowance, self._clock = budget_s, allowance, clock
        self._began = clock.monotonic()
        self._was_stale = False
        self.trace = trace
        allowance.earn()

    @property
    def took_s(self) -> float:
        return self._clock.monotonic() - self._began

    def left_s(self) -> float:
        """Of the budget."""
        return max(0.0, self._budget_s - self.took_s)

    def again(self, error: TransientError, *, repeatable: bool) -> None:
        """Return when it is time for another try.

        Args:
            repeatable: Whether the request may arrive twice.

        Raises:
            TransientError: `error`, where there is none.
            Unavailable: The run was stopped.
        """
        was_sent = not isinstance(error, Barred) and not (isinstance(error, Lost) and not error.arrived)
        if was_sent and not repeatable:
            raise error
        self.trace.retries += 1
        if isinstance(error, Lost) and error.stale and not self._was_stale:
            # Kept too long: the server closed it as we took it. No sign of trouble, so neither pause nor allowance.
            self._was_stale = True
            return
        self._pause(error)

    def _pause(self, error: TransientError) -> None:
        asked_s = error.retry_after_s
        spread_s = self._clock.jitter(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self.trace.retries - 1, 10)))
        # What was asked for is never cut short; a little is added, or all that were turned away come back at once.
        pause_s = spread_s if asked_s is None else asked_s + min(spread_s, 1.0, asked_s / 10)
        if pause_s > self.left_s():
            raise _given_up(error)
        if asked_s is None and not self._allowance.spend():
            raise error
        self.trace.waited_s += pause_s
        if self._clock.wait(pause_s):
            raise Unavailable("the run was stopped") from error


def _given_up(error: TransientError) -> TransientError:
    """What asks for a pause beyond the budget is told as such, whatever status it came with."""
    if error.retry_after_s is None or isinstance(error, RateLimited | Barred):
        return error
    return RateLimited(str(error), advice=error.advice, retry_after_s=error.retry_after_s)
