"""Items whose content comes with the listing: landed with others in one object, and never asked for again."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest

from connector_pipelines.core.errors import Malformed, Unavailable
from connector_pipelines.core.types import RECORD_TYPE, Deleted, Skipped, Upserted
from connector_pipelines.store.catalog import _landing, work
from connector_pipelines.store.catalog import listing as listings
from connector_pipelines.store.catalog.listing import PageCounts
from tests.catalog_world import ALWAYS, NOW, page, ref


def record(name, content=b"{}", version="1", stream="things", **facts):
    return Upserted(ref(name, version, **{"media_type": RECORD_TYPE, "stream": stream, "size": None} | facts), content)


def message(name, content=b"hello", version="1", **facts):
    """An item that is no record and brings its bytes along."""
    return Upserted(ref(name, version, **facts), content)


def bytes_of(world, name):
    """What the rows say are the item's bytes."""
    (row,) = world.rows(
        """SELECT b.key, b.position, b.size FROM files f JOIN blobs b ON (b.tenant_id, b.sha256) = (f.tenant_id, f.sha256)
           WHERE f.external_id = %s""",
        name,
    )
    return world.objects[row["key"]][row["position"] : row["position"] + row["size"]]


class Full(dict):
    """A store without room."""

    def __setitem__(self, key, value):
        raise Unavailable("no room")


def extract(world):
    """Messages by the way of files; records in one go."""
    world.save_extracted(world.claim("stored"))
    world.execute("UPDATE files SET status = 'extracted' WHERE status = 'stored'")


# landing


def test_what_brings_its_content_is_stored_in_the_transaction_of_its_listing(world):
    found = world.snapshot(record("a", b'{"n": 1}'), message("b", b"hi"), ref("c"))

    rows = {name: world.file(name) for name in "abc"}
    assert found.counts == PageCounts(new=3)
    assert {name: (row["status"], row["inline"], row["stream"], row["size"]) for name, row in rows.items()} == {
        "a": ("stored", True, "things", 8), "b": ("stored", True, None, 2), "c": ("listed", False, None, 3),
    }  # fmt: skip
    assert rows["a"]["sha256"] == sha256(b'{"n": 1}').digest()
    assert (bytes_of(world, "a"), bytes_of(world, "b")) == (b'{"n": 1}', b"hi")


def test_the_contents_of_a_batch_are_one_object(world):
    names = [f"{n}" for n in range(500)]

    world.snapshot(*(record(name, name.encode() * 3) for name in names))

    assert len(world.objects) == 1
    assert [bytes_of(world, name) for name in names] == [name.encode() * 3 for name in names]


def test_an_object_grows_no_larger_than_it_may(world, monkeypatch):
    monkeypatch.setattr(_landing, "PACK_BYTES", 10)

    world.snapshot(record("a", b"aaaa"), record("b", b"bbbb"), record("c", b"cccc"), record("d", b"d" * 30), record("e", b""))

    assert sorted(map(len, world.objects.values())) == [0, 4, 8, 30]
    assert [bytes_of(world, name) for name in "abcde"] == [b"aaaa", b"bbbb", b"cccc", b"d" * 30, b""]


def test_a_batch_is_written_before_its_contents_take_too_much_memory(world, monkeypatch):
    monkeypatch.setattr(listings, "PACK_BYTES", 10)

    with world.listing() as listing:
        told = [listing.record(page(record(f"{n}", b"12345"), snapshot=True)).new for n in range(4)]

    assert told == [0, 2, 0, 2]


def test_equal_contents_are_landed_once(world):
    world.snapshot(record("a", b"same"), record("b", b"same"), record("c", b"other"))
    world.delta(record("d", b"same"), record("e", b"new"))

    assert list(world.objects.values()) == [b"sameother", b"new"]
    assert [bytes_of(world, name) for name in "abcde"] == [b"same", b"same", b"other", b"same", b"new"]


