"""What each sink holds, and what it is still to be told."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest

from connector_pipelines.core.types import DayRange, Deleted, Facts, Place, Skipped, content_hash
from connector_pipelines.store.catalog import deliveries, work
from connector_pipelines.store.catalog.workers import worker
from tests.catalog_world import ALWAYS, EARLIER, NOW, at_once, config, endpoint_config, ref


def told(owed):
    """What a sink is told, by path: a generation to hold, or None for nothing."""
    return {o.path: o.generation if o.put else None for o in owed}


def tenant(world):
    return world.database.tenant(world.endpoint.tenant_id)


@pytest.fixture
def two(world):
    """`a` and `b`, extracted and owed to both sinks."""
    world.snapshot(ref("a"), ref("b"))
    world.process()
    return world


# owed


def test_every_document_is_owed_once_to_each_sink(two):
    assert told(two.owed("vectors")) == {"a": 1, "b": 1}
    assert told(two.deliver("search")) == {"a": 1, "b": 1}
    assert two.owed("search") == []


def test_what_has_no_document_yet_is_owed_to_nobody(world):
    world.snapshot(ref("a"), ref("b"), Skipped("c", "c", "too_large"))
    world.save_stored([c for c in world.claim() if c.ref.id == "a"])

    assert world.owed() == []


def test_a_sink_added_later_is_owed_everything_and_the_others_nothing(two):
    two.deliver("vectors")

    assert (told(two.owed("later")), two.owed("vectors")) == ({"a": 1, "b": 1}, [])


def test_a_sink_taken_away_and_given_back_is_owed_what_changed_meanwhile(two):
    two.deliver("vectors"), two.deliver("search")
    two.apply(config(endpoint_config(sinks=("vectors",))))
    two.snapshot(ref("a", path="renamed"), ref("b"), ref("c"))
    two.process()
    two.deliver("vectors")

    two.apply(config())

    assert told(two.owed("search")) == {"renamed": 2, "c": 1}


def test_what_did_not_change_is_not_planned_again(two):
    two.deliver("vectors"), two.deliver("search")
    two.snapshot(ref("a", path="renamed"), ref("b"))
    written = "SELECT 'file ' || path AS what, xmin::text FROM files UNION ALL SELECT sink || ' ' || file_id, xmin::text FROM deliveries"
    before = {tuple(row.values()) for row in two.rows(written)}

    two.plan("vectors"), two.plan("search")

    after = {tuple(row.values()) for row in two.rows(written)}
    row = two.file("a")
    assert {what for what, _ in after - before} == {"file renamed", f"vectors {row['id']}", f"search {row['id']}"}


def test_a_change_planned_while_an_older_generation_is_being_noted_as_told_stays_owed(two):
    owed = two.owed()
    with tenant(two) as tx:
        deliveries.save(tx, "vectors", owed, NOW)
        two.snapshot(ref("a", path="renamed"), ref("b"))
        planning = threading.Thread(target=two.plan)
        planning.start()
        while planning.is_alive() and not two.rows("SELECT FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"):
            pass
    planning.join()

    assert told(two.owed()) == {"renamed": 2}


def test_a_new_version_is_owed_when_it_is_extracted_and_not_before(two):
    two.deliver()
    two.snapshot(ref("a", version="2"), ref("b"))
    assert two.owed() == []

    two.process()

    assert told(two.owed()) == {"a": 2}


def test_a_new_name_is_owed_at_once(two):
    two.deliver()

    two.snapshot(ref("a", path="renamed"), ref("b"))

    assert told(two.owed()) == {"renamed": 2}


@pytest.mark.parametrize("end", [Deleted("a"), Skipped("a", "a", "too_large")])
def test_what_is_no_more_is_to_be_held_no_more(two, end):
    two.deliver()

    two.delta(end)

    owed = two.deliver()
    assert told(owed) == {"a": None}
    assert (owed[0].generation, two.delivery("a")["status"], two.owed()) == (2, "removed", [])


@pytest.mark.parametrize("stage", ["files", "documents"])
def test_a_file_whose_new_version_failed_is_to_be_held_no_more(two, stage):
    two.deliver()
    two.delta(ref("a", version="2"))
    if stage == "documents":
        two.save_stored(two.claim())
    two.save_failed(two.claim({"files": "listed", "documents": "stored"}[stage]), stage=stage)

    assert told(two.deliver()) == {"a": None}


def test_a_file_that_waits_for_another_try_stays_as_it_was_told(two):
    two.deliver()
    two.delta(ref("a", version="2"))

    two.save_failed(two.claim(), retry_at=NOW + timedelta(hours=1))

    assert two.owed() == []


def test_what_was_removed_is_owed_again_when_it_comes_back(two):
    two.deliver()
    two.delta(Deleted("a"))
    two.deliver()

    two.delta(ref("a"))
    two.process()

    assert told(two.owed()) == {"a": 3}


def test_what_came_back_and_may_have_been_told_is_removed_again_though_its_teller_died(two):
    two.deliver()
    two.delta(Deleted("a"))
    two.deliver()
    two.delta(ref("a"))
    two.process()
    with worker(two.database, "told the sink and died before saying so") as dying:
        assert told(two.owed(by=dying)) == {"a": 3}

    two.delta(Deleted("a"))

    assert told(two.owed()) == {"a": None}


def test_what_came_back_and_went_before_anybody_was_told_is_owed_no_more(two):
    two.deliver()
    two.delta(Deleted("a"))
    two.deliver()
    two.delta(ref("a"))
    two.process()
    two.plan()
    marked = two.delivery("a")["owed"]

    two.delta(Deleted("a"))

    assert two.owed() == []
    assert (marked, two.delivery("a")["owed"]) == (True, False)


def test_what_was_never_told_and_is_gone_is_owed_a_removal_that_does_no_harm(two):
    two.plan()
    two.delta(Deleted("a"))

    owed = two.deliver()

    assert told(owed) == {"a": None, "b": 1}
    assert two.owed() == []


def test_what_was_never_planned_and_is_gone_is_owed_nothing(two):
    two.delta(Deleted("a"))

    assert told(two.owed()) == {"b": 1}


def test_a_removal_names_the_document_and_the_generation_it_is_gone_at(two):
    two.deliver()
    documents, _ = two.documents(two.owed("search"))
    two.delta(Deleted("a"))

    (removal,) = deliveries.refs(two.endpoint, two.owed())

    assert (removal.id, removal.generation, removal.endpoint) == (documents[0].id, 2, "docs")


def test_only_the_days_asked_for_are_told(world):
    world.snapshot(ref("a"), ref("b", modified_at=NOW))
    world.process()

    assert told(world.owed(days=DayRange(None, EARLIER.date()))) == {"a": 1}
    assert told(world.owed(days=DayRange(NOW.date(), NOW.date()))) == {"b": 1}
    assert world.owed(days=DayRange(date(2030, 1, 1), None)) == []


def test_another_endpoints_documents_are_not_owed_here(two):
    two.apply(config(endpoint_config(), endpoint_config("other")))
    two.endpoint = two.find("other")

    assert two.owed() == []


# claimed


def test_what_one_worker_tells_no_other_does(two):
    first = two.owed(limit=1)
    with worker(two.database, "other") as other:
        second = two.owed(by=other)

    assert (told(first), told(second)) == ({"a": 1}, {"b": 1})
    assert told(two.owed()) == {"b": 1}  # the other is gone


def test_two_workers_that_claim_at_once_share_what_is_owed(world):
    world.snapshot(*(ref(f"{n:03}") for n in range(200)))
    world.process()
    world.plan()
    taken = {}
    together = threading.Barrier(2)

    def drain(name):
        with worker(world.database, name) as me:
            together.wait()
            taken[name] = []
            while some := world.owed(by=me, limit=10):
                taken[name] += [o.path for o in some]
            together.wait()

    at_once(lambda: drain("one"), lambda: drain("two"))

    assert sorted(taken["one"] + taken["two"]) == [f"{n:03}" for n in range(200)]


def test_what_is_given_back_stays_owed(two):
    owed = two.owed()
    with tenant(two) as tx:
        deliveries.let_go(tx, "vectors", owed[:1])
    with worker(two.database, "other") as other:
        assert told(two.owed(by=other)) == {"a": 1}

    with tenant(two) as tx:
        work.release(tx, two.endpoint, two.worker)
    with worker(two.database, "another") as another:
        assert told(two.owed(by=another)) == {"a": 1, "b": 1}


def test_what_changed_after_it_was_claimed_is_not_told_and_stays_owed(two):
    owed = two.owed()
    two.delta(ref("a", path="renamed"))

    documents, changed = two.documents(owed)

    assert ([d.path for d in documents], [o.path for o in changed]) == (["b"], ["a"])
    with tenant(two) as tx:
        deliveries.save(tx, "vectors", [o for o in owed if o.path == "b"], NOW)
        deliveries.let_go(tx, "vectors", changed)
    assert told(two.owed()) == {"renamed": 2}


@pytest.mark.parametrize("change", [ref("a", path="renamed"), ref("a", version="2"), Deleted("a")])
def test_what_changed_while_it_was_told_stays_owed(two, change):
    owed = two.owed()
    two.delta(change)

    two.told(owed)
    two.process()

    assert [o.generation for o in two.owed()] == [2]


def test_what_changed_while_it_was_told_is_taken_up_by_the_same_run(two):
    owed = two.owed()
    two.delta(ref("a", path="renamed"))
    two.told(owed)

    with tenant(two) as tx:
        again = deliveries.claim(tx, two.endpoint, "vectors", two.worker, days=ALWAYS, now=NOW, limit=10)

    assert told(again) == {"renamed": 2}


def test_a_worker_late_by_a_generation_does_not_undo_what_was_told_since(two):
    with worker(two.database, "slow") as slow:
        late = [o for o in two.owed(by=slow) if o.path == "a"]
    two.delta(Deleted("a"))
    two.deliver()

    two.told(late)

    assert told(two.deliver()) == {"a": None}  # told once more, since the late one may have come after
    assert two.owed() == []


# documents


def test_a_document_is_told_with_everything_about_it(world):
    told_ref = ref("a", path="dir/Q1.pdf", url="http://x/a", modified_at=EARLIER)
    world.snapshot(told_ref)
    world.process("first", "second")

    ((document,), changed) = world.documents(world.owed())

    assert (document.title, document.path, document.url, document.modified_at) == ("Q1.pdf", "dir/Q1.pdf", "http://x/a", EARLIER)
    assert (document.endpoint, document.kind, document.tenant_id, document.generation) == (
        "docs",
        "local_folder",
        world.endpoint.tenant_id,
        1,
    )
    assert [(c.ordinal, c.text, c.hash, c.place) for c in document.chunks] == [
        (0, "first", content_hash("first"), Place()),
        (1, "second", content_hash("second"), Place()),
    ]
    assert (document.media_type, changed) == ("text/plain", [])


def test_a_document_keeps_its_id_through_versions_and_moves(world):
    world.snapshot(ref("a", identity="i"))
    world.process()
    ((first,), _) = world.documents(world.deliver())
    world.snapshot(ref("a", version="2", identity="i"))
    world.process()
    ((second,), _) = world.documents(world.deliver())
    world.snapshot(ref("b", version="2", identity="i"))

    ((third,), _) = world.documents(world.owed())

    assert first.id == second.id == third.id
    assert first.generation < second.generation < third.generation


def test_a_document_without_text_is_told_without_chunks(world):
    world.snapshot(ref("a"))
    world.save_stored(world.claim())
    (file,) = world.claim("stored")
    with tenant(world) as tx:
        work.save_extracted(tx, world.endpoint, [work.Extracted(file, "image/png", "x", Facts(), ())], NOW)

    ((document,), _) = world.documents(world.owed())

    assert document.chunks == ()


def test_nothing_owed_is_nothing_read(world):
    assert world.documents([]) == ([], [])
