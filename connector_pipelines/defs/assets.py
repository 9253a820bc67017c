"""The assets of one endpoint: a chain of stages over windows, and the sync that drives all of it.

Why a chain per endpoint and not one per kind with an endpoint dimension: single-run backfills over two dimensions
process wrong partitions silently (dagster issue 28861), and their sizes multiply.
"""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from connector_pipelines.defs.checks import specs
from connector_pipelines.defs.describing import code_version, common, description, freshness, technologies
from connector_pipelines.defs.keys import STAGES, SYNC, operation_name, stage_key, sync_key
from connector_pipelines.defs.known import Known, KnownEndpoint
from connector_pipelines.defs.resources import PipelineResource
from connector_pipelines.defs.stages import StageConfig, materialize_stage
from connector_pipelines.defs.sync import SyncConfig, materialize_sync

__all__ = ["endpoint_assets"]


def endpoint_assets(known: Known, endpoint: KnownEndpoint, partitions: dg.TimeWindowPartitionsDefinition) -> Iterator[dg.AssetsDefinition]:
    """`listing → files → documents →` one asset per sink, and `sync`. `partitions` is one object for all of the kind."""
    before: str | None = None
    for stage in STAGES:
        yield _stage_asset(known, endpoint, stage, before, partitions)
        before = stage
    for sink in endpoint.sinks:
        yield _stage_asset(known, endpoint, sink, before, partitions)
    yield _sync_asset(known, endpoint)


def _stage_asset(
    known: Known, endpoint: KnownEndpoint, stage: str, before: str | None, partitions: dg.TimeWindowPartitionsDefinition
) -> dg.AssetsDefinition:
    windows = known.windows_of(endpoint.kind)
    decorated: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(
        key=stage_key(endpoint.kind, endpoint.slug, stage),
        deps=[stage_key(endpoint.kind, endpoint.slug, before)] if before else [],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        description=description(known, endpoint, stage),
        kinds=technologies(known, endpoint, stage),
        code_version=code_version(known, endpoint, stage),
        pool=endpoint.kind,
        **common(endpoint),
    )
    if before is None:

        @decorated
        def listing(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
            return materialize_stage(context, pipeline, endpoint, windows, stage, redo=False)

        return listing

    @decorated
    def later(context: dg.AssetExecutionContext, config: StageConfig, pipeline: PipelineResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        return materialize_stage(context, pipeline, endpoint, windows, stage, redo=config.redo)

    return later


def _sync_asset(known: Known, endpoint: KnownEndpoint) -> dg.AssetsDefinition:
    key, windows = sync_key(endpoint.kind, endpoint.slug), known.windows_of(endpoint.kind)
    spec = dg.AssetSpec(
        key,
        # A run that finds another one syncing has nothing to show, and is no failure.
        skippable=True,
        description=description(known, endpoint, SYNC),
        kinds=technologies(known, endpoint, SYNC),
        freshness_policy=freshness(endpoint.schedule),
        **common(endpoint),
    )

    @dg.multi_asset(
        name=operation_name(endpoint.kind, endpoint.slug, SYNC),
        specs=[spec],
        check_specs=specs(key),
        can_subset=True,
        # Not partitioned, but in one selection with what is: a range over all assets of a group asks each for its policy.
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=endpoint.kind,
    )
    def sync(context: dg.AssetExecutionContext, config: SyncConfig, pipeline: PipelineResource) -> Iterator[Any]:
        yield from materialize_sync(context, pipeline, endpoint, windows, config)

    return sync
