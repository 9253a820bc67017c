from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest

from connector_pipelines.core import errors
from connector_pipelines.core.http import HttpOptions, HttpResponse
from connector_pipelines.net.http import open_http
from tests.net.http.world import Signs, Watching, client
from tests.net.scripted import answer, closing, raw, serving


def test_a_relative_address_lies_below_the_base_whether_it_begins_with_a_slash_or_not() -> None:
    with serving() as server, client(f"{server.url}/v3") as http:
        for url in ("items", "/items", f"{server.url}/v3/items", "items:batch", "?page=2", f"{server.url}/other"):
            http.get(url)

    assert [asked.target for asked in server.asked] == ["/v3/items", "/v3/items", "/v3/items", "/v3/items:batch", "/v3?page=2", "/other"]


def test_parameters_are_added_to_those_of_the_address_lists_repeat_and_everything_is_encoded() -> None:
    with serving() as server, client(server.url) as http:
        http.get("find?a=1%2C2", params={"q": "ü & c", "page": 2, "all": True, "id": ["x", "y"]})

    assert server.asked[0].target == "/find?a=1%2C2&q=%C3%BC%20%26%20c&page=2&all=true&id=x&id=y"


def test_json_is_sent_as_utf_8_with_its_media_type_and_length() -> None:
    with serving() as server, client(server.url) as http:
        http.request("post", "items", json={"name": "Zoë"})

    asked = server.asked[0]
    assert (asked.method, json.loads(asked.body), asked.headers["content-type"]) == ("POST", {"name": "Zoë"}, "application/json")
    assert asked.headers["content-length"] == str(len(asked.body))


def test_an_answer_has_its_headers_in_lower_case_and_repeated_ones_joined() -> None:
    said = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nLink: <a>\r\nlink: <b>\r\nContent-Length: 2\r\n\r\n{}"
    with serving() as server, client(server.url) as http:
        server.script(raw(said, then_close=False))
        found = http.get("x")

    assert (found.headers["x-a"], found.headers["link"], found.json()) == ("1", "<a>, <b>", {})


def test_hints_before_the_answer_are_let_pass() -> None:
    said = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    with serving() as server, client(server.url) as http:
        server.script(raw(said, then_close=False))

        assert http.get("x").json() == {}
        assert http.get("x").json() == {}

    assert server.connections == 1


def test_an_answer_in_http_1_0_without_a_length_ends_with_its_connection() -> None:
    with serving() as server, client(server.url) as http:
        server.script(raw(b"HTTP/1.0 200 OK\r\n\r\nall of it"))

        assert http.get("x").content == b"all of it"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.PermanentError),
        (401, errors.Unauthenticated),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (410, errors.NotFound),
        (418, errors.PermanentError),
        (451, errors.Forbidden),
        (429, errors.RateLimited),
        (500, errors.Unavailable),
        (501, errors.Unavailable),
        (300, errors.PermanentError),
    ],
)
def test_each_refusal_is_the_error_that_its_status_means(status: int, kind: type[errors.ConnectorError]) -> None:
    with serving() as server, client(server.url, retry_budget=timedelta(0)) as http:
        server.otherwise = answer(status)
        with pytest.raises(errors.ConnectorError) as refused:
            http.get("v1/things?token=abcdefgh")

    assert type(refused.value) is kind
    assert str(refused.value).startswith(f"GET {server.url}/v1/things answered {status}")
    assert "abcdefgh" not in str(refused.value)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"error": {"errors": [{"reason": "userRateLimitExceeded"}], "code": 403}}, "userRateLimitExceeded"),
        ({"error": "invalid_grant", "error_description": "the token ya29.abc is over"}, "invalid_grant"),
        ([{"errorCode": "INVALID_FIELD", "message": "No such column 'Ssn'"}], "INVALID_FIELD"),
        ({"status": "error", "category": "MISSING_SCOPES", "message": "no"}, "MISSING_SCOPES"),
        ({"error": "a sentence that may hold anything"}, None),
        ({"error": "sk51H8aX2c9d7e6f5"}, None),
        ({"message": "secret_value"}, None),
        ("plain", None),
    ],
)
def test_of_a_refusal_s_body_nothing_is_shown_but_a_code_at_a_place_for_codes(body: object, shown: str | None) -> None:
    with serving() as server, client(server.url) as http:
        server.otherwise = answer(400, json.dumps(body).encode(), headers={"Content-Type": "application/json; charset=utf-8"})
        with pytest.raises(errors.PermanentError) as refused:
            http.get("x")

    assert str(refused.value) == f"GET {server.url}/x answered 400" + (f" ({shown})" if shown else "")


def test_a_status_that_is_accepted_is_an_answer() -> None:
    with serving() as server, client(server.url) as http:
        server.script(answer(404, b"{}"), answer(304), answer(302, headers={"Location": "/elsewhere"}))

        assert [http.get("x", accept={404, 302}).status for _ in range(3)] == [404, 304, 302]


