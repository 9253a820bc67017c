"""How a sync is run in this very process, and still is a run in the UI like any other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.instance.ref import InstanceRef

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.defs.automation import BATCH_TAG
from connector_pipelines.defs.build import build
from connector_pipelines.defs.keys import SYNC, operation_name, sync_key
from connector_pipelines.defs.known import Known, KnownEndpoint
from connector_pipelines.defs.loading import read_known
from connector_pipelines.defs.resources import PipelineResource
from connector_pipelines.defs.sync import SyncConfig
from connector_pipelines.pipeline.session import Progress
from connector_pipelines.settings import Settings, load_settings
from connector_pipelines.telemetry import scrub

__all__ = ["LocalRun", "run_sync"]


# The terminal is the caller's: Dagster would capture it while a step runs.
_QUIET = {"compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRun:
    """How it went. `errors`: by slug, what stopped it; an endpoint that synced is not in it."""

    run_id: str
    success: bool
    errors: dict[str, str] = field(default_factory=dict)


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
    known = read_known(settings)
    chosen = [_endpoint(known, slug) for slug in slugs]
    if not chosen:
        raise ConfigurationError("there is nothing to sync", advice="name an endpoint; `connectors status` lists them")
    job = build(known, _listening(progress)).resolve_implicit_global_asset_job_def()
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(settings.dagster_home), overrides=_QUIET)) as instance:
        result = job.execute_in_process(
            run_config={
                "ops": {operation_name(e.kind, e.slug, SYNC): {"config": SyncConfig(sweep=sweep).model_dump()} for e in chosen},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            instance=instance,
            asset_selection=[sync_key(e.kind, e.slug) for e in chosen],
            # Not those of the sensor's runs: one whose process was killed would count as under way, in the queue too.
            tags={BATCH_TAG: "local"},
            raise_on_error=False,
        )
    return LocalRun(run_id=result.run_id, success=result.success, errors=_errors(result, chosen))


def _endpoint(known: Known, slug: str) -> KnownEndpoint:
    for endpoint in known.endpoints:
        if endpoint.slug == slug:
            return endpoint
    there = ", ".join(e.slug for e in known.endpoints) or "none yet"
    raise ConfigurationError(f"there is no endpoint {slug!r}", advice=f"known: {there}; `connectors.yaml` adds one")


def _listening(progress: Callable[[Progress], None] | None) -> PipelineResource:
    class Listening(PipelineResource):
        def heard(self, told: Progress) -> None:
            if progress is not None:
                progress(told)

    return Listening()


def _errors(result: dg.ExecuteInProcessResult, chosen: Sequence[KnownEndpoint]) -> dict[str, str]:
    steps = {operation_name(e.kind, e.slug, SYNC): e.slug for e in chosen}
    failed = {e.step_key: e.step_failure_data for e in result.all_events if e.is_step_failure and e.step_key}
    return {steps[step]: _told(data) for step, data in failed.items() if step in steps}


def _told(data: StepFailureData) -> str:
    """The words of the failure; where something broke before ours were found, Dagster's."""
    told = data.user_failure_data.description if data.user_failure_data else None
    return scrub(told or data.error_display_string)
