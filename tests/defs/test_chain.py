"""What Dagster is told about an endpoint."""

from __future__ import annotations

import dagster as dg

from connector_pipelines.core.config import Cron, Interval, Manual
from connector_pipelines.defs.build import build
from connector_pipelines.defs.describing import freshness
from connector_pipelines.defs.known import Known, KnownEndpoint
from tests.defs.conftest import World


def endpoint(slug: str, schedule: Interval | Cron | Manual | None = None) -> KnownEndpoint:
    return KnownEndpoint(
        slug=slug, name="Plans | of *the* plant", kind="local_folder", tenant="ACME Corp. (Köln)", connector="Files",
        schedule=schedule or Interval(every="5m"), sinks=("vectors", "search"),
    )  # fmt: skip


KNOWN = Known(
    endpoints=(endpoint("samples"), endpoint("plans")),
    sinks={"vectors": "pgvector", "search": "postgres_text"},
    versions={"listing:local_folder": "1", "documents": "chunks-1,text-1", "sink:vectors": "1,wordllama", "sink:search": "1"},
    source_kinds=("local_folder",),
)


def test_an_endpoint_is_a_chain_of_stages_and_a_sync() -> None:
    graph = build(KNOWN).resolve_asset_graph()
    chain = {
        "/".join(k.path[2:]): {"/".join(p.path[2:]) for p in graph.get(k).parent_keys}
        for k in graph.get_all_asset_keys()
        if k.path[1] == "plans"
    }
    assert chain == {
        "listing": set(), "files": {"listing"}, "documents": {"files"}, "vectors": {"documents"}, "search": {"documents"}, "sync": set(),
    }  # fmt: skip


def test_assets_present_themselves_alike() -> None:
    specs = {s.key.path[2]: s for s in build(KNOWN).resolve_all_asset_specs() if s.key.path[1] == "plans"}
    assert {s.group_name for s in specs.values()} == {"plans"}
    assert {tuple(s.owners) for s in specs.values()} == {("team:ACME-Corp.-K-ln",)}
    assert {stage: s.kinds for stage, s in specs.items()} == {
        "listing": {"local_folder", "postgres"}, "files": {"local_folder", "file"}, "documents": {"local_folder", "postgres"},
        "vectors": {"local_folder", "pgvector"}, "search": {"local_folder", "postgres_text"}, "sync": {"local_folder", "postgres"},
    }  # fmt: skip
    assert {stage: s.code_version for stage, s in specs.items()} == {
        "listing": "1", "files": "1", "documents": "chunks-1,text-1", "vectors": "1,wordllama", "search": "1", "sync": None,
    }  # fmt: skip
    assert "connectors sync plans" in (specs["files"].description or "")
    assert r"Plans \| of \*the\* plant" in (specs["files"].description or "")


def test_endpoints_of_a_kind_share_their_windows_and_a_backfill_of_them_is_one_run() -> None:
    graph = build(KNOWN).resolve_asset_graph()
    nodes = [graph.get(k) for k in graph.get_all_asset_keys() if k.path[2] != "sync"]
    assert all(n.partitions_def == nodes[0].partitions_def for n in nodes)
    assert {n.backfill_policy for n in nodes} == {dg.BackfillPolicy.single_run()}
    assert {pool for n in nodes for pool in n.pools or ()} == {"local_folder"}


def test_every_kind_has_a_sensor_and_a_sweep_and_its_resources() -> None:
    repository = build(KNOWN).get_repository_def()
    assert [s.name for s in repository.sensor_defs] == ["local_folder_due"]
    assert [s.name for s in repository.schedule_defs] == ["local_folder_nightly_sweep", "retention"]
    assert {
        "pipeline",
        "catalog",
        "blob_store",
        "source_local_folder",
        "sink_vectors",
        "sink_search",
    } <= repository.get_top_level_resources().keys()


def test_no_endpoints_are_definitions_too() -> None:
    dg.Definitions.validate_loadable(build(Known()))


def test_any_schedule_has_a_freshness_policy_dagster_takes() -> None:
    schedules = [
        Interval(every="10s"),
        Interval(every="2d"),
        Cron(expression="*/5 * * * *"),
        Cron(expression="0 6 * * 1-5", timezone="Europe/Berlin"),
    ]
    assert all(freshness(s) is not None for s in schedules)
    assert freshness(Manual()) is None


def test_settings_of_connectors_do_not_reach_the_definitions(world: World) -> None:
    world.write("a.txt")
    known = world.configure(samples={"settings": {"root": "files", "exclude": ["hunter2hunter2/**"]}})
    assert world.rows("SELECT settings FROM endpoints")[0]["settings"]["exclude"] == ["hunter2hunter2/**"]
    assert "hunter2" not in known.model_dump_json()
    assert str(world.base) not in known.model_dump_json()
