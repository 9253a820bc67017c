"""What is shown beside an asset: the counts of each window, the totals of the run, the worst failures, links."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from connector_pipelines.core.config import PartitionsConfig
from connector_pipelines.defs.partitions import key_of
from connector_pipelines.pipeline.report import StageReport
from connector_pipelines.store.catalog.failures import FailureRow
from connector_pipelines.store.catalog.reports import DayCounts, NewestDocument
from connector_pipelines.telemetry import scrub

__all__ = ["NEWEST", "WORST", "failures_table", "newest_table", "run_totals", "windows_chart", "windows_metadata"]

WORST = 20
"""Failures shown beside an asset; the ledger has them all."""

NEWEST = 10
CHARTED = 30
BAR = 40
"""Characters of the longest bar."""


def windows_metadata(
    stage: str, counts: Sequence[DayCounts], config: PartitionsConfig, today: date, keys: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """By partition key, the standing counts of the window as the stage sees them. A window without files has zeros."""
    found: dict[str, dict[str, int]] = {key: {} for key in keys}
    for day in counts:
        window = found.get(key_of(config, day.day, today))
        if window is not None:
            for name, n in _of_stage(stage, day).items():
                window[name] = window.get(name, 0) + n
    return {key: window or {"dagster/partition_row_count": 0} for key, window in found.items()}


def run_totals(report: StageReport, windows: Mapping[str, Mapping[str, Any]], seconds: float) -> dict[str, Any]:
    """What this run did, and what there is now in the windows it was about."""
    did = {f"run/{name}": n for name, n in report.counts.items() if n}
    rows = sum(int(w.get("dagster/partition_row_count", 0)) for w in windows.values())
    return {"dagster/row_count": rows, "seconds": round(seconds, 3), "windows": len(windows), **did}


def failures_table(rows: Sequence[FailureRow]) -> dg.MetadataValue[Any]:
    """The newest failures as a table, with their reasons."""
    if not rows:
        return dg.MetadataValue.md("None.")
    lines = [
        f"| {_cell(r.item)} | {r.stage}{f' {r.sink}' if r.sink else ''} | `{r.code}` | {_cell(r.message)} | {r.attempts} |" for r in rows
    ]
    return dg.MetadataValue.md("| item | stage | code | message | attempts |\n|---|---|---|---|---|\n" + "\n".join(lines[:WORST]))


def windows_chart(windows: Mapping[str, Mapping[str, Any]]) -> dg.MetadataValue[Any]:
    """What is in each window as bars, the newest windows that have anything."""
    counts = {key: int(w.get("dagster/partition_row_count", 0)) for key, w in sorted(windows.items())}
    shown = [(key, n) for key, n in counts.items() if n][-CHARTED:]
    most = max((n for _, n in shown), default=1)
    bars = [f"{key} {'█' * max(1, round(BAR * n / most))} {n}" for key, n in shown]
    return dg.MetadataValue.md("```\n" + "\n".join(bars or ["nothing in these windows"]) + "\n```")


def newest_table(documents: Sequence[NewestDocument]) -> dg.MetadataValue[Any]:
    """The newest documents, with links to where their source has them."""
    if not documents:
        return dg.MetadataValue.md("None.")
    lines = [f"| {_link(d)} | {d.modified_at:%Y-%m-%d} | {d.chunks} | {_cell(d.content_type)} |" for d in documents]
    return dg.MetadataValue.md("| document | modified | chunks | type |\n|---|---|---|---|\n" + "\n".join(lines))


def _link(document: NewestDocument) -> str:
    name = _cell(document.path).replace("[", "\\[").replace("]", "\\]")
    # Angle brackets, so that a space or parenthesis does not end the link.
    return f"[{name}](<{document.url.replace('<', '%3C').replace('>', '%3E')}>)" if document.url else name


def _of_stage(stage: str, day: DayCounts) -> dict[str, int]:
    if stage == "listing":
        counts = {"files": day.files, "bytes": day.bytes, "skipped": day.skipped}
    elif stage == "files":
        counts = {"stored": day.stored + day.extracted, "bytes": day.bytes, "waiting": day.waiting, "failed": day.failed}
    elif stage == "documents":
        counts = {
            "documents": day.extracted + day.parts_extracted, "chunks": day.chunks, "waiting": day.stored + day.parts_stored,
            "failed": day.failed + day.parts_failed, "parts": day.parts,
        }  # fmt: skip
    else:
        delivered = day.delivered.get(stage, 0)
        counts = {"delivered": delivered, "owed": max(0, day.wanted_by(stage) - delivered)}
    return {**counts, "dagster/partition_row_count": next(iter(counts.values()))}


def _cell(text: str) -> str:
    # A file name may hold what ends a table cell, a line or an HTML comment.
    plain = scrub(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return " ".join(plain.split())[:200]
