"""What a sink refused, lost or did not forget, and how it is told again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector_pipelines.core.errors import Malformed
from connector_pipelines.core.types import DayRange, Deleted
from connector_pipelines.store.catalog import deliveries
from connector_pipelines.store.catalog.deliveries import FailedDelivery
from connector_pipelines.store.catalog.failures import ItemFailure, failures_of, retry
from tests.catalog_world import ALWAYS, EARLIER, NOW, config, endpoint_config, ref


def told(owed):
    """What a sink is told, by path: a generation to hold, or None for nothing."""
    return {o.path: o.generation if o.put else None for o in owed}


def fail(world, owed, *, sink="vectors", retry_at=None):
    failed = [
        FailedDelivery(
            o,
            ItemFailure(
                item=o.path,
                file_id=o.file_id,
                stage="deliver",
                sink=sink,
                error=Malformed("no"),
                attempts=o.attempts + 1,
                retry_at=retry_at,
            ),
        )
        for o in owed
    ]
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        deliveries.save_failed(tx, world.endpoint, sink, failed, world.now)


def tenant(world):
    return world.database.tenant(world.endpoint.tenant_id)


def open_failures(world):
    with world.database.operator() as tx:
        return failures_of(tx)


@pytest.fixture
def two(world):
    """`a` and `b`, extracted and owed to both sinks."""
    world.snapshot(ref("a"), ref("b"))
    world.process()
    return world


# failed


def test_a_document_that_a_sink_refuses_is_in_the_ledger_and_owed_no_more(two):
    owed = two.owed()
    fail(two, owed[:1])
    two.told(owed[1:])

    (row,) = open_failures(two)
    assert (row.item, row.stage, row.sink, row.code, row.attempts) == ("a", "deliver", "vectors", "malformed", 1)
    assert (two.delivery("a")["status"], two.owed()) == ("failed", [])
    assert told(two.owed("search")) == {"a": 1, "b": 1}


def test_its_next_version_is_owed_and_closes_the_failure(two):
    fail(two, two.owed())
    two.snapshot(ref("a", version="2"), ref("b"))
    two.process()

    assert told(two.deliver()) == {"a": 2}

    assert [f.item for f in open_failures(two)] == ["b"]


def test_a_delivery_that_may_be_tried_later_waits_until_then(two):
    fail(two, two.owed(), retry_at=NOW + timedelta(minutes=5))
    assert two.owed() == []

    two.now += timedelta(minutes=5)

    assert {o.path: o.attempts for o in two.owed()} == {"a": 1, "b": 1}


def test_a_failed_delivery_is_taken_up_again_for_its_sink_alone(two):
    fail(two, two.owed())
    two.deliver("search")
    with two.database.operator() as tx:
        assert retry(tx, slug="docs") == 2

    assert (told(two.deliver()), two.owed("search")) == ({"a": 1, "b": 1}, [])
    assert open_failures(two) == []


def test_a_removal_that_fails_stays_owed(two):
    two.deliver()
    two.delta(Deleted("a"))

    fail(two, two.owed())

    assert told(two.deliver()) == {"a": None}
    assert open_failures(two) == []


def test_a_failed_delivery_of_a_file_deleted_since_is_removed(two):
    fail(two, two.owed())

    two.delta(Deleted("a"))

    assert told(two.deliver()) == {"a": None}


# again, and healed


def test_a_sink_may_be_told_everything_of_some_days_again(world):
    world.snapshot(ref("a"), ref("b", modified_at=NOW), ref("c"))
    world.process()
    world.deliver()
    world.delta(Deleted("c"))
    world.deliver()

    with tenant(world) as tx:
        assert deliveries.redeliver(tx, world.endpoint, "vectors", DayRange(EARLIER.date(), EARLIER.date())) == 1

    assert told(world.deliver()) == {"a": 1}
    with tenant(world) as tx:
        assert deliveries.redeliver(tx, world.endpoint, "vectors", ALWAYS) == 2


def test_what_a_sink_is_believed_to_hold_is_what_it_was_told(two):
    documents, _ = two.documents(two.owed("search"))
    two.deliver()
    two.delta(Deleted("a"))
    two.deliver()

    with tenant(two) as tx:
        assert deliveries.held(tx, two.endpoint, "vectors") == {documents[1].id: 1}
        assert deliveries.held(tx, two.endpoint, "search") == {}


def test_what_a_sink_lost_is_owed_again(two):
    (a, b), _ = two.documents(two.deliver())

    with tenant(two) as tx:
        assert deliveries.heal(tx, two.endpoint, "vectors", [a.id]) == 1
        assert deliveries.heal(tx, two.endpoint, "vectors", []) == 0

    assert told(two.deliver()) == {"a": 1}
    with tenant(two) as tx:
        assert set(deliveries.held(tx, two.endpoint, "vectors")) == {a.id, b.id}


def test_what_a_sink_did_not_forget_is_to_be_removed_again(two):
    (a, _), _ = two.documents(two.deliver())
    two.delta(Deleted("a"))
    two.deliver()

    with tenant(two) as tx:
        deliveries.heal(tx, two.endpoint, "vectors", [a.id])

    assert told(two.deliver()) == {"a": None}


def test_documents_of_nobody_are_told_apart_from_ours(two):
    (a, _), _ = two.documents(two.owed())
    stranger = "00000000-0000-4000-8000-000000000000"

    with tenant(two) as tx:
        assert deliveries.unknown(tx, two.endpoint, [a.id, stranger, "no uuid at all"]) == [stranger, "no uuid at all"]


def test_documents_of_another_endpoint_are_not_ours(two):
    (a, _), _ = two.documents(two.owed())
    two.apply(config(endpoint_config(), endpoint_config("other")))
    other = two.find("other")

    with tenant(two) as tx:
        assert deliveries.unknown(tx, other, [a.id]) == [a.id]
        assert deliveries.heal(tx, other, "vectors", [a.id]) == 0
