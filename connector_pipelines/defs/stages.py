"""What the asset of one stage does: run the stage for the windows chosen, and show each window's counts.

However many windows, one run and one session; `listing` reads the whole source once and sorts it into them.
"""

import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from connector_pipelines.core.config import PartitionsConfig
from connector_pipelines.defs.faults import told
from connector_pipelines.defs.keys import stage_key
from connector_pipelines.defs.known import KnownEndpoint
from connector_pipelines.defs.metadata import NEWEST, WORST, failures_table, newest_table, run_totals, windows_chart, windows_metadata
from connector_pipelines.defs.partitions import days_of, today
from connector_pipelines.defs.progress import Teller
from connector_pipelines.defs.resources import PipelineResource
from connector_pipelines.pipeline.operations import run_stage
from connector_pipelines.pipeline.report import StageReport
from connector_pipelines.pipeline.session import Progress, Session
from connector_pipelines.store.catalog.failures import failures_of
from connector_pipelines.store.catalog.reports import day_counts, newest_documents

__all__ = ["StageConfig", "held_up", "materialize_stage", "stop", "worst_failures"]


class StageConfig(dg.Config):
    """Run config of a stage."""

    redo: bool = Field(False, description="Do again what is already done in these windows, not only what waits.")


def materialize_stage(
    context: dg.AssetExecutionContext,
    pipeline: PipelineResource,
    endpoint: KnownEndpoint,
    windows: PartitionsConfig,
    stage: str,
    *,
    redo: bool,
) -> dg.MaterializeResult[Any]:
    """Run the stage for the partitions of the run. Raises as `faults.told` does."""
    key, started = stage_key(endpoint.kind, endpoint.slug, stage), time.monotonic()
    sessions: list[Session] = []
    waits = partial(held_up, pipeline, endpoint.slug, stage)
    more = partial(worst_failures, pipeline, endpoint.slug)
    with told(context.log, context.retry_number, stop=partial(stop, sessions), more=more, waits=waits):
        teller = Teller(context, key, pipeline.heard)
        with pipeline.services().open(endpoint.slug, context.run.run_id, progress=teller) as session:
            sessions.append(session)
            day = today(windows, session.clock())
            keys = list(context.partition_keys)
            report = run_stage(session, stage, days_of(windows, keys[0], keys[-1], day), redo_first=redo)
            return _result(context, session, report, windows, time.monotonic() - started)


def stop(sessions: Iterable[Session]) -> None:
    """End what takes long in them."""
    for session in sessions:
        session.stop.set()


def held_up(pipeline: PipelineResource, slug: str, stage: str, why: str) -> None:
    """Tell who watches the run that it waits."""
    pipeline.heard(Progress(endpoint=slug, stage=stage, done=0, note=why))


def worst_failures(pipeline: PipelineResource, slug: str) -> Mapping[str, Any]:
    """The newest failures of the endpoint, and what stands beside them."""
    with pipeline.services().database.operator() as tx:
        return {"failures": failures_table(failures_of(tx, slug, limit=WORST))}


def _result(
    context: dg.AssetExecutionContext, session: Session, report: StageReport, windows: PartitionsConfig, seconds: float
) -> dg.MaterializeResult[Any]:
    endpoint, day, keys = session.endpoint, today(windows, session.clock()), list(context.partition_keys)
    with session.database.tenant(endpoint.tenant_id) as tx:
        counts = day_counts(tx, endpoint, days_of(windows, keys[0], keys[-1], day))
        failures = failures_of(tx, endpoint.slug, limit=WORST)
        newest = newest_documents(tx, endpoint, days_of(windows, keys[0], keys[-1], day), NEWEST)
    shown = windows_metadata(report.stage, counts, windows, day, keys)
    for partition, metadata in shown.items():
        context.add_asset_metadata(metadata, partition_key=partition)
    totals = run_totals(report, shown, seconds)
    # The key says how many rows a table has: it belongs to the asset, not to each window of the run.
    rows = totals.pop("dagster/row_count")
    context.log.info("%s %s: %s", endpoint.slug, report.stage, dict(report.counts))
    tables = {"windows chart": windows_chart(shown), "newest documents": newest_table(newest), "failures": failures_table(failures)}
    return dg.MaterializeResult(metadata={**totals, "items in these windows": rows, **tables})
