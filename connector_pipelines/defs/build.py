"""How the definitions come out of the endpoints: one function from the set to everything Dagster is told."""

import warnings

import dagster as dg

from connector_pipelines.defs.assets import endpoint_assets
from connector_pipelines.defs.automation import due_sensor, sweep_schedule
from connector_pipelines.defs.connectors import connector_resources
from connector_pipelines.defs.known import Known
from connector_pipelines.defs.partitions import windows
from connector_pipelines.defs.resources import BlobStoreResource, CatalogResource, PipelineResource
from connector_pipelines.defs.retention import retention_job, retention_schedule
from connector_pipelines.defs.subscriptions import subscriptions_job, subscriptions_schedule

__all__ = ["build"]


def build(known: Known, pipeline: PipelineResource | None = None) -> dg.Definitions:
    """Assets, checks, sensors, schedules and resources of these endpoints.

    Args:
        pipeline: What the assets work with, where it is not the usual one.
    """
    retention = retention_job(known)
    subscriptions = {kind: subscriptions_job(kind) for kind in known.subscribing}
    with warnings.catch_warnings():
        # Backfill and freshness policies are called beta, once for each of some hundred assets.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.Definitions(
            assets=[asset for kind in known.kinds for asset in _assets(known, kind)],
            sensors=[due_sensor(known, kind) for kind in known.kinds],
            jobs=[retention, *subscriptions.values()],
            schedules=[
                *(sweep_schedule(known, kind) for kind in known.kinds),
                *(subscriptions_schedule(kind, job) for kind, job in subscriptions.items()),
                retention_schedule(retention),
            ],
            resources={
                "pipeline": pipeline or PipelineResource(),
                "catalog": CatalogResource(),
                "blob_store": BlobStoreResource(),
                **connector_resources(known),
            },
            # A process per step would import everything again for each: measured 22 s against 4 s for five small steps.
            executor=dg.in_process_executor,
        )


def _assets(known: Known, kind: str) -> list[dg.AssetsDefinition]:
    # One object for the kind: a backfill refuses roots whose windows differ.
    shared = windows(known.windows_of(kind))
    return [asset for endpoint in known.of_kind(kind) for asset in endpoint_assets(known, endpoint, shared)]
