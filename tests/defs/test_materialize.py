"""Windows chosen in the UI or on the command line are materialised, each with its own counts."""

from __future__ import annotations

import dagster as dg

from connector_pipelines.defs.faults import LONGEST_WAIT_S
from tests.defs.conftest import World

CHAIN = [f"local_folder/samples/{stage}" for stage in ("listing", "files", "documents", "search")]
RANGE = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-06-01"}


def windows_of(instance: dg.DagsterInstance, key: str) -> dict[str, dict[str, object]]:
    found = instance.fetch_materializations(dg.AssetKey(key.split("/")), limit=100).records
    return {r.partition_key: {k: v.value for k, v in r.asset_materialization.metadata.items()} for r in reversed(found)}  # type: ignore[union-attr]


def test_a_window_is_taken_through_every_stage_and_other_windows_are_left(world: World, instance: dg.DagsterInstance) -> None:
    world.write("march.txt", "2024-03-05")
    world.write("april.txt", "2024-04-05")
    result = world.run(world.configure(samples={}), instance, *CHAIN, partition_key="2024-03-01")
    assert result.success
    assert {r["path"]: r["status"] for r in world.rows("SELECT path, status FROM files")} == {
        "march.txt": "extracted",
        "april.txt": "listed",
    }
    shown = windows_of(instance, CHAIN[3])
    assert list(shown) == ["2024-03-01"]
    assert shown["2024-03-01"]["delivered"] == 1


def test_a_range_of_windows_is_one_run_and_one_look_at_the_source(world: World, instance: dg.DagsterInstance) -> None:
    world.write("old.txt", "2019-01-05")
    world.write("march1.txt", "2024-03-05")
    world.write("march2.txt", "2024-03-06")
    result = world.run(world.configure(samples={}), instance, *CHAIN, tags=RANGE)
    assert result.success
    assert world.rows("SELECT count(*) AS n FROM sync_logs WHERE stage = 'listing'") == [{"n": 1}]
    shown = windows_of(instance, CHAIN[2])
    assert {key: m.get("documents", 0) for key, m in shown.items()} == {
        "2024-01-01": 1, "2024-02-01": 0, "2024-03-01": 2, "2024-04-01": 0, "2024-05-01": 0, "2024-06-01": 0,
    }  # fmt: skip


def test_redo_does_again_what_was_done_and_only_then(world: World, instance: dg.DagsterInstance) -> None:
    world.write("march.txt")
    known = world.configure(samples={})
    world.run(known, instance, *CHAIN, partition_key="2024-03-01")

    def again(*, redo: bool) -> object:
        config = {"ops": {"local_folder__samples__documents": {"config": {"redo": redo}}}}
        assert world.run(known, instance, CHAIN[2], partition_key="2024-03-01", run_config=config).success
        return windows_of(instance, CHAIN[2])["2024-03-01"].get("run/extracted")

    assert (again(redo=False), again(redo=True)) == (None, 1)


def test_windows_chosen_for_everything_of_an_endpoint_do_not_start_a_sync(world: World, instance: dg.DagsterInstance) -> None:
    world.write("april.txt", "2024-04-05")
    result = world.run(world.configure(samples={}), instance, *CHAIN, "local_folder/samples/sync", partition_key="2024-03-01")
    assert result.success
    assert world.rows("SELECT status FROM files") == [{"status": "listed"}]
    assert instance.get_latest_materialization_event(dg.AssetKey(["local_folder", "samples", "sync"])) is None


def test_one_broken_file_fails_no_run_and_is_shown_with_its_reason(world: World, instance: dg.DagsterInstance) -> None:
    world.write("good.txt")
    world.write("bro|ken.pdf", text="%PDF-1.7 torn off")
    result = world.run(world.configure(samples={}), instance, *CHAIN, partition_key="2024-03-01")
    assert result.success
    shown = windows_of(instance, CHAIN[2])["2024-03-01"]
    assert (shown["documents"], shown["failed"]) == (1, 1)
    assert "bro\\|ken.pdf" in str(shown["failures"])


def test_a_login_that_is_refused_fails_the_step_at_once_and_tells_no_secret(world: World, instance: dg.DagsterInstance) -> None:
    known = world.configure(kind="faulty", broken={"settings": {"listing": "login"}})
    result = world.run(known, instance, "faulty/broken/listing", partition_key="2024-03-01")
    failure = next(e for e in result.all_events if e.is_step_failure).step_failure_data
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.metadata["code"].value == "unauthenticated"
    assert not [e for e in result.all_events if e.is_step_up_for_retry]
    assert "hunter2" not in "".join(str(e) for e in instance.all_logs(result.run_id))


def test_a_fault_that_passes_only_after_hours_does_not_hold_a_slot_till_then(world: World, instance: dg.DagsterInstance) -> None:
    known = world.configure(kind="faulty", broken={"settings": {"listing": "away"}})
    result = world.run(known, instance, "faulty/broken/sync")
    assert not [e for e in result.all_events if e.is_step_up_for_retry]
    waits = world.rows("SELECT extract(epoch FROM retry_at - now())::float AS s FROM endpoints")[0]["s"]
    assert waits > LONGEST_WAIT_S


def test_a_run_that_is_cancelled_is_not_retried_and_leaves_nothing_claimed(world: World, instance: dg.DagsterInstance) -> None:
    known = world.configure(kind="faulty", stopped={"settings": {"opening": "interrupted"}})
    keys = [f"faulty/stopped/{stage}" for stage in ("listing", "files")]
    result = world.run(known, instance, *keys, partition_key=_current_month())
    failure = next(e for e in result.all_events if e.is_step_failure).step_failure_data
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.description == "cancelled"
    assert world.rows("SELECT status, claimed_by FROM files") == [{"status": "listed", "claimed_by": None}] * 3


def _current_month() -> str:
    """The window that takes files without a time: they count from when they were first seen."""
    from datetime import UTC, datetime

    return datetime.now(UTC).date().replace(day=1).isoformat()