def test_bytes_that_were_downloaded_before_are_not_landed(world):
    world.snapshot(ref("file"))
    world.save_stored(world.claim(), b"same")

    world.delta(record("a", b"same"))

    assert world.objects == {}
    assert world.file("a")["sha256"] == world.file("file")["sha256"]


def test_an_unchanged_record_costs_no_object_and_no_row(world):
    world.snapshot(record("a", b"1"), record("b", b"2"))
    extract(world)
    before = world.rows("SELECT external_id, xmin::text FROM files ORDER BY 1")

    found = world.snapshot(record("a", b"1"), record("b", b"2"))

    assert found.counts == PageCounts(unchanged=2)
    assert (len(world.objects), world.rows("SELECT external_id, xmin::text FROM files ORDER BY 1")) == (1, before)


def test_a_listing_that_cannot_land_its_contents_writes_nothing(world):
    world.delta(ref("a"), cursor="c1")
    world.objects = Full()

    with pytest.raises(Unavailable):
        world.delta(record("b", b"1"), cursor="c2")

    assert (world.statuses(), world.find("docs").cursor) == ({"a": "listed"}, "c1")


def test_after_a_batch_that_could_not_be_written_nothing_later_is(world):
    world.delta(ref("a"), cursor="c1")

    with world.listing() as listing:
        listing.record(page(record("b", b"1"), cursor="c2"))
        world.objects = Full()
        with pytest.raises(Unavailable):
            listing.flush()
        world.objects = {}
        listing.record(page(record("c", b"2"), cursor="c3"))
        listing.flush()

    assert (world.statuses(), world.find("docs").cursor) == ({"a": "listed"}, "c1")


# what changed


@pytest.mark.parametrize("change", [{"version": "2"}, {"version": "1"}], ids=["another version", "the same version"])
def test_other_bytes_are_made_into_a_document_again_whatever_the_version_says(world, change):
    world.snapshot(record("a", b"one"))
    extract(world)

    found = world.snapshot(record("a", b"two", **change))

    row = world.file("a")
    assert (found.counts, row["status"], row["generation"], bytes_of(world, "a")) == (PageCounts(changed=1), "stored", 2, b"two")


@pytest.mark.parametrize("make", [record, message])
def test_another_version_with_the_same_bytes_needs_no_document_again(world, make):
    world.snapshot(make("a", b"same"))
    extract(world)

    found = world.snapshot(make("a", b"same", version="2"))

    row = world.file("a")
    assert (found.counts, row["status"], row["generation"], len(world.objects)) == (PageCounts(changed=1), "extracted", 2, 1)


def test_a_record_that_goes_to_another_stream_is_made_into_a_document_again(world):
    world.snapshot(record("a", b"same"))
    extract(world)

    world.snapshot(record("a", b"same", stream="others"))

    assert (world.file("a")["status"], world.file("a")["stream"]) == ("stored", "others")


def test_a_record_that_comes_back_is_made_into_a_document_again(world):
    world.snapshot(record("a", b"same"), ref("b"))
    extract(world)
    world.delta(Deleted("a"))

    found = world.delta(record("a", b"same"))

    assert (found, world.file("a")["status"]) == (PageCounts(restored=1), "stored")


def test_a_message_that_comes_back_with_the_same_bytes_has_its_document_still(world):
    world.snapshot(message("a", b"same"), ref("b"))
    extract(world)
    world.delta(Deleted("a"))

    world.delta(message("a", b"same"))

    assert world.file("a")["status"] == "extracted"


@pytest.mark.parametrize(("version", "status"), [("1", "failed"), ("2", "stored")])
def test_a_record_that_failed_is_tried_again_with_another_version(world, version, status):
    world.snapshot(record("a", b"same"))
    world.execute("UPDATE files SET status = 'failed', reason = 'malformed'")

    world.snapshot(record("a", b"same", version=version, url="http://x"))

    row = world.file("a")
    assert (row["status"], row["reason"]) == (status, "malformed" if status == "failed" else None)


# from one way to the other, and back


