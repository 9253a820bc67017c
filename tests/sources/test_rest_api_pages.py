"""From the first page to the last, by every paginator, with what goes wrong there."""

from __future__ import annotations

from typing import Any

import pytest

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.types import Unlistable
from connector_pipelines.testing.fake_api import (
    AllInOne,
    CursorToken,
    LinkHeader,
    NextUrl,
    Offset,
    PageNumber,
    Quirks,
    SinceId,
    StreamShape,
)
from tests.sources.rest_api_world import BY_TOKEN, CONTACTS, Reader, contacts, read, told

SIZED = {"size": 2, "size_parameter": "limit"}

PAGINATORS: list[tuple[str, Any, dict[str, Any]]] = [
    ("link header", LinkHeader(), {"type": "link_header", **SIZED}),
    ("next url", NextUrl(), {"type": "next_url", "path": "next", **SIZED}),
    ("relative next url", NextUrl(absolute=False, end="absent"), {"type": "next_url", "path": "next", **SIZED}),
    ("dotted name of a next url", NextUrl(path="@odata\\.nextLink", end="absent"), {"type": "next_url", "path": "@odata.nextLink", **SIZED}),
    ("token", CursorToken(), BY_TOKEN),
    ("empty token at the end", CursorToken(end="empty"), BY_TOKEN),
    ("token in a header", CursorToken(header="X-After"), {"type": "cursor", "header": "X-After", "parameter": "after", **SIZED}),
    ("token and more", CursorToken(has_more="has_more"), {**BY_TOKEN, "more": "has_more"}),
    ("offset", Offset(total=None), {"type": "offset", "size": 2}),
    ("offset from one, with total", Offset(first=1), {"type": "offset", "size": 2, "start": 1, "total": "total"}),
    ("offset that says more", Offset(total=None, has_more="more"), {"type": "offset", "size": 2, "more": "more"}),
    ("page number", PageNumber(), {"type": "page_number", **SIZED}),
    ("page number from zero, with total", PageNumber(first=0, total="total"), {"type": "page_number", "start": 0, "total": "total", **SIZED}),
    ("page number of so many", PageNumber(pages="pages"), {"type": "page_number", "total_pages": "pages", **SIZED}),
    ("page number that says more", PageNumber(has_more="more"), {"type": "page_number", "more": "more", **SIZED}),
    ("key", SinceId(), {"type": "keyset", "field": "id", "parameter": "since_id", **SIZED}),
    ("key that says more", SinceId(has_more="more"), {"type": "keyset", "field": "id", "parameter": "since_id", "more": "more", **SIZED}),
    ("none", AllInOne(), {"type": "none"}),
]  # fmt: skip
NAMES = [name for name, _, _ in PAGINATORS]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
@pytest.mark.parametrize(("_name", "shape", "paginator"), PAGINATORS, ids=NAMES)
def test_every_record_is_told_once_by_every_paginator(
    reader: Reader, _name: str, shape: Any, paginator: dict[str, Any], count: int
) -> None:
    ids = contacts(reader.api, count, paginator=shape)

    found = read(reader.source({**CONTACTS, "paginator": paginator}))

    assert (sorted(found.ids), found.others) == (sorted(f"contacts/{one}" for one in ids), [])


@pytest.mark.parametrize("quirks", [Quirks(empty_page=2), Quirks(short_page=1), Quirks(trailing_empty_page=True), Quirks(duplicates=True)])
@pytest.mark.parametrize(("_name", "shape", "paginator"), PAGINATORS[:8], ids=NAMES[:8])
def test_empty_and_short_pages_are_not_the_end(reader: Reader, _name: str, shape: Any, paginator: dict[str, Any], quirks: Quirks) -> None:
    ids = contacts(reader.api, 7, paginator=shape, quirks=quirks)
    assert set(read(reader.source({**CONTACTS, "paginator": paginator})).ids) == {f"contacts/{one}" for one in ids}


