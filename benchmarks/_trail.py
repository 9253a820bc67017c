"""Where did the time of a change go? Instants of its way, from the tables of the catalog and of Dagster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from psycopg import Connection
from psycopg.rows import TupleRow

from connector_pipelines.store.catalog.database import Database, Transaction

__all__ = ["Way", "table_of", "way_of"]

_TICK = "daemon looked: the tick that asked"
_SIGNS: Mapping[str, str] = {
    "PIPELINE_ENQUEUED": "run made, and put in the queue",
    "PIPELINE_STARTING": "taken from the queue",
    "ENGINE_EVENT": "process there: Python, Dagster, the event log",
    "PIPELINE_START": "definitions made, run begins",
    "STEP_START": "step begins",
}
"""Dagster's events to what was over with the first of each."""


@dataclass(frozen=True, slots=True)
class Way:
    """Of one change: instants in seconds since 1970 by what was over then, in order, from the edit until it was found."""

    edited_at: float
    found_at: float
    points: Mapping[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return self.found_at - self.edited_at


def way_of(catalog: Database, dagster: Connection[TupleRow], edited_at: float, told: Mapping[str, float], found_at: float) -> Way:
    """The way of a change that was found, by the sync that brought it.

    Args:
        told: What was seen from outside, as in `Way.points`.
    """
    with catalog.operator() as tx:
        query = "SELECT run_id FROM sync_logs WHERE stage = 'listing' AND extract(epoch FROM started_at) < %s ORDER BY id DESC LIMIT 1"
        (run_id,) = [row["run_id"] for row in tx.execute(query, [found_at]).fetchall()]
        points = {**told, **dict(_stages(tx, run_id)), **dict(_events(dagster, run_id)), _TICK: _tick(dagster, run_id)}
    ordered = dict(sorted(points.items(), key=lambda point: point[1]))
    return Way(
        edited_at,
        found_at,
        {name: at for name, at in ordered.items() if edited_at <= at <= found_at} | {"found by a search, in both sinks": found_at},
    )


def table_of(ways: Sequence[Way]) -> Iterator[str]:
    """A line for each part of the way: median and worst, in seconds, and the share of the whole."""
    spans: dict[str, list[float]] = {}
    after: dict[str, list[float]] = {}
    for way in ways:
        before = way.edited_at
        for name, at in way.points.items():
            spans.setdefault(name, []).append(at - before)
            after.setdefault(name, []).append(at - way.edited_at)
            before = at
    whole = sum(way.seconds for way in ways)
    # Not each of them has all points: a run that was on its way already when the edit was made has fewer.
    for name, seconds in sorted(spans.items(), key=lambda span: median(after[span[0]])):
        yield f"  {name:<52} median {median(seconds):5.2f} s, worst {max(seconds):5.2f} s, {sum(seconds) / whole:4.0%}"


def _tick(dagster: Connection[TupleRow], run_id: str) -> float:
    query = "SELECT extract(epoch FROM timestamp)::float8 FROM dagster.job_ticks WHERE tick_body LIKE %s ORDER BY id DESC LIMIT 1"
    ((at,),) = dagster.execute(query, [f"%{run_id}%"]).fetchall()
    return float(at)


def _events(dagster: Connection[TupleRow], run_id: str) -> Iterator[tuple[str, float]]:
    query = """SELECT dagster_event_type, min((event::json ->> 'timestamp')::float8) FROM dagster.event_logs
               WHERE run_id = %s AND dagster_event_type = ANY(%s) AND event NOT LIKE %s GROUP BY 1"""
    for kind, at in dagster.execute(query, [run_id, list(_SIGNS), "%QueuedRunCoordinator%"]).fetchall():
        yield _SIGNS[kind], at


def _stages(tx: Transaction, run_id: str) -> Iterator[tuple[str, float]]:
    query = """SELECT stage, extract(epoch FROM min(started_at))::float8 AS begun_at, extract(epoch FROM max(finished_at))::float8 AS ended_at
               FROM sync_logs WHERE run_id = %s GROUP BY stage"""
    for row in tx.execute(query, [run_id]).fetchall():
        if row["stage"] == "listing":
            yield "source and sinks opened", row["begun_at"]
        yield f"stage {row['stage']} done", row["ended_at"]
