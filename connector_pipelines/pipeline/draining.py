"""How a stage works through what waits: claimed in batches, done in threads, written back in batches, until nothing waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event
from typing import Generic, TypeVar

__all__ = ["Work", "drain"]

T = TypeVar("T")
R = TypeVar("R")

BATCH = 200
FLUSH_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[T, R]):
    """What a stage does.

    Attributes:
        claim: Up to so many more items; nothing when nothing waits. Asked again after each save.
        do: Turns an item into a result, every fault of the item's own included. What it raises ends the stage.
        save: Writes results back.
        abort: Called when the stage ends early, so that what is under way ends soon.
    """

    claim: Callable[[int], list[T]]
    do: Callable[[T], R]
    save: Callable[[list[R]], None]
    abort: Callable[[], None] = field(default=lambda: None)


def drain(work: Work[T, R], *, threads: int, stop: Event) -> None:
    """Claim, do and save until nothing waits. Results are saved as they come: a slow item holds up no other.

    When the stage ends early, `stop` is set and what was not saved is done again by whoever claims it next.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="stage") as pool:
        try:
            _loop(work, pool, threads)
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            work.abort()
            raise


def _loop(work: Work[T, R], pool: ThreadPoolExecutor, threads: int) -> None:
    # Futures come here by themselves: to wait for the first of two hundred costs five times as much.
    finished: SimpleQueue[Future[R]] = SimpleQueue()
    done: list[R] = []
    more, under_way, saved_at = True, 0, time.monotonic()
    while more or under_way:
        if more and under_way < max(2 * threads, BATCH // 2):
            taken = work.claim(BATCH)
            more = bool(taken)
            for item in taken:
                pool.submit(work.do, item).add_done_callback(finished.put)
            under_way += len(taken)
        came = [future.result() for future in _next(finished)] if under_way else []
        under_way -= len(came)
        done += came
        if done and (len(done) >= BATCH or not under_way or time.monotonic() - saved_at > FLUSH_S):
            work.save(done)
            # What was saved may have made more work: the parts of a file wait for the stage that found them.
            more, done, saved_at = True, [], time.monotonic()


def _next(finished: SimpleQueue[Future[R]]) -> Iterator[Future[R]]:
    """Those that are finished, or the first that will be; none after a while."""
    with suppress(Empty):
        yield finished.get(timeout=FLUSH_S)
        while True:
            yield finished.get_nowait()
