"""Whatever moment a writer of the Qdrant sink is killed at, and whoever writes in between, what is found is one version whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from connector_pipelines.core.types import Document
from connector_pipelines.sinks.qdrant import Sink
from connector_pipelines.testing._sink_world import ENDPOINT, TENANT, id_of, ref
from connector_pipelines.testing.sink_suite import Maker
from tests.sinks.qdrant_world import World


@pytest.fixture
def maker() -> Maker:
    return Maker(64)


OLD, NEW = [(1, 0), (1, 1)], [(2, 0), (2, 1), (2, 2)]


def versions(maker: Maker, name: str) -> tuple[Document, Document]:
    return maker.document(name, "zebra one", "zebra two"), maker.document(name, "zebra I", "zebra II", "zebra III", generation=2)


def each_moment(world: World, prepare: Callable[[str], object], work: Callable[[str], object], check: Callable[[str], object]) -> int:
    """Kill the work at its first request, then at its second, until it gets through; how many requests it makes.

    Each time with the name of another document.
    """
    moment = 0
    while True:
        name = f"{moment}"
        prepare(name)
        with world.dying(moment) as through:
            work(name)
            return moment
        assert len(through) == moment
        check(name)
        moment += 1


def forget(world: World) -> None:
    world.server.drop(*[name for name in world.server.collections if name.startswith(world.name)])


def test_a_put_killed_at_any_request_shows_the_old_version_or_the_new_and_is_mended_by_the_next(world: World, maker: Maker) -> None:
    seen = []

    def check(name: str) -> None:
        found = world.found(maker, "zebra", name)
        seen.append(found)
        assert found in (OLD, NEW)
        world.put(versions(maker, name)[1])
        assert world.found(maker, "zebra", name) == NEW
        assert [one.text for one in world.stored() if one.document_id == id_of(name)] == ["zebra I", "zebra II", "zebra III"]

    moments = each_moment(world, lambda name: world.put(versions(maker, name)[0]), lambda name: world.put(versions(maker, name)[1]), check)
    assert moments > 8
    assert OLD in seen
    assert NEW in seen


def test_a_deletion_killed_at_any_request_shows_all_or_nothing_and_is_mended_by_the_next(world: World, maker: Maker) -> None:
    def check(name: str) -> None:
        assert world.found(maker, "zebra", name) in (OLD, [])
        world.open().delete([ref(name, 2)])
        assert [one for one in world.stored() if one.document_id == id_of(name)] == []

    moments = each_moment(world, lambda name: world.put(versions(maker, name)[0]), lambda name: world.open().delete([ref(name, 2)]), check)
    assert moments > 5


def test_a_first_put_killed_at_any_request_is_mended_by_the_next(world: World, maker: Maker) -> None:
    def check(name: str) -> None:
        assert world.found(maker, "zebra", name) in ([], NEW)
        world.put(versions(maker, name)[1])
        assert world.found(maker, "zebra", name) == NEW

    moments = each_moment(world, lambda _: forget(world), lambda name: world.put(versions(maker, name)[1]), check)
    assert moments > 15


def test_a_batch_killed_at_any_request_shows_all_of_its_documents_or_none(world: World, maker: Maker) -> None:
    seen = set()

    def batch(name: str) -> list[Document]:
        return [maker.document(f"{name}{letter}", "zebra", endpoint=f"of {name}") for letter in "abcde"]

    def check(name: str) -> None:
        seen.add(len(world.open().search(maker.query("zebra", endpoint=f"of {name}"))))

    each_moment(world, lambda _: None, lambda name: world.open().put(batch(name)), check)
    assert seen == {0, 5}


def test_a_newer_version_put_while_chunks_are_written_wins_and_no_older_chunk_is_left(world: World, maker: Maker) -> None:
    world.put(maker.document("a", "zebra"))
    slow = world.open()
    with world.meanwhile(f"PUT {world.documents}", lambda: world.put(maker.document("a", "newest zebra", generation=5))):
        slow.put([maker.document("a", "late zebra", "late zebra", "late zebra", generation=4)])
    assert world.texts() == ["newest zebra"]
    assert world.found(maker, "zebra") == [(5, 0)]


def test_a_deletion_while_chunks_are_written_wins_and_no_chunk_is_left(world: World, maker: Maker) -> None:
    world.put(maker.document("a", "zebra"))
    slow = world.open()
    with world.meanwhile(f"PUT {world.documents}", lambda: world.open().delete([ref("a", 5)])):
        slow.put([maker.document("a", "late zebra", generation=4)])
    assert world.stored() == []


def test_a_late_writer_killed_after_writing_chunks_leaves_what_is_never_found_and_shows_in_the_inventory(
    world: World, maker: Maker
) -> None:
    world.put(maker.document("a", "zebra"))
    slow, chunks = world.open(), f"PUT /collections/{world.chunk_collections()[0]}/points"
    with world.dying_at(f"PUT {world.documents}", but_first=(chunks, lambda: world.put(maker.document("a", "newest zebra", generation=5)))):
        slow.put([maker.document("a", "late zebra", generation=4)])
    assert sorted(world.texts()) == ["late zebra", "newest zebra"]
    assert world.found(maker, "late zebra") == [(5, 0)]
    assert list(world.open().inventory(TENANT, ENDPOINT)) == []
    world.put(maker.document("a", "newest zebra", generation=5))
    assert world.texts() == ["newest zebra"]
    assert list(world.open().inventory(TENANT, ENDPOINT)) == [(id_of("a"), 5)]


def test_of_two_writers_of_one_generation_the_last_is_held_whole(world: World, maker: Maker) -> None:
    """The first has its chunks removed under it before it could name them, and writes them again."""
    world.put(maker.document("a", "zebra"))
    slow = world.open()
    with world.meanwhile(f"PUT {world.documents}", lambda: world.put(maker.document("a", "as another cut it", generation=5))):
        slow.put([maker.document("a", "as one", "cut it", generation=5)])
    assert world.texts() == ["as one", "cut it"]
    assert len(world.found(maker, "cut")) == 2


def test_chunks_that_no_document_names_do_not_crowd_out_those_that_count(world: World, maker: Maker) -> None:
    world.put(maker.document("a", "zebra and horse", "zebra and mule"))
    with world.dying_at(f"PUT {world.documents}"):
        world.put(maker.document("b", *["zebra"] * 300))
    assert len(world.stored()) > 300
    assert [hit.document_id for hit in world.open().search(maker.query("zebra", limit=2))] == [id_of("a")] * 2


def test_a_lost_chunk_shows_in_the_inventory(world: World, maker: Maker) -> None:
    world.put(maker.document("a", "one", "two"))
    world.put(maker.document("b", "three"))
    name = world.chunk_collections()[0]
    at = world.server.collection(name)
    lost = next(i for i, p in at.engine.scroll(None, 10, None)[0] if p["text"] == "two")
    at.engine.delete([lost])
    assert list(world.open().inventory(TENANT, ENDPOINT)) == [(id_of("b"), 1)]


def test_several_processes_write_the_same_documents_at_once(world: World, maker: Maker) -> None:
    script = """
