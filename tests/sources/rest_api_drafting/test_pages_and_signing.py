"""Paginators, base addresses and ways to sign in, drafted from what a document says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector_pipelines.sources.rest_api.drafting import draft_from_openapi
from tests.sources.rest_api_drafting.documents import Json, drafted, get, listed, number, only_stream, openapi, record

ITEM = record(id="integer", name="string")

PAGINATORS: list[tuple[str, Json, tuple[Any, ...], Json]] = [
    (
        "token",
        record(results={"type": "array", "items": ITEM}, paging=record(next=record(after="string", link="string"))),
        ("after", number("limit", maximum=100)),
        {"type": "cursor", "path": "paging.next.after", "parameter": "after", "size": 100, "size_parameter": "limit"},
    ),
    (
        "token with more",
        listed(ITEM, next_cursor="string", has_more="boolean"),
        ("cursor",),
        {"type": "cursor", "path": "next_cursor", "parameter": "cursor", "more": "has_more"},
    ),
    (
        "page token",
        listed(ITEM, nextPageToken="string"),
        ("pageToken", number("maxResults", default=50)),
        {"type": "cursor", "path": "nextPageToken", "parameter": "pageToken", "size": 50, "size_parameter": "maxResults"},
    ),
    (
        "JSON:API",
        listed(ITEM, links=record(next=record(href="string"))),
        (number("page[number]"), number("page[limit]", maximum=200)),
        {"type": "next_url", "path": "links.next.href", "size": 200, "size_parameter": "page[limit]"},
    ),
    (
        "OData",
        listed(ITEM, **{"@odata.nextLink": "string"}),
        (number("$top"),),
        {"type": "next_url", "path": "@odata.nextLink", "size": 100, "size_parameter": "$top"},
    ),
    ("bare token", listed(ITEM, next="string"), ("cursor",), {"type": "cursor", "path": "next", "parameter": "cursor"}),
    ("bare next", listed(ITEM, next="uri"), ("cursor",), {"type": "next_url", "path": "next"}),
    (
        "offset",
        listed(ITEM, total="integer"),
        (number("startAt"), number("maxResults")),
        {"type": "offset", "parameter": "startAt", "total": "total", "size": 100, "size_parameter": "maxResults"},
    ),
    (
        "number",
        listed(ITEM, meta=record(total="integer", total_pages="integer")),
        (number("page", minimum=1), number("per_page", default=25)),
        {
            "type": "page_number",
            "parameter": "page",
            "start": 1,
            "total": "meta.total",
            "total_pages": "meta.total_pages",
            "size": 25,
            "size_parameter": "per_page",
        },
    ),
    (
        "keyset",
        listed(ITEM, has_more="boolean"),
        ("starting_after", number("limit", maximum=100)),
        {"type": "keyset", "field": "id", "parameter": "starting_after", "more": "has_more", "size": 100, "size_parameter": "limit"},
    ),
]


@pytest.mark.parametrize(("answer", "query", "paginator"), [p[1:] for p in PAGINATORS], ids=[p[0] for p in PAGINATORS])
def test_the_paginator_is_told_by_names(answer: Json, query: tuple[Any, ...], paginator: Json, tmp_path: Path) -> None:
    assert only_stream(openapi({"/contacts": get(answer, *query)}), tmp_path)["paginator"] == paginator


def test_an_answer_with_a_link_header_is_paged_by_it_and_not_by_number(tmp_path: Path) -> None:
    item = get({"type": "array", "items": ITEM}, number("page"), number("per_page", maximum=100))
    item["get"]["responses"]["200"]["headers"] = {"Link": {"schema": {"type": "string"}}}

    stream = only_stream(openapi({"/contacts": item}), tmp_path)

    assert stream["paginator"] == {"type": "link_header", "size": 100, "size_parameter": "per_page"}


def test_where_no_way_through_pages_is_told_the_reader_is_told_what_was_met(tmp_path: Path) -> None:
    document = openapi({"/contacts": get(listed(ITEM), "limit")})

    assert "paginator" not in only_stream(document, tmp_path)
    assert "No way through pages could be told from limit" in draft_from_openapi(json.dumps(document).encode(), "acme.json")


CODE = {"authorizationUrl": "https://login.example.com/authorize", "tokenUrl": "https://login.example.com/token", "scopes": {"read": ""}}

SCHEMES: list[tuple[Json, Json]] = [
    (
        {"type": "apiKey", "in": "header", "name": "X-Key"},
        {"type": "apikey", "key": "env:ACME_CRM_KEY", "place": "header", "name": "X-Key"},
    ),
    ({"type": "apiKey", "in": "query", "name": "key"}, {"type": "apikey", "key": "env:ACME_CRM_KEY", "place": "query", "name": "key"}),
    ({"type": "http", "scheme": "Bearer"}, {"type": "bearer", "token": "env:ACME_CRM_TOKEN"}),
    ({"type": "http", "scheme": "basic"}, {"type": "basic", "username_secret": "env:ACME_CRM_USER", "password": "env:ACME_CRM_PASSWORD"}),
    ({"type": "basic"}, {"type": "basic", "username_secret": "env:ACME_CRM_USER", "password": "env:ACME_CRM_PASSWORD"}),
    (
        {"type": "mutualTLS"},
        {"type": "certificate", "certificate": "env:ACME_CRM_CERTIFICATE", "key": "env:ACME_CRM_CERTIFICATE_KEY"},
    ),
    (
        {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"},
        {
            "type": "sigv4",
            "access_key": "env:ACME_CRM_ACCESS_KEY",
            "secret_key": "env:ACME_CRM_SECRET_KEY",
            "region": "eu-central-1",
            "service": "execute-api",
        },
    ),
    (
        {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://login.example.com/token"}, "authorizationCode": CODE}},
        {
            "type": "oauth2",
            "grant": {"type": "authorization_code", "authorize_url": "https://login.example.com/authorize"},
            "token_url": "https://login.example.com/token",
            "client_id": "YOUR-CLIENT-ID",
            "client_secret": "env:ACME_CRM_CLIENT_SECRET",
            "scopes": ["read"],
        },
    ),
    (
        {"type": "oauth2", "flow": "application", "tokenUrl": "/relative/token"},
        {
            "type": "oauth2",
            "grant": {"type": "client_credentials"},
            "token_url": "https://login.example.com/oauth/token",
            "client_id": "YOUR-CLIENT-ID",
            "client_secret": "env:ACME_CRM_CLIENT_SECRET",
            "scopes": ["read"],
        },
    ),
    ({"type": "apiKey", "in": "cookie", "name": "session"}, {"type": "none"}),
    ({"type": "http", "scheme": "digest"}, {"type": "none"}),
    ({"type": "openIdConnect", "openIdConnectUrl": "https://x"}, {"type": "none"}),
]


@pytest.mark.parametrize(("scheme", "auth"), SCHEMES, ids=[f"{s['type']}-{n}" for n, (s, _) in enumerate(SCHEMES)])
def test_the_sign_in_is_drafted_with_places_for_secrets(scheme: Json, auth: Json, tmp_path: Path) -> None:
    document = openapi({"/contacts": get(listed(ITEM))}, components={"securitySchemes": {"s": scheme}}, security=[{"s": ["read"]}])

    assert drafted(document, tmp_path)["auth"] == auth


def test_what_an_operation_wants_goes_before_what_the_document_wants(tmp_path: Path) -> None:
    schemes = {"one": {"type": "http", "scheme": "basic"}, "two": {"type": "http", "scheme": "bearer"}}
    document = openapi(
        {"/contacts": get(listed(ITEM), security=[{"two": []}])}, components={"securitySchemes": schemes}, security=[{"one": []}]
    )

    assert drafted(document, tmp_path)["auth"]["type"] == "bearer"


@pytest.mark.parametrize(
    ("servers", "base", "told"),
    [
        ([{"url": "https://{region}.acme.example/v1", "variables": {"region": {"default": "eu"}}}], "https://eu.acme.example/v1", ""),
        ([{"url": "https://{tenant}.acme.example/v1"}], "https://api.example.com", "could not be told"),
        ([{"url": "/api/v2"}], "https://api.example.com/api/v2", "could not be told"),
        ([{"url": "https://me:pass@acme.example"}], "https://api.example.com", "could not be told"),
        ([{"url": "https://acme.example:99999"}], "https://api.example.com", "could not be told"),
        ([], "https://api.example.com", "could not be told"),
        ([{"url": "https://a.example"}, {"url": "https://b.example"}], "https://a.example", "The document names others: https://b.example"),
        ([{"url": "http://127.0.0.1:8080/api"}], "http://127.0.0.1:8080/api", "allow_private: true"),
    ],
)
def test_the_base_is_that_of_the_first_server_as_far_as_it_is_one(servers: list[Json], base: str, told: str, tmp_path: Path) -> None:
    document = openapi({"/contacts": get(listed(ITEM))}, servers=servers)

    assert drafted(document, tmp_path)["endpoints"][0]["settings"]["base_url"] == base
    assert told in draft_from_openapi(json.dumps(document).encode(), "acme.json")
