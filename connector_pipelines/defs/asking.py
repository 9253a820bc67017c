"""Which runs a tick asks for: every due sync once, small ones together, again only when the run is over and never began.

A row is acknowledged by the run that begins its sync, which raises the row's number. Until then the memory of the sensor
says which run was asked for, and the runs under way say whether it may still come to it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice

from pydantic import BaseModel, ConfigDict

from connector_pipelines.store.catalog.scheduling import DueEndpoint

__all__ = ["Asked", "Batch", "Memory", "ask"]

SMALL_S = 30.0
BATCH_ENDPOINTS = 10
"""A run costs four seconds of CPU before it starts: small syncs share one."""

TICK_RUNS = 25
"""Dagster makes the runs of a tick one after the other, up to half a second each."""

LONGEST_PAUSE = timedelta(minutes=15)


class Asked(BaseModel):
    """The last run asked for an endpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sync_number: int
    attempt: int
    run_key: str
    at: datetime


class Memory(BaseModel):
    """The cursor of the sensor, by slug."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asked: dict[str, Asked] = {}


@dataclass(frozen=True, slots=True)
class Batch:
    """One run to ask for. `run_key` names these syncs at this attempt for ever; `notified` are due for notifications alone."""

    run_key: str
    slugs: tuple[str, ...]
    notified: frozenset[str] = frozenset()


def ask(
    due: Sequence[DueEndpoint], memory: Memory, *, defined: AbstractSet[str], running: Mapping[str, AbstractSet[str]], now: datetime
) -> tuple[list[Batch], Memory]:
    """The runs to ask for now, and what to remember.

    Args:
        due: In the order they should go.
        defined: Slugs the loaded definitions have; others wait for the definitions to be loaded anew.
        running: Slugs to the ids of the unfinished runs that were to sync them.
    """
    attempts = {d: attempt for d in due if d.slug in defined and (attempt := _attempt(d, memory, running, now)) is not None}
    batches = [_batch(group, attempts) for group in islice(_grouped(attempts), TICK_RUNS)]
    by_slug = {d.slug: d for d in attempts}
    fresh = {
        slug: Asked(sync_number=by_slug[slug].sync_number, attempt=attempts[by_slug[slug]], run_key=batch.run_key, at=now)
        for batch in batches
        for slug in batch.slugs
    }
    # What is neither due nor on its way needs no remembering: its next sync has another number.
    wanted = {d.slug for d in due} | running.keys()
    return batches, Memory(asked={slug: a for slug, a in memory.asked.items() if slug in wanted} | fresh)


def _attempt(due: DueEndpoint, memory: Memory, running: Mapping[str, AbstractSet[str]], now: datetime) -> int | None:
    """The number of this attempt from 0, or None: not now."""
    asked, under_way = memory.asked.get(due.slug), bool(running.get(due.slug))
    if asked is None or asked.sync_number != due.sync_number:
        # Begun meanwhile, and due once more. Leftovers are what the run under way waits to try again itself; a request
        # or the schedule is news to a run that has gone past this endpoint.
        return None if under_way and (asked is None or due.reason in {"leftovers", "interrupted"}) else 0
    if under_way:
        return None
    pause = min(timedelta(seconds=10 * 2 ** min(asked.attempt, 10)), LONGEST_PAUSE)
    return asked.attempt + 1 if now - asked.at >= pause else None


def _grouped(due: Iterable[DueEndpoint]) -> Iterator[list[DueEndpoint]]:
    """Small ones in tens, first syncs and large ones alone, by the place of each group's first."""
    groups: list[list[DueEndpoint]] = []
    small: list[DueEndpoint] | None = None
    for one in due:
        if one.last_sync_s is None or one.last_sync_s >= SMALL_S:
            groups.append([one])
        elif small is not None and len(small) < BATCH_ENDPOINTS:
            small.append(one)
        else:
            small = [one]
            groups.append(small)
    return iter(groups)


def _batch(group: Sequence[DueEndpoint], attempts: Mapping[DueEndpoint, int]) -> Batch:
    # By id: an endpoint that was purged and made again under its old slug is another, and counts from the start.
    names = sorted(f"{d.slug}:{d.id}:{d.sync_number}:{attempts[d]}" for d in group)
    run_key = names[0] if len(names) == 1 else f"batch:{sha256(' '.join(names).encode()).hexdigest()[:24]}"
    return Batch(run_key, tuple(d.slug for d in group), frozenset(d.slug for d in group if d.reason == "notified"))
