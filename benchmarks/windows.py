"""How fast does a sync tell Dagster which windows it touched, beside Dagster's own way and beside writing the same rows bare?

No string annotations here: Dagster looks at them to find out what an asset takes.
"""

import random
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import psycopg

from benchmarks._costs import Action, Cost, contest
from benchmarks._figures import Figure
from benchmarks._installation import Installation, installation
from connector_pipelines.defs.events import report_windows

__all__ = ["figures"]

_STAGES = ("listing", "files", "documents", "vectors", "search")
_FIRST = date(2020, 1, 1)
_SHIPPED = Path(__file__).parents[1] / "dagster_home" / "dagster.yaml"
_WINDOWS = dg.DailyPartitionsDefinition("2020-01-01", end_offset=1)
_KEYS = [dg.AssetKey(["local_folder", "docs", stage]) for stage in _STAGES]
_PLAIN = 200
"""Windows told in Dagster's own way, which takes so much longer that all of them would take minutes."""

Tell = Callable[[dg.AssetExecutionContext, int], None]


def figures(*, quick: bool) -> Iterator[Figure | str]:
    count, plain, rounds = (300, 40, 1) if quick else (1_800, _PLAIN, 3)
    with installation() as place:
        home = place.base / "dagster"
        home.mkdir()
        shutil.copy(_SHIPPED, home)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            _run(instance, _batched, 1)()
            (empty,) = contest(place.meter, rounds, lambda _: _run(instance, _nothing, 0))
            few, slow = contest(
                place.meter, rounds, lambda _: _run(instance, _batched, plain), lambda _: _run(instance, _one_by_one, plain)
            )
            what = f"{plain} windows × 5 assets, the run around them taken off"
            yield Figure(
                what=what,
                peer_name="context.log_event",
                ours=_net(few, empty),
                peer=_net(slow, empty),
                items=plain * len(_STAGES),
                unit="event",
            )
            yield from _beside_rows(place, instance, empty, count, rounds)


def _beside_rows(place: Installation, instance: dg.DagsterInstance, empty: list[Cost], count: int, rounds: int) -> Iterator[Figure]:
    with psycopg.connect(place.url, autocommit=True) as raw:
        raw.execute("CREATE TABLE raw_events (LIKE dagster.event_logs INCLUDING ALL)")
        _run(instance, _batched, count)()
        rows = raw.execute(
            """SELECT run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition FROM dagster.event_logs
               WHERE dagster_event_type = 'ASSET_MATERIALIZATION' ORDER BY id DESC LIMIT %s""",
            [count * len(_STAGES)],
        ).fetchall()
        ours, bare = contest(place.meter, rounds, lambda _: _run(instance, _batched, count), lambda _: lambda: _copy(raw, rows))
    what = f"{count:,} windows × 5 assets, the run around them taken off"
    yield Figure(what=what, peer_name="COPY of the same rows", ours=_net(ours, empty), peer=bare, items=count * len(_STAGES), unit="event")


def _net(costs: list[Cost], empty: list[Cost]) -> list[Cost]:
    """What of it is not the run around it."""
    return [_less(cost, nothing) for cost, nothing in zip(costs, empty, strict=True)]


def _less(cost: Cost, nothing: Cost) -> Cost:
    return Cost(
        wall_s=max(cost.wall_s - nothing.wall_s, 0.001),
        cpu_s=max(cost.cpu_s - nothing.cpu_s, 0.001),
        server_cpu_s=max(cost.server_cpu_s - nothing.server_cpu_s, 0.0),
        peak_bytes=cost.peak_bytes,
        children_bytes=cost.children_bytes,
    )


def _run(instance: dg.DagsterInstance, tell: Tell, count: int) -> Action:
    """A run of one asset that tells of so many windows of five others."""

    @dg.asset(key=["local_folder", "docs", "sync"])
    def sync(context: dg.AssetExecutionContext) -> None:
        """As the sync asset does at its end."""
        tell(context, count)

    specs = [dg.AssetSpec(key, partitions_def=_WINDOWS) for key in _KEYS]
    job = dg.Definitions(assets=[sync, *specs], executor=dg.in_process_executor).resolve_implicit_global_asset_job_def()
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

    def action() -> None:
        if not job.execute_in_process(instance=instance, asset_selection=[sync.key], run_config=quiet).success:
            raise RuntimeError("the run failed")

    return action


def _metadata() -> dict[str, int]:
    return {"dagster/partition_row_count": random.randrange(1000), "seen": 40, "delivered": 40, "failed": 0, "bytes": 800_000}


def _windows(count: int) -> list[str]:
    return [(_FIRST + timedelta(days=n)).isoformat() for n in range(count)]


def _nothing(context: dg.AssetExecutionContext, count: int) -> None:
    """The run alone."""


def _batched(context: dg.AssetExecutionContext, count: int) -> None:
    for key in _KEYS:
        report_windows(context, key, {window: _metadata() for window in _windows(count)})


def _one_by_one(context: dg.AssetExecutionContext, count: int) -> None:
    for key in _KEYS:
        for window in _windows(count):
            context.log_event(dg.AssetMaterialization(key, partition=window, metadata=_metadata()))


def _copy(raw: psycopg.Connection[tuple[object, ...]], rows: list[tuple[object, ...]]) -> None:
    columns = "run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition"
    with raw.cursor() as cursor, cursor.copy(f"COPY raw_events ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
