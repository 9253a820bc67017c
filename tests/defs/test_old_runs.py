"""Old runs go; the state of assets, windows and checks stays as it is seen in the UI."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from connector_pipelines.defs.old_runs import delete_old_runs

WINDOWS = dg.StaticPartitionsDefinition(["a", "b", "c"])
FAIL = {"fail": "yes"}


@dg.asset(partitions_def=WINDOWS, backfill_policy=dg.BackfillPolicy.single_run())
def windowed(context: dg.AssetExecutionContext) -> None:
    if "fail" in context.run.tags:
        raise dg.Failure("asked for")


@dg.multi_asset(specs=[dg.AssetSpec("whole", skippable=True)], check_specs=[dg.AssetCheckSpec("fine", asset="whole")])
def whole(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    if "fail" in context.run.tags:
        raise dg.Failure("asked for")
    context.log_event(dg.AssetMaterialization("windowed", partition="c"))
    yield dg.MaterializeResult("whole")
    yield dg.AssetCheckResult(asset_key="whole", check_name="fine", passed=True)


@pytest.fixture
def instance(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")  # set by the storage otherwise, for good
    (tmp_path / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\nstorage: {custom: {module: connector_pipelines.defs.storage, class: BatchingPostgresStorage,"
        " config: {postgres_url: {env: DATABASE_URL}}}}\n"
    )
    with dg.DagsterInstance.from_config(str(tmp_path)) as found:
        yield found


def run(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, first: str | None = None, last: str | None = None, **tags: str) -> str:
    windows = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last or first} if first else {}
    return dg.materialize([asset], instance=instance, tags={**windows, **tags}, raise_on_error=False).run_id


def delete(instance: dg.DagsterInstance, before: datetime | None = None, *, ours: bool = True) -> tuple[int, int]:
    return delete_old_runs(instance, before or datetime.now(UTC) + timedelta(minutes=1), lambda _: ours)


def runs(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def test_runs_that_later_ones_made_superfluous_go_and_every_window_keeps_its_state(instance: dg.DagsterInstance) -> None:
    all_three = run(instance, windowed, "a", "c")
    again = run(instance, windowed, "a", "b")
    third = run(instance, whole)
    newest = run(instance, whole)
    assert delete(instance) == (2, 2)
    assert runs(instance) == {again, newest}
    assert instance.get_materialized_partitions(windowed.key) == {"a", "b", "c"}
    assert instance.get_latest_materialization_event(dg.AssetKey("whole")) is not None
    assert not instance.all_logs(all_three)
    assert not instance.all_logs(third)


def test_a_window_that_failed_since_keeps_the_run_that_failed_and_the_one_that_made_it(instance: dg.DagsterInstance) -> None:
    made, earlier, failed = run(instance, windowed, "a"), run(instance, windowed, "a", **FAIL), run(instance, windowed, "a", **FAIL)
    assert delete(instance) == (1, 2)
    assert runs(instance) == {made, failed}
    assert earlier not in runs(instance)


def test_a_failure_that_was_made_good_goes(instance: dg.DagsterInstance) -> None:
    run(instance, windowed, "a", **FAIL)
    made = run(instance, windowed, "a")
    assert delete(instance) == (1, 1)
    assert runs(instance) == {made}


def test_the_latest_result_of_a_check_stays_and_those_of_deleted_runs_go(instance: dg.DagsterInstance) -> None:
    checked, key = [run(instance, whole) for _ in range(3)], dg.AssetCheckKey(dg.AssetKey("whole"), "fine")
    delete(instance)
    history = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    assert [record.run_id for record in history] == checked[2:]


def test_what_is_younger_unfinished_or_of_another_code_location_stays(instance: dg.DagsterInstance) -> None:
    run(instance, whole)
    run(instance, whole)
    instance.add_run(dg.DagsterRun(job_name="waiting", status=dg.DagsterRunStatus.STARTED))
    assert delete(instance, datetime.now(UTC) - timedelta(hours=1)) == (0, 0)
    assert delete(instance, ours=False) == (0, 0)
    assert len(runs(instance)) == 3


def test_more_runs_than_fit_a_page_are_all_seen(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector_pipelines.defs.old_runs.PAGE", 2)
    newest = [run(instance, whole) for _ in range(6)][-1]
    assert delete(instance) == (5, 1)
    assert runs(instance) == {newest}


def test_what_a_run_printed_goes_with_it(instance: dg.DagsterInstance) -> None:
    first, _ = run(instance, whole), run(instance, whole)
    logs = instance.compute_log_manager
    (key,) = logs.get_log_keys_for_log_key_prefix(
        [first, "compute_logs"], io_type=dg._core.storage.compute_log_manager.ComputeIOType.STDERR
    )
    assert logs.get_log_data(key).stderr is not None
    delete(instance)
    assert not logs.get_log_data(key).stderr
