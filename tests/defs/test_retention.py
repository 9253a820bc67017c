"""The nightly job `retention`: what it forgets of an installation at work, and what it leaves to another night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.storage.runs.schema import RunsTable

from connector_pipelines.defs.build import build
from connector_pipelines.pipeline.retention import forget_history
from connector_pipelines.store.catalog.workers import worker
from tests.defs.conftest import World

TENANT = "SELECT id::text FROM tenants"


@pytest.fixture
def known(world: World, instance: dg.DagsterInstance):
    world.write("march.txt")
    world.write("may.txt", "2024-05-05", "other words")
    known = world.configure(samples={"max_delete_share": 1})
    world.run(known, instance, "local_folder/samples/sync")
    return known


def objects(world: World) -> list[str]:
    (tenant,) = world.rows(TENANT)
    return sorted(world.services.blobs.keys(tenant["id"]))


def replaced(world: World, known, instance: dg.DagsterInstance) -> None:
    """Two syncs: of a file that was changed, and of one that was deleted."""
    world.write("march.txt", "2024-03-06", "beams and girders, revised")
    (world.base / "files" / "may.txt").unlink()
    world.run(known, instance, "local_folder/samples/sync")


def test_the_job_forgets_and_says_what(world: World, known, instance: dg.DagsterInstance) -> None:
    replaced(world, known, instance)
    world.execute("UPDATE files SET deleted_at = now() - interval '100 days' WHERE status = 'deleted'")
    before = objects(world)

    result = build(known).get_job_def("retention").execute_in_process(instance=instance, raise_on_error=False)

    assert result.success
    (event,) = (e for e in result.all_events if e.event_type is dg.DagsterEventType.STEP_OUTPUT)
    told = {name: value.value for name, value in event.step_output_data.metadata.items()}
    assert (told["rows/files"], told["objects"], told["objects left, for runs were at work"]) == (1, 2, False)
    assert len(before) == 3
    assert len(objects(world)) == 1
    assert world.rows("SELECT b.key FROM blobs b") == [{"key": objects(world)[0]}]


def test_nothing_recent_is_forgotten(world: World, known, instance: dg.DagsterInstance) -> None:
    replaced(world, known, instance)

    forgotten = forget_history(world.services, "run", datetime.now(UTC))

    assert sum(forgotten.rows.values()) == 0
    # Bytes of the older version; those of the deleted file stay as long as it is remembered.
    assert (forgotten.objects, len(objects(world))) == (1, 2)


def test_while_another_run_is_at_work_no_object_is_touched(world: World, known, instance: dg.DagsterInstance) -> None:
    replaced(world, known, instance)
    with worker(world.services.database, "another"):
        busy = forget_history(world.services, "run", datetime.now(UTC), patience_s=0)
    alone = forget_history(world.services, "run", datetime.now(UTC), patience_s=0)

    assert (busy.left, busy.objects) == (True, 0)
    assert (alone.left, alone.objects) == (False, 1)


def test_old_runs_of_the_location_go_and_those_of_others_stay(world: World, known, instance: dg.DagsterInstance) -> None:
    mine = frozenset({dg.AssetKey(["local_folder", "purged", "sync"])})
    theirs = frozenset({dg.AssetKey("theirs")})
    for selection in (mine, theirs, None):
        instance.add_run(dg.DagsterRun(job_name="__ASSET_JOB", status=dg.DagsterRunStatus.SUCCESS, asset_selection=selection))
    with instance.run_storage.connect() as connection:
        connection.execute(RunsTable.update().values(update_timestamp=datetime.now(UTC) - timedelta(days=40)))

    assert build(known).get_job_def("retention").execute_in_process(instance=instance).success

    left = [run.asset_selection for run in instance.get_runs(dg.RunsFilter(job_name="__ASSET_JOB"))]
    assert mine not in left
    assert {theirs, None} <= set(left)
