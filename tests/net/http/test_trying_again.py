from __future__ import annotations

import socket
import threading
import time as clock
from datetime import timedelta

import pytest

from connector_pipelines.core import errors
from connector_pipelines.net.http._tries import Allowance
from tests.net.http.world import Time, Watching, client
from tests.net.scripted import Asked, answer, closing, reset, serving


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_passing_refusal_is_tried_again_after_a_pause(status: int) -> None:
    time = Time()
    with serving() as server, client(server.url, time=time) as http:
        server.script(answer(status), answer(status), answer(200, b"1"))
        assert http.get("x").content == b"1"

    assert time.waits == [0.5, 1.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 501, 505])
def test_a_refusal_for_good_is_not_tried_again(status: int) -> None:
    with serving() as server, client(server.url) as http:
        server.otherwise = answer(status)
        with pytest.raises(errors.ConnectorError):
            http.get("x")

    assert len(server.asked) == 1


def test_pauses_grow_to_a_limit_and_end_with_the_budget() -> None:
    time = Time()
    with serving() as server, client(server.url, time=time, retry_budget=timedelta(seconds=60)) as http:
        server.otherwise = answer(502)
        with pytest.raises(errors.Unavailable, match="answered 502"):
            http.get("x")

    assert time.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0]


def test_what_is_not_idempotent_is_sent_once_unless_the_call_says_that_it_is() -> None:
    with serving() as server, client(server.url) as http:
        server.script(answer(503))
        with pytest.raises(errors.Unavailable):
            http.request("POST", "x")
        server.script(reset)
        with pytest.raises(errors.Unavailable):
            http.request("PATCH", "x")
        sent = len(server.asked)
        server.script(answer(503), answer(200))
        http.request("POST", "x", idempotent=True)
        server.script(answer(503))
        with pytest.raises(errors.Unavailable):
            http.request("PUT", "x", idempotent=False)

    assert (sent, len(server.asked)) == (2, 5)


def test_even_what_is_not_idempotent_is_tried_again_where_no_connection_came_about() -> None:
    time = Time()
    with serving() as gone:
        port = gone.port
    here = f"http://127.0.0.1:{port}"
    with client(here, time=time, retry_budget=timedelta(seconds=3)) as http, pytest.raises(errors.Unavailable, match="was not reached"):
        http.request("POST", "x")

    assert time.waits == [0.5, 1.0]


@pytest.mark.parametrize("fault", [closing, reset])
def test_a_connection_that_was_kept_for_too_long_costs_neither_error_nor_pause(fault: object) -> None:
    time = Time()
    with serving() as server, client(server.url, time=time) as http:
        for _ in range(30):
            server.script(answer(200), fault, answer(200, b"1"))  # type: ignore[arg-type]
            http.get("x")
            assert http.get("x").content == b"1"

    assert time.waits == []


def test_a_body_that_is_cut_is_asked_for_again() -> None:
    with serving() as server, client(server.url) as http:
        server.script(answer(200, b"[1,", length=6), answer(200, b"[1, 2]"))

        assert http.get("x").json() == [1, 2]


def test_retry_after_is_waited_for_in_full_and_a_date_is_read_by_the_server_s_own_clock() -> None:
    time = Time()
    dated = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"}
    with serving() as server, client(server.url, time=time) as http:
        server.script(answer(429, headers={"Retry-After": "7"}), answer(503, headers=dated), answer(200))
        http.get("x")

    assert [7 <= time.waits[0] <= 8, 30 <= time.waits[1] <= 31, len(time.waits)] == [True, True, 2]


@pytest.mark.parametrize("status", [429, 503, 500])
def test_who_asks_for_more_than_the_budget_is_not_asked_again_and_the_wait_is_told(status: int) -> None:
    time = Time()
    with serving() as server, client(server.url, time=time, retry_budget=timedelta(seconds=60)) as http:
        server.otherwise = answer(status, headers={"Retry-After": "61"})
        with pytest.raises(errors.RateLimited) as refused:
            http.get("x")

    assert (refused.value.retry_after_s, time.waits, len(server.asked)) == (61.0, [], 1)


def test_a_connector_may_say_that_a_refusal_is_a_limit_and_how_long_it_lasts() -> None:
    time, watching = Time(), Watching()
    said = errors.RateLimited("the quota is spent", retry_after_s=5)
    with serving() as server, client(server.url, time=time, watching=watching, refine=lambda _: said) as http:
        server.script(answer(403), answer(200))
        http.get("x")

    assert 5 <= time.waits[0] <= 6
    assert (watching.learnt[0].throttled, watching.learnt[0].retry_after_s) == (True, 5)


