"""Change pages into rows: what is new, changed, moved, left out, and gone; and that nothing else is."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from connector_pipelines.core.errors import Forbidden, Malformed, NotFound
from connector_pipelines.core.types import Cursor, Deleted, Skipped, Unlistable
from connector_pipelines.store.catalog.failures import failures_of
from connector_pipelines.store.catalog.listing import PageCounts
from tests.catalog_world import EARLIER, NOW, config, endpoint_config, page, ref


def cursor(world):
    return world.find("docs").cursor


def versions_of_rows(world):
    """Which transaction last wrote each row: as good as watching the disk."""
    return {r["external_id"]: r["xmin"] for r in world.rows("SELECT external_id, xmin::text FROM files")}


# what a page says


def test_what_was_never_seen_is_new(world):
    found = world.snapshot(ref("a"), ref("b"))

    assert found.counts == PageCounts(new=2)
    assert world.statuses() == {"a": "listed", "b": "listed"}


def test_every_fact_of_a_file_is_kept(world):
    told = ref("a", path="x/y.pdf", version="7", media_type="application/pdf", size=5, identity="i", url="http://x/a", created_at=EARLIER)
    world.snapshot(told)

    (claimed,) = world.claim()

    assert (claimed.ref, claimed.day, claimed.generation) == (told, EARLIER.date(), 1)


def test_a_pass_over_an_unchanged_source_writes_no_row(world):
    refs = [ref("a"), ref("b", size=None), ref("c", identity="i", url="u")]
    world.snapshot(*refs, Skipped("d", "d", "too_large"))
    world.process()
    before = versions_of_rows(world)
    world.now += timedelta(hours=1)

    found = world.snapshot(*refs, Skipped("d", "d", "too_large"))

    assert found.counts == PageCounts(unchanged=4, skipped=1)
    assert versions_of_rows(world) == before


def test_another_version_is_taken_up_again(world):
    world.snapshot(ref("a"))
    world.process()

    found = world.snapshot(ref("a", version="2"))

    row = world.file("a")
    assert found.counts == PageCounts(changed=1)
    assert (row["status"], row["generation"], row["sha256"]) == ("listed", 2, None)


@pytest.mark.parametrize("fact", [{"path": "b"}, {"url": "http://x"}, {"identity": "i"}, {"modified_at": NOW}])
def test_other_facts_about_the_same_bytes_raise_the_generation_and_ask_for_no_download(world, fact):
    world.snapshot(ref("a"))
    world.process()

    found = world.snapshot(ref("a", **fact))

    row = world.file("a")
    assert found.counts == PageCounts(changed=1)
    assert (row["status"], row["generation"]) == ("extracted", 2)


@pytest.mark.parametrize("end", ["extracted", "skipped", "failed"])
def test_the_same_bytes_under_another_type_are_read_again(world, end):
    world.snapshot(ref("a", path="a.bak", media_type="application/octet-stream"))
    world.save_stored(world.claim())
    claimed = world.claim("stored")
    {"extracted": world.save_extracted, "skipped": world.save_skipped}.get(end, lambda c: world.save_failed(c, stage="documents"))(claimed)
    assert world.statuses() == {"a": end}

    world.snapshot(ref("a", path="a.csv", media_type="text/csv"))

    row = world.file("a")
    assert (row["status"], row["reason"], row["generation"]) == ("stored", None, 2)


def test_a_file_that_failed_before_its_bytes_were_here_is_downloaded_under_another_type(world):
    world.snapshot(ref("a"))
    world.save_failed(world.claim())

    world.snapshot(ref("a", media_type="text/csv"))

    assert world.statuses() == {"a": "listed"}


def test_a_size_the_source_cannot_tell_is_no_change_once_we_know_it(world):
    world.snapshot(ref("a", size=None))
    world.process()
    assert world.file("a")["size"] == 7

    found = world.snapshot(ref("a", size=None))

    assert found.counts == PageCounts(unchanged=1)
    assert world.file("a")["size"] == 7


def test_a_size_that_belongs_to_an_older_version_is_forgotten(world):
    world.snapshot(ref("a", size=None))
    world.process()

    world.snapshot(ref("a", version="2", size=None))

    assert world.file("a")["size"] is None


def test_a_file_that_failed_is_tried_again_with_its_next_version(world):
    world.snapshot(ref("a"))
    world.save_failed(world.claim())

    world.snapshot(ref("a", version="2"))

    row = world.file("a")
    assert (row["status"], row["reason"], row["attempts"], row["retry_at"]) == ("listed", None, 0, None)


def test_what_was_deleted_and_is_named_again_is_restored_to_its_row(world):
    world.snapshot(ref("a"), ref("b"))
    world.process()
    before = world.file("a")
    world.snapshot(ref("b"))

    found = world.snapshot(ref("a"), ref("b"))

    after = world.file("a")
    assert found.counts == PageCounts(restored=1, unchanged=1)
    assert (after["id"], after["status"], after["generation"], after["deleted_at"]) == (before["id"], "listed", 3, None)


def test_an_item_left_out_on_purpose_is_kept_with_the_reason(world):
    found = world.snapshot(Skipped("a", "x/a", "too_large"), ref("b"))

    row = world.file("a")
    assert found.counts == PageCounts(new=2, skipped=1)
    assert (row["status"], row["reason"], row["path"]) == ("skipped", "too_large", "x/a")


def test_an_item_may_come_into_scope_and_go_out_again(world):
    world.snapshot(Skipped("a", "a", "too_large"))
    into = world.snapshot(ref("a")).counts
    status_in = world.statuses()
    world.process()
    out = world.snapshot(Skipped("a", "a", "special_file")).counts

    assert (into, status_in) == (PageCounts(changed=1), {"a": "listed"})
    assert (out, world.file("a")["reason"]) == (PageCounts(changed=1, skipped=1), "special_file")
    assert world.statuses() == {"a": "skipped"}


def test_another_reason_to_leave_an_item_out_is_written_down(world):
    world.snapshot(Skipped("a", "a", "too_large"))

    world.snapshot(Skipped("a", "a", "special_file"))

    assert world.file("a")["reason"] == "special_file"


def test_the_window_is_the_day_of_the_last_change_where_the_windows_begin(world):
    late = EARLIER.replace(hour=23, minute=30)
    world.snapshot(ref("a", modified_at=late), ref("b", modified_at=None, created_at=late), ref("c", modified_at=None))

    assert [world.file(i)["window_day"] for i in "abc"] == [date(2026, 3, 1), date(2026, 3, 1), NOW.date()]


def test_a_file_without_times_stays_in_the_window_it_was_first_seen_in(world):
    world.snapshot(ref("a", modified_at=None))
    world.now += timedelta(days=5)

    world.snapshot(ref("a", modified_at=None, path="renamed"))

    assert world.file("a")["window_day"] == NOW.date()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ((ref("a", "2"), ref("a", "3")), "listed"),
        ((ref("a", "2"), Deleted("a")), "deleted"),
        ((Deleted("a"), ref("a", "3")), "listed"),
        ((ref("a", "2"), Skipped("a", "a", "too_large")), "skipped"),
        ((Skipped("a", "a", "too_large"), ref("a", "3")), "listed"),
        ((Deleted("a"), Skipped("a", "a", "too_large")), "skipped"),
    ],
)
def test_of_several_changes_to_one_item_in_a_page_the_last_one_holds(world, changes, status):
    world.snapshot(ref("a"))

    world.delta(*changes)

    assert world.statuses() == {"a": status}
    assert status != "listed" or world.file("a")["version"] == "3"


def test_a_page_of_ten_thousand_is_one_transaction(world):
    refs = [ref(f"{n % 97}/{n}") for n in range(10_000)]

    first, second = world.snapshot(*refs), world.snapshot(*refs)

    assert (first.counts, second.counts) == (PageCounts(new=10_000), PageCounts(unchanged=10_000))


def test_an_empty_page_is_no_news(world):
    assert world.delta() == PageCounts()
    assert cursor(world) == "next"


# cursors


def test_a_delta_page_and_its_cursor_are_stored_together(world):
    with world.listing() as listing:
        listing.record(page(ref("a"), cursor="c1"))
        assert (cursor(world), world.statuses()) == ("c1", {"a": "listed"})
        listing.record(page(Deleted("a"), cursor="c2"))

    assert (cursor(world), world.statuses()) == ("c2", {"a": "deleted"})


def test_a_page_that_cannot_be_written_moves_no_cursor(world):
    world.delta(ref("a"), cursor="c1")

    with pytest.raises(Exception, match="integer out of range|bigint"):
        world.delta(ref("b"), ref("c", size=2**70), cursor="c2")

    assert (cursor(world), world.statuses()) == ("c1", {"a": "listed"})


def test_a_snapshot_that_breaks_off_keeps_what_it_found_and_deletes_nothing(world):
    world.snapshot(ref("old"), cursor="c1")

    with pytest.raises(RuntimeError), world.listing() as listing:
        listing.record(page(ref("a"), snapshot=True))
        raise RuntimeError

    assert (cursor(world), world.statuses()) == ("c1", {"old": "listed", "a": "listed"})


def test_the_pass_after_one_that_broke_off_finds_everything(world):
    world.snapshot(ref("gone"), ref("a"))
    with pytest.raises(RuntimeError), world.listing() as listing:
        listing.record(page(ref("a"), ref("b"), snapshot=True))
        raise RuntimeError

    found = world.snapshot(ref("a"), ref("b"), ref("c"), cursor="c2")

    assert (found.counts, found.deleted) == (PageCounts(new=1, unchanged=2), 1)
    assert (cursor(world), world.statuses()) == ("c2", {"a": "listed", "b": "listed", "c": "listed", "gone": "deleted"})


def test_a_cursor_made_for_other_settings_is_not_stored(world):
    with world.listing() as listing:
        listing.record(page(ref("a"), snapshot=True))
        world.apply(config(endpoint_config(settings={"root": "/elsewhere"})))
        listing.finish_snapshot([], Cursor("of the old root"))
    assert cursor(world) == ""

    world.delta(ref("b"), cursor="also of the old root")
    assert cursor(world) == ""


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
    with pytest.raises(RuntimeError), world.listing() as listing:
        listing.record(page(ref("b", identity="i1"), snapshot=True))
        raise RuntimeError

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
