"""Dagster's own tables live in the installation's database, and runs made anywhere are seen everywhere."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from connector_pipelines.defs.build import build
from connector_pipelines.defs.event_log import BatchingEventLogStorage
from connector_pipelines.defs.local_run import run_sync
from connector_pipelines.defs.resources import PipelineResource
from connector_pipelines.defs.storage import SCHEMA, dagster_url
from connector_pipelines.pipeline.session import Progress
from tests.defs.conftest import World

SHIPPED = Path(__file__).parents[2] / "dagster_home" / "dagster.yaml"


@pytest.fixture
def dagster_home(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")  # set by the storage otherwise, for good
    home = world.settings.dagster_home
    home.mkdir()
    shutil.copy(SHIPPED, home)
    return home


def test_the_shipped_instance_loads_from_several_processes_at_once_and_keeps_to_its_schema(dagster_home: Path, database_url: str) -> None:
    def load(_: int) -> str:
        with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
            assert isinstance(instance.event_log_storage, BatchingEventLogStorage)
            return str(instance.get_runs_count())

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(load, range(4))) == ["0"] * 4
    with psycopg.connect(database_url) as connection:
        tables = connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'event_logs'").fetchall()
    assert tables == [(SCHEMA,)]


def test_a_local_sync_is_a_run_of_the_instance_tells_its_progress_and_writes_nothing_to_the_terminal(
    world: World, dagster_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    world.write("march.txt")
    world.write("may.txt", "2024-05-05", "other words")
    world.configure(samples={})
    heard: list[Progress] = []
    run = run_sync(["samples"], progress=heard.append)
    assert (run.success, run.errors) == (True, {})
    assert {p.stage for p in heard} >= {"listing", "files", "documents", "search"}
    assert "RUN_START" not in "".join(capfd.readouterr())
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert found.is_success
        assert instance.get_materialized_partitions(dg.AssetKey(["local_folder", "samples", "search"])) == {"2024-03-01", "2024-05-01"}


def test_a_local_sync_that_fails_says_of_which_endpoint_and_why(world: World, dagster_home: Path) -> None:
    world.configure(kind="faulty", broken={"settings": {"listing": "login"}}, fine={})
    run = run_sync(["broken", "fine"])
    assert run.success is False
    assert list(run.errors) == ["broken"]
    assert "was refused" in run.errors["broken"]
    assert "hunter2" not in run.errors["broken"]


def test_a_run_over_windows_writes_its_events_in_batches_and_none_is_missing(dagster_home: Path, world: World) -> None:
    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-03-01")

    @dg.asset(partitions_def=days, backfill_policy=dg.BackfillPolicy.single_run())
    def counted() -> None: ...

    first, last = days.get_first_partition_key(), days.get_last_partition_key()
    tags = {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        result = dg.materialize([counted], instance=instance, tags=tags)
        planned = [e for e in instance.all_logs(result.run_id) if e.dagster_event_type is dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED]
        assert len(planned) == 60
        assert len(instance.get_materialized_partitions(counted.key)) == 60
        assert instance.get_latest_materialization_event(counted.key).dagster_event.partition == str(last)  # type: ignore[union-attr]


def test_a_url_keeps_its_password_and_options_and_gets_our_schema_and_driver() -> None:
    found = make_url(dagster_url(SecretStr("postgresql://me:p%40ss%3Aword@host:5433/db?sslmode=require&options=-cstatement_timeout%3D5s")))
    assert (found.drivername, found.password, found.port) == ("postgresql+psycopg2", "p@ss:word", 5433)
    assert found.query["sslmode"] == "require"
    assert found.query["options"] == "-cstatement_timeout=5s -csearch_path=dagster"


def test_a_sensor_without_a_cursor_ticks_although_its_pool_is_there_already(world: World, dagster_home: Path) -> None:
    repository = build(world.configure(samples={})).get_repository_def()
    sensor = repository.get_sensor_def("local_folder_due")
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        asked = []
        for _ in range(2):
            resources = {"pipeline": PipelineResource()}
            with dg.build_sensor_context(instance=instance, repository_def=repository, resources=resources) as context:
                asked.append(len(sensor.evaluate_tick(context).run_requests or []))
    assert asked == [1, 1]
