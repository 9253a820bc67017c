"""A draft as it is, without a word changed, reads the API that the document describes."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector_pipelines.core.types import START, Upserted
from connector_pipelines.sources.rest_api import Config, Source
from connector_pipelines.testing.fake_api import (
    CursorToken,
    FakeApi,
    LinkHeader,
    NextUrl,
    Offset,
    PageNumber,
    Paginator,
    SinceId,
    StreamShape,
)
from connector_pipelines.testing.source_suite import plain_tools
from tests.sources.rest_api_drafting.documents import Json, drafted, get, listed, number, openapi, record

ORDER = record(id="integer", name="string", updated_at="date-time", note="string")
LINES = get(listed(record(id="integer", name="string")))
SIZE = number("limit", maximum=7)


def paged(answer: Json, *query: str | Json, **headers: Json) -> Json:
    item = get(answer, "updated_since", SIZE, *query)
    item["get"]["responses"]["200"]["headers"] = headers
    return item


WAYS: list[tuple[Paginator, Json]] = [
    (CursorToken(), paged(listed(ORDER, paging=record(next=record(after="string"))), "after")),
    (NextUrl(path="links.next"), paged(listed(ORDER, links=record(next="uri")))),
    (LinkHeader(), paged(listed(ORDER), Link={"schema": {"type": "string"}})),
    (Offset(), paged(listed(ORDER, total="integer"), number("offset"))),
    (PageNumber(pages="pages"), paged(listed(ORDER, pages="integer"), number("page", default=1))),
    (SinceId(has_more="has_more"), paged(listed(ORDER, has_more="boolean"), "since_id")),
]


@pytest.mark.parametrize(("paginator", "orders"), WAYS, ids=[paginator.type for paginator, _ in WAYS])
def test_every_record_is_read_with_those_below_it_and_then_only_what_is_new(paginator: Paginator, orders: Json, tmp_path: Path) -> None:
    with FakeApi() as api:
        api.add(
            StreamShape(name="orders", paginator=paginator),
            StreamShape(name="lines", path="/orders/{parent}/lines", parent="orders", touches_parent=True, filter=None, cursor_field=None),
        )
        api.company.fill("orders", 20)
        for order in range(1, 21):
            api.company.put("lines", {"name": f"line of {order}"}, parent=str(order))
        document = openapi({"/orders": orders, "/orders/{orderId}/lines": LINES}, servers=[{"url": api.url}])

        source = Source(Config.model_validate(drafted(document, tmp_path)["endpoints"][0]["settings"]), plain_tools())
        first = list(source.changes(START))
        api.company.put("orders", {"name": "new"})
        second = list(source.changes(first[-1].cursor or START))
        source.close()

    assert {c.ref.id for page in first for c in page.changes if isinstance(c, Upserted)} == {
        *(f"orders/{n}" for n in range(1, 21)),
        *(f"orders/{n}/lines/{n}" for n in range(1, 21)),
    }
    assert "orders/21" in {c.ref.id for page in second for c in page.changes if isinstance(c, Upserted)}
    assert not second[-1].snapshot
