"""What the sync asset does: one pass over everything, told window by window to the assets of the stages.

Where another run is syncing the endpoint already it materialises nothing and succeeds: that run does the same work. Nor
does it where windows were chosen for the run (the stage assets beside it do those).
"""

import time
from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Any

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_START_TAG, PARTITION_NAME_TAG
from pydantic import Field

from connector_pipelines.core.config import PartitionsConfig
from connector_pipelines.core.errors import Busy, ConnectorError
from connector_pipelines.core.types import DayRange
from connector_pipelines.defs.checks import evaluate
from connector_pipelines.defs.events import report_windows
from connector_pipelines.defs.faults import told
from connector_pipelines.defs.keys import SYNC, stage_key, sync_key
from connector_pipelines.defs.known import KnownEndpoint
from connector_pipelines.defs.metadata import WORST, failures_table, windows_metadata
from connector_pipelines.defs.partitions import days_of, key_of, today
from connector_pipelines.defs.progress import Teller
from connector_pipelines.defs.resources import PipelineResource
from connector_pipelines.defs.stages import held_up, stop, worst_failures
from connector_pipelines.pipeline.operations import sync
from connector_pipelines.pipeline.report import SyncReport
from connector_pipelines.pipeline.session import Session
from connector_pipelines.store.catalog.failures import failures_of
from connector_pipelines.store.catalog.reports import EndpointStatus, day_counts, endpoint_status

__all__ = ["SyncConfig", "materialize_sync"]


class SyncConfig(dg.Config):
    """Run config of a sync."""

    sweep: bool = Field(False, description="Look at everything, not only at what changed, and mend what the sinks hold.")
    notified: bool = Field(
        default=False,
        description="Set by the sensor: look only at what notifications are about, where the source can and nothing else is due.",
    )


def materialize_sync(
    context: dg.AssetExecutionContext, pipeline: PipelineResource, endpoint: KnownEndpoint, windows: PartitionsConfig, config: SyncConfig
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Sync the endpoint. Raises as `faults.told` does."""
    key = sync_key(endpoint.kind, endpoint.slug)
    if context.run.tags.keys() & {PARTITION_NAME_TAG, ASSET_PARTITION_RANGE_START_TAG}:
        context.log.info("windows were chosen for this run: their stages run, the sync does not")
        return
    sessions: list[Session] = []
    waits = partial(held_up, pipeline, endpoint.slug, SYNC)
    more = partial(worst_failures, pipeline, endpoint.slug)
    with told(context.log, context.retry_number, stop=partial(stop, sessions), more=more, waits=waits):
        teller = Teller(context, key, pipeline.heard)
        with pipeline.services().open(endpoint.slug, context.run.run_id, progress=teller) as session:
            sessions.append(session)
            result = _synced(context, pipeline, session, windows, config)
            checks = list(evaluate(session, key, sweep=config.sweep)) if result is not None else []
    if result is not None:
        yield dg.MaterializeResult(asset_key=key, metadata=result)
        yield from checks


def _synced(
    context: dg.AssetExecutionContext, pipeline: PipelineResource, session: Session, windows: PartitionsConfig, config: SyncConfig
) -> dict[str, Any] | None:
    started = time.monotonic()
    report = SyncReport()
    try:
        sync(session, sweep=config.sweep, notified=config.notified, report=report)
    except Busy as busy:
        context.log.info("%s: nothing to do here", busy)
        pipeline.left_to_another(session.endpoint.slug, busy)
        return None
    except ConnectorError:
        # What the other stages did is done, and is shown.
        _tell_windows(context, session, report, windows)
        raise
    touched = _tell_windows(context, session, report, windows)
    also = {"windows": touched, "sweep": config.sweep, "mended": report.mended, "seconds": round(time.monotonic() - started, 3)}
    return _metadata(session, report, also)


def _tell_windows(context: dg.AssetExecutionContext, session: Session, report: SyncReport, windows: PartitionsConfig) -> int:
    """Log a materialisation for each window each stage did something for; how many there were."""
    touched = report.touched()
    if not touched:
        return 0
    endpoint, day = session.endpoint, today(windows, session.clock())
    days = sorted({d for found in touched.values() for d in found})
    with session.database.tenant(endpoint.tenant_id) as tx:
        # Whole windows: a touched day's neighbours count in its window too.
        counts = day_counts(tx, endpoint, _around(windows, days[0], days[-1], day))
    for stage, found in touched.items():
        keys = dict.fromkeys(key_of(windows, d, day) for d in found)
        report_windows(context, stage_key(endpoint.kind, endpoint.slug, stage), windows_metadata(stage, counts, windows, day, keys))
    return len({key_of(windows, d, day) for d in days})


def _around(windows: PartitionsConfig, first: date, last: date, day: date) -> DayRange:
    return days_of(windows, key_of(windows, first, day), key_of(windows, last, day), day)


def _metadata(session: Session, report: SyncReport, also: dict[str, Any]) -> dict[str, Any]:
    with session.database.operator() as tx:
        status = endpoint_status(tx, session.endpoint.slug)[0]
        failures = failures_of(tx, session.endpoint.slug, limit=WORST)
    did = {f"run/{stage}/{name}": n for stage, one in report.stages.items() for name, n in one.counts.items() if n}
    asked = {"requests": dg.MetadataValue.json(session.requests.summary())} if session.requests.requests else {}
    return {**_standing(status), **also, **did, **asked, "failures": failures_table(failures)}


def _standing(status: EndpointStatus) -> dict[str, Any]:
    return {
        "dagster/row_count": status.extracted,
        "seen": status.seen,
        "failed": sum(status.failed.values()),
        "skipped": sum(status.skipped.values()),
        "bytes": status.bytes,
    }
