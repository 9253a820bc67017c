"""When and whether a request is sent to a system we do not own, settled by all processes of an installation together."""

from __future__ import annotations

import time
from collections.abc import Callable

from connector_pipelines.net.limits.board import STALE_S, Board
from connector_pipelines.net.limits.breaker import SharedBreaker
from connector_pipelines.net.limits.buckets import Bucket, pace
from connector_pipelines.net.limits.circuits import Circuit, state
from connector_pipelines.net.limits.limiter import SharedLimiter
from connector_pipelines.net.limits.shared import Seen, SharedState

__all__ = ["STALE_S", "Bucket", "Circuit", "Limits", "Seen", "SharedState", "pace", "state"]


class Limits:
    """The limiter and the breaker of this process: one for all its threads and connectors. Connects on first use.

    Args:
        clock: Seconds that only go forward.
    """

    def __init__(self, state: SharedState, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._board = Board(state, clock=clock)
        self.limiter = SharedLimiter(self._board)
        self.breaker = SharedBreaker(self._board)

    def close(self) -> None:
        """Tell what was not told yet, and let go of connections. May be called twice."""
        self.breaker.flush()
        self._board.close()