def test_the_connector_s_own_reading_of_a_refusal_comes_first() -> None:
    def refine(said: HttpResponse) -> errors.ConnectorError | None:
        return errors.NotFound("it was merged") if said.json() == {"reason": "merged"} else None

    with serving() as server, client(server.url, refine=refine) as http:
        server.script(answer(400, b'{"reason":"merged"}'), answer(400, b'{"reason":"other"}'))

        with pytest.raises(errors.NotFound, match="merged"):
            http.get("x")
        with pytest.raises(errors.PermanentError, match="answered 400"):
            http.get("x")


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\xfc\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_does_not_speak_http_is_malformed_and_not_quoted(said: bytes) -> None:
    with serving() as server, client(server.url) as http:
        server.script(*[raw(said)] * 2)
        with pytest.raises(errors.Malformed, match="is not HTTP") as refused:
            http.get("x")
        with pytest.raises(errors.Malformed, match="is not HTTP"), http.download("x"):
            pass

    assert "SSH" not in str(refused.value)


def test_a_head_that_never_ends_is_refused() -> None:
    said = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(400))
    with serving() as server, client(server.url) as http:
        server.script(*[raw(said)] * 2)
        with pytest.raises(errors.Malformed):
            http.get("x")
        with pytest.raises(errors.Malformed), http.download("x"):
            pass


def test_a_header_that_would_begin_another_is_refused_unsent_and_unseen() -> None:
    with serving() as server, client(server.url) as http:
        for ask in (http.get, lambda url, headers: http.download(url, headers=headers).__enter__()):
            with pytest.raises(errors.ConfigurationError) as refused:
                ask("x", headers={"X-Key": "a\r\nX-Planted: b"})
            assert "Planted" not in str(refused.value)

    assert server.asked == []


def test_credentials_are_sent_with_each_request_and_a_key_in_the_query_is_never_shown() -> None:
    signs = Signs(query={"api_key": "planted-7f3a91c2"})
    with serving() as server, client(server.url, sign_in=signs) as http:
        found = http.get("items", params={"page": 2})
        server.script(answer(404))
        with pytest.raises(errors.NotFound) as refused:
            http.get("items")

    assert server.asked[0].target == "/items?page=2&api_key=planted-7f3a91c2"
    assert server.asked[0].headers["authorization"] == "Key planted-7f3a91c2"
    assert signs.asked[0] == ("GET", f"{server.url}/items?page=2&api_key=planted-7f3a91c2", b"")
    assert found.url == f"{server.url}/items"
    assert "planted" not in f"{found!r} {refused.value} {http.counters.summary()}"


def test_a_refused_sign_in_is_tried_once_more_if_there_is_a_new_one() -> None:
    signs = Signs(anew=1)
    with serving() as server, client(server.url, sign_in=signs) as http:
        server.script(answer(401), answer(200, b"1"))
        assert http.request("POST", "x").content == b"1"
        server.script(answer(401))
        with pytest.raises(errors.Unauthenticated):
            http.get("x")

    assert [asked.headers["authorization"] for asked in server.asked] == [
        "Key planted-7f3a91c2",
        "Key planted-7f3a91c2-0",
        "Key planted-7f3a91c2-0",
    ]


def test_the_limiter_is_asked_before_each_try_and_told_of_each_answer_and_the_breaker_as_well() -> None:
    watching = Watching()
    with serving() as server, client(server.url, watching=watching, buckets=("app",)) as http:
        server.script(
            answer(503), closing, closing, answer(429, headers={"Retry-After": "3"}), answer(200, headers={"RateLimit": '"d";r=7;t=30'})
        )
        http.get("x")

    assert [buckets for buckets, _ in watching.admitted] == [("app",)] * 5
    assert [works for _, works in watching.recorded] == [False, False, False, True, True]
    assert {circuit for circuit, _ in watching.recorded} == {f"crm/1 {server.url}"}
    assert [(told.throttled, told.retry_after_s, told.remaining, told.reset_s) for told in watching.learnt] == [
        (False, None, None, None), (True, 3.0, None, None), (False, None, 7, 30.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "url",
    ["ftp://host/", "host/path", "https://", "https://user:hidden12@host/", "https://host/?key=1", "http://[::1", "https://host:99999/"],
)
def test_a_base_that_is_no_plain_address_is_refused_when_the_client_is_made(url: str) -> None:
    with pytest.raises(errors.ConfigurationError) as refused:
        open_http(HttpOptions(base_url=url), name="crm")

    assert "hidden12" not in str(refused.value)


def test_the_connections_of_a_client_are_used_again_and_never_more_than_allowed() -> None:
    with serving() as server, client(server.url, max_connections=2) as http:
        threads = [threading.Thread(target=lambda: [http.get("x") for _ in range(10)]) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(server.asked) == 60
    assert server.connections <= 2
