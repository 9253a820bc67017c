"""What the definitions lend to assets a person writes, and what a running step tells."""

from __future__ import annotations

import dagster as dg
import pytest

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.defs.build import build
from connector_pipelines.defs.connectors import SinkResource, SourceResource
from connector_pipelines.defs.progress import LOG_EVERY_S, OBSERVE_EVERY_S, Teller
from connector_pipelines.defs.resources import CatalogResource
from connector_pipelines.pipeline.session import Progress
from tests.defs.conftest import World


def test_a_persons_own_asset_reads_a_configured_source_and_the_catalog(world: World, instance: dg.DagsterInstance) -> None:
    world.write("march.txt")
    known = world.configure(samples={})
    world.run(known, instance, "local_folder/samples/sync")
    seen: list[object] = []

    # Dagster reads annotations when it decorates, and strings it cannot find in a function.
    def mine(source_local_folder, sink_search, catalog):  # type: ignore[no-untyped-def]
        with source_local_folder.open("samples") as source, catalog.tenant("default") as tx:
            seen.extend([*(r.path for r in source.list()), tx.execute("SELECT count(*) AS n FROM documents").fetchall()[0]["n"]])
        with sink_search.open() as sink:
            seen.append(sink.test().works)

    mine.__annotations__ = {"source_local_folder": SourceResource, "sink_search": SinkResource, "catalog": CatalogResource, "return": None}
    mine_asset = dg.asset(mine)
    merged = dg.Definitions.merge(build(known), dg.Definitions(assets=[mine_asset]))
    assert merged.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance, asset_selection=[mine_asset.key]).success
    assert seen == ["march.txt", 1, True]


def test_a_source_resource_opens_only_endpoints_of_its_kind(world: World) -> None:
    world.configure(samples={})
    with pytest.raises(ConfigurationError, match="is a local_folder"), SourceResource(kind="faulty").open("samples"):
        pass


def test_settings_of_ones_own_are_checked_without_repeating_them(world: World) -> None:
    world.configure(samples={})
    with pytest.raises(ConfigurationError) as raised, SourceResource(kind="faulty").open_with({"listing": ["hunter2hunter2"]}):
        pass
    assert "listing" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_progress_is_told_now_and_then_and_seen_while_the_step_runs(instance: dg.DagsterInstance) -> None:
    clock, heard, early = iter([0.0, 1.0, LOG_EVERY_S, OBSERVE_EVERY_S, OBSERVE_EVERY_S + 1]), [], []
    key = dg.AssetKey(["kind", "slug", "sync"])

    def step(context) -> None:  # type: ignore[no-untyped-def]
        teller = Teller(context, key, heard.append, clock=lambda: next(clock))
        for done in range(4):
            teller(Progress(endpoint="slug", stage="files", done=done, total=4))
        early.extend(instance.fetch_observations(key, limit=9).records)

    step.__annotations__ = {"context": dg.AssetExecutionContext, "return": None}
    result = dg.materialize([dg.asset(step, name="step")], instance=instance)
    assert len(heard) == 4
    assert [r.asset_observation.metadata["progress_pct"].value for r in early] == [50.0]  # type: ignore[union-attr]
    assert [e.user_message for e in instance.all_logs(result.run_id) if e.user_message.startswith("slug files")] == [
        "slug files: 1 of 4",
        "slug files: 2 of 4",
    ]
