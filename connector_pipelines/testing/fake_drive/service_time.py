"""What time it is at the service: this machine's, or ahead of it where a test let time pass."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

__all__ = ["ServiceTime"]


class ServiceTime:
    """Tokens, limits and channels end by it. Edits have a clock of their own, in the world."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead_s = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._ahead_s

    def let_pass(self, by: timedelta) -> None:
        with self._lock:
            self._ahead_s += by.total_seconds()
