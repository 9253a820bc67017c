"""What a sink is known to hold: known until it is about to be told something else, and no longer than that is certain."""

from __future__ import annotations

from connector_pipelines.store.catalog import deliveries
from tests.catalog_world import NOW, ref

DIGEST = b"what it says"


def delivered(world):
    world.snapshot(ref("a"))
    world.process("text")
    tell(world, world.owed())


def tell(world, owed, alike=()):
    digests = {one.file_id: DIGEST for one in (*owed, *alike)}
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        deliveries.save(tx, "vectors", owed, NOW, digests=digests, alike=alike)


def held(world):
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        return list(deliveries.held(tx, world.endpoint, "vectors").values())


def test_who_delivers_learns_what_the_sink_holds(world):
    delivered(world)
    world.delta(ref("a", path="b"))
    assert [one.holds for one in world.owed()] == [DIGEST]


def test_one_that_was_claimed_and_not_told_of_is_held_in_an_unknown_state(world):
    delivered(world)
    world.delta(ref("a", path="b"))
    world.owed()
    world.execute("UPDATE deliveries SET claimed_by = NULL")  # its process was killed, maybe after it had told the sink
    assert [one.holds for one in world.owed()] == [None]


def test_what_the_sink_holds_already_is_no_longer_owed_and_held_with_the_generation_it_was_told(world):
    delivered(world)
    for path in ("b", "c"):
        world.delta(ref("a", path=path))
        tell(world, [], alike=world.owed())

    assert (world.owed(), world.delivery("a")["generation"], held(world)) == ([], 3, [1])
    world.delta(ref("a", path="d"))
    tell(world, world.owed())
    assert held(world) == [4]


def test_what_the_sink_was_told_to_hold_again_is_told_whatever_it_held(world):
    delivered(world)
    (document,) = world.rows("SELECT id::text FROM documents")
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        deliveries.heal(tx, world.endpoint, "vectors", [document["id"]])
    assert [(one.put, one.holds) for one in world.owed()] == [(True, None)]
