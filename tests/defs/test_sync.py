"""A sync takes everything through all stages, and says so window by window, asset by asset."""

from __future__ import annotations

import logging

import dagster as dg
import pytest

from connector_pipelines.core.errors import ConfigurationError, RateLimited, TransientError
from connector_pipelines.core.types import DocumentRef
from connector_pipelines.defs.faults import MAX_RETRIES, told
from connector_pipelines.store.catalog import scheduling
from connector_pipelines.store.catalog.workers import worker
from tests.defs.conftest import World
from tests.defs.test_materialize import windows_of

SYNC = "local_folder/samples/sync"
STAGES = ("listing", "files", "documents", "search")


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {e.check_name: e.passed for e in result.get_asset_check_evaluations()}


def test_a_sync_marks_the_windows_it_touched_and_no_other(world: World, instance: dg.DagsterInstance) -> None:
    world.write("march.txt", "2024-03-05")
    world.write("may.txt", "2024-05-05")
    known = world.configure(samples={})
    result = world.run(known, instance, SYNC)
    assert result.success
    for stage in STAGES:
        shown = windows_of(instance, f"local_folder/samples/{stage}")
        assert {k: m["dagster/partition_row_count"] for k, m in shown.items()} == {"2024-03-01": 1, "2024-05-01": 1}
    assert checks_of(result) == {"failed_share": True, "complete": True, "stores_agree": True}


def test_a_second_sync_counts_the_whole_window_and_leaves_the_others_alone(world: World, instance: dg.DagsterInstance) -> None:
    world.write("march.txt", "2024-03-05")
    world.write("may.txt", "2024-05-05")
    known = world.configure(samples={})
    world.run(known, instance, SYNC)
    world.write("march2.txt", "2024-03-25", "other words")
    second = world.run(known, instance, SYNC)
    again = [
        r.partition_key
        for r in instance.fetch_materializations(dg.AssetKey(["local_folder", "samples", "search"]), limit=10).records
        if r.run_id == second.run_id
    ]
    assert again == ["2024-03-01"]
    assert windows_of(instance, "local_folder/samples/search")["2024-03-01"]["delivered"] == 2


def test_a_sweep_mends_a_sink_that_lost_a_document_and_the_check_saw_it(world: World, instance: dg.DagsterInstance) -> None:
    world.write("march.txt")
    known = world.configure(samples={})
    world.run(known, instance, SYNC)
    with world.services.open("samples", "test") as session:
        ((document, generation),) = session.sinks["search"].inventory(session.endpoint.tenant_id, "samples")  # type: ignore[attr-defined]
        lost = DocumentRef(id=document, tenant_id=session.endpoint.tenant_id, endpoint="samples", generation=generation)
        session.sinks["search"].delete([lost])
    assert checks_of(world.run(known, instance, SYNC))["stores_agree"] is False
    sweep = {"ops": {"local_folder__samples__sync": {"config": {"sweep": True}}}}
    assert checks_of(world.run(known, instance, SYNC, run_config=sweep))["stores_agree"] is True


def test_an_endpoint_another_run_is_syncing_is_left_to_it_without_a_failure(world: World, instance: dg.DagsterInstance) -> None:
    world.write("march.txt")
    known = world.configure(samples={})
    endpoint_id = world.rows("SELECT id::text FROM endpoints")[0]["id"]
    with worker(world.services.database, "other") as other:
        with world.services.database.operator() as tx:
            assert scheduling.hold(tx, endpoint_id, other)
        result = world.run(known, instance, SYNC)
    assert result.success
    assert result.asset_materializations_for_node("local_folder__samples__sync") == []
    assert world.rows("SELECT count(*) AS n FROM files") == [{"n": 0}]


def test_one_endpoint_that_fails_keeps_no_other_of_its_run_from_syncing(world: World, instance: dg.DagsterInstance) -> None:
    known = world.configure(kind="faulty", broken={"settings": {"listing": "login"}}, fine={})
    result = world.run(known, instance, "faulty/broken/sync", "faulty/fine/sync")
    assert not result.success
    assert [e.asset_key.path[1] for e in result.get_asset_materialization_events() if e.asset_key and e.asset_key.path[2] == "sync"] == [
        "fine"
    ]


@pytest.mark.parametrize(("error", "wait_s"), [(RateLimited("slow down", retry_after_s=33), 33), (TransientError("away"), 5)])
def test_a_fault_that_passes_soon_is_tried_again_after_the_wait_asked_for(error: TransientError, wait_s: float) -> None:
    waited: list[float] = []
    said: list[str] = []
    with pytest.raises(dg.RetryRequested) as raised, told(_log(), 0, stop=_nothing, more=dict, waits=said.append, sleep=waited.append):
        raise error
    assert (raised.value.max_retries, waited) == (MAX_RETRIES, [wait_s])
    assert said == [f"{error}; trying again in {wait_s:.0f} s"]


def test_a_run_that_is_cancelled_while_it_waits_ends_at_once() -> None:
    def interrupted(_: float) -> None:
        raise dg.DagsterExecutionInterruptedError

    with pytest.raises(dg.Failure) as raised, told(_log(), 0, stop=_nothing, more=dict, sleep=interrupted):
        raise TransientError("away")
    assert (raised.value.description, raised.value.allow_retries) == ("cancelled", False)


def test_a_fault_an_operator_must_heal_comes_with_its_advice_and_what_can_be_shown() -> None:
    with pytest.raises(dg.Failure) as raised, told(_log(), 0, stop=_nothing, more=lambda: {"failures": "none"}):
        raise ConfigurationError("the folder is gone", advice="mount it")
    assert raised.value.allow_retries is False
    assert {k: v.value for k, v in raised.value.metadata.items()} == {
        "code": "configuration", "class": "configuration", "advice": "mount it", "failures": "none",
    }  # fmt: skip


def test_a_bug_fails_the_step_without_telling_a_password() -> None:
    with pytest.raises(dg.Failure) as raised, told(_log(), 0, stop=_nothing, more=dict):
        raise RuntimeError("could not reach postgresql://me:hunter2hunter2@host/db")
    assert "RuntimeError" in (raised.value.description or "")
    assert "hunter2" not in (raised.value.description or "")


def _nothing() -> None:
    return None


def _log() -> logging.Logger:
    return dg.build_asset_context().log
