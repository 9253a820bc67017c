"""Records through every stage: to sinks that keep them, and to sinks of text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, Forbidden, Unavailable
from connector_pipelines.core.types import DayRange
from connector_pipelines.pipeline import delivering_records, records, retention
from connector_pipelines.pipeline.operations import redo, run_stage, sync
from connector_pipelines.pipeline.session import open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog import listing as listings
from connector_pipelines.store.catalog import schema
from connector_pipelines.store.catalog.failures import retry
from connector_pipelines.store.catalog.reports import day_counts, endpoint_status
from connector_pipelines.testing.memory_source import StreamConfig
from tests.pipeline.records_world import RecordsWorld

ALWAYS = DayRange()


@pytest.fixture
def crm(database_url: str, tmp_path: Path) -> Iterator[RecordsWorld]:
    url = SecretStr(database_url)
    schema.ensure(url, may_upgrade=True)
    services = open_services(load_settings({"CONNECTORS_HOME": str(tmp_path), "CONNECTORS_EXTRACT_WORKERS": "1"}), url)
    world = RecordsWorld(services)
    world.configure("table", "search")
    yield world
    services.close()


def objects(crm):
    with crm.open() as session:
        return list(crm.services.blobs.keys(session.endpoint.tenant_id))


def count(report, name):
    return {stage: found.counts[name] for stage, found in report.stages.items() if found.counts[name]}


# both ways


def test_records_reach_the_table_as_they_are_and_the_search_as_text(crm):
    crm.put("contacts/1", id=1, name="Ada", address={"city": "Bern"}, score=1.5, nothing=None)
    crm.put("contacts/2", id=2, name="Émile")
    crm.service.put("note.txt", b"a file beside them")

    with crm.open() as session:
        report = sync(session)

    assert crm.held_records() == {
        "contacts/1": {"id": 1, "name": "Ada", "address": {"city": "Bern"}, "score": 1.5, "nothing": None},
        "contacts/2": {"id": 2, "name": "Émile"},
    }
    assert crm.held_texts() == {
        "contacts/1": "name: Ada\naddress.city: Bern",
        "contacts/2": "name: Émile",
        "note.txt": "a file beside them",
    }
    assert {d.title for d in crm.texts.documents.values()} == {"contacts 1", "contacts 2", "note.txt"}
    assert (count(report, "extracted"), count(report, "delivered")) == ({"documents": 3}, {"table": 2, "search": 3})


def test_hundreds_of_records_are_a_few_objects(crm):
    for number in range(120):
        crm.put(f"contacts/{number}", id=number)

    with crm.open(page_size=25) as session:
        sync(session)

    assert (len(crm.records.documents), len(objects(crm))) == (120, 1)


def test_what_changes_and_goes_at_the_source_does_so_everywhere(crm):
    first, second = crm.put("contacts/1", id=1, name="a"), crm.put("contacts/2", id=2, name="b")
    with crm.open() as session:
        sync(session)
        crm.put("contacts/1", id=1, name="changed")
        crm.service.remove(second)
        report = sync(session)

        assert crm.held_records() == {"contacts/1": {"id": 1, "name": "changed"}}
        assert crm.held_texts() == {"contacts/1": "name: changed"}
        assert (count(report, "delivered"), count(report, "removed")) == ({"table": 1, "search": 1}, {"table": 1, "search": 1})
        crm.service.remove(first)
        sync(session, sweep=True)

    assert (crm.held_records(), crm.held_texts()) == ({}, {})


def test_a_sync_of_what_has_not_changed_does_nothing(crm):
    crm.put("contacts/1", id=1)
    with crm.open() as session:
        sync(session)
        again = sync(session, sweep=True)

    assert [name for report in again.stages.values() for name in ("new", "changed", "extracted", "delivered") if report.counts[name]] == []
    assert again.mended == {"table": 0, "search": 0}


def test_items_that_are_no_records_are_extracted_from_their_part_of_the_object(crm):
    for number in range(3):
        crm.service.put(f"message {number}.txt", f"hello {number}".encode())
    crm.put("contacts/1", id=1)

    with crm.open(inline=True) as session:
        sync(session)

    assert {path: text for path, text in crm.held_texts().items() if "message" in path} == {
        f"message {n}.txt": f"hello {n}" for n in range(3)
    }
    assert list(crm.held_records()) == ["contacts/1"]
    assert len(objects(crm)) == 1


def test_the_counts_add_up_where_one_sink_keeps_only_records(crm):
    crm.put("contacts/1", id=1)
    crm.service.put("note.txt", b"a file")
    with crm.open() as session:
        sync(session)
        with crm.services.database.tenant(session.endpoint.tenant_id) as tx:
            (day,) = day_counts(tx, session.endpoint, ALWAYS)

    with crm.services.database.operator() as tx:
        (status,) = endpoint_status(tx)
    assert status.sinks == {
        "table": {"delivered": 1, "failed": 0, "owed": 0, "to_remove": 0, "not_kept": 1},
        "search": {"delivered": 2, "failed": 0, "owed": 0, "to_remove": 0},
    }
    assert [(day.wanted_by(sink), day.delivered[sink]) for sink in ("table", "search")] == [(1, 1), (2, 2)]


# text


def test_templates_say_what_is_searched(crm):
    crm.streams = (
        StreamConfig(name="contacts", title="{{ name }}", body="{{ name }} of {{ company.name }}", link="https://crm.example/{{ id }}"),
    )
    crm.put("contacts/1", id=1, name="Ada", company={"name": "Works"}, secret="not searched")

    with crm.open() as session:
        sync(session)

    (document,) = crm.texts.documents.values()
    assert (document.title, document.url, [c.text for c in document.chunks]) == ("Ada", "https://crm.example/1", ["Ada of Works"])


def test_a_changed_template_is_rendered_anew_and_the_source_is_not_asked(crm):
    crm.put("contacts/1", id=1, name="Ada")
    crm.put("deals/1", id=1, name="Deal")
    crm.streams = (StreamConfig(name="contacts"), StreamConfig(name="deals"))
    with crm.open() as session:
        sync(session)
    crm.service.vanish()
    crm.streams = (StreamConfig(name="contacts", body="now {{ name }}"), StreamConfig(name="deals"))

    with crm.open() as session:
        report = run_stage(session, "documents", ALWAYS)
        run_stage(session, "search", ALWAYS)

    assert report.counts["extracted"] == 1
    assert crm.held_texts() == {"contacts/1": "now Ada", "deals/1": "name: Deal"}


def test_without_a_sink_of_text_no_text_is_made_and_one_added_later_gets_it(crm):
    crm.configure("table")
    crm.put("contacts/1", id=1, name="Ada")
    with crm.open() as session:
        report = sync(session)
    assert (report.stages["documents"].counts["extracted"], report.stages["documents"].counts["chunks"]) == (1, 0)

    crm.configure("table", "search")
    with crm.open() as session:
        sync(session)

    assert (crm.held_records(), crm.held_texts()) == ({"contacts/1": {"id": 1, "name": "Ada"}}, {"contacts/1": "name: Ada"})


def test_a_record_without_text_is_held_without_chunks(crm):
    crm.put("contacts/1", id=1, amount=7)

    with crm.open() as session:
        sync(session)

    assert (crm.held_texts(), crm.failures()) == ({"contacts/1": ""}, [])


def test_a_template_that_is_none_stops_the_stage_and_says_which(crm):
    crm.streams = (StreamConfig(name="contacts", body="{{ name"),)
    crm.put("contacts/1", id=1)

    with crm.open() as session, pytest.raises(ConfigurationError, match="`body` of the stream 'contacts' is no template"):
        sync(session)

    assert crm.statuses() == {"contacts/1": "stored"}


# what fails


@pytest.mark.parametrize("body", [b"no json", b"[1]", b'{"a": }', b"\xff{}", b""])
def test_what_is_no_json_object_fails_alone(crm, body):
    crm.service.put("contacts/bad", body)
    crm.put("contacts/good", id=1)

    with crm.open() as session:
        sync(session)

    assert list(crm.held_records()) == list(crm.held_texts()) == ["contacts/good"]
    assert [(f.item, f.stage, f.code) for f in crm.failures()] == [("contacts/bad", "documents", "malformed")]


def test_what_is_no_json_object_fails_at_the_table_where_nobody_else_looks_at_it(crm):
    crm.configure("table")
    crm.service.put("contacts/bad", b"no json")
    crm.put("contacts/good", id=1)

    with crm.open() as session:
        sync(session)
        assert list(crm.held_records()) == ["contacts/good"]
        assert [(f.item, f.sink, f.code) for f in crm.failures()] == [("contacts/bad", "table", "malformed")]
        crm.service.put("contacts/bad", b'{"id": 2}')
        sync(session)

    assert (set(crm.held_records()), crm.failures()) == ({"contacts/good", "contacts/bad"}, [])


def test_a_record_whose_template_cannot_be_filled_in_fails_alone_and_is_tried_again_with_another(crm):
    crm.streams = (StreamConfig(name="contacts", body="{{ 10 / amount }}"),)
    crm.put("contacts/bad", id=1, amount=0)
    crm.put("contacts/good", id=2, amount=5)

    with crm.open() as session:
        sync(session)
    assert (crm.held_texts(), [f.item for f in crm.failures()]) == ({"contacts/good": "2.0"}, ["contacts/bad"])

    crm.streams = (StreamConfig(name="contacts", body="{{ amount }}"),)
    with crm.open() as session:
        sync(session)
    assert (crm.held_texts(), crm.failures()) == ({"contacts/good": "5", "contacts/bad": "0"}, [])


def test_a_record_with_more_text_than_may_be_fails_alone(crm):
    crm.configure("table", "search", extraction={"max_text_bytes": 100})
    crm.put("contacts/bad", id=1, name="x" * 200)
    crm.put("contacts/good", id=2, name="x")

    with crm.open() as session:
        sync(session)

    assert [(f.item, f.code) for f in crm.failures()] == [("contacts/bad", "resource")]
    assert list(crm.held_texts()) == ["contacts/good"]


def test_a_record_whose_object_is_lost_fails_alone(crm):
    crm.put("contacts/1", id=1)
    with crm.open() as session:
        run_stage(session, "listing", ALWAYS)
    (lost,) = objects(crm)
    crm.put("contacts/2", id=2)
    crm.services.blobs.delete([lost])

    with crm.open() as session:
        sync(session)

    assert (list(crm.held_records()), [(f.item, f.code) for f in crm.failures()]) == (["contacts/2"], [("contacts/1", "not_found")])


def test_what_a_sink_refuses_fails_alone_among_many(crm):
    for number in range(20):
        crm.put(f"contacts/{number}", id=number)
    puts = []

    class Picky:
        def __init__(self, sink):
            self._sink = sink

        def __getattr__(self, name):
            return getattr(self._sink, name)

        def declare(self, *told):
            self._sink.declare(*told)

        def put(self, documents):
            puts.append(len(documents))
            if any(d.record.fields["id"] in {3, 17} for d in documents):
                raise Forbidden("not these")
            self._sink.put(documents)

    with crm.open() as session:
        sync(replace(session, sinks={**session.sinks, "table": Picky(session.sinks["table"])}))

    assert (len(crm.held_records()), {f.item for f in crm.failures()}) == (18, {"contacts/3", "contacts/17"})
    assert len(puts) < 20, "halves, and not one by one"


def test_a_record_of_a_stream_that_is_no_longer_declared_says_so(crm):
    crm.put("contacts/1", id=1)
    with crm.open() as session:
        run_stage(session, "listing", ALWAYS)
    crm.streams = ()

    with crm.open() as session:
        run_stage(session, "documents", ALWAYS)

    assert [(f.stage, f.message) for f in crm.failures()] == [("documents", "the source declares no stream 'contacts' any more")]


def test_records_larger_than_fit_into_memory_go_in_pieces(crm, monkeypatch):
    monkeypatch.setattr(records, "BATCH_BYTES", 100)
    monkeypatch.setattr(delivering_records, "BATCH_BYTES", 100)
    for number in range(7):
        crm.put(f"contacts/{number}", id=number, name="x" * (300 if number == 3 else 30))

    with crm.open() as session:
        sync(session)

    assert len(crm.held_records()) == len(crm.held_texts()) == 7


def test_a_page_that_cannot_be_landed_is_told_again_though_later_ones_could(crm, monkeypatch):
    with crm.open() as session:
        sync(session)
    monkeypatch.setattr(listings, "TOGETHER", 1)
    for number in range(12):
        crm.put(f"contacts/{number}", id=number)
    puts = []
    put = crm.services.blobs.put

    def failing_once(*given):
        puts.append(given)
        if len(puts) == 3:
            raise Unavailable("no room")
        return put(*given)

    monkeypatch.setattr(crm.services.blobs, "put", failing_once)
    with crm.open(page_size=1) as session, pytest.raises(Unavailable, match="no room"):
        run_stage(session, "listing", ALWAYS, sweep=False)
    assert len(crm.statuses()) == 2

    with crm.open(page_size=1) as session:
        sync(session)
    assert len(crm.held_records()) == 12


def test_a_run_that_is_to_end_leaves_the_rest_for_the_next(crm):
    crm.put("contacts/1", id=1)
    with crm.open() as session:
        run_stage(session, "listing", ALWAYS)
        session.stop.set()
        with pytest.raises(Unavailable, match="stopped"):
            run_stage(session, "documents", ALWAYS)

    with crm.open() as session:
        sync(session)
    assert list(crm.held_records()) == ["contacts/1"]


def test_failed_records_are_tried_again_when_somebody_asks(crm):
    crm.configure("table")
    crm.service.put("contacts/bad", b"no json")
    with crm.open() as session:
        sync(session)
        with crm.services.database.operator() as tx:
            assert retry(tx) == 1
        again = sync(session)

    assert (count(again, "failed"), len(crm.failures())) == ({"table": 1}, 1)


# again, and by windows


def test_to_do_documents_again_renders_records_again_and_downloading_again_leaves_them(crm):
    crm.put("contacts/1", id=1)
    with crm.open() as session:
        sync(session)
        assert [redo(session, stage, ALWAYS) for stage in ("files", "documents", "table")] == [0, 1, 1]
        report = sync(session)

    # Its text is what it was, so `search` holds it already.
    assert (count(report, "extracted"), count(report, "delivered")) == ({"documents": 1}, {"table": 1})
    assert report.stages["search"].counts["unchanged"] == 1


def test_a_sink_that_lost_records_is_healed(crm):
    crm.put("contacts/1", id=1)
    crm.put("contacts/2", id=2)
    with crm.open() as session:
        sync(session)
        crm.records.documents.popitem()
        report = sync(session, sweep=True)

    assert (report.mended, len(crm.held_records())) == ({"table": 1, "search": 0}, 2)


def test_windows_are_asked_for_alone_and_once_where_the_source_can(crm):
    asked = []
    for day in (1, 2, 3):
        crm.service.put(f"contacts/{day}", b'{"id": 1}', at=datetime(2026, 5, day, 12, tzinfo=UTC))

    with crm.open() as session:

        class Recording(type(session.source)):
            def changes_in(self, days):
                asked.append(days)
                return super().changes_in(days)

        source = Recording(session.source._config, None, service=crm.service)
        report = run_stage(replace(session, source=source), "listing", DayRange(date(2026, 5, 2), date(2026, 5, 3)))

    assert asked == [DayRange(date(2026, 5, 2), date(2026, 5, 3))]
    assert (set(crm.statuses()), report.counts["new"]) == ({"contacts/2", "contacts/3"}, 2)


def test_a_look_at_some_windows_takes_nothing_for_gone_and_moves_no_cursor(crm):
    old = crm.service.put("contacts/old", b"{}", at=datetime(2026, 5, 1, tzinfo=UTC))
    crm.service.put("contacts/new", b"{}", at=datetime(2026, 5, 9, tzinfo=UTC))
    with crm.open() as session:
        sync(session)
    crm.service.remove(old)
    crm.put("contacts/later", id=3)
    with crm.open() as session:
        before = session.endpoint.cursor
        run_stage(session, "listing", DayRange(date(2026, 5, 9), date(2026, 5, 9)))

    assert set(crm.statuses()) == {"contacts/old", "contacts/new"}
    with crm.open() as session:
        assert session.endpoint.cursor == before
        sync(session)
    assert crm.statuses() == {"contacts/old": "deleted", "contacts/new": "extracted", "contacts/later": "extracted"}


def test_windows_of_another_time_zone_are_asked_for_by_the_days_of_utc(crm):
    with crm.services.database.operator() as tx:
        tx.execute("UPDATE partitions SET timezone = 'Asia/Tokyo'")
    # The 2nd of May in Tokyo.
    crm.service.put("contacts/1", b"{}", at=datetime(2026, 5, 1, 20, tzinfo=UTC))

    with crm.open() as session:
        report = run_stage(session, "listing", DayRange(date(2026, 5, 2), date(2026, 5, 2)))

    assert report.counts["new"] == 1


# what is left behind


def test_what_nobody_refers_to_goes_and_the_rest_of_its_object_stays(crm):
    gone, _ = crm.put("contacts/1", id=1), crm.put("contacts/2", id=2)
    with crm.open() as session:
        sync(session)
        crm.put("contacts/1", id=1, name="changed")
        sync(session)
        crm.service.remove(gone)
        sync(session)
    first, second = sorted(objects(crm), key=lambda key: crm.services.blobs.size(key) or 0, reverse=True)

    future = datetime(2100, 1, 1, tzinfo=UTC)
    forgotten = retention.forget_history(crm.services, "night", future)

    assert (forgotten.objects, objects(crm)) in ((1, [first]), (1, [second]))
    with crm.open() as session:
        assert redo(session, "documents", ALWAYS) == 1
        sync(session)
    assert (crm.held_records(), crm.failures()) == ({"contacts/2": {"id": 2}}, [])


def test_an_object_whose_listing_was_killed_is_swept_up(crm):
    crm.put("contacts/1", id=1)
    with crm.open() as session:
        sync(session)
        crm.services.blobs.put(session.endpoint.tenant_id, [b"landed, and then killed"])
    assert len(objects(crm)) == 2

    forgotten = retention.forget_history(crm.services, "night", datetime.now(UTC))

    assert (forgotten.objects, forgotten.bytes, len(objects(crm))) == (1, 23, 1)
