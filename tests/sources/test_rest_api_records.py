"""What becomes of one record: id, content, version, path, times; and what an answer must look like to have records."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector_pipelines.core.errors import ConfigurationError, Malformed, NotFound, PermanentError, Unauthenticated
from connector_pipelines.core.types import Skipped, Upserted
from connector_pipelines.testing.fake_api import ApiKeys, CursorToken
from tests.sources.rest_api_world import BY_TOKEN, CONTACTS, Reader, contacts, read

THINGS: dict[str, Any] = {"name": "things", "path": "things"}


def items(reader: Reader, body: Any, **stream: Any) -> list[Any]:
    """What one answer becomes."""
    server = reader.scripted()
    server.says("/things", body)
    return read(reader.source({**THINGS, **stream}, base_url=server.url)).changes


def records(reader: Reader, body: Any, **stream: Any) -> list[dict[str, Any]]:
    return [json.loads(one.content) for one in items(reader, body, **stream)]


# content


@pytest.mark.parametrize(
    "number", ["123456789012345678901234567890", "12345678901234567890.123456789", "1.10", "0.1", "-0.0", "1E+400", "9007199254740993", "5"]
)
def test_numbers_stay_as_they_were_written(reader: Reader, number: str) -> None:
    (item,) = items(reader, f'[{{"id":1,"n":{number}}}]')
    assert item.content == f'{{"id":1,"n":{number}}}'.encode()


def test_the_order_of_fields_makes_no_other_version(reader: Reader) -> None:
    (one,), (other,) = (items(reader, body) for body in ('[{"id":1,"a":{"x":1,"y":2}}]', '[{"a":{"y":2,"x":1},"id":1}]'))
    assert (one.content, one.ref.version) == (other.content, other.ref.version)


def test_fields_to_ignore_are_left_out(reader: Reader) -> None:
    body = [{"id": 1, "seen": 5, "stats": {"views": 9, "likes": 1}, "tags": [{"n": "a", "at": 1}]}]
    (fields,) = records(reader, body, ignore_fields=["seen", "stats.views", "tags.*.at", "not.there"])
    assert fields == {"id": 1, "stats": {"likes": 1}, "tags": [{"n": "a"}]}


@pytest.mark.parametrize("several", [True, False])
def test_addresses_by_which_anybody_reads_a_file_are_no_part_of_a_record(reader: Reader, several: bool) -> None:
    file = {"id": "f", "name": "a.txt", "url": "https://h/f?sig=1"}
    attachments = [{"list": "files", "url": "url", "file_name": "name"}]
    record, found = items(reader, [{"id": 1, "files": [file] if several else file}], detail="things/{id}", attachments=attachments)

    kept = {"id": "f", "name": "a.txt"}
    assert json.loads(record.content) == {"id": 1, "files": [kept] if several else kept}
    assert found.ref.name == "a.txt"


@pytest.mark.parametrize("bad", [b'"\\ud800"', b'"\xff"', b"NaN"], ids=["half a pair", "not UTF-8", "no number"])
def test_one_bad_value_does_not_stop_the_other_records(reader: Reader, bad: bytes) -> None:
    first, second = items(reader, b'[{"id":1,"x":' + bad + b'},{"id":2,"n":1.50}]')
    assert json.loads(first.content)["x"] in {"\ufffd", None}
    assert second.content == b'{"id":2,"n":1.50}'


# ids


def test_different_keys_are_different_ids(reader: Reader) -> None:
    keys = ["a/b", "a%2Fb", "a,b", "~a", "%7Ea", "..", ".", "a b", "é", "日本", "\n", "A", "a"]
    found = items(reader, [{"id": key} for key in keys])
    assert len({one.ref.id for one in found}) == len(keys)
    assert {one.ref.id.count("/") for one in found} == {1}


def test_a_key_of_several_fields_is_told_apart_from_every_other(reader: Reader) -> None:
    pairs = [("a", "b,c"), ("a,b", "c"), ("a", "b/c"), ("a/b", "c")]
    found = items(reader, [{"x": x, "deep": {"y": y}} for x, y in pairs], primary_key=["x", "deep.y"])
    assert [one.ref.id for one in found] == ["things/a,b%2Cc", "things/a%2Cb,c", "things/a,b%2Fc", "things/a%2Fb,c"]


@pytest.mark.parametrize("missing", [{}, {"id": None}, {"id": ""}])
def test_a_record_without_a_key_is_in_the_ledger(reader: Reader, missing: dict[str, Any]) -> None:
    skipped, taken = items(reader, [{"name": "x", **missing}, {"id": 1}])
    assert isinstance(skipped, Skipped)
    assert (skipped.reason, taken.ref.id) == ("no_key", "things/1")


def test_a_label_names_a_record_in_its_path(reader: Reader) -> None:
    found = items(reader, [{"id": 1, "name": "Smith / Sons"}, {"id": 2}], label="name")
    assert [one.ref.path for one in found] == ["things/Smith _ Sons", "things/2"]


@pytest.mark.parametrize(
    ("raw", "at"),
    [("2026-05-17T12:00:00+02:00", "2026-05-17T10:00:00+00:00"), (1_779_019_200, "2026-05-17T12:00:00+00:00"), (1_779_019_200_000, "2026-05-17T12:00:00+00:00"), ("yesterday", None), (None, None), (True, None)],
)  # fmt: skip
def test_times_decide_the_window(reader: Reader, raw: Any, at: str | None) -> None:
    (item,) = items(reader, [{"id": 1, "changed": raw}], modified="changed")
    assert (item.ref.modified_at.isoformat() if item.ref.modified_at else None) == at


# answers


@pytest.mark.parametrize(
    ("body", "selector"),
    [
        ([{"id": 1}], None),
        ({"results": [{"id": 1}], "paging": {}}, None),
        ({"included": [], "data": [{"id": 1}]}, None),
        ({"whatever": [{"id": 1}], "warnings": ["x"]}, None),
        ({"data": {"items": [{"id": 1}]}}, "data.items"),
        ({"a.b": [{"id": 1}]}, "a.b"),
        ({"groups": [{"members": []}, {"members": [{"id": 1}]}]}, "groups.*.members"),
        ({"data": {"id": 1}}, "data"),
        ([1], None),
    ],
)
def test_records_are_found_in_an_answer(reader: Reader, body: Any, selector: str | None) -> None:
    key = "value" if body == [1] else "id"
    assert [one.ref.id for one in items(reader, body, record_selector=selector, primary_key=[key])] == ["things/1"]


@pytest.mark.parametrize("body", [{"a": [{"id": 1}], "b": [{"id": 2}]}, {"error": "no"}, "text", 5, {"id": 1}])
def test_an_answer_without_one_list_needs_a_selector(reader: Reader, body: Any) -> None:
    with pytest.raises(ConfigurationError, match="which part of the answer"):
        items(reader, json.dumps(body))


def test_an_answer_without_what_is_selected_is_an_error_unless_that_means_empty(reader: Reader) -> None:
    with pytest.raises(ConfigurationError, match="no 'items'; has the fields kind"):
        items(reader, {"kind": "list"}, record_selector="items")
    assert items(reader, {"kind": "list"}, record_selector="items", missing_is_empty=True) == []


@pytest.mark.parametrize("body", [b"", b"null"])
def test_an_empty_answer_holds_no_records(reader: Reader, body: bytes) -> None:
    assert items(reader, body) == []


def test_an_answer_that_is_no_json_is_malformed_and_not_shown(reader: Reader) -> None:
    with pytest.raises(Malformed) as refusal:
        items(reader, b"<html>secret sign-in page</html>")
    assert "secret" not in str(refusal.value)


def test_an_error_in_a_success_is_a_fault(reader: Reader) -> None:
    server = reader.scripted()
    server.says("/things", {"ok": False, "error": "invalid_auth", "items": []})
    with pytest.raises((PermanentError, ConfigurationError), match="invalid_auth"):
        read(reader.source(THINGS, base_url=server.url, error_field="error"))


@pytest.mark.parametrize(
    ("status", "error"), [(404, ConfigurationError), (403, ConfigurationError), (400, ConfigurationError), (410, ConfigurationError)]
)
def test_what_cannot_be_listed_is_a_fault_of_the_settings_that_names_the_stream(
    reader: Reader, status: int, error: type[Exception]
) -> None:
    server = reader.scripted()
    server.says("/things", {}, status=status)
    with pytest.raises(error, match="stream 'things'"):
        read(reader.source(THINGS, base_url=server.url))


def test_a_refused_sign_in_stays_one(reader: Reader) -> None:
    contacts(reader.api, 2, paginator=CursorToken())
    reader.api.signs_in(ApiKeys(keys={"somebody": "right"}))
    with pytest.raises(Unauthenticated):
        read(reader.source({**CONTACTS, "paginator": BY_TOKEN}))


# one record


def test_a_record_can_be_read_by_its_detail(reader: Reader) -> None:
    ids = contacts(reader.api, 2, paginator=CursorToken())
    source = reader.source({**CONTACTS, "paginator": BY_TOKEN, "detail": "contacts/{id}"})
    item = next(change for change in read(source).changes if isinstance(change, Upserted))
    with source.open(item.ref) as chunks:
        assert b"".join(chunks) == item.content
    reader.api.company.hard_delete("contacts", ids[0])
    with pytest.raises(NotFound), source.open(item.ref) as chunks:
        b"".join(chunks)


def test_without_a_detail_a_record_comes_with_its_listing_only(reader: Reader) -> None:
    contacts(reader.api, 1, paginator=CursorToken())
    source = reader.source({**CONTACTS, "paginator": BY_TOKEN})
    with pytest.raises(PermanentError, match="no `detail`"), source.open(read(source).changes[0].ref) as chunks:
        b"".join(chunks)


def test_absence_is_confirmed_where_that_is_wanted(reader: Reader) -> None:
    ids = contacts(reader.api, 3, paginator=CursorToken())
    stream = {**CONTACTS, "paginator": BY_TOKEN, "detail": "contacts/{id}"}
    refs = [change.ref for change in read(reader.source(stream)).changes]
    reader.api.company.hard_delete("contacts", ids[0])
    assert reader.source({**stream, "confirm_deletions": True}).still_there(refs) == {f"contacts/{one}" for one in ids[1:]}
    assert reader.source(stream).still_there(refs) == frozenset()


def test_a_record_that_may_not_be_looked_at_is_not_gone(reader: Reader) -> None:
    server = reader.scripted()
    server.says("/things", [{"id": 1}, {"id": 2}])
    server.says("/things/1", {}, status=403)
    server.says("/things/2", {"id": 3})  # merged: the API answers with the one that is left
    source = reader.source({**THINGS, "detail": "things/{id}", "confirm_deletions": True}, base_url=server.url)
    assert source.still_there([change.ref for change in read(source).changes]) == {"things/1"}
