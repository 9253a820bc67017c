"""What a description of an API may say, and how it is told what does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connector_pipelines.sources.rest_api import Config
from connector_pipelines.sources.rest_api.templates import fill, fill_path
from connector_pipelines.sources.rest_api.values import instant, just_before, parse, written

API = {"base_url": "https://api.example.com/v3"}
DEALS: dict[str, Any] = {"name": "deals", "path": "deals"}
SINCE: dict[str, Any] = {"field": "updated_at", "parameter": "since"}
LINES: dict[str, Any] = {"name": "lines", "path": "deals/{deal}/lines", "parent": {"stream": "deals", "params": {"deal": "id"}}}


def described(*streams: dict[str, Any], **settings: Any) -> Config:
    return Config.model_validate({**API, "streams": list(streams) or [DEALS], **settings})


def test_the_least_is_an_address_and_a_stream() -> None:
    config = described()
    assert (config.base_url, config.streams[0].primary_key, config.streams[0].paginator.type) == (
        "https://api.example.com/v3/",
        ("id",),
        "none",
    )


@pytest.mark.parametrize(
    ("address", "why"),
    [("api.example.com", "should be an address"), ("https://u:p@example.com", "holds a user"), ("https://example.com?key=1", "should be an address"), ("https://example.com:99999", "port")],
)  # fmt: skip
def test_an_address_is_one_without_credentials(address: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        described(base_url=address)


@pytest.mark.parametrize(
    ("streams", "why"),
    [
        ([DEALS, DEALS], "two streams have one name"),
        ([{**DEALS, "path": "deals/{year}"}], r"names \{year\}; known there: none"),
        ([LINES], "the parent of stream 'lines' is 'deals'"),
        ([{**DEALS, "path": "a/{x}", "parent": {"stream": "deals", "params": {"x": "id"}}}], "lead back"),
        ([DEALS, {**LINES, "path": "lines"}], "uses none of {deal}"),
        ([DEALS, {**LINES, "detail": "lines/{nope}"}], r"names \{nope\}"),
        (
            [DEALS, {**LINES, "parent": {"stream": "deals", "params": {"deal": "slug"}}, "detail": "x/{deal}/{id}"}],
            r"names \{deal\}; known there: \{id\}",
        ),
        ([DEALS, {**LINES, "cursor": {**SINCE, "order": "ascending"}}], "cannot be `order: ascending`"),
        ([{**DEALS, "confirm_deletions": True}], "no `detail`"),
        ([{**DEALS, "request_body": {}}], "only `method: POST`"),
        ([{**DEALS, "cursor": {**SINCE, "format": "number"}}], "needs `order: ascending`"),
        ([{**DEALS, "cursor": {**SINCE, "format": "text", "order": "ascending", "inclusive": False}}], "must be inclusive"),
        ([{**DEALS, "cursor": {**SINCE, "template": "x"}}], "no {cursor}"),
        ([{**DEALS, "cursor": {**SINCE, "request_format": "rfc"}}], "request_format is one of"),
        ([{**DEALS, "paginator": {"type": "cursor", "parameter": "after"}}], "either `path` or `header`"),
        ([{**DEALS, "paginator": {"type": "page_number", "size_parameter": "n"}}], "without size"),
        ([{**DEALS, "paginator": {"type": "keyset", "field": "id", "parameter": "a", "template": "x"}}], "no {value}"),
        ([{**DEALS, "deletions": {"type": "tombstone", "field": "x", "equals": [1], "matches": "y"}}], "either `equals` or `matches`"),
        ([{**DEALS, "deletions": {"type": "tombstone", "field": "x", "matches": "("}}], "no regular expression"),
        ([{**DEALS, "attachments": [{"list": "files"}]}], "either `url` or `url_template`"),
        ([{**DEALS, "attachments": [{"list": "files", "url": "href"}]}], "need `detail`"),
        ([{**DEALS, "attachments": [{"path": "x/{nope}", "url": "href"}]}], r"names \{nope\}"),
        ([{**DEALS, "title": "{{ name"}], "no Jinja template"),
        ([{**DEALS, "read": "sweep"}], "sweeps only"),
        ([{**DEALS, "primary_key": []}], "at least 1"),
        ([{**DEALS, "key": "id"}], "Extra inputs"),
    ],
)
def test_what_does_not_fit_is_told(streams: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        described(*streams)


@pytest.mark.parametrize(
    ("hook", "why"),
    [
        ({"stream": "nope"}, "there are deals, lines"),
        ({"stream": "lines"}, "no `detail`"),
        ({"stream": "deals", "key": ["a", "b"]}, "as many fields"),
        ({"stream": "deals", "parent_key": ["a"]}, "as many fields"),
        ({"stream": "deals", "field": "type"}, "go together"),
    ],
)
def test_a_webhook_that_does_not_fit_is_told(hook: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        described({**DEALS, "detail": "deals/{id}"}, LINES, webhooks=[hook])


@pytest.mark.parametrize("value", ["../admin", "..", ".", "a/b", "a?x=1", "a#b", "%2e%2e", "é"])
def test_a_value_in_an_address_is_one_segment(value: str) -> None:
    filled = fill_path("items/{id}/files", {"id": value})
    assert (filled.count("/"), "?" in filled, "#" in filled, "/../" in filled, "/./" in filled) == (2, False, False, False, False)


def test_a_template_fills_what_it_knows_and_computes_nothing() -> None:
    assert fill({"a": ["{x}", "{y} {z.__class__}"], "b": "{x}!"}, {"x": 5}) == {"a": [5, "{y} {z.__class__}"], "b": "5!"}


@pytest.mark.parametrize(
    ("raw", "form", "out", "said"),
    [
        ("2026-05-17T12:00:00.123Z", "iso", "iso", "2026-05-17T12:00:00.123Z"),
        ("2026-05-17T14:00:00+02:00", "iso", "%Y-%m-%dT%H:%M:%S.000+0000", "2026-05-17T12:00:00.000+0000"),
        ("2026-05-17T12:00:00", "iso", "epoch_ms", 1_779_019_200_000),
        (1_779_019_200, "epoch_s", "epoch_s", 1_779_019_200),
        ("1779019200999", "epoch_ms", "iso", "2026-05-17T12:00:00.999Z"),
        ("2026-05-17", "date", "date", "2026-05-17"),
        (12345678901234567890123, "number", "number", 12345678901234567890123),
        ("abc", "text", "text", "abc"),
    ],
)
def test_a_value_is_asked_for_as_the_api_writes_it(raw: Any, form: str, out: str, said: Any) -> None:
    value = parse(raw, form)
    assert value is not None
    assert written(value, out) == said


@pytest.mark.parametrize(
    ("raw", "form"), [(None, "iso"), ("", "iso"), ("soon", "iso"), (True, "number"), ("x", "number"), ({}, "epoch_s"), ("NaN", "number")]
)
def test_what_is_no_value_is_none(raw: Any, form: str) -> None:
    assert parse(raw, form) is None


def test_just_before_a_value_is_less_by_what_the_format_tells_apart() -> None:
    assert [just_before(1_000_000_000, form) for form in ("iso", "epoch_ms", "number")] == [999_000_000, 999_999_000, 999_999_999]


def test_an_instant_beyond_all_calendars_is_none() -> None:
    assert instant(10**30) is None
