"""Streams drafted from an OpenAPI document: where the records are, their key, what is new, what lies below what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.sources.rest_api.drafting import draft_from_openapi
from tests.sources.rest_api_drafting.documents import Json, drafted, get, listed, number, only_stream, openapi, record, streams

ITEM = record(id="integer", name="string")


@pytest.mark.parametrize(
    ("answer", "selector"),
    [
        ({"type": "array", "items": ITEM}, None),
        (record(results={"type": "array", "items": ITEM}, errors={"type": "array", "items": record(code="string")}), "results"),
        (record(contacts={"type": "array", "items": ITEM}, more={"type": "array", "items": ITEM}), "contacts"),
        (record(data=record(items={"type": "array", "items": ITEM})), "data.items"),
        (record(stuff={"type": "array", "items": ITEM}, total="integer"), "stuff"),
    ],
)
def test_the_records_are_found_in_the_answer(answer: Json, selector: str | None, tmp_path: Path) -> None:
    stream = only_stream(openapi({"/contacts": get(answer)}), tmp_path)

    assert stream.get("record_selector") == selector
    assert stream["columns"] == {"id": "integer", "name": "text"}


@pytest.mark.parametrize(
    "answer",
    [
        record(name="string", emails={"type": "array", "items": record(address="string")}, age="integer", boss="string"),
        {"type": "array", "items": {"type": "string"}},
        record(name="string"),
        None,
    ],
)
def test_what_answers_one_thing_is_no_stream(answer: Json | None, tmp_path: Path) -> None:
    document = openapi({"/me": get(answer), "/contacts": get(listed(ITEM)), "/contacts/{id}/": get(ITEM)})

    assert set(streams(document, tmp_path)) == {"contacts"}


def test_a_document_without_any_list_is_an_error_that_says_so() -> None:
    with pytest.raises(ConfigurationError, match="no GET that answers a list"):
        draft_from_openapi(b'{"openapi": "3.0.0", "paths": {}}', "acme.json")


def test_references_and_the_parts_of_a_schema_are_put_together(tmp_path: Path) -> None:
    schemas = {
        "Base": record(id="string", updated_at="date-time"),
        "Contact": {"allOf": [{"$ref": "#/components/schemas/Base"}, record(name="string")]},
        "Page~of contacts": listed({"$ref": "#/components/schemas/Contact"}),
    }
    document = openapi({"/contacts": get({"$ref": "#/components/schemas/Page~0of%20contacts"})}, components={"schemas": schemas})

    assert only_stream(document, tmp_path)["columns"] == {"name": "text", "id": "text", "updated_at": "timestamp"}


def test_of_alternatives_the_first_that_is_not_null_counts_as_it_does_for_types_of_3_1(tmp_path: Path) -> None:
    item = record(
        id={"type": ["null", "integer"]}, owner={"oneOf": [{"type": "null"}, record(name="string")]}, size={"anyOf": [{"type": "number"}]}
    )

    assert only_stream(openapi({"/contacts": get(listed(item))}), tmp_path)["columns"] == {
        "id": "integer",
        "owner": "json",
        "size": "number",
    }


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"name": "string", "uuid": "string"}, "uuid"),
        ({"contactId": "integer", "accountId": "integer"}, "contactId"),
        ({"key": "string", "id": "integer"}, "id"),
        ({"sys_id": "string", "number": "string"}, "sys_id"),
    ],
)
def test_the_key_is_told_by_its_name(fields: dict[str, Any], key: str, tmp_path: Path) -> None:
    assert only_stream(openapi({"/contacts": get(listed(record(**fields)))}), tmp_path)["primary_key"] == [key]


def test_the_key_is_what_one_record_is_read_by(tmp_path: Path) -> None:
    item = record(id="integer", ticketNumber="string")
    document = openapi({"/tickets": get(listed(item)), "/tickets/{ticket_number}": get(record(data=item))})

    stream = only_stream(document, tmp_path)

    assert stream["primary_key"] == ["ticketNumber"]
    assert stream["detail"] == "tickets/{ticketNumber}"
    assert stream["detail_selector"] == "data"


def test_a_key_that_cannot_be_told_is_left_to_the_reader() -> None:
    text = draft_from_openapi(_bytes(openapi({"/rates": get(listed(record(currency="string")))})), "acme.json")

    assert "could not be told: no field looks like a key" in text


@pytest.mark.parametrize(
    ("field", "parameter", "cursor"),
    [
        (("updated_at", "date-time"), "updated_since", {"field": "updated_at", "parameter": "updated_since"}),
        (
            ("lastModifiedTime", "date-time"),
            "filter[lastModifiedTime][gte]",
            {"field": "lastModifiedTime", "parameter": "filter[lastModifiedTime][gte]"},
        ),
        (
            ("lastModifiedDateTime", "date-time"),
            "$filter",
            {"field": "lastModifiedDateTime", "parameter": "$filter", "template": "lastModifiedDateTime ge {cursor}"},
        ),
        (("mtime", "date-time"), "filter[lastModifiedTimeRollup]-ge", {"field": "mtime", "parameter": "filter[lastModifiedTimeRollup]-ge"}),
        (("modified", "date"), "modifiedAfter", {"field": "modified", "format": "date", "parameter": "modifiedAfter", "inclusive": False}),
    ],
)
def test_what_is_new_is_asked_for_where_a_field_says_when_and_a_parameter_asks(
    field: tuple[str, str], parameter: str, cursor: Json, tmp_path: Path
) -> None:
    item = record(id="integer", **{field[0]: field[1]})

    assert only_stream(openapi({"/contacts": get(listed(item), parameter)}), tmp_path)["cursor"] == cursor


@pytest.mark.parametrize(
    ("description", "asks"), [("Only those updated after this time.", True), ("Only those made after this time.", False)]
)
def test_a_bare_since_asks_for_what_is_new_where_its_description_says_so(description: str, *, asks: bool, tmp_path: Path) -> None:
    since = {"name": "since", "description": description, "schema": {"type": "string"}}
    document = openapi({"/contacts": get(listed(record(id="integer", updated_at="date-time")), since)})

    assert ("cursor" in only_stream(document, tmp_path)) is asks


def test_a_field_of_numbers_is_taken_for_seconds_unless_its_example_is_too_large(tmp_path: Path) -> None:
    def cursor(**schema: Any) -> Json:
        item = record(id="integer", updated={"type": "integer", **schema})
        return dict(only_stream(openapi({"/contacts": get(listed(item), number("updated_after"))}), tmp_path)["cursor"])

    assert cursor()["format"] == "epoch_s"
    assert cursor(example=1_700_000_000_000)["format"] == "epoch_ms"


def test_without_such_a_parameter_the_stream_is_read_whole_and_the_reader_is_told(tmp_path: Path) -> None:
    document = openapi({"/contacts": get(listed(record(id="integer", updated_at="date-time", createdAt="date-time")))})

    stream = only_stream(document, tmp_path)

    assert "cursor" not in stream
    assert (stream["modified"], stream["created"]) == ("updated_at", "createdAt")
    assert "the document names no parameter that asks for what is newer" in draft_from_openapi(_bytes(document), "acme.json")


def test_a_span_of_time_is_asked_for_where_both_ends_have_a_parameter(tmp_path: Path) -> None:
    document = openapi({"/contacts": get(listed(record(id="integer", updated_at="date-time")), "updated_since", "updated_before")})

    assert only_stream(document, tmp_path)["window"] == {"start": "updated_since", "end": "updated_before"}


@pytest.mark.parametrize(("name", "kind"), [("archived", "boolean"), ("deleted_at", "date-time")])
def test_a_mark_of_deletion_is_told_by_its_name(name: str, kind: str, tmp_path: Path) -> None:
    document = openapi({"/contacts": get(listed(record(id="integer", **{name: kind})))})

    assert only_stream(document, tmp_path)["deletions"] == {"type": "tombstone", "field": name}


def test_title_body_and_link_are_told_by_their_names_also_inside_a_wrapping(tmp_path: Path) -> None:
    item = record(id="string", attributes=record(displayName="string", description="string", webUrl="uri"))

    stream = only_stream(openapi({"/contacts": get(listed(item))}), tmp_path)

    assert stream["title"] == "{{ attributes.displayName }}"
    assert stream["body"] == "{{ attributes.description }}"
    assert stream["link"] == "{{ attributes.webUrl }}"


def test_a_list_below_a_record_is_read_for_each_of_them(tmp_path: Path) -> None:
    document = openapi(
        {
            "/orders/{orderId}/lines": get(listed(record(id="integer"))),
            "/orders": get(listed(record(orderId="string"))),
            "/orders/{orderId}": get(record(orderId="string")),
            "/orders/{orderId}/lines/{lineId}": get(record(id="integer")),
        }
    )

    lines = streams(document, tmp_path)["lines"]

    assert lines["path"] == "orders/{order_id}/lines"
    assert lines["parent"] == {"stream": "orders", "params": {"order_id": "orderId"}}
    assert lines["detail"] == "orders/{order_id}/lines/{id}"


def test_what_lies_two_deep_is_filled_with_the_keys_of_both_whatever_each_address_calls_them(tmp_path: Path) -> None:
    document = openapi(
        {
            "/hubs": get(listed(record(id="string"))),
            "/hubs/{hubId}/projects": get(listed(record(id="string"))),
            "/hubs/{id}/projects/{id_of_project}/folders": get(listed(record(id="string"))),
            "/hubs/{a}/projects/{b}/folders/{c}": get(record(id="string")),
        }
    )

    found = streams(document, tmp_path)

    assert found["projects"]["parent"] == {"stream": "hubs", "params": {"hub_id": "id"}}
    assert found["folders"]["path"] == "hubs/{hub_id}/projects/{id_of_project}/folders"
    assert found["folders"]["parent"] == {"stream": "projects", "params": {"id_of_project": "id"}}
    assert found["folders"]["detail"] == "hubs/{hub_id}/projects/{id_of_project}/folders/{id}"


def test_two_placeholders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    document = openapi({"/a": get(listed(ITEM)), "/a/{id}/bs": get(listed(ITEM)), "/a/{id}/bs/{id}/cs": get(listed(ITEM))})

    assert streams(document, tmp_path)["cs"]["path"] == "a/{id}/bs/{b_id}/cs"


def test_a_list_elsewhere_tells_what_a_placeholder_is_by_its_name(tmp_path: Path) -> None:
    document = openapi({"/admin/v1/projects": get(listed(record(id="string"))), "/issues/v2/{projectId}/issues": get(listed(ITEM))})

    assert streams(document, tmp_path)["issues"]["parent"] == {"stream": "projects", "params": {"project_id": "id"}}


def test_lists_that_nothing_leads_to_are_named_with_the_reason() -> None:
    document = openapi({"/contacts": get(listed(ITEM)), "/{tenant}/deals": get(listed(ITEM))})

    assert "# /{tenant}/deals: no list was found that tells {tenant}" in draft_from_openapi(_bytes(document), "acme.json")


def test_streams_of_one_name_are_told_apart_by_what_stands_before(tmp_path: Path) -> None:
    document = openapi({"/crm/notes": get(listed(ITEM)), "/support/notes": get(listed(ITEM)), "/team/support/notes": get(listed(ITEM))})

    assert set(streams(document, tmp_path)) == {"notes", "support_notes", "team_support_notes"}


def test_swagger_2_is_read_too(tmp_path: Path) -> None:
    document = {
        "swagger": "2.0",
        "info": {"title": "ERP", "version": "7"},
        "host": "erp.example.com",
        "basePath": "/api",
        "schemes": ["http", "https"],
        "parameters": {"page": {"name": "page", "in": "query", "type": "integer", "default": 0}},
        "definitions": {"Order": record(id="integer", subject="string")},
        "paths": {
            "/orders": {
                "parameters": [{"$ref": "#/parameters/page"}],
                "get": {
                    "parameters": [{"name": "pageSize", "in": "query", "type": "integer", "maximum": 500}],
                    "responses": {200: {"schema": listed({"$ref": "#/definitions/Order"}, totalPages="integer")}},
                },
            }
        },
    }

    connector = drafted(_bytes(document), tmp_path)

    settings = connector["endpoints"][0]["settings"]
    assert (connector["name"], settings["base_url"]) == ("ERP", "https://erp.example.com/api")
    assert settings["streams"][0]["paginator"] == {
        "type": "page_number",
        "parameter": "page",
        "start": 0,
        "total_pages": "totalPages",
        "size": 500,
        "size_parameter": "pageSize",
    }


def _bytes(document: Json) -> bytes:
    return json.dumps(document).encode()
