"""Threads that work through a queue: as many as help, which depends on what they wait for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, Generic, TypeVar

__all__ = ["Crew", "Width"]

T = TypeVar("T")
R = TypeVar("R")

FIRST: Final = 16
"""Threads to begin with, where more are allowed. Where they compute, more only stand in each other's way."""

LOOK_S: Final = 0.25
IDLE_SHARE: Final = 0.7
"""Of a CPU. Python runs one thread at a time: a process that uses less of it waits for others."""

HELPED: Final = 1.1


class Width:
    """How many threads help: doubled while they mostly wait and the last doubling made more of them done.

    Args:
        most: Never more than that.
        first: As many to begin with.
        now, cpu: Seconds on the clock, and of CPU this process has used.
    """

    def __init__(
        self,
        most: int,
        *,
        first: int = FIRST,
        now: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self.threads = min(most, first)
        self._most, self._now, self._cpu = most, now, cpu
        self._began, self._cpu_then, self._done = now(), cpu(), 0
        self._rate_before = 0.0

    def look(self, done: int) -> None:
        """Told that `done` more are done, while more wait."""
        self._done += done
        now = self._now()
        if now - self._began < LOOK_S or self.threads == self._most:
            return
        cpu, rate = self._cpu(), self._done / (now - self._began)
        idle = cpu - self._cpu_then < IDLE_SHARE * (now - self._began)
        # What takes longer than a look is not done yet: nothing is known of it.
        if idle and self._done and rate > HELPED * self._rate_before:
            self.threads, self._rate_before = min(2 * self.threads, self._most), rate
        self._began, self._cpu_then, self._done = now, cpu, 0


class Crew(Generic[T, R]):
    """Threads that do what is put, in order; what comes of it is taken by one other thread."""

    def __init__(self, do: Callable[[T], R], name: str) -> None:
        self._do, self._name = do, name
        self._threads: list[Thread] = []
        self._todo: SimpleQueue[T | _End] = SimpleQueue()
        self._done: SimpleQueue[R | _Raised] = SimpleQueue()

    def grow(self, threads: int) -> None:
        """Be at least so many."""
        while len(self._threads) < threads:
            thread = Thread(target=self._work, name=f"{self._name}_{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def put(self, item: T) -> None:
        self._todo.put(item)

    def done(self, patience_s: float) -> Iterator[R]:
        """What is done, or the first that will be; nothing after a while. Raises what `do` raised."""
        with suppress(Empty):
            found = self._done.get(timeout=patience_s)
            while True:
                if isinstance(found, _Raised):
                    raise found.error
                yield found
                found = self._done.get_nowait()

    def dismiss(self) -> None:
        """What was not begun is left, what is under way is waited for."""
        with suppress(Empty):
            while True:
                self._todo.get_nowait()
        for _ in self._threads:
            self._todo.put(_End())
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while not isinstance(item := self._todo.get(), _End):
            try:
                self._done.put(self._do(item))
            except BaseException as error:  # noqa: BLE001 - it is raised where results are taken
                self._done.put(_Raised(error))


class _End:
    pass


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error
