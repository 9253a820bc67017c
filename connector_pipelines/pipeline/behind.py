"""How writing keeps out of the way of reading: calls are made in a thread of their own, in order, a few behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

__all__ = ["Behind", "behind"]

T = TypeVar("T")

MOST = 32
"""Calls that may wait."""

MOST_BYTES = 32 * 1024**2
"""What the arguments of those that wait may hold in memory; one call alone may hold more."""


class Behind(Generic[T]):
    """Calls in order, one at a time. After one that fails none is made any more; what it raised is raised by the next `do` or at the end."""

    def __init__(self, pool: ThreadPoolExecutor, told: Callable[[T], None]) -> None:
        self._pool, self._told = pool, told
        self._waiting: deque[tuple[Future[T], int]] = deque()
        self._bytes = 0
        self._failed = False

    def do(self, call: Callable[[], T], size: int = 0) -> None:
        """Have it called soon; waits while too many wait already. Results are told here and at the end, in this thread.

        Args:
            size: Bytes that its arguments hold in memory, as far as that is much.
        """
        while self._waiting and (len(self._waiting) >= MOST or self._bytes + size > MOST_BYTES or self._waiting[0][0].done()):
            self._tell()
        self._waiting.append((self._pool.submit(self._called, call), size))
        self._bytes += size

    def wait(self) -> None:
        """Until all is done, or one has failed."""
        while self._waiting:
            self._tell()

    def _tell(self) -> None:
        future, size = self._waiting.popleft()
        self._bytes -= size
        self._told(future.result())

    def _called(self, call: Callable[[], T]) -> T:
        if self._failed:
            raise CancelledError
        try:
            return call()
        except BaseException:
            self._failed = True
            raise


@contextmanager
def behind(told: Callable[[T], None]) -> Iterator[Behind[T]]:
    """Calls of the block are done when it ends; those asked for before it fails, too."""
    with ThreadPoolExecutor(1, thread_name_prefix="behind") as pool:
        calls = Behind(pool, told)
        try:
            yield calls
        finally:
            # Where a call has failed, that is what stopped the block: the others after it were never made.
            with suppress(CancelledError):
                calls.wait()
