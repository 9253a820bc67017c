"""How long a fetched secret is used: for its lifetime, and longer while the place it is from does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from connector_pipelines.core.errors import TransientError
from connector_pipelines.telemetry import get_logger

__all__ = ["Cache"]

PAUSE_S = 30.0
"""Seconds between tries of a place that is away, while an older value is used."""


@dataclass(slots=True)
class _Kept:
    value: str = field(repr=False)
    fetched_at: float
    fresh_until: float


class Cache:
    """Keeps values in the memory of this process, by reference.

    Args:
        lifetime_s: Seconds a value is used without asking again; 0 asks every time.
        grace_s: How old a value may be, in seconds, that is used while asking fails for a while.
        clock: Seconds, never going back.
    """

    def __init__(self, lifetime_s: float = 300.0, grace_s: float = 3600.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._lifetime_s, self._grace_s, self._clock = lifetime_s, grace_s, clock
        self._kept: dict[str, _Kept] = {}
        self._locks: dict[str, threading.Lock] = {}

    def get(self, reference: str, fetch: Callable[[], str]) -> str:
        """The value kept, or what `fetch` gives; of several threads that want the same one, one fetches."""
        with self._locks.setdefault(reference, threading.Lock()):
            kept = self._kept.get(reference)
            if kept is not None and self._clock() < kept.fresh_until:
                return kept.value
            try:
                value = fetch()
            except TransientError as error:
                return self._while_away(reference, kept, error)
            now = self._clock()
            self._kept[reference] = _Kept(value, now, now + self._lifetime_s)
            return value

    def forget(self, reference: str) -> None:
        """Fetch it anew when it is asked for next: what was kept was refused."""
        self._kept.pop(reference, None)

    def _while_away(self, reference: str, kept: _Kept | None, error: TransientError) -> str:
        now = self._clock()
        if kept is None or now - kept.fetched_at > self._grace_s:
            raise error
        kept.fresh_until = min(now + PAUSE_S, kept.fetched_at + self._grace_s)
        get_logger(__name__).warning(
            "secret_not_fetched_older_one_used", reference=reference, age_s=round(now - kept.fetched_at), reason=str(error)
        )
        return kept.value
