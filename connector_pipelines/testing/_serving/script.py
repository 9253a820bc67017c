"""A script of faults: which of them befalls a request, counted and by chance."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

__all__ = ["Counted", "Script"]

_SEED: Final = 20260302


class Counted(Protocol):
    """`skip`: how many that match are let pass first; `times`: how often it happens, None always; `share`: of those that match."""

    @property
    def skip(self) -> int: ...

    @property
    def times(self) -> int | None: ...

    @property
    def share(self) -> float: ...


F = TypeVar("F", bound=Counted)


class Script(Generic[F]):
    """The first fault that matches and is not used up befalls a request. Used by several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[_Running[F]] = []
        self._chance = random.Random(_SEED)  # noqa: S311 - which requests fail, the same every time

    def add(self, fault: F) -> None:
        with self._lock:
            self._running.append(_Running(fault))

    def clear(self) -> None:
        with self._lock:
            self._running.clear()

    def next(self, matches: Callable[[F], bool]) -> F | None:
        if not self._running:
            return None
        with self._lock:
            for running in self._running:
                if not running.is_used_up() and matches(running.fault) and running.happens(self._chance):
                    return running.fault
        return None


class _Running(Generic[F]):
    def __init__(self, fault: F) -> None:
        self.fault = fault
        self._met = 0
        self._done = 0

    def is_used_up(self) -> bool:
        return self.fault.times is not None and self._done >= self.fault.times

    def happens(self, chance: random.Random) -> bool:
        self._met += 1
        if self._met <= self.fault.skip or (self.fault.share < 1 and chance.random() >= self.fault.share):
            return False
        self._done += 1
        return True
