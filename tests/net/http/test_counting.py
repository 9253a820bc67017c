from __future__ import annotations

import json
import logging

import pytest

from connector_pipelines.core import errors
from connector_pipelines.net.http._counters import Counters, Trace, template
from connector_pipelines.telemetry import configure_logging
from tests.net.http.world import SECRET, Signs, Time, client
from tests.net.scripted import answer, serving


def test_requests_are_counted_by_endpoint_and_class_of_status_with_their_tries_waits_and_bytes() -> None:
    time = Time()
    with serving() as server, client(server.url, time=time) as http:
        server.script(answer(503), answer(200, b"12345"), answer(404), answer(200, b"1"))
        http.get("contacts/1", params={"q": "x"})
        with pytest.raises(errors.NotFound):
            http.get("contacts/2")
        http.request("POST", "contacts", json={})

        host = server.url.removeprefix("http://")
        found = http.counters.summary()

    assert (found["requests"], found["retries"], found["waited_s"], found["received_bytes"]) == (3, 1, 0.5, 6)
    assert found["statuses"] == {"2xx": 2, "4xx": 1}
    assert found["endpoints"] == {f"GET {host}/contacts/{{}}": 2, f"POST {host}/contacts": 1}
    assert found["p95_ms"] == 500


def test_a_request_without_an_answer_is_counted_as_such() -> None:
    with serving() as server:
        url = server.url
    with client(url) as http:
        with pytest.raises(errors.Unavailable):
            http.get("x")

        assert http.counters.summary()["statuses"] == {"none": 1}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.example.com/v3/contacts/12345?x=1", "api.example.com/v3/contacts/{}"),
        ("https://h/items/8f14e45f-ceea-467f-a0e6-bb7dbd6f2c1a/files", "h/items/{}/files"),
        ("https://h/drives/b!0Z7aZkQz9Ei1cGw3/root", "h/drives/{}/root"),
        ("https://h/oauth2/v2.0/token", "h/oauth2/v2.0/token"),
        ("https://user:pass@h:8443/a", "h:8443/a"),
    ],
)
def test_what_names_one_thing_among_many_is_left_out_of_an_endpoint(url: str, shown: str) -> None:
    assert template(url) == shown


def test_endpoints_that_are_too_many_to_tell_apart_are_counted_together() -> None:
    counters = Counters()
    for n in range(1000):
        word = "".join(chr(97 + int(digit)) for digit in str(n))
        counters.add(Trace(method="GET", url=f"https://h/{word}", status=200))

    endpoints = counters.summary()["endpoints"]
    assert isinstance(endpoints, dict)
    assert (len(endpoints), endpoints["others"]) == (201, 800)


def test_each_request_is_told_in_the_log_with_what_support_asks_for_and_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("connector_pipelines")
    before = (logger.level, list(logger.handlers), logger.propagate)
    try:
        configure_logging("DEBUG", "json")
        with serving() as server, client(server.url, sign_in=Signs(query={"key": SECRET})) as http:
            http.get("contacts", params={"q": "1"})
            sent = server.asked[0].headers["x-request-id"]
    finally:
        logger.setLevel(before[0])
        logger.handlers[:], logger.propagate = before[1], before[2]
    written = capsys.readouterr().err
    request, closed = [json.loads(line) for line in written.splitlines() if "http_" in line]

    assert (request["event"], request["connector"], request["method"], request["status"]) == ("http_request", "crm", "GET", 200)
    assert (request["url"], request["request_id"]) == (f"{server.url}/contacts", sent)
    assert (closed["event"], closed["requests"]) == ("http_closed", 1)
    assert SECRET not in written
