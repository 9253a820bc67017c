"""Change pages into rows: what is new, changed, restored or left out, and where the feed goes on."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from connector_pipelines.core.types import Cursor, Deleted, Skipped
from connector_pipelines.store.catalog import listing as listings
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


def test_a_size_the_source_cannot_tell_is_forgotten_with_a_deletion(world):
    """It is fetched anew, and what is exported anew has another size."""
    world.snapshot(ref("a", size=None))
    world.process()
    world.snapshot()

    world.snapshot(ref("a", size=None))

    row = world.file("a")
    assert (row["status"], row["size"]) == ("listed", None)


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


def test_pages_of_a_snapshot_are_written_together(world):
    with world.listing() as listing:
        told = [listing.record(page(ref("a"), snapshot=True)), listing.record(page(ref("b"), snapshot=True))]
        before = world.statuses()
        told.append(listing.record(page(ref("c"), cursor="end", snapshot=True)))

    assert (told, before) == ([PageCounts(), PageCounts(), PageCounts(new=3)], {})


def test_pages_of_a_delta_are_gathered_for_a_moment_and_written_together(world):
    with world.listing() as listing:
        told = [listing.record(page(ref("a"), cursor="c1"))]
        world.seconds += listings.LINGER_S / 2
        told.append(listing.record(page(ref("b"), cursor="c2")))
        before = (cursor(world), world.statuses())
        world.seconds += listings.LINGER_S / 2
        told.append(listing.record(page(ref("a", "2"), Deleted("b"), cursor="c3")))

    assert (before, told) == (("", {}), [PageCounts(), PageCounts(), PageCounts(new=1)])
    assert (cursor(world), world.statuses(), world.file("a")["version"]) == ("c3", {"a": "listed"}, "2")


def test_a_delta_is_written_before_it_takes_too_much_memory(world, monkeypatch):
    monkeypatch.setattr(listings, "TOGETHER", 3)

    with world.listing() as listing:
        told = [listing.record(page(ref(f"{n}a"), ref(f"{n}b"), cursor=f"c{n}")).new for n in range(3)]

    assert (told, cursor(world)) == ([0, 4, 0], "c1")


def test_a_delta_that_is_killed_is_told_again_from_the_cursor_before(world):
    world.delta(ref("a"), cursor="c1")

    with world.listing() as listing:
        listing.record(page(ref("b"), cursor="c2"))

    assert (cursor(world), world.statuses()) == ("c1", {"a": "listed"})


def test_a_snapshot_is_written_before_it_takes_too_much_memory(world, monkeypatch):
    monkeypatch.setattr(listings, "TOGETHER", 3)

    with world.listing() as listing:
        told = [listing.record(page(ref(f"{n}a"), ref(f"{n}b"), snapshot=True)).new for n in range(4)]

    assert told == [0, 4, 0, 4]


def test_what_two_pages_of_a_snapshot_name_counts_once(world):
    with world.listing() as listing:
        listing.record(page(ref("a"), ref("b"), snapshot=True))
        found = listing.record(page(ref("a", "2"), Deleted("b"), cursor="end", snapshot=True))
        absent = listing.absent()

    assert (found, absent.refs, world.file("a")["version"]) == (PageCounts(new=1), (), "2")


def test_an_empty_page_is_no_news(world):
    assert world.delta() == PageCounts()
    assert cursor(world) == "next"


# cursors


def test_a_delta_and_its_cursor_are_stored_together(world):
    with world.listing() as listing:
        listing.record(page(ref("a"), cursor="c1"))
        listing.flush()
        assert (cursor(world), world.statuses()) == ("c1", {"a": "listed"})
        listing.record(page(Deleted("a"), cursor="c2"))
        listing.flush()

    assert (cursor(world), world.statuses()) == ("c2", {"a": "deleted"})


def test_a_page_that_cannot_be_written_moves_no_cursor(world):
    world.delta(ref("a"), cursor="c1")

    with pytest.raises(Exception, match="too big"):
        world.delta(ref("b"), ref("c", size=2**70), cursor="c2")

    assert (cursor(world), world.statuses()) == ("c1", {"a": "listed"})


def test_a_snapshot_that_breaks_off_keeps_what_it_found_and_deletes_nothing(world):
    world.snapshot(ref("old"), cursor="c1")

    world.break_off(ref("a"))

    assert (cursor(world), world.statuses()) == ("c1", {"old": "listed", "a": "listed"})


def test_the_pass_after_one_that_broke_off_finds_everything(world):
    world.snapshot(ref("gone"), ref("a"))
    world.break_off(ref("a"), ref("b"))

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
