"""Limits, scripted faults, and the journal that tells whether a client kept to what it was told."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from connector_pipelines.testing.fake_api import (
    AllInOne,
    BearerTokens,
    Cut,
    Drip,
    Entry,
    FakeApi,
    Garbage,
    Gzip,
    HtmlPage,
    Journal,
    Quota,
    RateLimit,
    Reset,
    Stall,
    Status,
    StreamShape,
)


@pytest.fixture(autouse=True)
def _things(api: FakeApi) -> None:
    api.add(StreamShape(name="things", paginator=AllInOne()))
    api.company.put_many("things", [{"name": "a"}, {"name": "b"}])


def test_a_credential_that_asks_too_often_is_told_to_wait_and_others_are_not(api: FakeApi, http: httpx.Client) -> None:
    api.signs_in(BearerTokens(tokens={"one": "1", "two": "2"}))
    api.limit(RateLimit(requests=2, per_s=30))

    answers = [http.get("/things", headers={"authorization": f"Bearer {token}"}) for token in "1112"]

    assert [answer.status_code for answer in answers] == [200, 200, 429, 200]
    assert answers[2].headers["retry-after"] == "30"


def test_when_to_come_back_may_be_a_date_by_the_clock_of_the_server(api: FakeApi, http: httpx.Client) -> None:
    api.limit(RateLimit(requests=1, per_s=30, tells="date", status=503))
    api.skew(timedelta(hours=1))

    http.get("/things")
    refused = http.get("/things")

    wait = parsedate_to_datetime(refused.headers["retry-after"]) - parsedate_to_datetime(refused.headers["date"])
    ahead = parsedate_to_datetime(refused.headers["date"]) - datetime.now(UTC)
    assert refused.status_code == 503
    assert timedelta(seconds=28) < wait <= timedelta(seconds=31)
    assert timedelta(minutes=59) < ahead < timedelta(minutes=61)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("three", {"ratelimit-limit": "2", "ratelimit-remaining": "1", "ratelimit-reset": "30"}),
        ("one", {"ratelimit": '"default";r=1;t=30', "ratelimit-policy": '"default";q=2;w=30'}),
        ("x", {"x-ratelimit-limit": "2", "x-ratelimit-remaining": "1"}),
    ],
)
def test_what_is_left_stands_in_headers_of_each_form(api: FakeApi, http: httpx.Client, form: str, told: Mapping[str, str]) -> None:
    api.limit(RateLimit.model_validate({"requests": 2, "per_s": 30, "headers": form}))

    answer = http.get("/things")

    assert {name: answer.headers[name] for name in told} == told


def test_a_span_that_is_over_begins_anew(api: FakeApi, http: httpx.Client) -> None:
    api.limit(RateLimit(requests=1, per_s=0.05, tells="nothing"))

    statuses = [http.get("/things").status_code, http.get("/things").status_code]
    while http.get("/things").status_code != 200:
        pass

    assert statuses[0] == 200
    assert "Retry-After" not in repr(api.journal.entries())


def test_a_spent_quota_is_a_403_with_its_reason(api: FakeApi, http: httpx.Client) -> None:
    api.limit(quota=Quota(requests=1))

    http.get("/things")
    refused = http.get("/things")

    assert refused.status_code == 403
    assert refused.json()["error"]["errors"] == [{"reason": "userRateLimitExceeded"}]


def test_a_fault_befalls_what_it_names_as_often_as_it_says(api: FakeApi, http: httpx.Client) -> None:
    api.fault(Status(status=502), path="/thi*", params={"x": "1"}, skip=1, times=2)

    asked = [http.get("/things", params={"x": x}).status_code for x in (1, 0, 1, 1, 1)]

    assert asked == [200, 200, 502, 502, 200]


def test_a_share_of_requests_fails_the_same_every_time(api: FakeApi, http: httpx.Client) -> None:
    api.fault(Status(status=500), share=0.25, times=None)

    failed = [n for n in range(80) if http.get("/things").status_code == 500]

    assert 8 < len(failed) < 35


def test_a_cut_answer_is_shorter_than_it_said_and_the_connection_is_gone(api: FakeApi, http: httpx.Client) -> None:
    api.fault(Cut(after_bytes=10))

    with pytest.raises(httpx.RemoteProtocolError, match="received 10 bytes"):
        http.get("/things")

    assert http.get("/things").status_code == 200
    assert len({entry.connection for entry in api.journal.entries()}) == 2


def test_a_reset_connection_is_an_error_of_the_network(api: FakeApi, http: httpx.Client) -> None:
    api.fault(Reset())

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        http.get("/things")


def test_a_stall_is_longer_than_a_client_waits_and_holds_up_no_end(api: FakeApi, http: httpx.Client) -> None:
    api.fault(Stall(seconds=60))

    with pytest.raises(httpx.ReadTimeout):
        http.get("/things", timeout=0.05)


def test_half_of_the_json_comes_as_whole(api: FakeApi, http: httpx.Client) -> None:
    api.fault(Garbage())

    answer = http.get("/things")

    assert answer.status_code == 200
    with pytest.raises(ValueError, match="char"):
        answer.json()


def test_a_sign_in_page_comes_with_200(api: FakeApi, http: httpx.Client) -> None:
    api.fault(HtmlPage())

    answer = http.get("/things")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_an_answer_may_be_packed_may_say_so_falsely_and_may_be_a_bomb(api: FakeApi, http: httpx.Client) -> None:
    for action in (Gzip(), Gzip(broken=True), Gzip(bomb_bytes=1_000_000)):
        api.fault(action)

    assert len(http.get("/things").json()["data"]) == 2
    with pytest.raises(httpx.DecodingError):
        http.get("/things")
    with http.stream("GET", "/things") as answer:
        packed = b"".join(answer.iter_raw())
    assert len(packed) < 2000
    assert len(gzip.decompress(packed)) == 1_000_000


def test_a_body_may_come_in_drops(api: FakeApi, http: httpx.Client) -> None:
    api.fault(Drip(piece_bytes=20, pause_s=0.001))

    with http.stream("GET", "/things") as answer:
        pieces = list(answer.iter_raw())

    assert len(pieces) > 1
    assert b"".join(pieces).endswith(b"]}")


def test_the_journal_knows_who_asked_what_when_and_how_it_went(api: FakeApi, http: httpx.Client) -> None:
    answer = http.get("/things?limit=3")
    http.get("/nowhere")

    first, second = api.journal.entries()

    assert (first.method, first.path, first.params, first.status, first.size) == (
        "GET",
        "/things",
        {"limit": "3"},
        200,
        len(answer.content),
    )
    assert first.arrived_s <= (first.answered_s or 0) <= second.arrived_s
    assert first.connection == second.connection
    assert second.status == 404


def test_what_was_read_well_twice_is_told_and_what_failed_between_is_not(api: FakeApi, http: httpx.Client) -> None:
    api.fault(Status(status=500), params={"limit": "1"})
    for limit in (1, 1, 2, 2):
        http.get("/things", params={"limit": limit})

    assert api.journal.fetched_twice() == {("/things", (("limit", "2"),)): 2}


def test_whoever_comes_back_too_early_is_told_with_the_answer_that_asked_to_wait() -> None:
    def entry(number: int, arrived_s: float, credential: str, retry_after_s: float | None = None) -> Entry:
        return Entry(
            number=number,
            arrived_s=arrived_s,
            answered_s=arrived_s + 0.1,
            method="GET",
            path="/",
            params={},
            connection=1,
            credential=credential,
            retry_after_s=retry_after_s,
        )

    journal = Journal.of(
        [entry(1, 0, "a", 5), entry(2, 0.05, "a"), entry(3, 0.2, "a"), entry(4, 1, "b"), entry(5, 5.0, "a"), entry(6, 5.1, "a")]
    )

    assert [(asked.number, early.number) for asked, early in journal.violations_of_retry_after()] == [(1, 3), (1, 5)]
    assert [(asked.number, early.number) for asked, early in journal.violations_of_retry_after(grace_s=0.15)] == [(1, 5)]


def test_a_client_that_does_not_wait_is_found_out(api: FakeApi, http: httpx.Client) -> None:
    api.limit(RateLimit(requests=1, per_s=0.2, tells="date"))
    for _ in range(3):
        http.get("/things")

    pairs = api.journal.violations_of_retry_after()

    assert [(asked.number, early.number) for asked, early in pairs] == [(2, 3)]
