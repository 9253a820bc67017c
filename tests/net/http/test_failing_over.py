from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector_pipelines.core import errors
from connector_pipelines.net.http._bases import AWAY_S
from tests.net.http.world import SECRET, Signs, Time, Watching, client
from tests.net.scripted import Scripted, answer, closing, serving


@pytest.fixture
def base() -> Iterator[Scripted]:
    with serving() as server:
        yield server


@pytest.fixture
def fallback() -> Iterator[Scripted]:
    with serving() as server:
        yield server


def test_what_does_not_work_at_the_base_after_a_few_tries_goes_to_the_fallback_with_our_credentials(
    base: Scripted, fallback: Scripted
) -> None:
    base.otherwise = answer(502)
    with client(f"{base.url}/v1/", fallback_url=f"{fallback.url}/copy/v1", sign_in=Signs()) as http:
        http.get("items", params={"page": 2})
        http.get(f"{base.url}/v1/items?page=3")

    assert len(base.asked) == 3
    assert [asked.target for asked in fallback.asked] == ["/copy/v1/items?page=2", "/copy/v1/items?page=3"]
    assert fallback.asked[0].headers["authorization"] == f"Key {SECRET}"


def test_the_base_is_tried_once_when_its_time_is_over_and_used_again_when_it_works(base: Scripted, fallback: Scripted) -> None:
    time = Time()
    base.script(*[closing] * 4)
    with client(base.url, time=time, fallback_url=fallback.url) as http:
        http.get("1")
        http.get("2")
        time.now += AWAY_S
        base.steps.clear()
        base.script(answer(500))
        http.get("3")
        time.now += AWAY_S
        http.get("4")
        http.get("5")

    assert [asked.path for asked in fallback.asked] == ["/1", "/2", "/3"]
    assert [asked.path for asked in base.asked][-3:] == ["/3", "/4", "/5"]


def test_an_open_circuit_sends_to_the_fallback_without_a_pause_and_back_when_it_lets_a_try_through(
    base: Scripted, fallback: Scripted
) -> None:
    time, watching = Time(), Watching(shut={base.url})
    with client(base.url, time=time, watching=watching, fallback_url=fallback.url) as http:
        http.get("1")
        time.now += AWAY_S
        http.get("2")
        watching.shut.clear()
        time.now += AWAY_S
        http.get("3")

    assert ([asked.path for asked in fallback.asked], [asked.path for asked in base.asked], time.waits) == (["/1", "/2"], ["/3"], [])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 429])
def test_a_refusal_is_the_same_everywhere_and_never_asked_for_at_the_fallback(base: Scripted, fallback: Scripted, status: int) -> None:
    base.otherwise = answer(status)
    with client(base.url, fallback_url=fallback.url) as http, pytest.raises(errors.ConnectorError):
        http.get("x")

    assert fallback.asked == []


def test_what_is_not_idempotent_goes_to_the_fallback_only_where_the_base_cannot_have_got_it(fallback: Scripted) -> None:
    with serving() as base, client(base.url, fallback_url=fallback.url) as http:
        base.script(answer(500))
        with pytest.raises(errors.Unavailable):
            http.request("POST", "1")
    with client(base.url, fallback_url=fallback.url) as http:
        http.request("POST", "2")

    assert [asked.path for asked in fallback.asked] == ["/2"]


def test_an_address_that_is_not_below_the_base_has_no_fallback(base: Scripted, fallback: Scripted) -> None:
    base.otherwise = answer(500)
    with client(f"{base.url}/v1", fallback_url=fallback.url) as http, pytest.raises(errors.Unavailable):
        http.get(f"{base.url}/other")

    assert fallback.asked == []


def test_where_neither_works_the_fallback_s_error_is_told(base: Scripted, fallback: Scripted) -> None:
    base.otherwise = fallback.otherwise = answer(500)
    with client(base.url, fallback_url=fallback.url) as http, pytest.raises(errors.Unavailable, match=fallback.url):
        http.get("x")


def test_a_download_goes_to_the_fallback_as_well(base: Scripted, fallback: Scripted) -> None:
    base.otherwise = answer(503)
    fallback.otherwise = answer(200, b"bytes")
    with client(base.url, fallback_url=fallback.url) as http, http.download("x") as found:
        assert b"".join(found) == b"bytes"
