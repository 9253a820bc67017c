"""What does loading the code location cost beside importing Dagster, and beside Dagster's own share of it?

Each figure is of fresh processes, from their start to the description of the location that the webserver asks for. The bare
peer has as many assets in as many groups, chained and partitioned alike, without checks, resources, sensors or a database.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._costs import Action, contest
from benchmarks._figures import Figure
from benchmarks._installation import Installation, installation
from connector_pipelines.core.config import Interval, Manual

if TYPE_CHECKING:
    import dagster as dg

    from connector_pipelines.defs.known import Known

__all__ = ["figures"]

_KIND = "local_folder"
_SHIPPED = Path(__file__).parents[1] / "dagster_home" / "dagster.yaml"
_MANY = 50
_LOAD_GOAL = 1 / 1.5
_TICK = "one due-sensor tick, 500 endpoints"
_ENDPOINTS = """
    SELECT e.slug, e.schedule, e.next_due_at, e.retry_at, e.requested_at, k.status
    FROM endpoints e JOIN connectors k ON k.id = e.connector_id WHERE k.kind = %s AND e.removed_at IS NULL
"""


def figures(*, quick: bool) -> Iterator[Figure | str]:
    rounds = 1 if quick else 3
    with installation() as place:
        for endpoints in (1, _MANY, 500):
            place.many(endpoints, Manual())
            # One load of 500 takes half a minute on a busy machine.
            yield from _loading(place, endpoints, rounds if endpoints < 500 else 1)
        yield from _ticks(place, rounds * 3)


def _loading(place: Installation, endpoints: int, rounds: int) -> Iterator[Figure]:
    dagster, bare, ours = contest(
        place.meter, rounds, lambda _: _process("dagster"), lambda _: _process("bare", str(endpoints)), lambda _: _process("ours")
    )
    what = f"the code location with {endpoints} endpoint{'s' * (endpoints > 1)}"
    goal = _LOAD_GOAL if endpoints == _MANY else None
    yield Figure(what=what, peer_name="import dagster", ours=ours, peer=dagster, items=1, unit="load", goal=goal)
    yield Figure(what=what, peer_name="bare Dagster assets", ours=ours, peer=bare, items=1, unit="load")


def _process(*arguments: str) -> Action:
    return lambda: subprocess.run([sys.executable, "-m", "benchmarks._loading", *arguments], check=True, stdout=subprocess.DEVNULL)


def _ticks(place: Installation, rounds: int) -> Iterator[Figure]:
    """A tick may find nothing due, or everything; none of these remembers what an earlier one asked for."""
    import dagster as dg

    from connector_pipelines.defs.loading import read_known
    from connector_pipelines.defs.services import close_services

    home = place.base / "dagster"
    home.mkdir()
    shutil.copy(_SHIPPED, home)
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            for schedule, state in ((Manual(), "nothing due"), (Interval(every=timedelta(hours=1)), "all due")):
                place.many(500, schedule)
                tick = _tick(read_known(place.services.settings), instance)
                tick()
                ours, peer = contest(place.meter, rounds, partial(_prepared, tick), partial(_prepared, partial(_rows, place)))
                yield Figure(what=f"{_TICK}, {state}", peer_name="one query for 500 rows", ours=ours, peer=peer, items=1, unit="tick")
    finally:
        close_services()


def _tick(known: Known, instance: dg.DagsterInstance) -> Action:
    import dagster as dg

    from connector_pipelines.defs.asking import Memory
    from connector_pipelines.defs.build import build
    from connector_pipelines.defs.resources import PipelineResource

    repository = build(known).get_repository_def()
    sensor = repository.get_sensor_def(f"{_KIND}_due")

    def tick() -> None:
        resources, cursor = {"pipeline": PipelineResource()}, Memory().model_dump_json()
        with dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository, resources=resources) as context:
            sensor.evaluate_tick(context)

    return tick


def _prepared(action: Action, _: int) -> Action:
    return action


def _rows(place: Installation) -> None:
    with place.services.database.operator() as tx:
        if len(tx.execute(_ENDPOINTS, [_KIND]).fetchall()) != 500:
            raise RuntimeError("there are not 500 endpoints")
