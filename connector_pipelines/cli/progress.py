"""How far a sync is, while it runs: bars on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from connector_pipelines.pipeline.session import Progress

__all__ = ["Lines", "shown"]

EVERY_S = 3.0


class Lines:
    """Writes a line at most every few seconds for each stage of each endpoint, none for one that did nothing, and each note at once.

    Args:
        now: Seconds of a clock that never goes back.
    """

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._now = stream, now
        self._told_at: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def __call__(self, progress: Progress) -> None:
        key, now = (progress.endpoint, progress.stage), self._now()
        with self._lock:
            idle = not (progress.done or progress.failed)
            if not progress.note and (idle or now - self._told_at.get(key, now - EVERY_S) < EVERY_S):
                return
            self._told_at[key] = now
            print(line(progress), file=self._stream, flush=True)


def line(progress: Progress) -> str:
    """`drawings files: 120 of 300, 2 failed`, or what holds it up."""
    if progress.note:
        return f"{progress.endpoint} {progress.stage}: {' '.join(progress.note.split())}"
    of = f" of {progress.total}" if progress.total is not None else ""
    failed = f", {progress.failed} failed" if progress.failed else ""
    return f"{progress.endpoint} {progress.stage}: {progress.done}{of}{failed}"


@contextmanager
def shown(*, wanted: bool) -> Iterator[Callable[[Progress], None] | None]:
    """What to call with each step, on standard error; None where nothing is to be shown."""
    if not wanted:
        yield None
    elif not sys.stderr.isatty():
        yield Lines(sys.stderr)
    else:
        with _bars() as tell:
            yield tell


@contextmanager
def _bars() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[told]}", markup=False),
        TimeElapsedColumn(),
    )
    lock, tasks = threading.Lock(), dict[tuple[str, str], TaskID]()
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:

        def tell(progress: Progress) -> None:
            key = (progress.endpoint, progress.stage)
            with lock:
                if key not in tasks:
                    tasks[key] = bars.add_task(" ".join(key), total=progress.total, told="")
            told = line(progress).partition(": ")[2]
            bars.update(tasks[key], completed=progress.done + progress.failed, total=progress.total, told=told)

        yield tell