import sys
from connector_pipelines.sinks.qdrant import Config, Sink
from connector_pipelines.testing.sink_suite import Maker, plain_tools
sink, maker = Sink("vectors", Config(url=sys.argv[1], api_key="env:KEY", collection=sys.argv[2]), plain_tools()), Maker(64)
for generation in range(int(sys.argv[3]), 25, 3):
    sink.put([maker.document(str(n), *[f"{n} at {generation}"] * (generation % 4 + 1), generation=generation) for n in range(10)])
"""
    command = [sys.executable, "-c", script, world.server.url, world.name]
    started = [subprocess.Popen([*command, str(first)]) for first in (1, 2, 3)]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]
    assert {(one.generation, one.text.split()[-1]) for one in world.stored()} == {(24, "24")}
    assert len(world.stored()) == 10
    assert sorted(world.open().inventory(TENANT, ENDPOINT)) == sorted((id_of(str(n)), 24) for n in range(10))


def test_what_was_made_by_nobody_is_nowhere(world: World, maker: Maker) -> None:
    sink: Sink = world.open()
    assert list(sink.search(maker.query("zebra"))) == []
    assert world.chunk_collections() == []


def test_an_older_writer_leaves_alone_what_a_newer_one_has_written_and_not_named_yet(world: World, maker: Maker) -> None:
    world.put(maker.document("a", "zebra"))
    newer, writes = world.open(), f"PUT /collections/{world.chunk_collections()[0]}/points"
    before = world.server.seen.count(writes)
    with world.meanwhile(f"PUT {world.documents}", lambda: world.put(maker.document("a", "older", generation=4))):
        newer.put([maker.document("a", "newest", generation=5)])
    assert world.texts() == ["newest"]
    assert world.server.seen.count(writes) == before + 2
