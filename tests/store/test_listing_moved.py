"""Files that are known under another id now: their rows, documents and text go with them."""

from __future__ import annotations

import pytest

from connector_pipelines.core.errors import Forbidden, Malformed, NotFound
from tests.catalog_world import page, ref


def cursor(world):
    return world.find("docs").cursor


# moved


def test_a_file_that_moved_keeps_its_row_its_document_and_its_text(world):
    world.snapshot(ref("old/a.txt", identity="i1"), ref("b", identity="i2"))
    world.process()
    before = world.file("old/a.txt")

    found = world.snapshot(ref("new/a.txt", identity="i1"), ref("b", identity="i2"))

    after = world.file("new/a.txt")
    assert (found.moved, found.deleted) == (1, 0)
    assert (after["id"], after["status"], after["path"], after["generation"]) == (before["id"], "extracted", "new/a.txt", 2)
    assert set(world.statuses()) == {"new/a.txt", "b"}
    assert world.rows("SELECT count(*) AS n FROM documents") == [{"n": 2}]


def test_a_file_that_moved_and_changed_is_downloaded_into_its_old_row(world):
    world.snapshot(ref("a", identity="i1"))
    world.process()
    before = world.file("a")["id"]

    world.snapshot(ref("b", version="2", identity="i1"))

    after = world.file("b")
    assert (after["id"], after["status"], after["version"], after["sha256"]) == (before, "listed", "2", None)


@pytest.mark.parametrize("error", [NotFound("it moved away"), Malformed("broken"), Forbidden("refused")])
def test_a_file_that_failed_is_tried_again_where_it_is_now(world, error):
    world.snapshot(ref("a", identity="i1"))
    world.save_failed(world.claim(), error=error)

    world.snapshot(ref("b", identity="i1"))

    row = world.file("b")
    assert (row["status"], row["reason"]) == ("listed", None)


def test_a_file_that_moved_to_another_type_is_read_again(world):
    world.snapshot(ref("a.bak", identity="i1", media_type="application/octet-stream"))
    world.save_stored(world.claim())
    world.save_skipped(world.claim("stored"))

    world.snapshot(ref("a.csv", identity="i1", media_type="text/csv"))

    row = world.file("a.csv")
    assert (row["status"], row["reason"]) == ("stored", None)


def test_files_that_changed_places_hold_each_others_bytes(world):
    world.snapshot(ref("a", version="A", identity="i1"), ref("b", version="B", identity="i2"))
    world.process()

    found = world.snapshot(ref("a", version="B", identity="i2"), ref("b", version="A", identity="i1"))

    assert (found.counts.changed, found.moved, found.deleted) == (2, 0, 0)
    assert {i: (world.file(i)["version"], world.file(i)["status"]) for i in "ab"} == {"a": ("B", "listed"), "b": ("A", "listed")}


def test_a_file_that_moved_onto_the_place_of_another_replaces_it(world):
    world.snapshot(ref("a", version="A", identity="i1"), ref("b", version="B", identity="i2"))
    world.process()

    found = world.snapshot(ref("b", version="A", identity="i1"))

    assert (found.moved, found.deleted) == (0, 1)
    assert world.statuses() == {"a": "deleted", "b": "listed"}
    assert world.file("b")["version"] == "A"


def test_a_file_that_moved_onto_the_place_of_one_deleted_long_ago_is_there(world):
    world.snapshot(ref("a", identity="i1"), ref("b", identity="i2"))
    world.snapshot(ref("a", identity="i1"))

    world.snapshot(ref("b", identity="i1"))

    assert world.statuses() == {"a": "deleted", "b": "listed"}


def test_a_chain_of_moves_loses_nothing(world):
    world.snapshot(ref("a", version="A", identity="i1"), ref("b", version="B", identity="i2"))
    world.process()

    world.snapshot(ref("b", version="A", identity="i1"), ref("c", version="B", identity="i2"))

    live = {i: s for i, s in world.statuses().items() if s != "deleted"}
    assert set(live) == {"b", "c"}
    assert (world.file("b")["version"], world.file("c")["version"]) == ("A", "B")


def test_files_of_no_identity_never_count_as_moved(world):
    world.snapshot(ref("a"), ref("b"))

    found = world.snapshot(ref("c"), ref("d"))

    assert (found.moved, found.deleted, found.counts.new) == (0, 2, 2)


def test_a_copy_with_the_same_identity_is_a_file_of_its_own_while_the_first_is_there(world):
    world.snapshot(ref("a", identity="i1"))

    found = world.snapshot(ref("a", identity="i1"), ref("b", identity="i1"))

    assert (found.moved, found.counts.new, found.deleted) == (0, 1, 0)


def test_of_two_that_share_an_identity_one_takes_the_row_and_none_is_lost(world):
    world.snapshot(ref("a", identity="i1"), ref("b", identity="i1"))

    found = world.snapshot(ref("c", identity="i1"), ref("d", identity="i1"))

    assert found.moved == 1
    assert {i for i, s in world.statuses().items() if s == "listed"} == {"c", "d"}


def test_a_move_found_by_a_pass_that_broke_off_is_still_a_move(world):
    world.snapshot(ref("a", identity="i1"))
    world.process()
    before = world.file("a")["id"]
    world.break_off(ref("b", identity="i1"))

    found = world.snapshot(ref("b", identity="i1"))

    assert found.moved == 1
    assert (world.file("b")["id"], world.statuses()) == (before, {"b": "extracted"})


def test_what_was_done_for_the_new_place_of_a_moved_file_is_dropped(world):
    world.snapshot(ref("a", identity="i1"))
    with world.listing() as listing:
        listing.record(page(ref("b", identity="i1"), snapshot=True))
        claimed = world.claim()
        listing.find_moved()

    assert world.save_stored(claimed) == 0
    assert world.statuses() == {"b": "listed"}
