"""What did not make it: the ledger, and how it is taken up again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector_pipelines.core.errors import Forbidden, Malformed, Mismatch, ResourceError, Unavailable
from connector_pipelines.core.types import Checksum, DayRange, Skipped
from connector_pipelines.store.catalog import work
from connector_pipelines.store.catalog.failures import (
    MAX_ATTEMPTS,
    ItemFailure,
    backoff,
    failures_of,
    record_failures,
    retry,
)
from tests.catalog_world import ALWAYS, EARLIER, NOW, ref


def open_failures(world):
    with world.database.operator() as tx:
        return failures_of(tx)


def retry_all(world, **which):
    with world.database.operator() as tx:
        return retry(tx, **which)


def redo(world, stage, days=ALWAYS):
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        return work.redo(tx, world.endpoint, stage=stage, days=days)


def waiting(world, status="listed", days=ALWAYS):
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        return work.waiting(tx, world.endpoint, status=status, days=days, now=world.now)


def release(world, by):
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        work.release(tx, world.endpoint, by)


# skipped and failed


def test_what_no_extractor_takes_is_skipped_with_the_reason(world):
    world.snapshot(ref("a"))
    world.save_stored(world.claim())

    assert world.save_skipped(world.claim("stored"), "no_extractor") == 1

    row = world.file("a")
    assert (row["status"], row["reason"], row["claimed_by"]) == ("skipped", "no_extractor", None)


def test_a_file_that_failed_is_in_the_ledger_with_its_reason(world):
    world.snapshot(ref("dir/a"))

    world.save_failed(world.claim(), error=Mismatch("3 bytes expected, 2 met"))

    (row,) = open_failures(world)
    assert (row.endpoint, row.item, row.stage, row.error_class, row.code) == ("docs", "dir/a", "files", "permanent", "mismatch")
    assert (row.message, row.attempts, row.next_try_at, row.first_at) == ("3 bytes expected, 2 met", 1, None, NOW)
    assert (world.file("dir/a")["status"], world.file("dir/a")["reason"]) == ("failed", "mismatch")


def test_files_of_the_same_path_fail_each_for_itself(world):
    world.snapshot(ref("1", path="same.txt"), ref("2", path="same.txt"))

    world.save_failed(world.claim())

    assert [f.item for f in open_failures(world)] == ["same.txt", "same.txt"]
    assert retry_all(world) == 2
    assert world.statuses() == {"1": "listed", "2": "listed"}


def test_each_attempt_counts_on_the_one_open_row_and_success_closes_it(world):
    world.snapshot(ref("a"))
    for _ in range(3):
        world.save_failed(world.claim(), error=Unavailable("away"), retry_at=world.now + timedelta(minutes=1))
        world.now += timedelta(minutes=1)
    assert [(f.attempts, f.first_at, f.last_at) for f in open_failures(world)] == [(3, NOW, NOW + timedelta(minutes=2))]
    assert world.file("a")["status"] == "listed"

    world.save_stored(world.claim())

    assert open_failures(world) == []
    assert world.rows("SELECT count(*) AS n FROM failures WHERE resolved_at = %s", world.now) == [{"n": 1}]


def test_a_failure_after_one_was_closed_opens_a_row_of_its_own(world):
    world.snapshot(ref("a"))
    world.save_failed(world.claim(), error=Unavailable("away"), retry_at=NOW)
    world.save_stored(world.claim())
    redo(world, "files")

    world.save_failed(world.claim())

    assert [f.attempts for f in open_failures(world)] == [1]
    assert world.rows("SELECT count(*) AS n FROM failures") == [{"n": 2}]


def test_secrets_and_what_postgres_refuses_stay_out_of_the_ledger(world):
    told = ItemFailure(item="a\x00b\ud800", stage="files", error=Malformed("https://u:hunter22@x/ said \x00\udfff" + "x" * 9000))

    with world.database.tenant(world.endpoint.tenant_id) as tx:
        record_failures(tx, world.endpoint, [told], NOW)

    (row,) = open_failures(world)
    assert (row.item, "hunter22" in row.message, len(row.message)) == ("ab?", False, 2000)


@pytest.mark.parametrize(
    ("error", "attempts", "wait"),
    [
        (Unavailable("x"), 1, timedelta(minutes=1)),
        (Unavailable("x"), 2, timedelta(minutes=5)),
        (Unavailable("x"), 5, timedelta(hours=12)),
        (Unavailable("x", retry_after_s=3600), 1, timedelta(hours=1)),
        (Unavailable("x"), MAX_ATTEMPTS, None),
        (Malformed("x"), 1, None),
        (ResourceError("x"), 1, None),
        (Forbidden("x"), 1, None),
    ],
)
def test_only_what_may_pass_is_tried_again_and_less_and_less_often(error, attempts, wait):
    assert backoff(error, attempts, NOW) == (None if wait is None else NOW + wait)


# again


@pytest.mark.parametrize(("stage", "status"), [("files", "listed"), ("documents", "stored")])
def test_what_failed_is_taken_up_again_where_it_failed(world, stage, status):
    world.snapshot(ref("a"))
    if stage == "documents":
        world.save_stored(world.claim())
    world.save_failed(world.claim(status), stage=stage)
    generation = world.file("a")["generation"]

    assert retry_all(world, slug="docs") == 1

    row = world.file("a")
    assert (row["status"], row["reason"], row["attempts"], row["generation"]) == (status, None, 0, generation + 1)
    assert world.rows("SELECT requested_at IS NOT NULL AS asked FROM endpoints") == [{"asked": True}]


def test_one_failure_may_be_taken_up_alone(world):
    world.snapshot(ref("a"), ref("b"))
    world.save_failed(world.claim())
    one = next(f for f in open_failures(world) if f.item == "b")

    assert (retry_all(world, failure_id=one.id), retry_all(world, slug="other")) == (1, 0)

    assert world.statuses() == {"a": "failed", "b": "listed"}


def test_taking_up_again_never_reads_the_bytes_of_an_older_version(world):
    world.snapshot(ref("a"))
    world.save_stored(world.claim())
    world.save_failed(world.claim("stored"), stage="documents")
    world.snapshot(ref("a", version="2"))
    world.save_failed(world.claim(), error=Forbidden("refused"))
    assert sorted(f.stage for f in open_failures(world)) == ["documents", "files"]

    retry_all(world)

    assert world.statuses() == {"a": "listed"}


def test_doing_documents_again_never_reads_the_bytes_of_an_older_version(world):
    world.snapshot(ref("a"))
    world.process()
    world.snapshot(ref("a", version="2"))
    world.save_failed(world.claim(), error=Forbidden("refused"))

    assert redo(world, "documents") == 0

    assert world.statuses() == {"a": "failed"}


def test_a_stage_is_done_again_for_the_days_asked_for(world):
    world.snapshot(ref("a"), ref("b", modified_at=NOW), ref("c"))
    world.process()
    world.snapshot(ref("a"), ref("b", modified_at=NOW))
    generation = world.file("a")["generation"]

    assert redo(world, "documents", DayRange(EARLIER.date(), EARLIER.date())) == 1
    assert world.statuses() == {"a": "stored", "b": "extracted", "c": "deleted"}
    assert world.file("a")["generation"] == generation + 1

    assert redo(world, "files") == 2
    assert world.statuses() == {"a": "listed", "b": "listed", "c": "deleted"}


def test_what_the_source_leaves_out_is_not_done_again(world):
    world.snapshot(Skipped("a", "a", "too_large"))

    assert (redo(world, "files"), redo(world, "documents")) == (0, 0)


def test_a_size_that_only_we_counted_is_forgotten_where_the_bytes_are_fetched_anew(world):
    """What is exported anew has another size; a checksum that the source told goes with a size that it told."""
    world.snapshot(ref("exported", size=None), ref("told", size=7, checksum=Checksum("md5", "0" * 32)))
    world.process()

    redo(world, "files")

    assert [world.file(name)["size"] for name in ("exported", "told")] == [None, 7]
