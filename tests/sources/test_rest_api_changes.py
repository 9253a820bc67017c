"""What is read between two syncs: only what changed, and nothing missed."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.types import Cursor, DayRange, Deleted, Upserted
from connector_pipelines.testing.fake_api import CursorToken, Filter, Offset, PageNumber, Quirks, StreamShape, Tombstone
from tests.sources.rest_api_world import BY_TOKEN, CONTACTS, SINCE, Reader, contacts, read, told

EVERY = {**CONTACTS, "paginator": BY_TOKEN, "cursor": SINCE}
ASCENDING = {**EVERY, "cursor": {**SINCE, "order": "ascending"}}


@pytest.mark.parametrize("style", ["iso", "iso_millis", "iso_offset", "naive", "epoch_s", "epoch_ms"])
@pytest.mark.parametrize("order", ["none", "ascending"])
def test_only_what_changed_is_read_again(reader: Reader, style: Any, order: str) -> None:
    ids = contacts(reader.api, 7, paginator=CursorToken(), timestamps=style, order="cursor")
    form = style if style.startswith("epoch") else "iso"
    source = reader.source({**EVERY, "cursor": {**SINCE, "format": form, "order": order}})
    first = read(source)

    reader.api.company.put("contacts", {"name": "Grace"}, id=ids[3])
    second = read(source, first.cursor)
    third = read(source, second.cursor)

    assert (second.is_snapshot, second.ids, third.changes) == (False, [f"contacts/{ids[3]}"], [])


def test_records_with_one_instant_are_all_read(reader: Reader) -> None:
    """A page ends within a tie, and more of it is written later."""
    contacts(reader.api, 3, paginator=CursorToken(), order="cursor")
    reader.api.company.clock.step(timedelta(0))
    ties = reader.api.company.put_many("contacts", [{"name": f"tie {n}"} for n in range(5)])
    source = reader.source(ASCENDING)
    first = read(source)

    later = reader.api.company.put("contacts", {"name": "tie, late"})
    second = read(source, first.cursor)

    assert {f"contacts/{one}" for one in ties} <= set(first.ids)
    assert second.ids == [f"contacts/{later}"]


def test_a_tied_record_that_changed_again_is_told_again(reader: Reader) -> None:
    contacts(reader.api, 2, paginator=CursorToken(), order="cursor")
    reader.api.company.clock.step(timedelta(0))
    tied = reader.api.company.put("contacts", {"name": "before"})
    source = reader.source(ASCENDING)
    first = read(source)
    reader.api.company.put("contacts", {"name": "after"}, id=tied)
    assert [fields["name"] for fields in read(source, first.cursor).fields] == ["after"]


def test_an_exclusive_filter_loses_no_tie(reader: Reader) -> None:
    contacts(reader.api, 3, paginator=CursorToken(), filter=Filter(inclusive=False), order="cursor")
    source = reader.source({**ASCENDING, "cursor": {**ASCENDING["cursor"], "inclusive": False}})
    first = read(source)
    reader.api.company.clock.step(timedelta(0))
    late = reader.api.company.put("contacts", {"name": "of the same second"})
    assert read(source, first.cursor).ids == [f"contacts/{late}"]


def test_what_was_written_late_is_found_within_the_look_back(reader: Reader) -> None:
    contacts(reader.api, 30, paginator=CursorToken())
    source = reader.source({**EVERY, "cursor": {**SINCE, "look_back": "20s"}})
    first = read(source)
    newest = max(fields["updated_at"] for fields in first.fields)

    before = datetime.fromisoformat(newest) - timedelta(seconds=15)
    late = reader.api.company.put("contacts", {"name": "committed late"}, updated_at=before)

    assert read(source, first.cursor).ids == [f"contacts/{late}"]


def test_what_changed_while_all_was_read_is_not_missed(reader: Reader) -> None:
    """It was read early and changed since; the record read last is newer than that change."""
    clock = itertools.count(0.0, 10.0)  # ten seconds pass between the beginning of a pass and its end
    ids = contacts(reader.api, 6, paginator=CursorToken())
    source = reader.source(EVERY, elapsed_s=lambda: next(clock))
    pages = source.changes()
    begun = next(pages)

    for one in (ids[0], ids[-1]):
        reader.api.company.put("contacts", {"name": "meanwhile"}, id=one)
    rest = told(pages)

    assert f"contacts/{ids[0]}" in {change.ref.id for change in begun.changes}
    assert f"contacts/{ids[0]}" in read(source, rest.cursor).ids


def test_a_value_far_ahead_of_the_clock_does_not_move_the_place(reader: Reader) -> None:
    contacts(reader.api, 3, paginator=CursorToken())
    reader.api.company.put("contacts", {"name": "typing error"}, updated_at=datetime(2999, 1, 1, tzinfo=UTC))
    source = reader.source(EVERY)
    first = read(source)
    new = reader.api.company.put("contacts", {"name": "new"})
    assert read(source, first.cursor).ids == [f"contacts/{new}"]


def test_a_reader_that_stopped_goes_on_from_there_where_records_come_in_order(reader: Reader) -> None:
    contacts(reader.api, 2, paginator=CursorToken(), order="cursor")
    source = reader.source(ASCENDING)
    start = read(source).cursor
    new = reader.api.company.put_many("contacts", [{"name": f"new {n}"} for n in range(8)])

    page = next(iter(source.changes(start)))
    assert page.cursor is not None
    rest = read(source, page.cursor)

    assert [change.ref.id for change in page.changes if isinstance(change, Upserted)] + rest.ids == [f"contacts/{one}" for one in new]
    assert rest.ids


def test_a_reader_that_stopped_begins_again_where_records_come_in_any_order(reader: Reader) -> None:
    contacts(reader.api, 2, paginator=CursorToken(), order="cursor", descending=True)
    source = reader.source(EVERY)
    start = read(source).cursor
    new = reader.api.company.put_many("contacts", [{"name": f"new {n}"} for n in range(8)])

    page = next(iter(source.changes(start)))
    assert page.cursor is not None

    assert set(read(source, page.cursor).ids) == {f"contacts/{one}" for one in new}


def test_an_order_that_is_not_as_declared_costs_nothing_but_time(reader: Reader) -> None:
    contacts(reader.api, 2, paginator=CursorToken(), order="cursor", descending=True)
    source = reader.source(ASCENDING)
    start = read(source).cursor
    new = reader.api.company.put_many("contacts", [{"name": f"new {n}"} for n in range(8)])
    known, cursor = set[str](), start

    for _ in range(3):
        page = next(iter(source.changes(cursor)))
        assert page.cursor is not None
        known, cursor = known | {change.ref.id for change in page.changes if isinstance(change, Upserted)}, page.cursor
    known |= set(read(source, cursor).ids)
    known |= set(read(source, read(source, cursor).cursor).ids)

    assert known == {f"contacts/{one}" for one in new}


@pytest.mark.parametrize("status", [400, 410])
def test_a_place_the_api_does_not_know_any_more_becomes_a_snapshot(reader: Reader, status: int) -> None:
    ids = contacts(reader.api, 5, paginator=CursorToken())
    source = reader.source({**EVERY, "cursor": {**SINCE, "rejected_statuses": [400, 410]}})
    first = read(source)
    server = reader.scripted()
    gone = reader.source({**EVERY, "cursor": {**SINCE, "rejected_statuses": [400, 410]}}, base_url=server.url)
    server.says("/contacts?limit=2", {"data": [{"id": 1, "updated_at": "2026-01-01T00:00:00Z"}]})
    asked = f"/contacts?updated_since={_since(first.cursor)}&limit=2"
    server.says(asked, {"error": "too old"}, status=status)

    second = read(gone, first.cursor)

    assert (len(ids), second.is_snapshot, second.ids) == (5, True, ["contacts/1"])


@pytest.mark.parametrize("cursor", ["nonsense", '{"v":0,"at":{}}', '{"v":1}', "[]", '{"v":1,"at":{"contacts":7}}'])
def test_a_cursor_that_is_none_becomes_a_snapshot(reader: Reader, cursor: str) -> None:
    contacts(reader.api, 2, paginator=CursorToken())
    assert read(reader.source(EVERY), Cursor(cursor)).is_snapshot


def test_pages_that_shift_do_not_move_the_place(reader: Reader) -> None:
    """By offset and ascending: each edit moves a record to the end, and one that was not read yet onto a page that was."""
    ids = contacts(reader.api, 2, paginator=Offset(total=None), order="cursor")
    stream = {**ASCENDING, "paginator": {"type": "offset", "size": 2}}
    start = read(reader.source(stream)).cursor
    new = reader.api.company.put_many("contacts", [{"name": f"new {n}"} for n in range(7)])
    edits = iter([new[0]])

    def edit() -> None:
        if (one := next(edits, None)) is not None:
            reader.api.company.put("contacts", {"name": "again"}, id=one)

    found = read(reader.source(stream, after_each=edit), start)

    assert (len(ids), set(found.ids)) == (2, {f"contacts/{one}" for one in new})


@pytest.mark.parametrize("order", ["ascending", "none"])
@pytest.mark.parametrize("stop_after", [1, 2, 100])
def test_a_record_that_numbered_pages_shifted_past_is_found_after_all(reader: Reader, order: str, stop_after: int) -> None:
    """An edit between two pages moves one record to the end, and the next onto a page that was read. Whoever stops loses nothing."""
    contacts(reader.api, 2, paginator=PageNumber(), order="cursor")
    paginator = {"type": "page_number", "size": 2, "size_parameter": "limit"}
    stream = {**EVERY, "paginator": paginator, "cursor": {**SINCE, "order": order}}
    cursor = read(reader.source(stream)).cursor
    new = reader.api.company.put_many("contacts", [{"name": f"new {n}"} for n in range(9)])
    known = set[str]()

    def edit() -> None:
        reader.api.company.put("contacts", {"name": "again"}, id=new[0])

    for page in itertools.islice(reader.source(stream, after_each=edit).changes(cursor), stop_after):
        known |= {change.ref.id for change in page.changes if isinstance(change, Upserted)}
        cursor = page.cursor or cursor

    assert known | set(read(reader.source(stream), cursor).ids) == {f"contacts/{one}" for one in new}


@pytest.mark.parametrize("order", ["ascending", "none"])
def test_what_could_not_be_proven_is_read_again(reader: Reader, order: str) -> None:
    contacts(reader.api, 2, paginator=PageNumber(total="total"), order="cursor")
    paginator = {"type": "page_number", "size": 2, "size_parameter": "limit", "total": "total"}
    source = reader.source({**EVERY, "paginator": paginator, "cursor": {**SINCE, "order": order}})
    start = read(source).cursor
    new = {f"contacts/{one}" for one in reader.api.company.put_many("contacts", [{"name": f"new {n}"} for n in range(5)])}
    shape = StreamShape(name="contacts", paginator=PageNumber(total="total"), order="cursor", quirks=Quirks(total_off_by=3))
    reader.api.add(shape)

    first = read(source, start)
    second = read(source, first.cursor)

    assert [one.code for one in (*first.others, *second.others)] == ["unavailable"] * 2
    assert (set(first.ids), set(second.ids)) == (new, new)


def test_a_number_is_a_cursor_where_records_come_in_its_order(reader: Reader) -> None:
    contacts(reader.api, 5, paginator=CursorToken(), timestamps="epoch_s", order="cursor")
    cursor = {**SINCE, "format": "number", "order": "ascending"}
    source = reader.source({**EVERY, "cursor": cursor})
    first = read(source)
    new = reader.api.company.put("contacts", {"name": "new"})
    assert read(source, first.cursor).ids == [f"contacts/{new}"]


def test_a_number_out_of_order_is_a_fault_of_the_settings(reader: Reader) -> None:
    contacts(reader.api, 5, paginator=CursorToken(), timestamps="epoch_s", order="cursor", descending=True)
    with pytest.raises(ConfigurationError, match="not in ascending order"):
        read(reader.source({**EVERY, "cursor": {**SINCE, "format": "number", "order": "ascending"}}))


# gone


def test_without_a_cursor_every_sync_compares_everything(reader: Reader) -> None:
    ids = contacts(reader.api, 5, paginator=CursorToken())
    source = reader.source({**CONTACTS, "paginator": BY_TOKEN})
    first = read(source)
    reader.api.company.hard_delete("contacts", ids[0])
    second = read(source, first.cursor)
    assert (second.is_snapshot, set(second.ids)) == (True, {f"contacts/{one}" for one in ids[1:]})


@pytest.mark.parametrize(
    ("value", "marked"),
    [("true", {"field": "gone"}), ("true", {"field": "gone", "equals": [True]}), ("timestamp", {"field": "gone", "matches": "2026-.*"})],
)
def test_a_mark_says_that_a_record_is_gone(reader: Reader, value: Any, marked: dict[str, Any]) -> None:
    ids = contacts(reader.api, 4, paginator=CursorToken(), tombstone=Tombstone(shown="shown", field="gone", value=value))
    reader.api.company.delete("contacts", ids[0])
    source = reader.source({**EVERY, "deletions": {"type": "tombstone", **marked}})
    first = read(source)

    reader.api.company.delete("contacts", ids[1])
    second = read(source, first.cursor)
    reader.api.company.restore("contacts", ids[1])
    third = read(source, second.cursor)

    assert (set(first.ids), first.others) == ({f"contacts/{one}" for one in ids[1:]}, [])
    assert (second.changes, third.ids) == ([Deleted(f"contacts/{ids[1]}")], [f"contacts/{ids[1]}"])


DELETED = {
    "type": "deleted_items", "path": "contacts/deleted", "record_selector": "data", "primary_key": ["id"],
    "cursor": {"field": "deleted_at", "parameter": "updated_since", "look_back": "5s"}, "paginator": BY_TOKEN,
}  # fmt: skip


def test_a_list_of_deleted_items_says_what_is_gone(reader: Reader) -> None:
    ids = contacts(reader.api, 6, paginator=CursorToken(), tombstone=Tombstone(list_path="/contacts/deleted"))
    reader.api.company.delete("contacts", ids[0])
    source = reader.source({**EVERY, "deletions": DELETED})
    first = read(source)

    for one in ids[1:4]:
        reader.api.company.delete("contacts", one)
    second = read(source, first.cursor)
    third = read(source, second.cursor)

    assert (set(first.ids), first.others) == ({f"contacts/{one}" for one in ids[1:]}, [])
    assert (second.changes, third.changes) == ([Deleted(f"contacts/{one}") for one in ids[1:4]], [])


def test_what_was_put_back_is_not_deleted_by_an_old_entry(reader: Reader) -> None:
    ids = contacts(reader.api, 3, paginator=CursorToken(), tombstone=Tombstone(list_path="/contacts/deleted"))
    source = reader.source({**EVERY, "deletions": DELETED})
    first = read(source)
    reader.api.company.delete("contacts", ids[0])
    second = read(source, first.cursor)
    reader.api.company.restore("contacts", ids[0])
    third = read(source, second.cursor)
    assert (third.ids, third.others) == ([f"contacts/{ids[0]}"], [])


def test_streams_keep_their_places_apart(reader: Reader) -> None:
    contacts(reader.api, 3, paginator=CursorToken())
    reader.api.add(StreamShape(name="deals", paginator=CursorToken()))
    deals = reader.api.company.put_many("deals", [{"name": f"deal {n}"} for n in range(3)])
    source = reader.source(EVERY, {**EVERY, "name": "deals", "path": "deals"})
    first = read(source)

    reader.api.company.put("deals", {"name": "changed"}, id=deals[0])
    second = read(source, first.cursor)

    assert (len(first.ids), second.ids, second.is_snapshot) == (6, [f"deals/{deals[0]}"], False)


def test_a_stream_without_a_cursor_beside_one_with_is_read_whole_each_time(reader: Reader) -> None:
    contacts(reader.api, 3, paginator=CursorToken())
    reader.api.add(StreamShape(name="countries", paginator=CursorToken()))
    countries = reader.api.company.put_many("countries", [{"name": "NO"}, {"name": "SE"}])
    source = reader.source(EVERY, {**CONTACTS, "name": "countries", "path": "countries", "paginator": BY_TOKEN})
    second = read(source, read(source).cursor)
    assert (second.is_snapshot, set(second.ids)) == (False, {f"countries/{one}" for one in countries})


def test_a_stream_read_by_sweeps_is_left_alone_between(reader: Reader) -> None:
    contacts(reader.api, 3, paginator=CursorToken())
    source = reader.source(EVERY, {**EVERY, "name": "others", "cursor": None, "read": "sweep"})
    first = read(source)
    assert (len(first.ids), read(source, first.cursor).changes) == (6, [])


def test_a_stream_that_is_not_there_stops_before_anything_is_told(reader: Reader) -> None:
    contacts(reader.api, 3, paginator=CursorToken())
    pages = reader.source(EVERY, {**EVERY, "name": "missing", "path": "missing"}).changes()
    with pytest.raises(ConfigurationError, match="'missing' is not there"):
        next(pages)


# windows


@pytest.mark.parametrize("window", [None, {"start": "updated_since", "end": "updated_until"}])
def test_a_window_brings_what_has_its_time(reader: Reader, window: dict[str, Any] | None) -> None:
    reader.api.add(StreamShape(name="contacts", paginator=CursorToken()))
    by_day = {
        day: reader.api.company.put("contacts", {"name": str(day)}, updated_at=datetime(2026, 2, day, 12, tzinfo=UTC))
        for day in range(1, 9)
    }
    source = reader.source({**EVERY, "window": window})

    days = DayRange(datetime(2026, 2, 3, tzinfo=UTC).date(), datetime(2026, 2, 5, tzinfo=UTC).date())
    found = told(source.changes_in(days))

    assert found.ids == [f"contacts/{by_day[day]}" for day in (3, 4, 5)]
    assert {(page.cursor, page.snapshot) for page in found.pages} == {(None, False)}
    assert ("updated_since" in reader.asked("/contacts")[0]) is (window is not None)


def _since(cursor: Cursor) -> str:
    import json

    at = json.loads(cursor)["at"]["contacts"][0]
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).strftime("%Y-%m-%dT%H%%3A%M%%3A%SZ")
