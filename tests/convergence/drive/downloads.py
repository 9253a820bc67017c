"""What was downloaded more often than there was reason to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connector_pipelines.testing.fake_drive import Call, Journal
from tests.convergence.drive.layout import Scope
from tests.convergence.running import Ran

__all__ = ["fetched_again"]

_SLACK_S = 0.5


def fetched_again(
    journal: Journal,
    scopes: Sequence[Scope],
    runs: Sequence[Ran],
    watched: Sequence[Mapping[str, Any]],
) -> list[str]:
    """A line for each file of an endpoint that was sent well, from its beginning to its end, more often than it was due.

    It was due whenever the catalog noted it: new, of another version, there again after it was gone, or let go of without its bytes, as of a
    file that changed meanwhile or did not come as listed. And once more for each download of a run that was killed, ended with an error,
    or had its connections ended.

    Args:
        watched: When which file came to be downloaded, as the catalog had it: `endpoint`, `item`.
    """
    slugs = {reader: scope.slug for scope in scopes for reader in scope.readers}
    due = Counter((row["endpoint"], row["item"]) for row in watched)
    sent: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in _whole(journal):
        sent[slugs.get(call.user, call.user), call.file_id].append(call)
    found = []
    for (slug, item), calls in sent.items():
        wasted = sum(_came_to_nothing(call, slug, runs) for call in calls)
        if len(calls) > due[slug, item] + wasted:
            found.append(f"{slug}: {item} was downloaded {len(calls)} times, due {due[slug, item]} times, {wasted} in vain")
    return found


def _whole(journal: Journal) -> Iterator[Call]:
    for call in journal.entries("files.get media"):
        if call.status in {200, 206} and call.begins_at == 0 and not call.fault:
            yield call


def _came_to_nothing(call: Call, slug: str, runs: Sequence[Ran]) -> bool:
    at_work = (run for run in runs if run.plan.endpoint == slug and run.began_at <= call.arrived_at <= run.ended_at + _SLACK_S)
    return any(run.cut or run.ended.code != "done" for run in at_work)
