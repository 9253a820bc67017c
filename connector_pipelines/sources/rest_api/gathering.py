"""Runs several generators at once, each in a thread, and gives what they yield as it comes. No more waits than is being worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, TypeVar

__all__ = ["gather"]

T = TypeVar("T")
_SEEN_EVERY_S: Final = 0.2


class _Done:
    pass


class _Gathering(Generic[T]):
    def __init__(self, tasks: Iterable[Callable[[], Iterator[T]]], at_once: int) -> None:
        self._tasks = iter(tasks)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        # Bounded: a thread that is ahead waits, and memory holds a few pages of each.
        self._items: queue.Queue[T | BaseException | _Done] = queue.Queue(maxsize=2 * at_once)
        self._threads = [threading.Thread(target=self._work, name=f"rest-api-{n}", daemon=True) for n in range(at_once)]

    def results(self) -> Iterator[T]:
        for thread in self._threads:
            thread.start()
        working = len(self._threads)
        try:
            while working:
                item = self._items.get()
                if isinstance(item, _Done):
                    working -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            self._stopped.set()
            for thread in self._threads:
                thread.join()

    def _work(self) -> None:
        try:
            while (task := self._next()) is not None and not self._stopped.is_set():
                for item in task():
                    if not self._give(item):
                        return
        except BaseException as error:  # noqa: BLE001 - it is raised where the results are read
            self._give(error)
        finally:
            self._give(_Done())

    def _next(self) -> Callable[[], Iterator[T]] | None:
        with self._lock:
            return next(self._tasks, None)

    def _give(self, item: T | BaseException | _Done) -> bool:
        while not self._stopped.is_set():
            try:
                self._items.put(item, timeout=_SEEN_EVERY_S)
            except queue.Full:
                continue
            return True
        return False


def gather(tasks: Iterable[Callable[[], Iterator[T]]], at_once: int) -> Iterator[T]:
    """What the generators of all tasks yield, `at_once` of them running. An error of one ends all, and is raised here."""
    known = list(tasks)
    if at_once == 1 or len(known) <= 1:
        for task in known:
            yield from task()
        return
    yield from _Gathering(known, min(at_once, len(known))).results()
