"""Another loader reads the fake through its own paginators: what it finds is no matter of our own opinion."""

from __future__ import annotations

from typing import Any

import pytest
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import APIKeyAuth, BearerTokenAuth, HttpBasicAuth
from dlt.sources.helpers.rest_client.paginators import (
    BasePaginator,
    HeaderLinkPaginator,
    JSONLinkPaginator,
    JSONResponseCursorPaginator,
    OffsetPaginator,
    PageNumberPaginator,
    SinglePagePaginator,
)

from connector_pipelines.testing.fake_api import (
    AllInOne,
    ApiKeys,
    BasicUsers,
    BearerTokens,
    CursorToken,
    FakeApi,
    LinkHeader,
    NextUrl,
    Offset,
    PageNumber,
    Paginator,
    Quirks,
    SignIn,
    StreamShape,
)

WAYS: list[tuple[Paginator, Quirks, BasePaginator]] = [
    (LinkHeader(), Quirks(), HeaderLinkPaginator()),
    (NextUrl(path="links.next.href"), Quirks(), JSONLinkPaginator(next_url_path="links.next.href")),
    (NextUrl(absolute=False, end="absent"), Quirks(empty_page=2), JSONLinkPaginator(next_url_path="next")),
    (CursorToken(), Quirks(trailing_empty_page=True), JSONResponseCursorPaginator("paging.next.after", "after")),
    (CursorToken(by="offset", end="null", has_more="more"), Quirks(), JSONResponseCursorPaginator("paging.next.after", "after")),
    (Offset(), Quirks(), OffsetPaginator(limit=7, total_path="total")),
    (PageNumber(pages="pages"), Quirks(), PageNumberPaginator(base_page=1, total_path="pages")),
    (PageNumber(first=0), Quirks(), PageNumberPaginator(base_page=0, total_path=None)),
    (AllInOne(), Quirks(), SinglePagePaginator()),
]


@pytest.mark.parametrize(("paginator", "quirks", "theirs"), WAYS, ids=[f"{p.type}-{n}" for n, (p, _, _) in enumerate(WAYS)])
def test_dlt_reads_every_record_by_its_own_paginator(api: FakeApi, paginator: Paginator, quirks: Quirks, theirs: BasePaginator) -> None:
    api.add(StreamShape(name="people", paginator=paginator, quirks=quirks, select="data.items"))
    api.company.fill("people", 40)

    records = read(api, theirs)

    assert {str(record["id"]): record for record in records} == api.company.truth("people")
    assert len(records) == 40


@pytest.mark.parametrize(
    ("way", "auth"),
    [
        (BearerTokens(tokens={"app": "t"}), BearerTokenAuth("t")),
        (ApiKeys(keys={"app": "k"}, name="X-Key"), APIKeyAuth(name="X-Key", api_key="k", location="header")),
        (ApiKeys(keys={"app": "k"}, place="query", name="key"), APIKeyAuth(name="key", api_key="k", location="query")),
        (BasicUsers(users={"app": "p"}), HttpBasicAuth("app", "p")),
    ],
    ids=["bearer", "header", "query", "basic"],
)
def test_dlt_signs_in(api: FakeApi, way: SignIn, auth: Any) -> None:
    api.add(StreamShape(name="people", paginator=CursorToken(), select="data.items"))
    api.company.fill("people", 20)
    api.signs_in(way)

    records = read(api, JSONResponseCursorPaginator("paging.next.after", "after"), auth)

    assert len(records) == 20
    assert {entry.credential for entry in api.journal.entries()} == {"app"}


def read(api: FakeApi, paginator: BasePaginator, auth: Any = None) -> list[dict[str, Any]]:
    client = RESTClient(base_url=api.url, auth=auth, data_selector="data.items", paginator=paginator)
    client.session.trust_env = False
    return [record for page in client.paginate("/people", params={"limit": 7}) for record in page]
