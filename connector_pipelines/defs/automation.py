"""What starts runs by itself: per kind a sensor that looks at what is due, and a nightly sweep."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import MAX_RETRIES_TAG

from connector_pipelines.defs.asking import BATCH_ENDPOINTS, Batch, Memory, ask
from connector_pipelines.defs.keys import SYNC, operation_name, slug_of, sync_key
from connector_pipelines.defs.known import Known
from connector_pipelines.defs.resources import PipelineResource
from connector_pipelines.defs.sync import SyncConfig
from connector_pipelines.store.catalog.configuration import installation
from connector_pipelines.store.catalog.scheduling import due

__all__ = ["BATCH_TAG", "due_sensor", "sweep_schedule"]

SENSOR_INTERVAL_S = 4
"""The daemon looks every five seconds. A tick begins a little after its round does, so that five would let it sit out every second round.
One with nothing due costs 13 ms of CPU."""
SWEEP_CRON = "0 3 * * *"
BATCH_TAG = "connector/batch"
KIND_TAG = "connector/kind"
ENDPOINT_TAG = "connector/endpoint"
MOST_RUNS = 1000

# What a run did not come to stays due: the sensor asks for another, and Dagster need not.
_ASKED_AGAIN = {MAX_RETRIES_TAG: "0"}


def due_sensor(known: Known, kind: str) -> dg.SensorDefinition:
    """`<kind>_due`: one query a tick, no call to the other side."""
    defined = {e.slug for e in known.of_kind(kind)}

    @dg.sensor(
        name=f"{kind}_due",
        target=_sync_assets(known, kind),
        minimum_interval_seconds=SENSOR_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Asks for a run for every {kind} endpoint that is due: by schedule, by request, by a webhook, or for what a sync left over.",
    )
    def sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult:
        now = datetime.now(UTC)
        storage = context.instance.event_log_storage
        if context.cursor is None and kind not in storage.get_concurrency_keys():
            # A pool nobody has used yet limits nothing the first time two runs ask for it at once. On Postgres, Dagster
            # 1.13.27 fails for one that is there: it goes on in a transaction its INSERT has broken.
            storage.initialize_concurrency_limit_to_default(kind)
        with pipeline.services().database.operator() as tx:
            found = due(tx, kind, now)
        memory = Memory.model_validate_json(context.cursor) if context.cursor else Memory()
        batches, memory = ask(found, memory, defined=defined, running=_running(context.instance, kind), now=now)
        skipped = None if batches else dg.SkipReason(_nothing(len(found)))
        return dg.SensorResult(run_requests=[_request(kind, b) for b in batches], cursor=memory.model_dump_json(), skip_reason=skipped)

    return sensor


def sweep_schedule(known: Known, kind: str) -> dg.ScheduleDefinition:
    """`<kind>_nightly_sweep`: looks at everything, mends what sinks hold, proves completeness."""
    defined = {e.slug for e in known.of_kind(kind)}

    @dg.schedule(
        name=f"{kind}_nightly_sweep",
        target=_sync_assets(known, kind),
        cron_schedule=SWEEP_CRON,
        execution_timezone=known.windows_of(kind).timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Looks at everything the {kind} endpoints have, finds what was missed, and mends what the sinks hold.",
    )
    def schedule(context: dg.ScheduleEvaluationContext, pipeline: PipelineResource) -> Iterator[dg.RunRequest | dg.SkipReason]:
        with pipeline.services().database.operator() as tx:
            rows = installation(tx).endpoints
        slugs = [e.slug for e in rows if e.slug in defined and not e.paused and e.status not in {"error", "disabled"}]
        at = context.scheduled_execution_time.isoformat()
        for first in range(0, len(slugs), BATCH_ENDPOINTS):
            chosen = tuple(slugs[first : first + BATCH_ENDPOINTS])
            yield _request(kind, Batch(f"sweep:{at}:{chosen[0]}", chosen), sweep=True)
        if not slugs:
            yield dg.SkipReason("no endpoint may sync now: all are paused, or wait for a person")

    return schedule


def _sync_assets(known: Known, kind: str) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(sync_key(kind, e.slug) for e in known.of_kind(kind)))


def _request(kind: str, batch: Batch, *, sweep: bool = False) -> dg.RunRequest:
    asked = {slug: SyncConfig(sweep=sweep, notified=slug in batch.notified) for slug in batch.slugs if sweep or slug in batch.notified}
    config = {operation_name(kind, slug, SYNC): config for slug, config in asked.items()}
    return dg.RunRequest(
        run_key=batch.run_key,
        asset_selection=[sync_key(kind, slug) for slug in batch.slugs],
        run_config=dg.RunConfig(ops=config),
        tags={**_tags(kind, batch.slugs, batch.run_key), **({} if sweep else _ASKED_AGAIN)},
    )


def _tags(kind: str, slugs: Sequence[str], batch: str) -> dict[str, str]:
    """Tags of a run that syncs these endpoints. The queue runs one at a time of those with the same endpoint."""
    alone = {ENDPOINT_TAG: slugs[0]} if len(slugs) == 1 else {}
    return {KIND_TAG: kind, BATCH_TAG: batch, **alone}


def _running(instance: dg.DagsterInstance, kind: str) -> dict[str, set[str]]:
    """Slugs to the unfinished runs that are to sync them."""
    found = defaultdict(set)
    filters = dg.RunsFilter(tags={KIND_TAG: kind}, statuses=NOT_FINISHED_STATUSES)
    for run in instance.get_runs(filters=filters, limit=MOST_RUNS):
        for key in run.asset_selection or ():
            if slug := slug_of(key):
                found[slug].add(run.run_id)
    return dict(found)


def _nothing(due_now: int) -> str:
    return "nothing is due" if not due_now else f"{due_now} due; their runs are under way, or their definitions are not loaded yet"
