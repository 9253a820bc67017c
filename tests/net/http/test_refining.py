"""What a connector makes of a refusal counts as if the other side had said it plainly: for trying again, for limits, for the breaker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from connector_pipelines.core import errors
from connector_pipelines.core.http import HttpResponse
from connector_pipelines.net.http._client import HttpClient
from tests.net.http.world import Time, Watching, client
from tests.net.scripted import answer, serving

BUCKETS = ("google/acme", "google/acme/ann")
Refine = Callable[[HttpResponse], errors.ConnectorError | None]


def get(http: HttpClient) -> bytes:
    return http.get("x").content


def download(http: HttpClient) -> bytes:
    with http.download("x") as found:
        return b"".join(found)


def raises(error: Callable[[], errors.ConnectorError]) -> Refine:
    """For 403 alone."""
    return lambda found: error() if found.status == 403 else None


@pytest.mark.parametrize("ask", [get, download])
def test_a_time_hidden_in_a_text_is_waited_for_by_all_of_the_bucket_and_then_it_is_tried_again(ask: Callable[[HttpClient], bytes]) -> None:
    def refine(found: HttpResponse) -> errors.ConnectorError | None:
        return errors.RateLimited("slow", retry_after_s=float(found.json()["wait"])) if found.status == 403 else None

    time, watching = Time(), Watching()
    with serving() as server, client(server.url, time=time, watching=watching, buckets=BUCKETS, refine=refine) as http:
        server.script(answer(403, b'{"wait": 30}'), answer(200, b"found"))

        assert ask(http) == b"found"

    assert time.waits == [30.5]
    assert [(told.throttled, told.retry_after_s) for told in watching.learnt] == [(True, 30.0), (False, None)]
    assert watching.learnt_of == ["google/acme/ann"] * 2
    assert [works for _, works in watching.recorded] == [True, True]
    assert [buckets for buckets, _ in watching.admitted] == [BUCKETS] * 2


@pytest.mark.parametrize(
    ("named", "paused"), [("google/acme", "google/acme"), (None, "google/acme/ann"), ("of another", "google/acme/ann")]
)
def test_the_bucket_that_it_names_is_paused_and_else_the_narrowest(named: str | None, paused: str) -> None:
    watching = Watching()
    refine = raises(lambda: errors.RateLimited("slow", bucket=named))
    with serving() as server, client(server.url, watching=watching, buckets=BUCKETS, refine=refine) as http:
        server.script(answer(403))
        http.get("x")

    assert watching.learnt_of == [paused, "google/acme/ann"]


@pytest.mark.parametrize(("named", "paused"), [("google/acme", "google/acme"), (None, "google/acme/ann")])
def test_what_was_throttled_inside_of_an_answer_pauses_as_an_answer_does(named: str | None, paused: str) -> None:
    watching = Watching()
    with serving() as server, client(server.url, watching=watching, buckets=BUCKETS) as http:
        http.get("x")
        http.throttled(errors.RateLimited("slow", retry_after_s=30.0, bucket=named))

    assert (watching.learnt_of[-1], watching.learnt[-1].throttled, watching.learnt[-1].retry_after_s) == (paused, True, 30.0)


def test_a_bucket_without_a_name_is_the_connectors_own() -> None:
    watching = Watching()
    with serving() as server, client(server.url, watching=watching, buckets=("google/acme", "")) as http:
        http.get("x")

    assert [buckets for buckets, _ in watching.admitted] == [("google/acme", "crm/1")]


@pytest.mark.parametrize(("header", "text", "waited"), [("60", 5.0, 60.0), ("5", 60.0, 60.0), ("7", None, 7.0)])
def test_of_two_times_that_are_asked_for_the_longer_counts(header: str, text: float | None, waited: float) -> None:
    time, watching = Time(), Watching()
    refine = raises(lambda: errors.RateLimited("slow", retry_after_s=text))
    with serving() as server, client(server.url, time=time, watching=watching, refine=refine) as http:
        server.script(answer(403, headers={"Retry-After": header}))
        http.get("x")

    assert watching.learnt[0].retry_after_s == waited
    assert time.waits[0] >= waited


def test_a_time_beyond_the_budget_is_told_to_all_and_not_waited_for() -> None:
    time, watching = Time(), Watching()
    refine = raises(lambda: errors.RateLimited("slow", retry_after_s=3600.0))
    with serving() as server, client(server.url, time=time, watching=watching, refine=refine, retry_budget=timedelta(minutes=2)) as http:
        server.script(answer(403))
        with pytest.raises(errors.RateLimited) as refused:
            http.get("x")

    assert (refused.value.retry_after_s, time.waits, watching.learnt[0].retry_after_s) == (3600.0, [], 3600.0)


@pytest.mark.parametrize("ask", [get, download])
def test_what_is_away_by_its_word_is_tried_again_and_counted_by_the_breaker(ask: Callable[[HttpClient], bytes]) -> None:
    watching = Watching()
    with serving() as server, client(server.url, watching=watching, refine=raises(lambda: errors.Unavailable("backend error"))) as http:
        server.script(answer(403), answer(403), answer(200, b"found"))

        assert ask(http) == b"found"

    assert [works for _, works in watching.recorded] == [False, False, True]
    assert [told.throttled for told in watching.learnt] == [False, False, False]


def test_what_is_away_by_its_word_is_left_for_the_fallback_like_any_server_error() -> None:
    refine = raises(lambda: errors.Unavailable("backend error"))
    with serving() as base, serving() as fallback, client(base.url, fallback_url=fallback.url, refine=refine) as http:
        base.otherwise, fallback.otherwise = answer(403), answer(200, b"there")

        assert http.get("x").content == b"there"


@pytest.mark.parametrize("ask", [get, download])
@pytest.mark.parametrize("error", [errors.Forbidden, errors.NotFound, errors.ConfigurationError, errors.PermanentError])
@pytest.mark.parametrize("status", [403, 429, 503])
def test_any_other_error_is_raised_at_once_and_says_that_the_other_side_works(
    ask: Callable[[HttpClient], bytes], error: type[errors.ConnectorError], status: int
) -> None:
    time, watching = Time(), Watching()
    with serving() as server, client(server.url, time=time, watching=watching, refine=lambda _: error("no")) as http:
        server.script(answer(status))
        with pytest.raises(error, match="no"):
            ask(http)

    assert (len(server.asked), time.waits) == (1, [])
    assert [works for _, works in watching.recorded] == [True]


@pytest.mark.parametrize("status", [403, 429, 503])
def test_what_passes_of_one_thing_alone_is_raised_at_once_and_nobody_else_waits_for_it(status: int) -> None:
    time, watching = Time(), Watching()
    refine: Refine = lambda found: errors.TransientError("its quota is spent", retry_after_s=3600.0) if found.status == status else None  # noqa: E731
    with serving() as server, client(server.url, time=time, watching=watching, refine=refine) as http:
        server.script(answer(status), answer(200, b"another"))
        with pytest.raises(errors.TransientError, match="its quota is spent") as refused:
            http.get("x")

        assert get(http) == b"another"

    assert (type(refused.value), refused.value.retry_after_s) == (errors.TransientError, 3600.0)
    assert (len(server.asked), time.waits) == (2, [])
    assert [(told.throttled, told.retry_after_s) for told in watching.learnt] == [(False, None), (False, None)]
    assert [works for _, works in watching.recorded] == [True, True]


def test_a_limit_told_as_a_server_error_is_no_failure_of_the_server() -> None:
    watching = Watching()
    refine: Refine = lambda found: errors.RateLimited("slow") if found.status == 503 else None  # noqa: E731
    with serving() as server, client(server.url, watching=watching, refine=refine) as http:
        server.script(answer(503))
        http.get("x")

    assert [works for _, works in watching.recorded] == [True, True]


def test_the_breaker_hears_of_each_request_once_whatever_it_was_answered() -> None:
    watching = Watching()
    with serving() as server, client(server.url, watching=watching, refine=lambda _: None) as http:
        for status in (200, 304, 404, 500, 401):
            server.script(answer(status))
            try:
                http.request("POST", "x", accept={404})
            except errors.ConnectorError:
                continue
        server.script(answer(302, headers={"Location": "/y"}), answer(418))
        with pytest.raises(errors.PermanentError):
            http.get("x")

    assert [works for _, works in watching.recorded] == [True, True, True, False, True, True, True]
    assert len(watching.recorded) == len(server.asked)


def test_a_mistake_in_refining_leaves_no_request_that_the_breaker_waits_for() -> None:
    def broken(_: HttpResponse) -> None:
        raise KeyError("error")

    watching = Watching()
    with serving() as server, client(server.url, watching=watching, refine=broken) as http:
        server.script(answer(403))
        with pytest.raises(KeyError):
            http.get("x")

    assert [works for _, works in watching.recorded] == [True]
