"""What does Dagster add to five years of daily windows: to a first sync, and to a backfill of all of them in one run?

The peer does the same work on the same number of files without Dagster: no run, no events, no metadata of windows.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._costs import Action, Cost
from benchmarks._figures import Figure
from benchmarks._installation import Installation, installation
from benchmarks._trees import passage
from connector_pipelines.core.types import DayRange
from connector_pipelines.pipeline.operations import run_stage, stages_of, sync

if TYPE_CHECKING:
    import dagster as dg

__all__ = ["figures"]

_KIND = "local_folder"
_SHIPPED = Path(__file__).parents[1] / "dagster_home" / "dagster.yaml"
_FIRST = date(2021, 1, 1)
_CHARACTERS = 400
_ENDPOINTS = ("warm", "synced", "synced_bare", "filled", "filled_bare")


def figures(*, quick: bool) -> Iterator[Figure | str]:
    import dagster as dg

    from connector_pipelines.defs.build import build
    from connector_pipelines.defs.loading import read_known
    from connector_pipelines.defs.services import close_services

    days = 200 if quick else 1_826
    with installation() as place:
        for slug in _ENDPOINTS:
            _dated(place.base / slug, slug, 3 if slug == "warm" else days)
        place.configure({slug: {"root": str(place.base / slug)} for slug in _ENDPOINTS})
        home = place.base / "dagster"
        home.mkdir()
        shutil.copy(_SHIPPED, home)
        try:
            with dg.DagsterInstance.from_config(str(home)) as instance:
                job = build(read_known(place.services.settings)).resolve_implicit_global_asset_job_def()
                # The tables of Dagster and of the sinks, and the model's import, are not what is asked here.
                _run(job, instance, "warm", ("sync",))()
                yield _figure("a first sync over", days, *_synced(place, job, instance))
                yield _figure("a backfill of", days, *_filled(place, job, instance, days))
        finally:
            close_services()


def _figure(what: str, days: int, ours: Cost, peer: Cost) -> Figure:
    return Figure(
        what=f"{what} {days:,} days, one file a day, five stages, one run", peer_name="without Dagster", ours=[ours], peer=[peer],
        items=days, unit="window",
    )  # fmt: skip


def _synced(place: Installation, job: dg.JobDefinition, instance: dg.DagsterInstance) -> tuple[Cost, Cost]:
    def bare() -> None:
        with place.services.open("synced_bare", "benchmark") as session:
            sync(session)

    return place.meter.cost(_run(job, instance, "synced", ("sync",))), place.meter.cost(bare)


def _filled(place: Installation, job: dg.JobDefinition, instance: dg.DagsterInstance, days: int) -> tuple[Cost, Cost]:
    from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

    last = _FIRST + timedelta(days=days - 1)

    def bare() -> None:
        with place.services.open("filled_bare", "benchmark") as session:
            for stage in stages_of(session):
                run_stage(session, stage, DayRange(_FIRST, last))

    chain = ("listing", "files", "documents", "vectors", "search")
    tags = {ASSET_PARTITION_RANGE_START_TAG: _FIRST.isoformat(), ASSET_PARTITION_RANGE_END_TAG: last.isoformat()}
    return place.meter.cost(_run(job, instance, "filled", chain, tags)), place.meter.cost(bare)


def _run(
    job: dg.JobDefinition, instance: dg.DagsterInstance, slug: str, stages: tuple[str, ...], tags: dict[str, str] | None = None
) -> Action:
    import dagster as dg

    keys = [dg.AssetKey([_KIND, slug, stage]) for stage in stages]
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

    def action() -> None:
        if not job.execute_in_process(instance=instance, asset_selection=keys, run_config=quiet, tags=tags).success:
            raise RuntimeError("the run failed")

    return action


def _dated(root: Path, slug: str, days: int) -> None:
    """A short text for each day, last changed then."""
    source = random.Random(slug)
    for number in range(days):
        day = _FIRST + timedelta(days=number)
        path = root / str(day.year) / f"{day.isoformat()}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(passage(source, _CHARACTERS))
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()
        os.utime(path, (at, at))
