"""Records in the catalog: documents of them by the thousand, and what the sinks that keep records are owed."""

from __future__ import annotations

from threading import Event

import pytest

from connector_pipelines.core.errors import Malformed, Unavailable
from connector_pipelines.core.types import DayRange, Deleted, content_hash
from connector_pipelines.store.catalog import administration, deliveries, records
from connector_pipelines.store.catalog.failures import ItemFailure
from connector_pipelines.store.catalog.records import Rendered
from tests.catalog_world import ALWAYS, EARLIER, NOW, at_once, config, endpoint_config, ref
from tests.store.test_inline import message, record

MADE_BY = {"things": "record 1, as told"}
TABLE = ["search"]
"""Of the sinks of these tests, `search` keeps records."""


def tenant(world):
    return world.database.tenant(world.endpoint.tenant_id)


def make(world, made_by=MADE_BY, text="some text", limit=100):
    """Make documents of the records that wait, of those of these streams; their paths."""
    with tenant(world) as tx:
        records.make_stale(tx, world.endpoint, made_by, world.now)
    with tenant(world) as tx:
        taken = records.take(tx, world.endpoint, days=ALWAYS, now=world.now, limit=limit)
        made = [Rendered(one.file_id, f"title of {one.path}", None, made_by[one.stream], [(text, content_hash(text))]) for one in taken]
        records.save_rendered(tx, world.endpoint, made, made_by, world.now)
    return [one.path for one in taken]


def note(world, days=ALWAYS, limit=100):
    with tenant(world) as tx:
        records.make_stale(tx, world.endpoint, {}, world.now)
    with tenant(world) as tx:
        return records.save_unrendered(tx, world.endpoint, days=days, now=world.now, limit=limit)


def owed(world, sink="search", limit=100, after=0, days=ALWAYS):
    with tenant(world) as tx:
        deliveries.plan(tx, world.endpoint, sink, TABLE)
    with tenant(world) as tx:
        return records.owed(tx, world.endpoint, sink, world.worker, days=days, now=world.now, after=after, limit=limit)


def tell(world, sink="search"):
    """Tell the sink everything; (path, put) of each."""
    found = owed(world, sink)
    with tenant(world) as tx:
        deliveries.save(tx, sink, [one.owed for one in found], world.now)
    return [(one.owed.path, one.owed.put) for one in found]


def documents(world):
    return {r["path"]: r for r in world.rows("SELECT f.path, x.* FROM documents x JOIN files f ON f.id = x.file_id")}


# documents


def test_records_become_documents_with_their_text(world):
    world.snapshot(record("a", b'{"n": 1}'), record("b", b'{"n": 2}'), message("m"), ref("f"))

    assert make(world) == ["a", "b"]

    document = documents(world)["a"]
    assert (document["title"], document["chunk_count"], document["characters"], document["extractor"], document["content_type"]) == (
        "title of a", 1, 9, MADE_BY["things"], "application/json",
    )  # fmt: skip
    assert [r["text"] for r in world.rows("SELECT text FROM chunks")] == ["some text", "some text"]
    assert world.statuses() == {"a": "extracted", "b": "extracted", "m": "stored", "f": "listed"}


def test_another_text_of_a_record_replaces_the_one_before(world):
    world.snapshot(record("a", b"1"))
    make(world, text="first")
    before = documents(world)["a"]["id"]

    world.snapshot(record("a", b"2", version="2"))
    make(world, text="second")

    assert (documents(world)["a"]["id"], world.rows("SELECT text, document_id FROM chunks")) == (
        before, [{"text": "second", "document_id": before}],
    )  # fmt: skip


def test_who_comes_second_passes_over_what_another_is_at(world):
    world.snapshot(record("a", b"1"), record("b", b"2"), record("c", b"3"))

    with tenant(world) as tx, tenant(world) as other:
        first = records.take(tx, world.endpoint, days=ALWAYS, now=NOW, limit=2)
        second = records.take(other, world.endpoint, days=ALWAYS, now=NOW, limit=2)

    assert ([r.path for r in first], [r.path for r in second]) == (["a", "b"], ["c"])


