"""What a stage did: counts, in all and by day of source time."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date

__all__ = ["StageReport", "SyncReport"]


@dataclass(slots=True)
class StageReport:
    """Counts of one stage in one run.

    Attributes:
        counts: By outcome; the words are the stage's (new, changed, stored, failed, bytes …).
        days: The same by day, for outcomes that belong to a file.
        held: Files a sweep found gone and did not delete, because a person is asked first.
    """

    stage: str
    counts: Counter[str] = field(default_factory=Counter)
    days: dict[date, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    held: int = 0

    def add(self, outcome: str, day: date, n: int = 1) -> None:
        self.counts[outcome] += n
        self.days[day][outcome] += n


@dataclass(slots=True)
class SyncReport:
    """One sync.

    Attributes:
        stages: What each stage that finished did, in order.
        errors: What stopped a stage that could not finish.
        mended: By sink, documents a sweep found it to hold otherwise than it was told.
    """

    stages: dict[str, StageReport] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    mended: dict[str, int] = field(default_factory=dict)

    def touched(self) -> dict[str, list[date]]:
        """By stage, the days it did something for."""
        return {name: sorted(report.days) for name, report in self.stages.items() if report.days}
