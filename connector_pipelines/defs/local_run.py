"""How a sync is run in this very process, and still is a run in the UI like any other."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.tags import MAX_RETRIES_TAG
from dagster._core.utils import make_new_run_id

from connector_pipelines.core.errors import Busy, ConfigurationError
from connector_pipelines.defs.automation import BATCH_TAG
from connector_pipelines.defs.build import build
from connector_pipelines.defs.faults import CANCELLED
from connector_pipelines.defs.keys import SYNC, operation_name, sync_key
from connector_pipelines.defs.known import Known, KnownEndpoint
from connector_pipelines.defs.liveness import HOST_TAG, end_gone_runs
from connector_pipelines.defs.loading import read_known
from connector_pipelines.defs.resources import PipelineResource
from connector_pipelines.defs.services import services_of
from connector_pipelines.defs.sync import SyncConfig
from connector_pipelines.pipeline.session import Progress
from connector_pipelines.settings import Settings, load_settings
from connector_pipelines.store.catalog.workers import worker
from connector_pipelines.telemetry import scrub

__all__ = ["LocalRun", "run_sync"]


_LOCAL = {BATCH_TAG: "local"}

# The terminal is the caller's: Dagster would capture it while a step runs.
_QUIET = {"compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRun:
    """How it went.

    Attributes:
        cancelled: A person ended it.
        errors: By slug, what stopped it; an endpoint that synced is not in it.
        left: By slug, that another run was syncing it, which does the same work.
    """

    run_id: str
    success: bool
    cancelled: bool = False
    errors: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


def run_sync(
    slugs: Sequence[str], *, sweep: bool = False, progress: Callable[[Progress], None] | None = None, settings: Settings | None = None
) -> LocalRun:
    """Sync these endpoints, one after the other, on the Dagster instance of the settings. Writes nothing to the terminal.

    Args:
        progress: Told how far each stage is, also from threads.

    Raises:
        ConfigurationError: No slug is given, or no endpoint of a slug is configured.
        Unavailable: No database answers.
    """
    settings = settings or load_settings()
    known, run_id = read_known(settings), make_new_run_id()
    chosen = [_endpoint(known, slug) for slug in slugs]
    if not chosen:
        raise ConfigurationError("there is nothing to sync", advice="name an endpoint; `connectors status` lists them")
    left: dict[str, str] = {}
    job = build(known, _listening(progress, left)).resolve_implicit_global_asset_job_def()
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    reference = InstanceRef.from_dir(str(settings.dagster_home), overrides=_QUIET)
    # A worker for as long as the run, in which there is none while it waits: so others see that it is under way.
    with dg.DagsterInstance.from_ref(reference) as instance, worker(services_of(settings).database, run_id):
        end_gone_runs(instance, _LOCAL)
        result = job.execute_in_process(
            run_config={
                "ops": {operation_name(e.kind, e.slug, SYNC): {"config": SyncConfig(sweep=sweep).model_dump()} for e in chosen},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            instance=instance,
            asset_selection=[sync_key(e.kind, e.slug) for e in chosen],
            # Not those of the sensor's runs: the queue would have them wait for this one. Nobody but us is to try it again.
            tags={**_LOCAL, HOST_TAG: socket.gethostname(), MAX_RETRIES_TAG: "0"},
            run_id=run_id,
            raise_on_error=False,
        )
        ended = instance.get_run_by_id(run_id)
    errors = _errors(result, chosen)
    cancelled = CANCELLED in errors.values() or (ended is not None and ended.status is dg.DagsterRunStatus.CANCELED)
    return LocalRun(run_id=run_id, success=result.success, cancelled=cancelled, errors=errors, left=left)


def _endpoint(known: Known, slug: str) -> KnownEndpoint:
    for endpoint in known.endpoints:
        if endpoint.slug == slug:
            return endpoint
    there = ", ".join(e.slug for e in known.endpoints) or "none yet"
    raise ConfigurationError(f"there is no endpoint {slug!r}", advice=f"known: {there}; `connectors.yaml` adds one")


def _listening(progress: Callable[[Progress], None] | None, left: dict[str, str]) -> PipelineResource:
    class Listening(PipelineResource):
        def heard(self, told: Progress) -> None:
            if progress is not None:
                progress(told)

        def left_to_another(self, slug: str, busy: Busy) -> None:
            left[slug] = str(busy)

    return Listening()


def _errors(result: dg.ExecuteInProcessResult, chosen: Sequence[KnownEndpoint]) -> dict[str, str]:
    steps = {operation_name(e.kind, e.slug, SYNC): e.slug for e in chosen}
    failed = {e.step_key: e.step_failure_data for e in result.all_events if e.is_step_failure and e.step_key}
    return {steps[step]: _told(data) for step, data in failed.items() if step in steps}


def _told(data: StepFailureData) -> str:
    """The words of the failure; where something broke before ours were found, Dagster's."""
    told = data.user_failure_data.description if data.user_failure_data else None
    return scrub(told or data.error_display_string)
