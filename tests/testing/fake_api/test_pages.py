"""Every way to page, read by a plain client; and every way in which pages go wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from connector_pipelines.testing.fake_api import (
    AllInOne,
    CursorToken,
    FakeApi,
    LinkHeader,
    NextUrl,
    Offset,
    PageNumber,
    Paginator,
    Quirks,
    SinceId,
    StreamShape,
)

Page = list[dict[str, Any]]
Reader = Callable[[httpx.Client], list[Page]]


def by_link(http: httpx.Client) -> list[Page]:
    pages, url = [], "/things?limit=2"
    while url:
        answer = http.get(url)
        pages.append(answer.json()["data"])
        url = answer.links.get("next", {}).get("url", "")
    return pages


def by_next_url(http: httpx.Client) -> list[Page]:
    pages, url = [], "/things?limit=2"
    while url:
        body = http.get(url).json()
        pages.append(body["data"])
        url = body.get("next")
    return pages


def by_token(http: httpx.Client, most: int = 20) -> list[Page]:
    pages, params = [], {"limit": "2"}
    for _ in range(most):
        body = http.get("/things", params=params).json()
        pages.append(body["data"])
        if "paging" not in body:
            break
        params["after"] = body["paging"]["next"]["after"]
    return pages


def by_token_in_header(http: httpx.Client) -> list[Page]:
    pages, params = [], {"limit": "2"}
    while True:
        answer = http.get("/things", params=params)
        pages.append(answer.json())
        if "x-next" not in answer.headers:
            return pages
        params["after"] = answer.headers["x-next"]


def by_offset(http: httpx.Client) -> list[Page]:
    pages, offset, total = [], 0, 1
    while offset < total:
        body = http.get("/things", params={"limit": 2, "offset": offset}).json()
        pages.append(body["data"])
        offset, total = offset + 2, body["total"]
    return pages


def by_number(first: int) -> Reader:
    def read(http: httpx.Client) -> list[Page]:
        pages, number, last = [], first, first
        while number <= last:
            body = http.get("/things", params={"limit": 2, "page": number}).json()
            pages.append(body["data"])
            number, last = number + 1, body["meta"]["pages"] + first - 1
        return pages

    return read


def by_last_id(http: httpx.Client) -> list[Page]:
    pages: list[Page] = []
    while not pages or pages[-1]:
        params = {"limit": 2} | ({"since_id": pages[-1][-1]["id"]} if pages else {})
        pages.append(http.get("/things", params=params).json()["data"])
    return pages[:-1]


def all_in_one(http: httpx.Client) -> list[Page]:
    return [http.get("/things", params={"limit": 2}).json()["data"]]


WAYS: list[tuple[Paginator, Reader, int]] = [
    (LinkHeader(), by_link, 3),
    (NextUrl(), by_next_url, 3),
    (NextUrl(absolute=False, end="empty"), by_next_url, 3),
    (NextUrl(by="offset", end="absent"), by_next_url, 3),
    (CursorToken(), by_token, 3),
    (Offset(), by_offset, 3),
    (PageNumber(pages="meta.pages"), by_number(1), 3),
    (PageNumber(first=0, pages="meta.pages"), by_number(0), 3),
    (SinceId(), by_last_id, 3),
    (AllInOne(), all_in_one, 1),
]


@pytest.mark.parametrize(("paginator", "read", "pages"), WAYS, ids=[f"{w.type}-{n}" for n, (w, _, _) in enumerate(WAYS)])
def test_a_client_that_follows_the_pages_has_every_record_once(
    api: FakeApi, http: httpx.Client, paginator: Paginator, read: Reader, pages: int
) -> None:
    things(api, paginator)

    found = read(http)

    assert len(found) == pages
    assert [record["id"] for page in found for record in page] == [1, 2, 3, 4, 5]


def test_a_token_may_come_in_a_header_and_the_records_as_the_whole_answer(api: FakeApi, http: httpx.Client) -> None:
    things(api, CursorToken(header="X-Next"), select="")

    assert [record["id"] for page in by_token_in_header(http) for record in page] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("select", ["items", "data.items", r"odata\.value"])
def test_records_lie_where_the_shape_says(api: FakeApi, http: httpx.Client, select: str) -> None:
    things(api, AllInOne(), select=select, envelope={"status": "ok"})

    body = http.get("/things").json()

    way = {"items": ("items",), "data.items": ("data", "items")}.get(select, ("odata.value",))
    assert body["status"] == "ok"
    for step in way:
        body = body[step]
    assert len(body) == 5


def test_a_page_is_cut_down_to_the_largest_size_without_a_word(api: FakeApi, http: httpx.Client) -> None:
    things(api, Offset(max_size=2))

    assert len(http.get("/things", params={"limit": 500}).json()["data"]) == 2


@pytest.mark.parametrize(
    ("paginator", "found"), [(NextUrl(by="offset"), [1, 2, 4, 5]), (NextUrl(by="key"), [1, 2, 3, 4])], ids=["offset", "key"]
)
def test_a_deletion_meanwhile_shifts_pages_that_go_by_number_and_hides_a_record(
    api: FakeApi, http: httpx.Client, paginator: Paginator, found: list[int]
) -> None:
    things(api, paginator)

    first = http.get("/things?limit=2").json()
    api.company.hard_delete("things", "1")
    second = http.get(first["next"]).json()

    assert [record["id"] for record in (*first["data"], *second["data"])] == found


def test_an_empty_page_that_is_not_the_end_leads_on_to_the_rest(api: FakeApi, http: httpx.Client) -> None:
    things(api, CursorToken(), quirks=Quirks(empty_page=2))

    assert [[record["id"] for record in page] for page in by_token(http)] == [[1, 2], [], [3, 4], [5]]


def test_a_short_page_is_not_the_end(api: FakeApi, http: httpx.Client) -> None:
    things(api, CursorToken(), quirks=Quirks(short_page=1))

    assert [[record["id"] for record in page] for page in by_token(http)] == [[1], [2, 3], [4, 5]]


def test_the_last_page_may_lead_to_one_more_which_is_empty(api: FakeApi, http: httpx.Client) -> None:
    things(api, CursorToken(), quirks=Quirks(trailing_empty_page=True))

    assert [len(page) for page in by_token(http)] == [2, 2, 1, 0]


def test_a_repeated_token_leads_round_in_a_circle(api: FakeApi, http: httpx.Client) -> None:
    things(api, CursorToken(), quirks=Quirks(repeat_token_on=2))

    assert [[record["id"] for record in page] for page in by_token(http, most=4)] == [[1, 2], [3, 4], [3, 4], [3, 4]]


@pytest.mark.parametrize(("paginator", "read"), [(CursorToken(), by_token), (Offset(), by_offset)])
def test_a_record_may_be_on_two_pages(api: FakeApi, http: httpx.Client, paginator: Paginator, read: Reader) -> None:
    things(api, paginator, quirks=Quirks(duplicates=True))

    assert [[record["id"] for record in page] for page in read(http)] == [[1, 2], [2, 3, 4], [4, 5]]


def test_a_total_may_lie(api: FakeApi, http: httpx.Client) -> None:
    things(api, Offset(), quirks=Quirks(total_off_by=-2))

    assert http.get("/things").json()["total"] == 3


def test_a_search_by_post_takes_its_parameters_from_the_body_by_their_paths(api: FakeApi, http: httpx.Client) -> None:
    things(api, CursorToken(param="page.after", size_param="page.size"), method="POST")

    first = http.post("/things", json={"page": {"size": 4}}).json()
    rest = http.post("/things", json={"page": {"size": 4, "after": first["paging"]["next"]["after"]}}).json()

    assert [len(first["data"]), len(rest["data"])] == [4, 1]
    assert http.get("/things").status_code == 405


@pytest.mark.parametrize("query", ["after=nonsense", "limit=0", "limit=many"])
def test_what_is_no_page_is_refused(api: FakeApi, http: httpx.Client, query: str) -> None:
    things(api, CursorToken())

    assert http.get(f"/things?{query}").status_code == 400


def things(api: FakeApi, paginator: Paginator, **shape: Any) -> None:
    api.company.streams.pop("things", None)
    api.add(StreamShape(name="things", paginator=paginator, **shape))
    api.company.put_many("things", [{"name": f"thing {n}"} for n in range(1, 6)])
