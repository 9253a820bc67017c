"""When a fault is one item's, and when it is everybody's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from connector_pipelines.core.errors import ConnectorError, TooManyFailed, TransientError
from connector_pipelines.pipeline.report import StageReport
from connector_pipelines.store.catalog.failures import ItemFailure, backoff
from connector_pipelines.store.catalog.work import Claimed, Failed

__all__ = ["Streak", "check_budget", "item_failure"]

STREAK = 25
"""Passing faults in a row, with nothing done between them, after which the other side counts as away."""

BUDGET_FLOOR = 10


class Streak:
    """Counts passing faults in a row. `whose` is named in the error."""

    def __init__(self, whose: str) -> None:
        self._whose, self._length = whose, 0

    def check(self, failed: Sequence[Failed], *, any_done: bool) -> None:
        """Note a batch.

        Raises:
            TransientError: Too many in a row: trying the rest now would only mark all of them.
        """
        passing = [f.failure.error for f in failed if isinstance(f.failure.error, TransientError)]
        self._length = 0 if any_done else self._length + len(passing)
        if passing and self._length >= STREAK:
            raise TransientError(f"{self._whose} failed {self._length} times in a row: {passing[-1]}") from passing[-1]


def item_failure(file: Claimed, stage: str, error: ConnectorError, now: datetime) -> Failed:
    """One more attempt on the file's account."""
    attempts = file.attempts + 1
    retry_at = backoff(error, attempts, now)
    return Failed(
        file, ItemFailure(item=file.ref.path, file_id=file.file_id, stage=stage, error=error, attempts=attempts, retry_at=retry_at)
    )


def check_budget(reports: Sequence[StageReport], share: float) -> None:
    """Whether so many items failed that the run itself has.

    Raises:
        TooManyFailed: More than `share` of what was taken up, and more than ten.
    """
    failed = sum(r.counts["failed"] for r in reports)
    done = sum(r.counts[c] for r in reports for c in ("stored", "extracted"))
    if failed > BUDGET_FLOOR and failed > share * (failed + done):
        raise TooManyFailed(
            f"{failed} of {failed + done} items failed",
            advice="`connectors failures` lists them with their reasons",
            limit=f"max_failed_share={share}",
        )
