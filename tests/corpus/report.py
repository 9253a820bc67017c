"""How far do we agree, per kind, and where do we not?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.corpus.compare import compare
from tests.corpus.corpus import KINDS, Expected
from tests.corpus.ingest import Found, Ingested

__all__ = ["Agreement", "Report", "make_report"]


@dataclass(slots=True)
class Agreement:
    right: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        return self.right / max(1, self.right + len(self.wrong))


@dataclass(frozen=True, slots=True)
class Report:
    """`agreements` by (kind, what is compared). `unaccounted` are files that neither yielded text nor say why."""

    outcomes: dict[str, Counter[str]]
    agreements: dict[tuple[str, str], Agreement]
    unaccounted: list[str]
    failures: list[str]

    def lines(self, ingested: Ingested) -> Iterator[str]:
        yield f"{len(ingested.files)} files, {ingested.seconds:.0f} s, peak of the largest process {ingested.peak_mib} MiB"
        for kind in KINDS:
            yield f"\n{kind}: " + ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes[kind].most_common())
            for (of, what), agreement in self.agreements.items():
                if of == kind:
                    yield f"  {what}: {agreement.right} of {agreement.right + len(agreement.wrong)} agree ({agreement.share:.1%})"
                    yield from (f"    {one}" for one in agreement.wrong)
        yield "\nfailed or skipped, and why:"
        yield from (f"  {one}" for one in self.failures)
        yield from (f"no text and no reason: {one}" for one in self.unaccounted)


def make_report(files: Sequence[Expected], ingested: Ingested) -> Report:
    report = Report(defaultdict(Counter), defaultdict(Agreement), [], [])
    for file in files:
        found = ingested.files.get(file.path)
        if found is None:
            report.unaccounted.append(f"{file.path}: not listed")
            continue
        _count(report, file, found)
        for what, agrees, met in compare(file, found):
            agreement = report.agreements[file.kind, what]
            if agrees:
                agreement.right += 1
            else:
                agreement.wrong.append(f"{file.path}: {met}")
    return report


def _count(report: Report, file: Expected, found: Found) -> None:
    report.outcomes[file.kind][f"{found.status} {found.reason}".strip() if found.status != "extracted" else "extracted"] += 1
    for one in (found, *found.parts.values()):
        if one.status != "extracted":
            report.failures.append(f"{one.path}: {one.status} {one.reason} {one.failure}")
        if not one.has_text and not (one.reason or one.failure or one.warnings):
            report.unaccounted.append(f"{one.path}: {one.status} {one.content_type} {one.details}")
