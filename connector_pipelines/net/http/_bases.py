"""Whether a request goes to the base or to the fallback."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Bases"]

AWAY_S = 30.0
_TRIES = 3


class Bases:
    """What one client has found out about its base. Used by several threads at once.

    `monotonic` is a clock in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._away_until: float | None = None

    @property
    def is_away(self) -> bool:
        """Whether the base is not even to be asked just now."""
        with self._lock:
            return self._away_until is not None and self._monotonic() < self._away_until

    @property
    def tries(self) -> int:
        """How often the base is tried before the fallback is: once, while nothing has worked there since it failed."""
        with self._lock:
            return _TRIES if self._away_until is None else 1

    def failed(self) -> None:
        with self._lock:
            self._away_until = self._monotonic() + AWAY_S

    def worked(self) -> None:
        with self._lock:
            self._away_until = None