def test_tries_of_a_whole_client_are_a_fifth_of_its_requests_and_a_few() -> None:
    time = Time()
    with serving() as server, client(server.url, time=time) as http:
        server.otherwise = answer(500)
        for _ in range(100):
            with pytest.raises(errors.Unavailable):
                http.get("x")

    assert 100 < len(server.asked) <= 100 + 20 + 20


def test_the_allowance_grows_with_requests_and_not_beyond_a_limit() -> None:
    allowance = Allowance()
    for _ in range(10_000):
        allowance.earn()

    assert sum(allowance.spend() for _ in range(1000)) == 100


def test_pauses_that_were_asked_for_do_not_use_the_allowance() -> None:
    with serving() as server, client(server.url) as http:
        for _ in range(40):
            server.script(answer(429, headers={"Retry-After": "1"}), answer(200))
            http.get("x")

        assert http.counters.retries == 40


def test_an_open_circuit_is_waited_for_within_the_budget_and_nothing_is_sent() -> None:
    time, watching = Time(), Watching()
    with serving() as server, client(server.url, time=time, watching=watching, retry_budget=timedelta(seconds=12)) as http:
        watching.shut = {server.url}
        with pytest.raises(errors.Unavailable, match="left alone") as refused:
            http.request("POST", "x")

    assert type(refused.value) is not errors.RateLimited
    assert (len(watching.refused), server.asked, watching.recorded) == (3, [], [])


def test_a_limiter_that_has_no_place_in_time_is_heard_at_once() -> None:
    class Full(Watching):
        def admit(self, buckets: tuple[str, ...], *, within_s: float, stop: threading.Event, at_most: float | None = None) -> None:
            raise errors.RateLimited("full", retry_after_s=900)

    time = Time()
    with serving() as server, client(server.url, time=time, watching=Full()) as http, pytest.raises(errors.RateLimited, match="full"):
        http.get("x")

    assert (time.waits, server.asked) == ([], [])


def test_a_wait_between_tries_ends_when_the_run_is_stopped() -> None:
    time = Time()
    time.stop.set()
    with serving() as server, client(server.url, time=time) as http:
        server.otherwise = answer(503)
        with pytest.raises(errors.Unavailable, match="the run was stopped"):
            http.get("x")

    assert len(server.asked) == 1


def test_waiting_for_an_answer_ends_when_the_run_is_stopped_and_the_other_side_is_not_blamed() -> None:
    stop, watching = threading.Event(), Watching()
    with serving() as server, client(server.url, stop=stop, watching=watching) as http:
        server.script(server.stall, server.drip)
        threading.Timer(0.2, stop.set).start()
        began = clock.monotonic()
        with pytest.raises(errors.Unavailable, match="the run was stopped"):
            http.get("x")
        took_s = clock.monotonic() - began

    assert took_s < 5
    assert watching.recorded == []


def test_an_answer_that_drips_is_given_up_when_its_time_is_over_head_and_body_alike() -> None:
    with serving() as server, client(server.url, total_timeout=timedelta(seconds=0.3), retry_budget=timedelta(0)) as http:
        server.script(server.drip, server.drip_head, server.drip_head)
        for _ in range(2):
            with pytest.raises(errors.Unavailable, match="did not answer in time"):
                http.get("x")
        with pytest.raises(errors.Unavailable, match="did not answer in time"), http.download("x"):
            pass


def test_an_answer_that_stalls_or_never_ends_is_given_up_when_its_time_is_over() -> None:
    def floods(connection: socket.socket, _: Asked) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
        while True:
            connection.sendall(bytes(512))

    limits = {"total_timeout": timedelta(seconds=0.3), "retry_budget": timedelta(0), "max_body_bytes": 10**12}
    with serving() as server, client(server.url, **limits) as http:
        server.script(server.stall, floods)
        for _ in range(2):
            began = clock.monotonic()
            with pytest.raises(errors.Unavailable, match="did not answer in time"):
                http.get("x")
            assert clock.monotonic() - began < 5


def test_an_answer_that_stalls_is_given_up_after_the_time_for_silence() -> None:
    with serving() as server, client(server.url, read_timeout=timedelta(seconds=0.2), retry_budget=timedelta(0)) as http:
        server.script(server.stall)
        with pytest.raises(errors.Unavailable, match="did not answer in time"):
            http.get("x")
