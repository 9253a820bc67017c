"""Documents that mean harm, or are no documents: a clear error, or a draft, within bounds."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector_pipelines.core.errors import ConnectorError, Malformed, ResourceError
from connector_pipelines.sources.rest_api.drafting import draft_from_openapi
from connector_pipelines.sources.rest_api.drafting.document import MAX_YAML_BYTES
from tests.sources.rest_api_drafting.documents import drafted, get, listed, only_stream, openapi, record

HEAD = "openapi: 3.0.0\ninfo: {title: x, version: '1'}\n"
LIST = "paths:\n  /things:\n    get:\n      responses:\n        '200': {content: {application/json: {schema: {type: array, items: *a9}}}}\n"


def test_a_schema_that_refers_to_itself_is_read_one_level_deep(tmp_path: Path) -> None:
    schemas = {
        "Node": {"allOf": [{"$ref": "#/components/schemas/Node"}, record(id="integer", parent={"$ref": "#/components/schemas/Node"})]},
        "Circle": {"$ref": "#/components/schemas/Round"},
        "Round": {"$ref": "#/components/schemas/Circle"},
    }
    paths = {"/nodes": get(listed({"$ref": "#/components/schemas/Node"})), "/rounds": get({"$ref": "#/components/schemas/Circle"})}

    stream = only_stream(openapi(paths, components={"schemas": schemas}), tmp_path)

    assert stream["columns"] == {"id": "integer", "parent": "json"}


def test_references_that_lead_out_of_the_document_are_named(tmp_path: Path) -> None:
    paths = {"/things": get(listed(record(id="integer", owner={"$ref": "https://evil.example/owner.json"})))}

    assert only_stream(openapi(paths), tmp_path)["columns"] == {"id": "integer"}
    assert "Not followed, because they lead out of the document: https://evil.example/owner.json" in text(openapi(paths))


def test_aliases_that_unfold_to_billions_are_refused() -> None:
    bomb = "a0: &a0 {type: object}\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))

    with pytest.raises(ResourceError, match="unfolds to, more than 5,000,000 values"):
        draft_from_openapi((HEAD + bomb + LIST).encode(), "bomb.yaml")


def test_merges_that_unfold_to_billions_are_no_merges() -> None:
    bomb = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 40))

    with pytest.raises(ResourceError, match="unfolds"):
        draft_from_openapi((HEAD + bomb + "paths: {}\n").encode(), "bomb.yaml")


def test_a_small_document_of_too_many_values_is_refused() -> None:
    with pytest.raises(ResourceError, match="more than 2,000,000 values"):
        draft_from_openapi(b"openapi: 3.0.0\nx: [" + b"1," * 2_000_000 + b"1]", "many.yaml")


def test_an_alias_of_what_it_stands_in_is_refused() -> None:
    with pytest.raises(Malformed, match="nested without end"):
        draft_from_openapi((HEAD + "paths: &p\n  /things: *p\n").encode(), "round.yaml")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no OpenAPI"),
        (b"\x00\xff\xfe binary", "is not YAML"),
        (b"just text", "no OpenAPI"),
        (b'{"openapi": "3.0.0", "paths": ', "is not JSON"),
        (b'{"openapi": "4.0.0"}', "version '4.0.0'"),
        (b'{"swagger": "1.2"}', "version '1.2'"),
        (b"[" * 100_000, "is not YAML|nested"),
        (b'{"a":' * 100_000, "is not JSON"),
        (b"{a: " * 100_000, "is not JSON|nested"),
        (b"openapi: !!python/object/apply:os.system ['true']", "is not YAML"),
        (b'{"openapi": "3.0.0", "paths": ' + b"[" * 600 + b"]" * 600 + b"}", "nested without end"),
    ],
)
def test_what_is_no_openapi_document_is_said_to_be_none(content: bytes, told: str) -> None:
    with pytest.raises(Malformed, match=told) as caught:
        draft_from_openapi(content, "x.yaml")

    assert len(str(caught.value)) < 400
    assert caught.value.advice


def test_a_document_that_is_too_large_is_refused_before_it_is_read() -> None:
    began = time.process_time()

    with pytest.raises(ResourceError, match="100 MiB; an OpenAPI document may have 64 MiB as JSON") as caught:
        draft_from_openapi(b'{"openapi": "3.0.0", "x": "' + bytes(100 * 1024**2), "big.json")
    with pytest.raises(ResourceError, match="may have 16 MiB as YAML"):
        draft_from_openapi(b"#" * (MAX_YAML_BYTES + 1), "big.yaml")

    assert caught.value.limit == "document=64 MiB"
    assert time.process_time() - began < 2


def test_thousands_of_paths_and_fields_make_a_draft_of_bounded_size(tmp_path: Path) -> None:
    fields = {f"field_{n}": "string" for n in range(500)}
    item = {"$ref": "#/components/schemas/Wide"}
    document = openapi(
        {f"/things{n}": get(listed(item)) for n in range(600)}, components={"schemas": {"Wide": record(id="integer", **fields)}}
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    began = time.process_time()
    content = text(document)

    assert time.process_time() - began < 20
    assert content.count("- name: things") == 200
    assert "and 360 more" in content
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 1024


@pytest.mark.parametrize(
    "name", ["evil\n    kind: local_folder", "x # y", "'\"\\", "\u2028\x85\x07\u202e", "{{ 7*7 }}", "*a &b !c", "", "true"]
)
def test_no_name_of_a_document_gets_out_of_its_place(name: str, tmp_path: Path) -> None:
    schemes = {name or "s": {"type": "apiKey", "in": "header", "name": name}}
    fields = {"id": "integer", name or "x": "string", "updated_at": "date-time"}
    document = openapi(
        {
            "/things": get(listed(record(**fields), **{f"next_{name}": "string"}), name or "q", "updated_since"),
            f"/{name}/others": get(listed(record(id="integer"))),
        },
        info={"title": name, "version": name},
        components={"securitySchemes": schemes},
        servers=[{"url": name}, {"url": name}],
    )

    connector = drafted(document, tmp_path)

    assert set(connector) == {"name", "kind", "auth", "endpoints"}
    assert connector["kind"] == "rest_api"
    assert connector["endpoints"][0]["settings"]["streams"]


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
odd = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_document_with_anything_anywhere_is_a_draft_or_an_error_of_ours(data: st.DataObject) -> None:
    document: Any = openapi(
        {
            "/things/{id}/parts": get(listed(record(id="integer")), "page"),
            "/things": get(listed(record(id="integer", updated_at="date-time")), "after"),
        },
        components={"securitySchemes": {"s": {"type": "oauth2", "flows": {"authorizationCode": {"scopes": {"a": "b"}}}}}},
        security=[{"s": ["a"]}],
    )
    for _ in range(data.draw(st.integers(1, 3))):
        replace_somewhere(document, data)

    try:
        made = draft_from_openapi(json.dumps(document).encode(), "odd.json")
    except ConnectorError:
        return
    assert made.startswith("# Drafted from odd.json")


def replace_somewhere(document: Any, data: st.DataObject) -> None:
    node = document
    while True:
        places = list(node) if isinstance(node, dict) else list(range(len(node)))
        place = data.draw(st.sampled_from(places))
        inner = node[place]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 3)) == 0:
            node[place] = data.draw(odd)
            return
        node = inner


def text(document: Any) -> str:
    return draft_from_openapi(json.dumps(document).encode(), "acme.json")
