"""A change of model in the Qdrant sink: filled anew beside the old one, which answers until the switch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector_pipelines.core.errors import ConfigurationError, Unavailable
from connector_pipelines.core.protocols import Reindexes
from connector_pipelines.core.types import Hit
from connector_pipelines.sinks.qdrant import Sink
from connector_pipelines.testing._sink_world import ENDPOINT, TENANT, id_of, ref
from connector_pipelines.testing.sink_suite import Maker
from connector_pipelines.testing.tools import PLANTED_SECRET
from tests.qdrant_server import Request
from tests.sinks.qdrant_world import OTHER_MODEL, World

BEFORE, AFTER = Maker(64), Maker(96)


def names(hits: list[Hit]) -> set[str]:
    known = {id_of(name): name for name in "abcd"}
    return {known[hit.document_id] for hit in hits}


@pytest.fixture
def old(world: World) -> Sink:
    sink = world.open()
    sink.put([BEFORE.document(name, "zebra") for name in "abc"])
    return sink


@pytest.fixture
def new(world: World, old: Sink) -> Sink:
    return world.open(model=OTHER_MODEL)


def test_the_old_model_answers_until_the_switch_and_the_new_one_from_then_on(world: World, new: Sink) -> None:
    assert isinstance(new, Reindexes)
    new.put([AFTER.document(name, "zebra") for name in "ab"])
    assert (new.model, new.searched_model) == (OTHER_MODEL, "wordllama")
    assert names(list(new.search(BEFORE.query("zebra")))) == {"a", "b", "c"}
    new.put([AFTER.document("c", "zebra")])
    new.switch()
    assert new.searched_model == OTHER_MODEL
    assert names(list(new.search(AFTER.query("zebra")))) == {"a", "b", "c"}


def test_the_name_to_search_under_never_leads_nowhere(world: World, new: Sink) -> None:
    new.put([AFTER.document(name, "zebra") for name in "abc"])
    before = world.server.aliases[world.name]
    new.switch()
    after = world.server.aliases[world.name]
    assert {before, after} == set(world.chunk_collections())
    assert world.server.seen.count("POST /collections/aliases") >= 1


def test_what_is_deleted_meanwhile_leaves_both(world: World, new: Sink) -> None:
    new.put([AFTER.document(name, "zebra") for name in "ab"])
    new.delete([ref("a", 2), ref("c", 2)])
    assert {one.document_id for one in world.stored("w")} == {id_of("b")}
    assert {one.document_id for one in world.stored("f")} == {id_of("b")}
    assert names(list(new.search(BEFORE.query("zebra")))) == {"b"}


def test_what_a_run_from_before_the_change_deletes_leaves_both(world: World, old: Sink, new: Sink) -> None:
    new.put([AFTER.document("a", "zebra")])
    old.delete([ref("a", 2)])
    assert world.texts("f") == []


def test_what_changes_meanwhile_is_not_found_as_it_was(world: World, new: Sink) -> None:
    new.put([AFTER.document("a", "changed zebra", generation=2)])
    assert names(list(new.search(BEFORE.query("zebra")))) == {"b", "c"}
    assert world.texts("w") == ["zebra", "zebra"]


def test_the_inventory_is_of_the_model_that_is_filled(new: Sink) -> None:
    assert list(new.inventory(TENANT, ENDPOINT)) == []
    new.put([AFTER.document("b", "zebra")])
    assert list(new.inventory(TENANT, ENDPOINT)) == [(id_of("b"), 1)]


def test_the_old_collection_outlives_the_switch_for_searches_on_their_way_and_goes_with_the_next_delivery(world: World, new: Sink) -> None:
    on_its_way = world.open(model=OTHER_MODEL)
    assert on_its_way.searched_model == "wordllama"
    new.put([AFTER.document(name, "zebra") for name in "abc"])
    new.settle()
    new.switch()
    assert names(list(on_its_way.search(BEFORE.query("zebra")))) == {"a", "b", "c"}
    assert on_its_way.searched_model == OTHER_MODEL
    assert len(world.chunk_collections()) == 2
    new.settle()
    assert world.chunk_collections() == [world.server.aliases[world.name]]
    new.settle()


def test_a_search_whose_collection_was_removed_is_to_be_asked_again(world: World, new: Sink) -> None:
    on_its_way = world.open(model=OTHER_MODEL)
    assert on_its_way.searched_model == "wordllama"
    new.put([AFTER.document(name, "zebra") for name in "abc"])
    new.switch()
    new.settle()
    with pytest.raises(Unavailable, match="replaced"):
        on_its_way.search(BEFORE.query("zebra"))
    assert names(list(on_its_way.search(AFTER.query("zebra")))) == {"a", "b", "c"}


def test_a_run_from_before_the_change_does_not_remove_what_is_being_filled(world: World, old: Sink, new: Sink) -> None:
    new.put([AFTER.document("a", "zebra")])
    old.settle()
    old.switch()
    assert len(world.chunk_collections()) == 2
    assert new.searched_model == "wordllama"


def test_a_change_of_mind_goes_on_with_what_was_there(world: World, old: Sink, new: Sink) -> None:
    new.put([AFTER.document("a", "zebra")])
    back = world.open()
    back.put([BEFORE.document("d", "zebra")])
    assert back.searched_model == "wordllama"
    assert names(list(back.search(BEFORE.query("zebra")))) == {"a", "b", "c", "d"}
    left = next(a.detail for a in back.test().abilities if a.name == "search")
    assert "safe to remove: " + next(n for n in world.chunk_collections() if "--fastembed" in n) in left


def test_a_probe_says_that_it_is_filled_anew(new: Sink) -> None:
    new.put([AFTER.document("a", "zebra")])
    told = {a.name: a.detail for a in new.test().abilities}
    assert f"Filled anew with model {OTHER_MODEL}; searches are answered from wordllama" in told["search"]
    assert new.test().works


def test_the_same_model_written_otherwise_is_the_same(world: World, old: Sink) -> None:
    again = world.open(model=" WordLlama ")
    again.put([replace(BEFORE.document("a", "horse"), generation=2)])
    assert again.searched_model == again.model
    assert len(world.chunk_collections()) == 1


def test_another_dimension_under_the_same_name_is_refused_with_what_to_do(world: World, old: Sink) -> None:
    for one in (old, world.open()):
        with pytest.raises(ConfigurationError, match="64") as refused:
            one.put([AFTER.document("a", "zebra", generation=2)])
        assert "another `collection`" in refused.value.advice
        with pytest.raises(ConfigurationError, match="64"):
            one.search(AFTER.query("zebra"))
    assert world.texts() == ["zebra"] * 3


def test_a_collection_of_somebody_else_is_left_alone(world: World) -> None:
    world.server.answer(Request("PUT", f"/collections/{world.name}", b'{"vectors": {}}', {}), PLANTED_SECRET)
    with pytest.raises(ConfigurationError, match="alias") as refused:
        world.open().put([BEFORE.document("a", "zebra")])
    assert "another `collection`" in refused.value.advice
    assert world.chunk_collections() == []


def test_a_collection_of_somebody_else_under_a_name_of_ours_is_refused(world: World, old: Sink) -> None:
    world.server.collection(world.name).metadata.clear()
    with pytest.raises(ConfigurationError, match="was not made by this sink"):
        world.open().put([BEFORE.document("d", "zebra")])