def test_a_file_whose_content_comes_along_from_now_on_is_not_downloaded(world):
    world.snapshot(ref("a"))
    world.save_failed(world.claim(), retry_at=NOW + timedelta(hours=1))
    world.now = NOW + timedelta(hours=2)

    world.snapshot(message("a", b"here"))

    assert (world.statuses(), world.file("a")["inline"], world.claim()) == ({"a": "stored"}, True, [])
    assert world.rows("SELECT 1 FROM failures WHERE resolved_at IS NULL") == []


def test_an_item_whose_next_version_comes_without_content_is_downloaded(world):
    world.snapshot(record("a", b"one"))
    extract(world)

    world.snapshot(ref("a", "2"))

    row = world.file("a")
    assert (row["status"], row["inline"], row["stream"], row["sha256"]) == ("listed", False, None, None)
    world.process(body=b"two")
    world.snapshot(record("a", b"three", version="3"))
    row = world.file("a")
    assert (row["status"], row["inline"], row["stream"], bytes_of(world, "a")) == ("stored", True, "things", b"three")


def test_a_record_named_once_more_without_its_content_stays_what_it_is(world):
    world.snapshot(record("a", b"one"))
    extract(world)

    world.snapshot(ref("a", media_type=RECORD_TYPE, size=None, stream="things"))
    assert (world.file("a")["status"], world.file("a")["generation"]) == ("extracted", 1)
    world.delta(Deleted("a"))
    world.delta(ref("a", media_type=RECORD_TYPE, size=None, stream="things"))

    row = world.file("a")
    assert (row["status"], row["inline"], row["stream"], bytes_of(world, "a")) == ("stored", True, "things", b"one")


def test_a_record_nobody_ever_saw_the_fields_of_is_fetched_like_a_file(world):
    world.snapshot(ref("a", stream="things"))

    assert (world.file("a")["status"], world.file("a")["stream"]) == ("listed", None)


def test_an_item_that_is_left_out_on_purpose_loses_its_content(world):
    world.snapshot(record("a", b"one"))

    world.snapshot(Skipped("a", "a", "too_large"))

    row = world.file("a")
    assert (row["status"], row["inline"], row["stream"], row["sha256"]) == ("skipped", False, None, None)


def test_a_message_that_moved_keeps_its_row_and_has_its_new_bytes(world):
    world.snapshot(message("a", b"one", identity="i"))
    before = world.file("a")["id"]

    found = world.snapshot(message("b", b"two", identity="i"))

    row = world.file("b")
    assert (found.moved, row["id"], row["status"], bytes_of(world, "b")) == (1, before, "stored", b"two")


# the stages after


def test_the_stages_of_files_take_no_records(world):
    world.snapshot(record("a", b"one"), message("b", b"two"))

    assert world.claim("listed") == []
    (claimed,) = world.claim("stored")
    assert (claimed.ref.id, claimed.blob_position, claimed.blob_size) == ("b", 3, 3)
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        assert work.waiting(tx, world.endpoint, status="stored", days=ALWAYS, now=world.now) == 1


def test_to_download_again_leaves_alone_what_was_never_downloaded(world):
    world.snapshot(record("a"), message("b"), ref("c"))
    world.process()
    world.execute("UPDATE files SET status = 'extracted' WHERE stream IS NOT NULL")

    with world.database.tenant(world.endpoint.tenant_id) as tx:
        assert work.redo(tx, world.endpoint, stage="files", days=ALWAYS) == 1
        assert work.redo(tx, world.endpoint, stage="documents", days=ALWAYS) == 2

    assert world.statuses() == {"a": "stored", "b": "stored", "c": "listed"}


def test_a_message_that_failed_to_be_read_can_be_tried_again(world):
    world.snapshot(message("a", b"broken"))
    world.save_failed(world.claim("stored"), stage="documents", error=Malformed("broken"))

    world.snapshot(message("a", b"mended", version="2"))

    assert world.file("a")["status"] == "stored"
