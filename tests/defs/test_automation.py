"""What is due is asked for: by schedule, by request, again when a run was lost, and everything once a night."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterRunStatus
from dagster._daemon.sensor import MIN_INTERVAL_LOOP_TIME

from connector_pipelines.defs.build import build
from connector_pipelines.defs.known import Known
from connector_pipelines.defs.resources import PipelineResource
from connector_pipelines.store.catalog.scheduling import request
from tests.defs.conftest import World

PIPELINE = {"pipeline": PipelineResource()}


def tick(known: Known, instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[list[dg.RunRequest], str]:
    repository = build(known).get_repository_def()
    sensor = repository.get_sensor_def("local_folder_due")
    with dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository, resources=PIPELINE) as context:
        data = sensor.evaluate_tick(context)
    return list(data.run_requests or []), data.cursor or ""


def slugs(requests: list[dg.RunRequest]) -> set[str]:
    return {key.path[1] for r in requests for key in r.asset_selection or ()}


def queued(instance: dg.DagsterInstance, asked: dg.RunRequest, status: DagsterRunStatus) -> dg.DagsterRun:
    run = dg.DagsterRun(
        job_name="__ASSET_JOB", status=status, tags=dict(asked.tags), asset_selection=frozenset(asked.asset_selection or ())
    )
    instance.add_run(run)
    return run


def test_the_sensor_is_asked_in_each_round_of_the_daemon_though_its_tick_begins_some_time_into_the_round(world: World) -> None:
    sensor = build(world.configure(often={})).get_repository_def().get_sensor_def("local_folder_due")

    into_the_round_s = 0.5
    assert (sensor.minimum_interval_seconds or 0) <= MIN_INTERVAL_LOOP_TIME - into_the_round_s


def test_intervals_are_due_at_once_and_what_is_manual_paused_or_by_the_clock_is_not(world: World, instance: dg.DagsterInstance) -> None:
    known = world.configure(
        often={}, manual={"schedule": {"type": "manual"}}, paused={"paused": True},
        newyear={"schedule": {"type": "cron", "expression": "0 0 1 1 *"}},
    )  # fmt: skip
    requests, _ = tick(known, instance)
    assert slugs(requests) == {"often"}
    assert requests[0].tags["connector/endpoint"] == "often"


def test_a_sync_asked_for_by_a_person_or_left_over_is_due_whatever_the_schedule(world: World, instance: dg.DagsterInstance) -> None:
    manual = {"schedule": {"type": "manual"}}
    known = world.configure(asked=manual, left=manual, idle=manual)
    with world.services.database.operator() as tx:
        request(tx, "asked", datetime.now(UTC))
    world.execute("UPDATE endpoints SET retry_at = now() - interval '1 minute' WHERE slug = 'left'")
    assert slugs(tick(known, instance)[0]) == {"asked", "left"}


def test_a_sync_is_asked_for_once_while_its_run_waits_and_again_when_that_run_was_lost(world: World, instance: dg.DagsterInstance) -> None:
    known = world.configure(samples={})
    (first,), cursor = tick(known, instance)
    run = queued(instance, first, DagsterRunStatus.NOT_STARTED)
    waiting, cursor = tick(known, instance, cursor)
    assert waiting == []
    instance.report_run_canceled(run)
    long_ago = cursor.replace(datetime.now(UTC).strftime("%Y"), "2020")
    (second,), _ = tick(known, instance, long_ago)
    assert slugs([second]) == {"samples"}
    assert second.run_key != first.run_key


def test_a_notification_is_due_at_once_and_the_run_is_told_that_it_is_all_there_is_to_look_at(
    world: World, instance: dg.DagsterInstance
) -> None:
    known = world.configure(told={"schedule": {"type": "manual"}}, often={})
    world.execute(
        """WITH call AS (INSERT INTO webhook_inbox (tenant_id, connector_id, delivery_id, payload)
                         SELECT tenant_id, id, '1', '{}' FROM connectors RETURNING id, tenant_id)
           INSERT INTO notifications_owed (endpoint_id, inbox_id, tenant_id)
           SELECT e.id, call.id, call.tenant_id FROM call, endpoints e WHERE e.slug = 'told'"""
    )
    requests, _ = tick(known, instance)
    configs = {slug: r.run_config.get("ops", {}) for r in requests for slug in slugs([r])}
    assert configs == {"told": {"local_folder__told__sync": {"config": {"sweep": False, "notified": True}}}, "often": {}}


def test_a_run_that_began_its_sync_acknowledges_it(world: World, instance: dg.DagsterInstance) -> None:
    world.write("march.txt")
    known = world.configure(samples={})
    (_,), cursor = tick(known, instance)
    assert world.run(known, instance, "local_folder/samples/sync").success
    assert tick(known, instance, cursor)[0] == []


def test_an_endpoint_made_since_the_definitions_were_loaded_waits_for_them(world: World, instance: dg.DagsterInstance) -> None:
    before = world.configure(samples={})
    after = world.configure(samples={}, fresh={})
    assert slugs(tick(before, instance)[0]) == {"samples"}
    assert slugs(tick(after, instance)[0]) == {"samples", "fresh"}


def test_the_nightly_sweep_is_one_run_for_ten_endpoints_and_leaves_out_who_waits_for_a_person(
    world: World, instance: dg.DagsterInstance
) -> None:
    known = world.configure(**{f"e{n:02}": {} for n in range(12)}, paused={"paused": True})
    repository = build(known).get_repository_def()
    at = datetime(2026, 11, 22, 3, tzinfo=UTC)
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=at, repository_def=repository, resources=PIPELINE
    ) as context:
        data = repository.get_schedule_def("local_folder_nightly_sweep").evaluate_tick(context)
    requests = list(data.run_requests or [])
    assert [len(r.asset_selection or ()) for r in requests] == [10, 2]
    assert requests[1].run_config["ops"]["local_folder__e11__sync"] == {"config": {"sweep": True, "notified": False}}
    assert len({r.run_key for r in requests}) == 2
