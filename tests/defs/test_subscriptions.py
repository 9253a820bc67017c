"""`<kind>_subscriptions`: a schedule where a kind can be subscribed to, that asks for a run when there is something to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from connector_pipelines.core.errors import Forbidden
from connector_pipelines.defs.build import build
from connector_pipelines.defs.known import Known
from connector_pipelines.defs.loading import read_known
from connector_pipelines.defs.resources import PipelineResource
from connector_pipelines.testing.memory_push import SERVICES, PushService
from tests.defs.conftest import World

NAME = "telling_subscriptions"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """One that can be referred to: a schedule is given a reference, and opens it."""
    with dg.instance_for_test() as found:
        yield found


@pytest.fixture
def told(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[PushService]:
    plugin = world.base / "plugins" / "telling-1.0.dist-info"
    plugin.mkdir()
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: telling\nVersion: 1.0\n")
    (plugin / "entry_points.txt").write_text("[connector_pipelines.sources]\ntelling = connector_pipelines.testing.memory_push:Source\n")
    # Nobody listens there: what is asked for stands nevertheless.
    monkeypatch.setenv("CONNECTORS_PUBLIC_URL", "http://127.0.0.1:9")
    SERVICES["papers"] = PushService()
    yield SERVICES["papers"]
    SERVICES.clear()


def configure(world: World, *, paused: bool = False, removed: bool = False) -> Known:
    import yaml

    papers = {"slug": "papers", "settings": {"service": "papers"}, "paused": paused}
    telling = {"name": "t", "kind": "telling", "webhook": {"verify": {"type": "source"}}, "endpoints": [papers]}
    samples = {"name": "l", "kind": "local_folder", "endpoints": [{"slug": "samples", "settings": {"root": "files"}}]}
    (world.base / "files").mkdir(exist_ok=True)
    file = {"sinks": {"search": {"kind": "postgres_text"}}, "connectors": [samples] if removed else [telling, samples]}
    world.settings.config_file.write_text(yaml.safe_dump(file))
    return read_known(world.settings)


def tick(known: Known, instance: dg.DagsterInstance, after: timedelta = timedelta()) -> tuple[int, str]:
    """How many runs were asked for, and why none was."""
    repository = build(known).get_repository_def()
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=datetime.now(UTC) + after,
        repository_def=repository,
        resources={"pipeline": PipelineResource()},
    ) as context:
        data = repository.get_schedule_def(NAME).evaluate_tick(context)
    return len(data.run_requests or []), data.skip_message or ""


def run(known: Known, instance: dg.DagsterInstance) -> dict[str, object]:
    result = build(known).get_job_def(NAME).execute_in_process(instance=instance, raise_on_error=False)
    assert result.success
    (event,) = (e for e in result.all_events if e.event_type is dg.DagsterEventType.STEP_OUTPUT)
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def test_only_a_kind_that_can_be_subscribed_to_has_the_schedule_and_there_it_runs(world: World, told: PushService) -> None:
    repository = build(configure(world)).get_repository_def()

    (found,) = [s for s in repository.schedule_defs if s.name.endswith("_subscriptions")]
    assert (found.name, found.default_status) == (NAME, dg.DefaultScheduleStatus.RUNNING)


def test_a_run_opens_what_is_lacking_and_says_so_and_then_none_is_asked_for_until_it_is_to_be_replaced(
    world: World, told: PushService, instance: dg.DagsterInstance
) -> None:
    known = configure(world)
    assert tick(known, instance) == (1, "")

    assert run(known, instance) == {"endpoints": 1, "wanted": 1, "open": 1, "opened": 1, "stopped": 0, "failing": 0}
    assert len(told.promises) == 1
    assert tick(known, instance, timedelta(minutes=50)) == (0, "nothing is to be done")
    assert tick(known, instance, timedelta(days=5)) == (1, "")


def test_one_that_is_refused_fails_no_run(world: World, told: PushService, instance: dg.DagsterInstance) -> None:
    told.refuses = Forbidden("not for you")
    known = configure(world)

    assert run(known, instance)["error/papers"] == "not for you"


def test_no_second_run_is_asked_for_while_one_is_under_way(world: World, told: PushService, instance: dg.DagsterInstance) -> None:
    known = configure(world)
    instance.add_run(dg.DagsterRun(job_name=NAME, status=dg.DagsterRunStatus.STARTED))

    assert tick(known, instance) == (0, "the run before this one is under way")


def test_without_a_public_address_nothing_is_asked_for_and_the_tick_says_why(
    world: World, told: PushService, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = configure(world)
    monkeypatch.delenv("CONNECTORS_PUBLIC_URL")

    runs, why = tick(known, instance)

    assert (runs, "CONNECTORS_PUBLIC_URL" in why) == (0, True)


def test_the_schedule_stays_until_the_subscriptions_of_an_endpoint_that_was_removed_are_stopped(
    world: World, told: PushService, instance: dg.DagsterInstance
) -> None:
    run(configure(world), instance)
    known = configure(world, removed=True)
    assert tick(known, instance) == (1, "")

    assert run(known, instance)["stopped"] == 1
    assert told.promises == {}
    assert read_known(world.settings).subscribing == ()
