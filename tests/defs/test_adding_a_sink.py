"""A Qdrant sink is added to an endpoint that is synced already, and its model is changed later: the sink's asset alone is materialised."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from types import ModuleType
from typing import Any

import dagster as dg
import numpy as np
import pytest
from ruamel.yaml import YAML

from connector_pipelines.defs.known import Known
from connector_pipelines.defs.loading import read_known
from connector_pipelines.pipeline import embedding
from connector_pipelines.pipeline.operations import heal_sinks
from connector_pipelines.pipeline.search import search
from connector_pipelines.pipeline.session import open_sink
from connector_pipelines.store.catalog.configuration import sink_settings
from connector_pipelines.testing._sink_world import vector_of
from tests.defs.conftest import World
from tests.qdrant_server import EdgeEngine, QdrantServer, serving

OTHER = "fastembed:test/other"
RANGE = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-06-01"}
TEXTS = {
    "march.txt": ("2024-03-05", "the retaining wall"),
    "april.txt": ("2024-04-07", "girders and beams"),
    "may.txt": ("2024-05-09", "a sewer"),
}


class OtherModel:
    """Stands in for fastembed, whose weights are not in any package: another dimension, other vectors."""

    def __init__(self, *_: object, **__: object) -> None: ...

    @staticmethod
    def list_supported_models() -> list[dict[str, Any]]:
        return [{"model": "test/other", "dim": 96}]

    def embed(self, texts: Sequence[str], **_: object) -> Iterator[np.ndarray]:
        return (vector_of(text, 96) for text in texts)


@pytest.fixture
def server() -> Iterator[QdrantServer]:
    with serving(EdgeEngine) as server:
        yield server


@pytest.fixture
def other_model(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ModuleType("fastembed")
    library.TextEmbedding = OtherModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fastembed", library)


def configure(world: World, server: QdrantServer, *, model: str | None, **endpoints: dict[str, Any]) -> Known:
    """Two sinks in Postgres; `model` adds a third in Qdrant."""
    sinks: dict[str, Any] = {"vectors": {"kind": "pgvector"}, "search": {"kind": "postgres_text"}}
    if model is not None:
        sinks["far"] = {"kind": "qdrant", "settings": {"url": server.url, "model": model}}
    blocks = [{"slug": slug, "settings": {"root": "files"}, **given} for slug, given in (endpoints or {"samples": {}}).items()]
    connectors = [{"name": "folder", "kind": "local_folder", "endpoints": blocks}]
    file = {"sinks": sinks, "connectors": connectors, "partitions": {"local_folder": {"start": "2024-01-01", "every": "month"}}}
    YAML(typ="safe").dump(file, world.settings.config_file)
    return read_known(world.settings)


def synced(world: World, server: QdrantServer, instance: dg.DagsterInstance) -> None:
    for name, (day, text) in TEXTS.items():
        world.write(name, day, text)
    assert world.run(configure(world, server, model=None), instance, "local_folder/samples/sync").success


def backfill(world: World, known: Known, instance: dg.DagsterInstance, slug: str = "samples") -> dict[str, int]:
    """The asset of the sink over all windows in one run, as a backfill of it is; documents delivered by window."""
    result = world.run(known, instance, f"local_folder/{slug}/far", tags=RANGE)
    assert result.success, [e.message for e in result.all_events if e.is_failure]
    found = [e.step_materialization_data.materialization for e in result.all_events if e.is_step_materialization]
    return {m.partition or "": int(str(m.metadata["delivered"].value)) for m in found if "delivered" in m.metadata}


def points(server: QdrantServer, name: str = "sink_far") -> list[str]:
    return sorted(p["path"] for _, p in server.collection(name).engine.scroll(None, 1_000, None)[0])


def test_a_sink_added_later_is_filled_by_its_asset_alone_and_nothing_is_downloaded_extracted_or_embedded(
    world: World, server: QdrantServer, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced(world, server, instance)
    before = world.rows("SELECT (SELECT count(*) FROM embeddings) AS embeddings, (SELECT count(*) FROM sync_logs) AS stages")[0]
    known = configure(world, server, model="wordllama")
    # Nothing to download from, nothing to extract from, nothing to embed with.
    (world.base / "files").rename(world.base / "moved away")
    (world.settings.home / "objects").rename(world.base / "objects moved away")
    embedding._loaded.cache_clear()
    monkeypatch.setitem(sys.modules, "wordllama", None)

    delivered = backfill(world, known, instance)

    assert delivered == {"2024-03-01": 1, "2024-04-01": 1, "2024-05-01": 1}
    assert points(server) == sorted(TEXTS)
    after = world.rows("SELECT (SELECT count(*) FROM embeddings) AS embeddings, (SELECT count(*) FROM sync_logs) AS stages")[0]
    assert after == {"embeddings": before["embeddings"], "stages": before["stages"] + 1}
    assert world.rows("SELECT stage FROM sync_logs ORDER BY id DESC LIMIT 1") == [{"stage": "far"}]
    written = [line for line in server.seen if line.startswith("PUT")]
    backfill(world, known, instance)
    assert [line for line in server.seen if line.startswith("PUT")] == written


def test_a_chosen_window_is_filled_and_the_others_wait(world: World, server: QdrantServer, instance: dg.DagsterInstance) -> None:
    synced(world, server, instance)
    known = configure(world, server, model="wordllama")
    assert world.run(known, instance, "local_folder/samples/far", partition_key="2024-04-01").success
    assert points(server) == ["april.txt"]


def test_both_vector_sinks_agree_with_what_they_were_told_and_find_the_same(
    world: World, server: QdrantServer, instance: dg.DagsterInstance
) -> None:
    synced(world, server, instance)
    known = configure(world, server, model="wordllama")
    backfill(world, known, instance)
    (world.base / "files" / "may.txt").unlink()
    result = world.run(known, instance, "local_folder/samples/sync")
    assert result.success
    assert points(server) == ["april.txt", "march.txt"]
    best = search(world.services, "retaining wall", tenant="default")[0]
    assert (best.citation.path, set(best.found_by)) == ("march.txt", {"vectors", "search", "far"})


def test_a_changed_model_fills_anew_while_the_old_one_answers_and_takes_over_when_every_endpoint_is_done(
    world: World, server: QdrantServer, instance: dg.DagsterInstance, other_model: None
) -> None:
    two = {"samples": {"settings": {"root": "files"}}, "plans": {"settings": {"root": "plans"}}}
    (world.base / "plans").mkdir()
    for name, (day, text) in TEXTS.items():
        world.write(name, day, text)
    world.write("../plans/plan.txt", "2024-03-05", "a floor plan of the wall")
    known = configure(world, server, model="wordllama", **two)
    for slug in two:
        assert world.run(known, instance, f"local_folder/{slug}/sync").success
    old = server.aliases["sink_far"]
    assert points(server) == sorted([*TEXTS, "plan.txt"])

    known = configure(world, server, model=OTHER, **two)
    assert sum(backfill(world, known, instance, "samples").values()) == 3
    assert server.aliases["sink_far"] == old
    assert "far" in search(world.services, "retaining wall", tenant="default")[0].found_by
    assert sum(backfill(world, known, instance, "plans").values()) == 1
    assert server.aliases["sink_far"] != old
    assert points(server) == sorted([*TEXTS, "plan.txt"])
    best = search(world.services, "the retaining wall", tenant="default")[0]
    assert (best.citation.path, "far" in best.found_by) == ("march.txt", True)
    with closing(open_sink("far", _configured(world), world.services.tools)) as sink:
        assert sink.searched_model == OTHER  # type: ignore[attr-defined]

    world.write("june.txt", "2024-06-01", "a bridge")
    assert world.run(known, instance, "local_folder/samples/sync").success
    assert old not in server.collections


def test_a_switch_missed_by_a_killed_run_is_made_up_for_by_the_sweep(
    world: World, server: QdrantServer, instance: dg.DagsterInstance, other_model: None
) -> None:
    synced(world, server, instance)
    backfill(world, configure(world, server, model="wordllama"), instance)
    known = configure(world, server, model=OTHER)
    backfill(world, known, instance)
    new, old = server.aliases["sink_far"], next(n for n in server.collections if "wordllama" in n)
    server.aliases["sink_far"] = old
    with world.services.open("samples", "run") as session:
        assert heal_sinks(session)["far"] == 0
    assert server.aliases["sink_far"] == new


def _configured(world: World) -> Any:
    with world.services.database.operator() as tx:
        return sink_settings(tx)