@pytest.mark.parametrize(("_name", "shape", "paginator"), PAGINATORS[8:-1], ids=NAMES[8:-1])
@pytest.mark.parametrize("most", [1, 2])
def test_a_server_that_gives_smaller_pages_than_asked_for_is_read_whole(
    reader: Reader, _name: str, shape: Any, paginator: dict[str, Any], most: int
) -> None:
    ids = contacts(reader.api, 7, paginator=shape.model_copy(update={"max_size": most, "size": most}))
    found = read(reader.source({**CONTACTS, "paginator": {**paginator, "size": 5}}))
    assert (sorted(found.ids), found.others) == (sorted(f"contacts/{one}" for one in ids), [])


@pytest.mark.parametrize(("_name", "shape", "paginator"), PAGINATORS[:8], ids=NAMES[:8])
def test_a_next_page_that_was_read_before_is_an_error(reader: Reader, _name: str, shape: Any, paginator: dict[str, Any]) -> None:
    contacts(reader.api, 7, paginator=shape, quirks=Quirks(repeat_token_on=2))
    with pytest.raises(ConfigurationError, match=r"read before|again and again"):
        read(reader.source({**CONTACTS, "paginator": paginator}))


def test_tokens_that_lead_back_over_several_pages_are_an_error(reader: Reader) -> None:
    server = reader.scripted()
    for at, record, following in (("", 1, "b"), ("?after=b", 2, "c"), ("?after=c", 3, "b")):
        server.says(f"/contacts{at}", {"data": [{"id": record}], "next": following})
    paginator = {"type": "cursor", "path": "next", "parameter": "after", "max_pages": 50}
    with pytest.raises(ConfigurationError, match="read before, after 3 pages"):
        read(reader.source({**CONTACTS, "paginator": paginator}, base_url=server.url))


def test_a_last_page_that_only_repeats_the_one_record_before_it_ends_the_listing(reader: Reader) -> None:
    quirks = Quirks(duplicates=True, trailing_empty_page=True)
    ids = contacts(reader.api, 1, paginator=CursorToken(), quirks=quirks)

    assert read(reader.source({**CONTACTS, "paginator": BY_TOKEN})).ids == [f"contacts/{one}" for one in ids] * 2


@pytest.mark.parametrize("paginator", [{"type": "page_number", "parameter": "p"}, {"type": "offset", "parameter": "from", "size": 2}])
@pytest.mark.parametrize("size", [1, 2])
def test_an_api_that_does_not_know_the_parameter_of_the_paginator_is_not_read_for_ever(
    reader: Reader, paginator: dict[str, Any], size: int
) -> None:
    contacts(reader.api, 7, paginator=PageNumber(size=size))
    paginator = {**paginator, "max_pages": 20}
    with pytest.raises(ConfigurationError, match="the same page again and again"):
        read(reader.source({**CONTACTS, "paginator": paginator}))


def test_more_pages_than_the_bound_are_an_error(reader: Reader) -> None:
    contacts(reader.api, 7, paginator=CursorToken())
    with pytest.raises(ConfigurationError, match="max_pages=2"):
        read(reader.source({**CONTACTS, "paginator": {**BY_TOKEN, "max_pages": 2}}))


@pytest.mark.parametrize(
    ("shape", "sign"),
    [
        (LinkHeader(size=2), "`Link` header"),
        (NextUrl(size=2), "'next'"),
        (CursorToken(size=2), "paging.next"),
        (Offset(size=2), "'total' says 7"),
        (PageNumber(size=2, has_more="has_more"), "'has_more'"),
    ],
    ids=["link", "url", "token", "total", "more"],
)
def test_a_missing_paginator_is_told_and_nothing_is_deleted(reader: Reader, shape: Any, sign: str) -> None:
    contacts(reader.api, 7, paginator=shape)
    source = reader.source(CONTACTS)

    found = read(source)

    (finding,) = found.others
    assert isinstance(finding, Unlistable)
    assert (finding.path, finding.code, sign in finding.message) == ("contacts", "configuration", True)
    assert [(a.name, sign in a.detail) for a in source.test().abilities if not a.works] == [("list contacts", True)]


