"""Which column a value goes into, and what becomes of a table when its records change shape."""

from __future__ import annotations

import pytest

from connector_pipelines.sinks.postgres_table.columns import Column, Columns, identifier
from connector_pipelines.sinks.postgres_table.values import flattened, type_for, type_of


def written(columns: Columns, *records: dict[str, object]) -> list[dict[str, object]]:
    rows = columns.rows(records)
    return [{name: value for name, value in zip(columns.names, row, strict=True) if value is not None} for row in rows]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("word", "text"), ("", "text"), (True, "boolean"), (0, "integer"), (2**63 - 1, "integer"), (-(2**63), "integer"), (2**63, "number"),
        (0.5, "number"), ({"a": 1}, "json"), ([], "json"), ("2024-02-29", "date"), ("2023-02-29", "text"), ("2024-13-01", "text"),
        ("2024-05-01T10:00:00Z", "timestamp"), ("2024-05-01 10:00+02:00", "timestamp"), ("2024-05-01T10:00:00.123456789-0530", "timestamp"),
        ("2024-05-01T10:00:00", "text"), ("2024-05-01T25:00:00Z", "text"), ("2024-05-01T10:00:00+23:00", "text"), ("2024-05-01 and on", "text"),
        ("٢٠٢٤-٠٥-٠١", "text"), ("0000-01-01", "text"),
    ],
)  # fmt: skip
def test_a_value_has_the_type_it_reads_as(value, expected):
    assert type_of(value) == expected


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ({"integer"}, "integer"), ({"integer", "number"}, "number"), ({"date", "timestamp"}, "timestamp"), ({"date", "text"}, "text"),
        ({"integer", "text"}, "text"), ({"boolean", "integer"}, "text"), ({"json", "text"}, "json"), ({"timestamp", "integer", "json"}, "json"),
    ],
)  # fmt: skip
def test_a_new_column_suits_all_values_of_its_first_batch(types, expected):
    assert type_for(types) == expected


def test_two_fields_never_share_a_place():
    fields = {"a": {"b": 1}, "a/b": 2, "a~1b": 3, "a.b": 4}
    assert len(dict(flattened(fields, 3))) == 4


def test_objects_are_opened_down_to_the_depth_and_kept_whole_below_it():
    fields = {"a": {"b": {"c": {"d": 1}}}, "empty": {}, "list": [{"x": 1}]}
    assert dict(flattened(fields, 2)) == {"/a/b/c": {"d": 1}, "/empty": {}, "/list": [{"x": 1}]}
    assert dict(flattened(fields, 0)) == {f"/{name}": value for name, value in fields.items()}


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("/id", "id"), ("/billingAddress/postal-code", "billing_address__postal_code"), ("/3rd", "_3rd"), ("/Größe", "gr_e"), ("/日本", "_"),
        ("/a~1b", "a_b"), ("/HTMLBody", "htmlbody"),
    ],
)  # fmt: skip
def test_a_column_is_named_so_that_nobody_need_quote_it(field, name):
    assert identifier(field) == name


def test_names_that_would_be_the_same_are_told_apart_and_stay_with_their_field():
    columns = Columns([])
    assert written(columns, {"a-b": 1, "a_b": 2, "A B": 3}) == [{"a_b": 1, "a_b_2": 2, "a_b_3": 3}]
    again = Columns(list(columns.known))
    assert written(again, {"A B": 9}) == [{"a_b_3": 9}]
    assert not again.changed


def test_fields_cannot_take_our_own_names():
    assert written(Columns([]), {"_document_id": "x", "_generation": 1, "_more": 2}) == [{"document_id": "x", "generation": 1, "more": 2}]


def test_long_names_are_cut_and_kept_apart():
    columns = Columns([])
    columns.rows([{"x" * 80 + "1": 1, "x" * 80 + "2": 2}])
    assert len(set(columns.names)) == 2
    assert {len(name) for name in columns.names} == {63}


def test_integers_become_numbers_and_dates_instants_where_a_value_asks_for_it():
    columns = Columns([Column("n", "/n", "integer"), Column("d", "/d", "date")])
    assert written(columns, {"n": 1.5, "d": "2024-05-01T10:00:00Z"}, {"n": 2, "d": "2024-01-01"}) == [
        {"n": 1.5, "d": "2024-05-01T10:00:00Z"}, {"n": 2, "d": "2024-01-01"},
    ]  # fmt: skip
    assert [(c.name, c.type) for c in columns.widened] == [("n", "number"), ("d", "timestamp")]
    assert columns.added == []


def test_what_a_column_cannot_hold_goes_beside_it_and_stays_there():
    columns = Columns([Column("amount", "/amount", "number")])
    assert written(columns, {"amount": "n/a"}, {"amount": True}, {"amount": 3}, {"amount": [1]}, {"amount": "2024-01-01"}) == [
        {"amount__text": "n/a"}, {"amount__boolean": True}, {"amount": 3}, {"amount__json": "[1]"}, {"amount__text": "2024-01-01"},
    ]  # fmt: skip
    assert [(a.name, b.name) for a, b in columns.beside] == [("amount", f"amount__{kind}") for kind in ("text", "boolean", "json")]


def test_a_column_of_texts_takes_numbers_as_they_are_written():
    columns = Columns([Column("id", "/id", "text")])
    assert written(columns, {"id": 5}, {"id": 2.5}, {"id": False}, {"id": "2024-01-01"}) == [
        {"id": "5"}, {"id": "2.5"}, {"id": "false"}, {"id": "2024-01-01"},
    ]  # fmt: skip
    assert not columns.changed


def test_null_makes_no_column_and_clears_one():
    columns = Columns([Column("a", "/a", "integer")])
    assert columns.rows([{"a": None, "b": None}, {}]) == [[None], [None]]
    assert not columns.changed


def test_what_is_declared_is_made_before_any_record_and_kept_when_records_differ():
    columns = Columns([], {"/when": "timestamp", "/n": "integer"})
    columns.expect(["/when", "/n"])
    assert [(c.name, c.type) for c in columns.added] == [("when", "timestamp"), ("n", "integer")]
    assert written(columns, {"when": "yesterday", "n": 2}) == [{"when__text": "yesterday", "n": 2}]


def test_an_instant_without_a_zone_is_in_utc_where_it_is_declared_and_a_text_where_not():
    columns = Columns([], {"/when": "timestamp"})
    assert written(columns, {"when": "2024-05-01T10:00:00", "seen": "2024-05-01T10:00:00"}) == [
        {"when": "2024-05-01T10:00:00Z", "seen": "2024-05-01T10:00:00"}
    ]
    assert {c.name: c.type for c in columns.known} == {"when": "timestamp", "seen": "text"}


def test_declared_json_takes_anything_and_stays_whole():
    columns = Columns([], {"/blob": "json"})
    assert written(columns, {"blob": "text"}, {"blob": {"a": 1}}) == [{"blob": '"text"'}, {"blob": '{"a": 1}'}]


def test_fields_beyond_the_limit_are_kept_together():
    columns = Columns([], limit=2)
    assert written(columns, {"a": 1, "b": 2, "c": 3, "d": {"e": 4}}) == [{"a": 1, "b": 2, "_more": '{"/c": 3, "/d/e": 4}'}]
    assert written(columns, {"c": 5}) == [{"_more": '{"/c": 5}'}]


def test_what_postgres_refuses_inside_a_text_is_left_out():
    assert written(Columns([]), {"a": "x\0y\ud800", "b": ["\0"]}) == [{"a": "xy?", "b": '[""]'}]