def test_what_a_killed_process_took_is_free(world):
    world.snapshot(record("a"))

    def killed():
        with tenant(world) as tx:
            records.take(tx, world.endpoint, days=ALWAYS, now=NOW, limit=2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        killed()

    assert make(world) == ["a"]


def test_only_records_of_the_days_chosen_are_taken(world):
    world.snapshot(record("a"), record("b", modified_at=NOW))

    with tenant(world) as tx:
        days = DayRange(EARLIER.date(), EARLIER.date())
        assert records.waiting(tx, world.endpoint, days=days, now=NOW) == 1
        assert [r.path for r in records.take(tx, world.endpoint, days=days, now=NOW, limit=9)] == ["a"]
    assert note(world, days) == {EARLIER.date(): 1}
    assert world.statuses() == {"a": "extracted", "b": "stored"}


def test_a_record_whose_bytes_no_object_has_says_so(world):
    world.snapshot(record("a", b"1"))
    world.execute("DELETE FROM blobs")

    with tenant(world) as tx:
        (one,) = records.take(tx, world.endpoint, days=ALWAYS, now=NOW, limit=2)

    assert one.key is None


def test_a_record_that_cannot_become_a_document_is_in_the_ledger_alone(world):
    make(world)
    world.snapshot(record("a", b"1"), record("b", b"2"))

    def fail(name, error):
        with tenant(world) as tx:
            (one,) = [r for r in records.take(tx, world.endpoint, days=ALWAYS, now=NOW, limit=9) if r.path == name]
            failure = ItemFailure(item=one.path, file_id=one.file_id, stage="documents", error=error, attempts=one.attempts + 1)
            records.save_failed(tx, world.endpoint, [failure], NOW)

    fail("a", Malformed("no JSON"))
    make(world)
    assert world.statuses() == {"a": "failed", "b": "extracted"}
    assert [(r["item"], r["code"]) for r in world.rows("SELECT item, code FROM failures WHERE resolved_at IS NULL")] == [("a", "malformed")]

    world.snapshot(record("a", b"3", version="2"), record("b", b"2"))
    make(world)
    assert (world.statuses()["a"], world.rows("SELECT 1 FROM failures WHERE resolved_at IS NULL")) == ("extracted", [])


# how documents are made


def test_records_are_made_into_documents_again_when_their_template_is_another(world):
    world.snapshot(record("a"), record("b", b"2", stream="others"))
    both = {"things": "old", "others": "same"}
    assert make(world, both) == ["a", "b"]

    assert make(world, {"things": "new", "others": "same"}) == ["a"]

    assert {path: row["extractor"] for path, row in documents(world).items()} == {"a": "new", "b": "same"}
    assert (world.file("a")["generation"], world.file("b")["generation"]) == (2, 1)


def test_a_record_that_failed_is_tried_again_when_its_template_is_another(world):
    world.snapshot(record("a"))
    make(world, {"things": "old"})
    world.execute("UPDATE files SET status = 'failed'")

    assert make(world, {"things": "new"}) == ["a"]


def test_nothing_is_looked_at_again_while_the_templates_are_the_same(world):
    world.snapshot(record("a"))
    make(world)
    # As if somebody had done it by hand: that a scan would find.
    world.execute("UPDATE documents SET extractor = 'by hand'")

    assert make(world) == []


def test_records_without_text_get_one_when_a_sink_of_text_is_added(world):
    world.snapshot(record("a"))
    assert note(world) == {EARLIER.date(): 1}
    assert (documents(world)["a"]["extractor"], documents(world)["a"]["chunk_count"]) == (records.UNRENDERED, 0)

    assert make(world) == ["a"]
    assert note(world) == {}
    assert make(world) == []


def test_the_text_of_a_record_goes_when_its_next_version_needs_none(world):
    world.snapshot(record("a", b"1"))
    make(world)

    world.snapshot(record("a", b"2", version="2"))
    note(world)

    assert (world.rows("SELECT 1 FROM chunks"), documents(world)["a"]["title"], documents(world)["a"]["chunk_count"]) == ([], None, 0)


@pytest.mark.parametrize("theirs", [{}, {"things": "new"}])
def test_who_works_by_templates_of_before_is_told_so(world, theirs):
    world.snapshot(record("a"))
    with tenant(world) as tx:
        records.make_stale(tx, world.endpoint, MADE_BY, NOW)

    with tenant(world) as tx:
        records.make_stale(tx, world.endpoint, theirs, NOW)
    with pytest.raises(Unavailable, match="were changed while"), tenant(world) as tx:
        records.save_rendered(tx, world.endpoint, [], MADE_BY, NOW)


# what the sinks are owed


def test_a_sink_that_keeps_records_is_owed_those_alone_and_others_everything(world):
    world.snapshot(record("a"), message("m", b"m"), ref("f"))
    make(world)
    world.process()

    assert tell(world) == [("a", True)]
    assert [o.path for o in world.owed("vectors")] == ["a", "m", "f"]


def test_what_is_owed_comes_with_all_there_is_to_say(world):
    world.snapshot(record("a", b"1", url="http://x"), record("b", b"22", modified_at=None))
    make(world)

    a, b = owed(world)

    assert (a.stream, a.title, a.media_type, a.url, a.modified_at, a.position, a.size) == (
        "things", "title of a", "application/json", "http://x", EARLIER, 0, 1,
    )  # fmt: skip
    assert (b.url, b.modified_at, b.position, b.size, world.objects[b.key]) == (None, None, 1, 2, b"122")
    assert (a.owed.generation, a.owed.put, a.owed.document_id) == (1, True, str(documents(world)["a"]["id"]))


def test_what_is_owed_comes_in_pieces(world):
    world.snapshot(*(record(f"{n}", f"{n}".encode()) for n in range(5)))
    note(world)

    first = owed(world, limit=3)
    rest = owed(world, limit=3, after=first[-1].owed.file_id)

    assert [o.owed.path for o in first + rest] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("way", [make, note])
def test_a_record_is_told_once_for_each_version(world, way):
    world.snapshot(record("a", b"1"), record("b", b"2"))
    way(world)
    assert tell(world) == [("a", True), ("b", True)]
    assert tell(world) == []

    world.snapshot(record("a", b"3", version="2"), record("b", b"2"))
    way(world)

    assert tell(world) == [("a", True)]


def test_a_record_that_is_gone_is_removed_and_can_come_back(world):
    world.snapshot(record("a"), ref("f"))
    note(world)
    tell(world)

    world.delta(Deleted("a"))
    assert tell(world) == [("a", False)]
    world.delta(record("a"))
    note(world)

    (back,) = owed(world)
    assert (back.owed.put, world.delivery("a", "search")["status"]) == (True, "pending")


def test_a_record_that_turns_into_a_file_is_removed_where_only_records_are_kept(world):
    world.snapshot(record("a", b"1"))
    note(world)
    tell(world)

    world.snapshot(ref("a", "2"))
    world.process()
    assert tell(world) == [("a", False)]
    assert tell(world) == []
    world.snapshot(record("a", b"3", version="3"))
    note(world)

    assert tell(world) == [("a", True)]


@pytest.mark.parametrize("before", [[], TABLE])
def test_a_sink_that_keeps_other_things_than_it_did_is_planned_anew(world, before):
    world.snapshot(record("a"), ref("f"))
    note(world)
    world.process()
    with tenant(world) as tx:
        deliveries.plan(tx, world.endpoint, "search", before)

    after = [] if before else TABLE
    with tenant(world) as tx:
        deliveries.plan(tx, world.endpoint, "search", after)
        found = deliveries.claim(tx, world.endpoint, "search", world.worker, days=ALWAYS, now=NOW, limit=9, of_records=bool(after))

    assert [(o.path, o.put) for o in found] == ([("a", True), ("f", True)] if before else [("a", True), ("f", False)])


def test_a_sink_added_later_is_owed_the_records_there_are(world):
    world.apply(config(endpoint_config(sinks=("vectors",))))
    world.snapshot(record("a"), ref("f"))
    note(world)
    world.process()
    world.plan()

    world.apply(config(endpoint_config(sinks=("vectors", "search"))))

    assert tell(world) == [("a", True)]


def test_a_removed_tenant_takes_its_blobs_along(world):
    world.snapshot(record("a"))

    world.execute("DELETE FROM tenants")

    assert world.rows("SELECT 1 FROM blobs") == []


# one at a time


def test_one_at_a_time_tells_a_sink_of_an_endpoints_records(world):
    inside, order = Event(), []

    def first():
        with records.telling(world.database, world.endpoint, "search", Event()):
            inside.set()
            with records.telling(world.database, world.endpoint, "vectors", Event()):
                order.append("another sink")
            order.append("first")

    def second():
        inside.wait(10)
        with records.telling(world.database, world.endpoint, "search", Event()):
            order.append("second")

    at_once(first, second)
    assert order == ["another sink", "first", "second"]


def test_who_waits_for_another_ends_when_the_run_is_to(world):
    stop = Event()
    stop.set()

    with (
        records.telling(world.database, world.endpoint, "search", Event()),
        pytest.raises(Unavailable, match="stopped"),
        records.telling(world.database, world.endpoint, "search", stop),
    ):
        pass


# what nobody refers to


def unreferenced(world, **limits):
    with world.database.operator() as tx:
        return administration.unreferenced_blobs(tx, world.endpoint.tenant_id, **limits)


def test_an_object_stays_while_any_of_the_blobs_in_it_is_referred_to(world):
    world.snapshot(record("a", b"aa"), record("b", b"bbb"))
    world.snapshot(record("a", b"aa"), record("b", b"cccc", version="2"))
    first, second = world.objects

    found = unreferenced(world)
    assert (found.objects, found.looked_at) == ((), 1)
    assert {r["key"] for r in world.rows("SELECT key FROM blobs")} == {first, second}
    world.execute("DELETE FROM files WHERE external_id = 'a'")

    found = unreferenced(world)
    assert (found.objects, found.looked_at) == (((first, 2),), 1)
    assert {r["key"] for r in world.rows("SELECT key FROM blobs")} == {second}


def test_objects_go_a_few_at_a_time(world):
    for n in range(3):
        world.delta(record(f"{n}", f"{n}".encode()), record(f"{n} too", f"{n} too".encode()))
    world.execute("DELETE FROM files")

    found = [unreferenced(world, objects=2) for _ in range(3)]

    assert [(len(each.objects), each.looked_at) for each in found] == [(2, 2), (1, 1), (0, 0)]
    assert {size for each in found for _, size in each.objects} == {6}


def test_an_object_nobody_speaks_of_is_known_to_be_a_stranger(world):
    world.snapshot(record("a"))

    with world.database.operator() as tx:
        assert administration.unknown_objects(tx, ["object 0", "object 9"]) == ["object 9"]
