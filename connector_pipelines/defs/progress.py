"""How a running step tells how far it is: a log line now and then, and an observation that the UI shows beside the asset."""

import threading
import time
from collections.abc import Callable

import dagster as dg

from connector_pipelines.defs.events import observe
from connector_pipelines.pipeline.session import Progress

__all__ = ["Teller"]

LOG_EVERY_S = 5.0
OBSERVE_EVERY_S = 30.0


class Teller:
    """Takes what a session tells; threads of a stage may call it at once.

    Args:
        heard: Told everything, at once.
        clock: Seconds, rising.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        key: dg.AssetKey,
        heard: Callable[[Progress], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context, self._key, self._heard, self._clock = context, key, heard, clock
        self._logged_at = self._observed_at = clock()
        self._lock = threading.Lock()

    def __call__(self, progress: Progress) -> None:
        self._heard(progress)
        now = self._clock()
        with self._lock:
            log, noted = now - self._logged_at >= LOG_EVERY_S, now - self._observed_at >= OBSERVE_EVERY_S
            self._logged_at = now if log else self._logged_at
            self._observed_at = now if noted else self._observed_at
        if log:
            self._context.log.info(_line(progress))
        if noted:
            observe(self._context, self._key, _numbers(progress))


def _line(progress: Progress) -> str:
    of = f" of {progress.total}" if progress.total is not None else ""
    failed = f", {progress.failed} failed" if progress.failed else ""
    return f"{progress.endpoint} {progress.stage}: {progress.done}{of}{failed}"


def _numbers(progress: Progress) -> dict[str, str | int | float]:
    shown: dict[str, str | int | float] = {"stage": progress.stage, "done": progress.done, "failed": progress.failed}
    if progress.total:
        shown |= {"total": progress.total, "progress_pct": round(100 * progress.done / progress.total, 1)}
    return shown
