"""The job `retention`, nightly: the past is forgotten as the settings say, in the catalog, the object store and Dagster."""

from datetime import UTC, datetime

import dagster as dg

from connector_pipelines.defs.faults import told
from connector_pipelines.defs.known import Known
from connector_pipelines.defs.resources import PipelineResource
from connector_pipelines.defs.subscriptions import subscriptions_name
from connector_pipelines.pipeline.retention import Forgotten, forget_history

__all__ = ["RETENTION", "retention_job", "retention_schedule"]

RETENTION = "retention"
CRON = "30 4 * * *"
"""After the nightly sweeps, which find what is gone."""


def retention_job(known: Known) -> dg.JobDefinition:
    """The job. Not an asset: "Materialize all" is no order to forget."""

    @dg.op(name="forget", out=dg.Out(dg.Nothing), description="Forgets what is older than CONNECTORS_KEEP_RUNS, _HISTORY and _AUDIT.")
    def forget(context: dg.OpExecutionContext, pipeline: PipelineResource) -> dg.Output[None]:
        # It brings SQLAlchemy, which the loading of definitions does without.
        from connector_pipelines.defs.old_runs import delete_old_runs

        with told(context.log, context.retry_number, stop=lambda: None, more=dict):
            services, now = pipeline.services(), datetime.now(UTC)
            forgotten = forget_history(services, context.run.run_id, now)
            deleted, needed = delete_old_runs(context.instance, now - services.settings.keep_runs, lambda run: _ours(run, known))
        metadata = _metadata(forgotten) | {"runs": deleted, "old runs that a window needs": needed}
        context.log.info("retention: %s", metadata)
        return dg.Output(None, metadata=metadata)

    @dg.job(name=RETENTION, description="Forgets the past: see the page Operations of the documentation.")
    def job() -> None:
        forget()

    return job


def retention_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """`retention`, every night, on: what is never forgotten grows until something is full."""
    return dg.ScheduleDefinition(
        name=RETENTION,
        job=job,
        cron_schedule=CRON,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Deletes old runs, logs and history, and stored objects that no file refers to any more.",
    )


def _ours(run: dg.DagsterRun, known: Known) -> bool:
    if run.job_name == RETENTION or run.job_name in {subscriptions_name(kind) for kind in known.source_kinds}:
        return True
    # By the form of the keys and not by the endpoints: one that was purged has left its runs behind.
    keys = run.asset_selection or frozenset()
    return bool(keys) and all(len(key.path) == 3 and key.path[0] in known.source_kinds for key in keys)


def _metadata(forgotten: Forgotten) -> dict[str, int | bool]:
    rows = {f"rows/{table}": n for table, n in forgotten.rows.items()}
    return {**rows, "objects": forgotten.objects, "bytes": forgotten.bytes, "objects left, for runs were at work": forgotten.left}
