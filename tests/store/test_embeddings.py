"""Vectors that were paid for once."""

from __future__ import annotations

import threading

import numpy as np

from connector_pipelines.core.types import content_hash
from connector_pipelines.store.catalog import deliveries
from tests.catalog_world import at_once


def told(owed):
    """What a sink is told, by path: a generation to hold, or None for nothing."""
    return {o.path: o.generation if o.put else None for o in owed}


def tenant(world):
    return world.database.tenant(world.endpoint.tenant_id)


# embeddings


def vector(*numbers):
    return np.array(numbers, dtype=np.float32)


def test_a_text_is_embedded_once_for_each_tenant_and_model(world):
    x, y = content_hash("x"), content_hash("y")
    with tenant(world) as tx:
        deliveries.save_embeddings(tx, world.endpoint.tenant_id, "m", {x: vector(1, 2)})
        deliveries.save_embeddings(tx, world.endpoint.tenant_id, "m", {x: vector(9, 9), y: vector(3, 4)})

    with tenant(world) as tx:
        found = deliveries.vectors(tx, world.endpoint.tenant_id, "m", [x, y, content_hash("z")])
        others = deliveries.vectors(tx, world.endpoint.tenant_id, "another model", [x])

    assert {h: v.tolist() for h, v in found.items()} == {x: [1, 2], y: [3, 4]}
    assert (found[x].dtype, others) == (np.float32, {})


def test_nothing_embedded_is_nothing_saved(world):
    with tenant(world) as tx:
        deliveries.save_embeddings(tx, world.endpoint.tenant_id, "m", {})
        assert deliveries.vectors(tx, world.endpoint.tenant_id, "m", []) == {}


def test_two_runs_that_embed_the_same_texts_do_not_hold_each_other_up_for_ever(world):
    hashes = [content_hash(str(n)) for n in range(3000)]
    together = threading.Barrier(2)

    def embed(order):
        together.wait()
        with tenant(world) as tx:
            deliveries.save_embeddings(tx, world.endpoint.tenant_id, "m", {h: vector(1) for h in order})

    at_once(lambda: embed(hashes), lambda: embed(hashes[::-1]))

    assert world.rows("SELECT count(*) AS n FROM embeddings") == [{"n": 3000}]
