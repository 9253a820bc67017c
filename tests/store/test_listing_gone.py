"""What a complete snapshot proves to be gone, and what it does not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector_pipelines.core.types import Cursor, Deleted, Unlistable
from connector_pipelines.store.catalog.failures import failures_of
from connector_pipelines.store.catalog.listing import PageCounts
from tests.catalog_world import NOW, config, endpoint_config, page, ref


def cursor(world):
    return world.find("docs").cursor


# gone


def test_only_the_end_of_a_snapshot_deletes(world):
    world.snapshot(ref("a"), ref("b"), ref("c"))

    with world.listing() as listing:
        listing.record(page(ref("a"), snapshot=True))
        listing.record(page(ref("b"), cursor="end", snapshot=True))
        before = world.statuses()
        absent = listing.absent()
        listing.finish_snapshot([r.id for r in absent.refs], Cursor("end"))

    assert (before["c"], [r.id for r in absent.refs], absent.known) == ("listed", ["c"], 3)
    assert world.statuses() == {"a": "listed", "b": "listed", "c": "deleted"}


def test_what_is_deleted_leaves_the_ledger_and_raises_the_generation(world):
    world.snapshot(ref("a"), ref("b"))
    world.save_failed(world.claim())

    world.snapshot(ref("b"))

    row = world.file("a")
    assert (row["status"], row["reason"], row["generation"], row["deleted_at"]) == ("deleted", None, 2, NOW)
    with world.database.operator() as tx:
        assert [f.item for f in failures_of(tx)] == ["b"]


def test_a_deletion_told_twice_counts_once(world):
    world.snapshot(ref("a"))

    assert world.delta(Deleted("a"), Deleted("never seen")).deleted == 1
    assert world.delta(Deleted("a")).deleted == 0


def test_only_what_the_caller_confirms_is_deleted(world):
    world.snapshot(ref("a"), ref("b"), ref("c"))

    with world.listing() as listing:
        listing.record(page(ref("a"), snapshot=True))
        assert listing.finish_snapshot(["b"], Cursor("end")) == 1

    assert world.statuses() == {"a": "listed", "b": "deleted", "c": "listed"}


def test_another_endpoints_files_are_not_absent_here(world):
    world.apply(config(endpoint_config(), endpoint_config("other")))
    world.snapshot(ref("a"), endpoint=world.find("other"))

    found = world.snapshot(ref("a"))

    assert (found.counts, found.absent.refs) == (PageCounts(new=1), ())


def test_a_file_a_later_pass_has_found_is_not_absent_from_an_earlier_one(world):
    with world.listing() as slow:
        slow.record(page(snapshot=True))
        world.delta(ref("fresh"))

        assert slow.absent().refs == ()


@pytest.mark.parametrize(
    ("unlistable", "kept"),
    [
        ("a/b", {"a/b", "a/b/c", "a/b/c/d"}),
        ("a/bc", {"a/bc", "a/bc/x"}),
        ("a/b%", {"a/b%", "a/b%/x"}),
        ("a/b_", {"a/b_/x"}),
        ("a\\b", {"a\\b/x"}),
        ("a", None),
        ("", None),
        ("A/b", set()),
    ],
)
def test_what_lies_below_a_part_that_cannot_be_listed_is_not_taken_for_gone_and_only_that(world, unlistable, kept):
    ids = ["a/b", "a/b/c", "a/b/c/d", "a/bc", "a/bc/x", "a/b%", "a/b%/x", "a/bX/x", "a/b_/x", "a\\b/x"]
    if unlistable == "a":
        ids.remove("a\\b/x")
    world.snapshot(*map(ref, ids))

    found = world.snapshot(Unlistable(unlistable, "forbidden", "refused"))

    assert {r.path for r in found.absent.refs} == set(ids) - (set(ids) if kept is None else kept)


def test_a_part_that_cannot_be_listed_is_in_the_ledger_until_it_can(world):
    world.snapshot(Unlistable("x", "forbidden", "no way in"), Unlistable("", "unavailable", "away"))
    with world.database.operator() as tx:
        found = {(f.item, f.stage, f.code, f.message) for f in failures_of(tx)}
    assert found == {("x", "listing", "forbidden", "no way in"), ("/", "listing", "unavailable", "away")}

    world.snapshot(Unlistable("x", "forbidden", "no way in"))
    with world.database.operator() as tx:
        assert [(f.item, f.attempts) for f in failures_of(tx)] == [("x", 2)]

    world.snapshot()
    with world.database.operator() as tx:
        assert failures_of(tx) == []


def test_an_incomplete_snapshot_deletes_elsewhere_and_proves_nothing(world):
    world.snapshot(ref("x/a"), ref("y/a"), cursor="c1")
    world.now += timedelta(days=1)

    found = world.snapshot(Unlistable("x", "forbidden", "refused"), cursor="c2")

    swept = world.rows("SELECT swept_at FROM endpoints")[0]["swept_at"]
    assert (found.deleted, world.statuses()) == (1, {"x/a": "listed", "y/a": "deleted"})
    assert (cursor(world), swept) == ("c1", NOW)


@pytest.mark.parametrize(
    ("absent", "known", "share", "held"),
    [(10, 10, 0.0, False), (11, 11, 0.0, True), (30, 100, 0.3, False), (31, 100, 0.3, True), (100, 100, 1.0, False), (0, 0, 0.0, False)],
)
def test_more_than_the_share_and_more_than_ten_are_held(world, absent, known, share, held):
    refs = [ref(str(n)) for n in range(known)]
    world.snapshot(*refs)

    with world.listing() as listing:
        listing.record(page(*refs[absent:], snapshot=True))
        found = listing.absent()

    assert (len(found.refs), found.known, found.held(share)) == (absent, known, held)


def hold(world, *named):
    with world.listing() as listing:
        listing.record(page(*named, snapshot=True))
        absent = listing.absent()
        approved = listing.approved(absent)
        listing.hold_deletions(absent)
    return approved


def test_held_deletions_are_written_down_and_nothing_is_deleted(world):
    refs = [ref(f"{n:02}") for n in range(20)]
    world.snapshot(*refs, cursor="c1")

    approved = hold(world, refs[0])

    held = world.rows("SELECT held_deletions FROM endpoints")[0]["held_deletions"]
    assert not approved
    assert (held["files"], held["known"], held["examples"]) == (19, 20, ["01", "02", "03", "04", "05"])
    assert set(world.statuses().values()) == {"listed"}
    assert cursor(world) == "c1"


def test_an_approval_lets_one_sweep_pass(world):
    refs = [ref(f"{n:02}") for n in range(20)]
    world.snapshot(*refs)
    hold(world, refs[0])
    world.execute("UPDATE endpoints SET deletions_approved = true")

    with world.listing() as listing:
        listing.record(page(refs[0], snapshot=True))
        absent = listing.absent()
        approved = listing.approved(absent)
        listing.finish_snapshot([r.id for r in absent.refs], Cursor("c2"))

    row = world.rows("SELECT held_deletions, deletions_approved FROM endpoints")[0]
    assert approved
    assert row == {"held_deletions": None, "deletions_approved": False}
    assert sum(s == "deleted" for s in world.statuses().values()) == 19


def test_an_approval_of_some_deletions_is_none_of_many_more(world):
    refs = [ref(f"{n:03}") for n in range(200)]
    world.snapshot(*refs)
    hold(world, *refs[80:])
    world.execute("UPDATE endpoints SET deletions_approved = true")

    assert hold(world) is False
    assert world.rows("SELECT deletions_approved FROM endpoints") == [{"deletions_approved": False}]