def test_a_missing_paginator_that_is_meant_is_not_told(reader: Reader) -> None:
    contacts(reader.api, 7, paginator=Offset(size=2))
    found = read(reader.source({**CONTACTS, "completeness": "trust"}))
    assert (len(found.ids), found.others) == (2, [])


SHIFTING: list[tuple[str, Any, dict[str, Any]]] = [
    ("offset", Offset(total=None), {"paginator": {"type": "offset", "size": 2}}),
    ("page number", PageNumber(), {"paginator": {"type": "page_number", **SIZED}}),
    ("page number with total", PageNumber(total="total"), {"paginator": {"type": "page_number", "total": "total", **SIZED}}),
    ("token, two passes", CursorToken(by="offset"), {"paginator": BY_TOKEN, "completeness": "two_passes"}),
]
SHIFTS = [name for name, _, _ in SHIFTING]


@pytest.mark.parametrize(("_name", "shape", "stream"), SHIFTING, ids=SHIFTS)
def test_a_record_that_pages_shifted_past_is_found_by_reading_again(reader: Reader, _name: str, shape: Any, stream: dict[str, Any]) -> None:
    ids = contacts(reader.api, 9, paginator=shape)
    pages = reader.source({**CONTACTS, **stream}).changes()
    begun = next(pages)

    reader.api.company.hard_delete("contacts", ids[0])  # what was to be the first of the next page is now on the one that was read
    found = told(pages)

    assert {f"contacts/{one}" for one in ids[1:]} <= {*found.ids, *(change.ref.id for change in begun.changes)}
    assert found.others == []


@pytest.mark.parametrize(("_name", "shape", "stream"), SHIFTING, ids=SHIFTS)
def test_what_shifts_at_every_reading_proves_nothing(reader: Reader, _name: str, shape: Any, stream: dict[str, Any]) -> None:
    ids = iter(contacts(reader.api, 60, paginator=shape))
    source = reader.source({**CONTACTS, **stream}, after_each=lambda: reader.api.company.hard_delete("contacts", next(ids)))
    assert [(one.path, one.code) for one in read(source).others] == [("contacts", "unavailable")]


@pytest.mark.parametrize("kind", ["link_header", "next_url"])
def test_next_pages_told_apart_by_a_number_are_read_twice(reader: Reader, kind: str) -> None:
    """As GitHub's are: `?page=2` behind a link shifts like any other."""
    server = reader.scripted()
    for at, following in (("/contacts", 2), ("/contacts?page=2", 3), ("/contacts?page=3", None)):
        link = f"{server.url}/contacts?page={following}" if following else None
        server.says(at, {"data": [{"id": at}], "next": link}, **({"Link": f'<{link}>; rel="next"'} if link else {}))
    paginator = {"type": kind, **({"path": "next"} if kind == "next_url" else {})}

    found = read(reader.source({**CONTACTS, "paginator": paginator}, base_url=server.url))

    assert (len(found.ids), found.others) == (3, [])
    assert server.asked == ["/contacts", "/contacts?page=2", "/contacts?page=3"] * 2


def test_a_stream_by_post_pages_in_its_body(reader: Reader) -> None:
    reader.api.add(StreamShape(name="contacts", path="/contacts/search", method="POST", paginator=CursorToken(param="paging.after")))
    ids = reader.api.company.put_many("contacts", [{"name": f"Ada {n}"} for n in range(5)])
    paginator = {**BY_TOKEN, "parameter": "paging.after", "place": "body"}

    found = read(
        reader.source({**CONTACTS, "path": "contacts/search", "method": "POST", "request_body": {"q": "x"}, "paginator": paginator})
    )

    assert sorted(found.ids) == sorted(f"contacts/{one}" for one in ids)
