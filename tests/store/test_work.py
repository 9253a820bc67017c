"""Files that wait for a stage: who takes them, and what becomes of what was done."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import psycopg
import pytest

from connector_pipelines.core.errors import Unavailable
from connector_pipelines.core.types import Chunk, DayRange, Deleted, Facts, Place, Skipped, content_hash
from connector_pipelines.store.catalog import work
from connector_pipelines.store.catalog.failures import (
    failures_of,
)
from connector_pipelines.store.catalog.schema import OPERATOR_ROLE
from connector_pipelines.store.catalog.workers import worker
from tests.catalog_world import ALWAYS, EARLIER, NOW, at_once, config, endpoint_config, extracted, ref, stored


def ids(claimed):
    return [c.ref.id for c in claimed]


def open_failures(world):
    with world.database.operator() as tx:
        return failures_of(tx)


def redo(world, stage, days=ALWAYS):
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        return work.redo(tx, world.endpoint, stage=stage, days=days)


def waiting(world, status="listed", days=ALWAYS):
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        return work.waiting(tx, world.endpoint, status=status, days=days, now=world.now)


def release(world, by):
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        work.release(tx, world.endpoint, by)


def texts(world):
    return [r["text"] for r in world.rows("SELECT text FROM chunks ORDER BY document_id, ordinal")]


# claiming


def test_files_are_claimed_oldest_row_first_and_never_twice(world):
    world.snapshot(*(ref(f"{n}") for n in range(5)))
    with worker(world.database, "other") as other:
        mine, theirs, nothing = world.claim(limit=2), world.claim(by=other, limit=10), world.claim()

    assert (ids(mine), ids(theirs), nothing) == (["0", "1"], ["2", "3", "4"], [])


def test_two_workers_that_claim_at_once_share_the_work(world):
    world.snapshot(*(ref(f"{n:04}") for n in range(600)))
    taken = {}
    together = threading.Barrier(2)

    def drain(name):
        with worker(world.database, name) as me:
            together.wait()
            taken[name] = []
            while some := world.claim(by=me, limit=20):
                taken[name] += ids(some)
            together.wait()

    at_once(lambda: drain("one"), lambda: drain("two"))

    assert sorted(taken["one"] + taken["two"]) == [f"{n:04}" for n in range(600)]


def test_what_a_dead_worker_had_is_free(world):
    world.snapshot(ref("a"))
    with worker(world.database, "dies") as other:
        assert ids(world.claim(by=other)) == ["a"]
        assert world.claim() == []

    assert ids(world.claim()) == ["a"]


def test_what_a_worker_lets_go_of_is_free(world):
    world.snapshot(ref("a"))
    world.claim()

    release(world, world.worker)

    with worker(world.database, "other") as other:
        assert ids(world.claim(by=other)) == ["a"]


def test_a_worker_lets_go_of_its_own_only(world):
    world.snapshot(ref("a"))
    world.claim()
    with worker(world.database, "other") as other:
        release(world, other)

        assert world.claim(by=other) == []


def test_only_the_days_asked_for_are_claimed(world):
    days = [date(2026, 2, n) for n in (1, 2, 3, 4)]
    world.snapshot(*(ref(str(d), modified_at=EARLIER.replace(month=2, day=d.day)) for d in days))
    middle, up_to = DayRange(days[1], days[2]), DayRange(None, days[0])

    assert (waiting(world, days=middle), waiting(world, days=up_to), waiting(world)) == (2, 1, 4)
    assert ids(world.claim(days=middle)) == ["2026-02-02", "2026-02-03"]
    assert ids(world.claim(days=up_to)) == ["2026-02-01"]
    assert ids(world.claim(days=DayRange(days[3], None))) == ["2026-02-04"]


def test_a_file_that_waits_for_a_later_try_is_left_until_then(world):
    world.snapshot(ref("a"))
    world.save_failed(world.claim(), error=Unavailable("away"), retry_at=NOW + timedelta(minutes=1))
    assert (world.claim(), waiting(world)) == ([], 0)

    world.now += timedelta(minutes=1)

    assert [(c.ref.id, c.attempts) for c in world.claim()] == [("a", 1)]


def test_only_files_in_the_status_asked_for_are_claimed(world):
    world.snapshot(ref("a"), ref("b"))
    world.save_stored([c for c in world.claim() if c.ref.id == "a"])

    assert (ids(world.claim("stored")), waiting(world, "stored"), waiting(world)) == (["a"], 1, 1)


def test_another_endpoints_files_are_not_claimed(world):
    world.apply(config(endpoint_config(), endpoint_config("other")))
    world.snapshot(ref("theirs"), endpoint=world.find("other"))

    assert world.claim() == []


# stored


def test_what_is_stored_says_where_its_bytes_are(world):
    world.snapshot(ref("a", size=None))
    (file,) = world.claim()

    assert world.save_stored([file], b"bytes") == 1

    (again,) = world.claim("stored")
    assert again.sha256 == stored(file, b"bytes").sha256
    assert (again.blob_key, again.ref.size) == (again.sha256.hex(), 7)


def test_equal_bytes_are_one_blob_of_the_tenant(world):
    world.snapshot(ref("a"), ref("b"))

    world.save_stored(world.claim(), b"same")

    assert world.rows("SELECT count(*) AS n FROM blobs") == [{"n": 1}]


def test_the_same_bytes_again_are_not_extracted_again(world):
    world.snapshot(ref("a"))
    world.process(body=b"same")
    before = world.rows("SELECT id FROM documents")

    world.snapshot(ref("a", version="2"))
    world.save_stored(world.claim(), b"same")

    assert (world.statuses(), world.file("a")["generation"]) == ({"a": "extracted"}, 2)
    assert world.rows("SELECT id FROM documents") == before


def test_the_same_bytes_told_to_be_of_another_type_are_extracted_again(world):
    world.snapshot(ref("a", media_type="text/plain"))
    world.process(body=b"same")

    world.snapshot(ref("a", version="2", media_type="text/csv"))
    world.save_stored(world.claim(), b"same")

    assert world.statuses() == {"a": "stored"}


def test_bytes_that_were_extracted_before_close_the_failure_of_a_version_between(world):
    world.snapshot(ref("a"))
    world.process(body=b"good")
    world.snapshot(ref("a", version="2"))
    world.save_stored(world.claim(), b"bad")
    world.save_failed(world.claim("stored"), stage="documents")
    assert [f.stage for f in open_failures(world)] == ["documents"]

    world.snapshot(ref("a", version="3"))
    world.save_stored(world.claim(), b"good")

    assert (world.statuses(), open_failures(world)) == ({"a": "extracted"}, [])


# fencing


@pytest.mark.parametrize("meanwhile", ["changed", "renamed", "deleted", "skipped"])
def test_a_download_of_what_changed_meanwhile_is_dropped(world, meanwhile):
    world.snapshot(ref("a"), ref("b"))
    claimed = world.claim()
    change_a(world, meanwhile)
    before = world.file("a")

    assert world.save_stored(claimed) == 1

    assert world.file("a") == before
    assert world.statuses()["b"] == "stored"


@pytest.mark.parametrize("meanwhile", ["changed", "renamed", "deleted", "skipped"])
@pytest.mark.parametrize("outcome", ["save_extracted", "save_skipped", "save_failed"])
def test_an_extraction_of_what_changed_meanwhile_is_dropped(world, outcome, meanwhile):
    world.snapshot(ref("a"), ref("b"))
    world.save_stored(world.claim())
    claimed = world.claim("stored")
    change_a(world, meanwhile)
    before = world.file("a")

    written = world.save_failed(claimed, stage="documents") if outcome == "save_failed" else getattr(world, outcome)(claimed)

    assert (written, world.file("a")) == (1, before)
    assert {r["external_id"] for r in world.rows("SELECT external_id FROM files JOIN documents ON file_id = files.id")} <= {"b"}
    assert {f.item for f in open_failures(world)} <= {"b"}


def change_a(world, how):
    world.delta(
        {
            "changed": ref("a", version="2"),
            "renamed": ref("a", path="new name"),
            "deleted": Deleted("a"),
            "skipped": Skipped("a", "a", "too_large"),
        }[how]
    )


def test_of_two_that_did_the_same_work_the_first_counts_once(world):
    world.snapshot(ref("a"))
    with worker(world.database, "lost its connection") as other:
        slow = world.claim(by=other)
    quick = world.claim()

    assert (world.save_stored(quick), world.save_stored(slow)) == (1, 0)
    assert (world.save_failed(slow), world.statuses()) == (0, {"a": "stored"})


# extracted


def test_a_document_holds_exactly_the_chunks_of_its_newest_version(world):
    world.snapshot(ref("a"))
    world.process("one", "two", "three")
    before = world.rows("SELECT id FROM documents")
    world.snapshot(ref("a", version="2"))

    world.process("uno")

    assert texts(world) == ["uno"]
    (document,) = world.rows("SELECT * FROM documents")
    assert ([{"id": document["id"]}], document["chunk_count"], document["characters"]) == (before, 1, 3)


def test_a_document_may_have_no_text_at_all(world):
    world.snapshot(ref("a"))
    world.save_stored(world.claim())
    (file,) = world.claim("stored")

    with world.database.tenant(world.endpoint.tenant_id) as tx:
        done = work.Extracted(file, "image/png", "x", Facts(), ())
        assert work.save_extracted(tx, world.endpoint, [done], NOW).file_ids == {file.file_id}

    assert (world.statuses(), texts(world)) == ({"a": "extracted"}, [])


def test_what_an_extractor_learnt_is_kept_but_for_what_postgres_refuses(world):
    world.snapshot(ref("a"))
    world.save_stored(world.claim())
    (file,) = world.claim("stored")
    facts = Facts(
        title="Ti\x00tle\ud800", details={"pages": 3, "auth\x00or": "A\x00\udfffda", "ratio": float("nan")}, warnings=("lo\x00st",)
    )
    text = "x\x00y\ud800"
    chunk = Chunk(ordinal=0, text=text, hash=content_hash("xy"), place=Place(page=2, sheet="S\x00"))

    with world.database.tenant(world.endpoint.tenant_id) as tx:
        work.save_extracted(tx, world.endpoint, [work.Extracted(file, "text/plain", "x", facts, (chunk,))], NOW)

    (document,) = world.rows("SELECT title, metadata, warnings FROM documents")
    assert document == {"title": "Title?", "metadata": {"pages": 3, "author": "A?da", "ratio": None}, "warnings": ["lost"]}
    assert world.rows("SELECT text, place FROM chunks") == [{"text": "xy?", "place": {"page": 2, "sheet": "S"}}]


def test_nothing_done_is_nothing_written(world):
    assert [save([]) for save in (world.save_stored, world.save_extracted, world.save_skipped, world.save_failed)] == [0, 0, 0, 0]


def test_all_of_a_batch_is_saved_in_one_transaction_or_none(world):
    world.snapshot(ref("a"), ref("b"))
    world.save_stored(world.claim())
    first, second = world.claim("stored")
    broken = work.Extracted(second, "text/plain", "x", Facts(), (Chunk(ordinal=0, text="x", hash=None),))

    with pytest.raises(psycopg.Error), world.database.tenant(world.endpoint.tenant_id) as tx:
        work.save_extracted(tx, world.endpoint, [extracted(first), broken], NOW)

    assert (world.statuses(), texts(world)) == ({"a": "stored", "b": "stored"}, [])


# at once


def test_a_listing_and_a_stage_that_write_the_same_rows_wait_for_each_other_in_the_same_order(world, catalog_url):
    world.snapshot(*(ref(n) for n in "abc"))
    claimed = world.claim()

    with (
        psycopg.connect(catalog_url.get_secret_value()) as blocker,
        psycopg.connect(catalog_url.get_secret_value(), autocommit=True) as watch,
        ThreadPoolExecutor(2) as pool,
    ):
        blocker.execute(f"SET ROLE {OPERATOR_ROLE}")
        blocker.execute("SELECT 1 FROM files WHERE external_id = 'b' FOR UPDATE")
        # Each names the rows in an order of its own: whoever locks as named holds what the other wants.
        storing = pool.submit(world.save_stored, claimed)
        wait_for_waiters(watch, 1)
        listing = pool.submit(world.snapshot, ref("c", "2"), ref("b", "2"), ref("a", "2"))
        wait_for_waiters(watch, 2)
        blocker.commit()

    assert (storing.result(), listing.result().counts.changed) == (3, 3)
    assert world.statuses() == dict.fromkeys("abc", "listed")
    assert {world.file(i)["version"] for i in "abc"} == {"2"}


def wait_for_waiters(connection, n):
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    for _ in range(100_000):
        if connection.execute(waiting).fetchone()[0] >= n:
            return
    raise AssertionError(f"{n} never waited")


@pytest.mark.parametrize("order", [1, -1], ids=["older first", "newer first"])
def test_of_a_file_that_changed_while_it_was_read_and_was_read_again_only_the_newer_is_kept(world, order):
    world.snapshot(ref("a"))
    world.save_stored(world.claim())
    (older,) = world.claim("stored")
    # Renamed meanwhile, it is taken up anew: both come to be saved together.
    world.snapshot(ref("a", path="b"))
    (newer,) = world.claim("stored")

    both = [extracted(older, "of older"), extracted(newer, "of newer")][::order]
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        assert work.save_extracted(tx, world.endpoint, both, NOW).file_ids == {newer.file_id}

    with world.database.operator() as tx:
        assert [row["text"] for row in tx.execute("SELECT text FROM chunks").fetchall()] == ["of newer"]
