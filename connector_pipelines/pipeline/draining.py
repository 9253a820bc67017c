"""How a stage works through what waits: claimed in batches, done in threads, written back in batches, until nothing waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
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
        pending: set[Future[R]] = set()
        try:
            _loop(work, pool, pending, threads)
        except BaseException:
            stop.set()
            for future in pending:
                future.cancel()
            work.abort()
            raise


def _loop(work: Work[T, R], pool: ThreadPoolExecutor, pending: set[Future[R]], threads: int) -> None:
    done: list[R] = []
    more, saved_at = True, time.monotonic()
    while more or pending:
        if more and len(pending) < 2 * threads:
            taken = work.claim(BATCH)
            more = bool(taken)
            pending |= {pool.submit(work.do, item) for item in taken}
        finished, left = wait(pending, timeout=FLUSH_S, return_when=FIRST_COMPLETED)
        pending.clear()
        pending |= left
        done += [future.result() for future in finished]
        if done and (len(done) >= BATCH or not pending or time.monotonic() - saved_at > FLUSH_S):
            work.save(done)
            # What was saved may have made more work: the parts of a file wait for the stage that found them.
            more, done, saved_at = True, [], time.monotonic()
