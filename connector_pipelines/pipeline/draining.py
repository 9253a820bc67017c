"""How a stage works through what waits: claimed in batches, done in threads, written back in batches, until nothing waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Generic, TypeVar

from connector_pipelines.pipeline.crew import Crew, Width

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


def drain(work: Work[T, R], *, width: Width, stop: Event) -> None:
    """Claim, do and save until nothing waits. Results are saved as they come: a slow item holds up no other.

    When the stage ends early, `stop` is set and what was not saved is done again by whoever claims it next.
    """
    crew: Crew[T, R] = Crew(work.do, "stage")
    try:
        _loop(work, crew, width)
    except BaseException:
        stop.set()
        work.abort()
        raise
    finally:
        crew.dismiss()


def _loop(work: Work[T, R], crew: Crew[T, R], width: Width) -> None:
    done: list[R] = []
    more, under_way, saved_at = True, 0, time.monotonic()
    while more or under_way:
        if more and under_way < max(2 * width.threads, BATCH // 2):
            taken = work.claim(BATCH)
            more = bool(taken)
            for item in taken:
                crew.put(item)
            under_way += len(taken)
        crew.grow(min(width.threads, under_way))
        came = list(crew.done(FLUSH_S)) if under_way else []
        under_way -= len(came)
        done += came
        if under_way > width.threads:
            width.look(len(came))
        if done and (len(done) >= BATCH or not under_way or time.monotonic() - saved_at > FLUSH_S):
            work.save(done)
            # What was saved may have made more work: the parts of a file wait for the stage that found them.
            more, done, saved_at = True, [], time.monotonic()
