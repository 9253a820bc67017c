"""The job and schedule `<kind>_subscriptions`: other systems are asked to tell us of changes, and asked again before that ends."""

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from connector_pipelines.defs.faults import told
from connector_pipelines.defs.resources import PipelineResource
from connector_pipelines.pipeline.subscribing import Kept, keep_subscribed
from connector_pipelines.store.catalog.subscriptions import needing

__all__ = ["subscriptions_job", "subscriptions_name", "subscriptions_schedule"]

CRON = "*/10 * * * *"
"""A tick is one query; a run is asked for where that finds something to do."""


def subscriptions_name(kind: str) -> str:
    """Of the job and of its schedule."""
    return f"{kind}_subscriptions"


def subscriptions_job(kind: str) -> dg.JobDefinition:
    """The job: looks after every endpoint of the kind that needs it. Not an asset: nothing is materialised."""

    @dg.op(
        name=f"{kind}_subscribe",
        out=dg.Out(dg.Nothing),
        description=f"Opens, replaces and stops subscriptions of the {kind} endpoints, where that is due.",
    )
    def subscribe(context: dg.OpExecutionContext, pipeline: PipelineResource) -> dg.Output[None]:
        stop = threading.Event()
        with told(context.log, context.retry_number, stop=stop.set, more=dict):
            services = pipeline.services()
            with services.database.operator() as tx:
                slugs = needing(tx, kind, services.settings.public_url, datetime.now(UTC))
            kept = [keep_subscribed(services, slug, stop=stop) for slug in slugs]
        for one in kept:
            context.log.info("%s", _line(one))
        return dg.Output(None, metadata=_metadata(kept))

    @dg.job(name=subscriptions_name(kind), description=f"Keeps the subscriptions of the {kind} endpoints: see the page Webhooks.")
    def job() -> None:
        subscribe()

    return job


def subscriptions_schedule(kind: str, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """`<kind>_subscriptions`, every ten minutes, on. Switched off, subscriptions end by and by, and the endpoints' own schedules are left."""

    @dg.schedule(
        name=subscriptions_name(kind),
        job=job,
        cron_schedule=CRON,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Has {kind} tell the gateway of changes: opens subscriptions, replaces those that soon end, stops what nobody wants.",
    )
    def schedule(context: dg.ScheduleEvaluationContext, pipeline: PipelineResource) -> Iterator[dg.RunRequest | dg.SkipReason]:
        services = pipeline.services()
        public_url = services.settings.public_url
        with services.database.operator() as tx:
            slugs = needing(tx, kind, public_url, context.scheduled_execution_time.astimezone(UTC))
        under_way = dg.RunsFilter(job_name=subscriptions_name(kind), statuses=NOT_FINISHED_STATUSES)
        if slugs and context.instance.get_runs(under_way, limit=1):
            yield dg.SkipReason("the run before this one is under way")
        elif slugs:
            yield dg.RunRequest()
        else:
            yield dg.SkipReason("nothing is to be done" if public_url else "nothing is asked for: CONNECTORS_PUBLIC_URL is not set")

    return schedule


def _line(one: Kept) -> str:
    wanted = "not known" if one.wanted is None else str(one.wanted)
    counts = f"wanted {wanted}, open {one.open}, opened {one.opened}, stopped {one.stopped}, failing {one.failing}"
    return f"{one.slug}: {counts}{f': {one.error}' if one.error else ''}"


def _metadata(kept: Sequence[Kept]) -> dict[str, int | str]:
    counts: dict[str, int | str] = {
        "endpoints": len(kept),
        "wanted": sum(one.wanted or 0 for one in kept),
        **{name: sum(getattr(one, name) for one in kept) for name in ("open", "opened", "stopped", "failing")},
    }
    return counts | {f"error/{one.slug}": one.error for one in kept if one.error}
