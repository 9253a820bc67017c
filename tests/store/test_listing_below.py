"""What hangs on an item goes with it, and so does what no longer hangs there."""

from __future__ import annotations

from connector_pipelines.core.types import Below, Deleted
from tests.catalog_world import ref


def there(world):
    return {item for item, status in world.statuses().items() if status != "deleted"}


def test_what_lies_below_and_is_not_named_is_gone(world):
    world.snapshot(ref("a/1"), ref("a/1/b/1"), ref("a/1/b/2"), ref("a/1/b/2/c/1"), ref("a/2"), ref("a/2/b/1"), ref("a/1x/b/1"))

    counts = world.delta(Below("a/1/b", frozenset({"a/1/b/1"})))

    assert counts.deleted == 2
    assert there(world) == {"a/1", "a/1/b/1", "a/2", "a/2/b/1", "a/1x/b/1"}


def test_everything_below_an_item_goes_with_it(world):
    world.snapshot(ref("a/1"), ref("a/1/b/1"), ref("a/1/b/1/c/1"), ref("a/10/b/1"))
    assert world.delta(Deleted("a/1"), Below("a/1")).deleted == 3
    assert there(world) == {"a/10/b/1"}


def test_what_is_named_new_on_the_same_page_stays(world):
    world.snapshot(ref("a/1"), ref("a/1/b/1"))
    world.delta(ref("a/1/b/2"), Below("a/1/b", frozenset({"a/1/b/2"})))
    assert there(world) == {"a/1", "a/1/b/2"}


def test_places_of_several_depths_are_told_on_one_page(world):
    world.snapshot(ref("a"), ref("a/1"), ref("b/1/c/1"), ref("b/1/c/2"), ref("b/1"))
    assert world.delta(Below("a"), Below("b/1/c", frozenset({"b/1/c/2"}))).deleted == 2
    assert there(world) == {"a", "b/1/c/2", "b/1"}


def test_what_lies_below_one_that_stays_is_not_gone_with_its_siblings(world):
    world.snapshot(
        ref("a/1"), ref("a/1/b/1"), ref("a/1/b/1/c/1"), ref("a/1/b/1/c/1/d/1"), ref("a/1/b/2"), ref("a/1/b/2/c/1"), ref("a/1/b/10/c/1")
    )

    world.delta(Below("a/1/b", frozenset({"a/1/b/1"})))

    assert there(world) == {"a/1", "a/1/b/1", "a/1/b/1/c/1", "a/1/b/1/c/1/d/1"}
