"""What the definitions lend to assets a person writes, and what a running step tells."""

from __future__ import annotations

import os
import re
import runpy
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.defs.build import build
from connector_pipelines.defs.connectors import EndpointResource, SinkResource, SourceResource
from connector_pipelines.defs.loading import read_known
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


def test_an_asset_of_ones_own_lists_and_reads_an_endpoint_and_no_secret_is_seen(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHARE_TOKEN", "hunter2hunter2")
    address = f"{os.environ['DATABASE_URL']}?application_name=swordfish"
    monkeypatch.setenv("DATABASE_URL", address)
    world.write("march.txt", text="beams and girders")
    world.configure(samples={})
    file = world.settings.config_file
    file.write_text(file.read_text().replace("kind: local_folder", "kind: local_folder\n  auth: {type: bearer, token: 'env:SHARE_TOKEN'}"))
    known = read_known(world.settings)

    def mine(samples):  # type: ignore[no-untyped-def]
        with samples.open() as source:
            (ref,) = source.list()
            with source.open(ref) as pieces:
                return dg.MaterializeResult(metadata={"path": ref.path, "begins": b"".join(pieces).decode(), "works": source.test().works})

    mine.__annotations__ = {"samples": EndpointResource, "return": dg.MaterializeResult}
    own = dg.Definitions(assets=[asset := dg.asset(mine)], resources={"samples": EndpointResource(endpoint="samples")})
    merged = dg.Definitions.merge(build(known), own)
    result = merged.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance, asset_selection=[asset.key])

    told = result.asset_materializations_for_node("mine")[0].metadata
    assert {name: value.value for name, value in told.items()} == {"path": "march.txt", "begins": "beams and girders", "works": True}
    seen_in_ui = RepositorySnap.from_def(merged.get_repository_def())
    (resource,) = [each for each in seen_in_ui.resources or () if each.name == "samples"]
    assert resource.configured_values == {"endpoint": '"samples"'}
    shown = [*map(str, instance.all_logs(result.run_id)), str(instance.get_run_by_id(result.run_id)), serialize_value(seen_in_ui)]
    assert [line for line in shown for secret in ("hunter2hunter2", "swordfish", address) if secret in line] == []


def test_the_code_location_that_the_page_shows_does_what_it_says(world: World, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    world.write("march.txt", day="2024-03-05", text="beams and girders")
    world.write("april.txt", day="2024-04-05", text="a longer text, of sheet piles")
    world.run(world.configure(papers={}), instance, "local_folder/papers/sync")
    page = (Path(__file__).parents[2] / "docs/dagster.md").read_text()
    (tmp_path / "my_assets.py").write_text(re.search(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1])  # type: ignore[index]

    mine = runpy.run_path(str(tmp_path / "my_assets.py"))["defs"]
    result = mine.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)

    told = {
        event.asset_key.to_user_string(): {name: value.value for name, value in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
    }
    assert told == {
        "largest_papers": {"largest": ["april.txt", "march.txt"]},
        "newest_paper": {"path": "april.txt", "bytes": 29},
        "first_bytes": {"begins": "a longer text, of sh"},
    }


def test_an_endpoint_that_is_not_there_is_named(world: World) -> None:
    world.configure(samples={})
    with pytest.raises(ConfigurationError, match="'nowhere'"), EndpointResource(endpoint="nowhere").open():
        pass


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
