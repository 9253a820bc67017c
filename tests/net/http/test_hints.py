from __future__ import annotations

import pytest

from connector_pipelines.net.http._hints import answered, retry_after_s

NOW = 1_800_000_000.0
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"  # the same instant


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "1.5"}, 2),
        ({"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT", "date": DATE}, 60),
        ({"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT"}, 60),
        ({"retry-after": "Friday, 15-Jan-27 08:01:00 GMT", "date": DATE}, 60),
        ({"retry-after": "Fri Jan 15 08:01:00 2027", "date": DATE}, 60),
        ({"retry-after": "Fri, 15 Jan 2027 07:00:00 GMT", "date": DATE}, 0),
        ({"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT", "date": "Fri, 15 Jan 2027 07:59:00 GMT"}, 120),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_each_of_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, now=NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "remaining", "reset"),
    [
        ({"ratelimit": '"default";r=50;t=30'}, 50, 30),
        ({"ratelimit": '"burst";r=99;t=1, "daily";r=3;t=3600'}, 3, 3600),
        ({"ratelimit": "limit=100, remaining=12, reset=5"}, 12, 5),
        ({"ratelimit-limit": "100", "ratelimit-remaining": "7", "ratelimit-reset": "9"}, 7, 9),
        ({"x-ratelimit-remaining": "7", "x-ratelimit-reset": "9"}, 7, 9),
        ({"x-ratelimit-remaining": "7", "x-ratelimit-reset": str(int(NOW) + 40), "date": DATE}, 7, 40),
        ({"x-ratelimit-remaining": "7", "x-ratelimit-reset": str(int(NOW + 40) * 1000), "date": DATE}, 7, 40),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2027-01-15T08:00:40Z"}, 0, None),
        ({"x-rate-limit-remaining": "1", "x-rate-limit-reset": "2"}, 1, 2),
        ({"x-ratelimit-remaining": "7, 9"}, 7, None),
        ({"x-ratelimit-remaining": "many"}, None, None),
        ({"ratelimit": "???"}, None, None),
        ({}, None, None),
    ],
)
def test_quota_headers_are_read_in_the_forms_that_are_about(headers: dict[str, str], remaining: int | None, reset: float | None) -> None:
    found = answered(headers, throttled=False, after_s=None, now=NOW)

    assert found.remaining == remaining
    if reset is not None:
        assert found.reset_s == reset


def test_a_reset_told_as_an_instant_in_iso_form_counts_from_the_server_s_clock() -> None:
    found = answered(
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2027-01-15T08:00:40+00:00", "date": DATE}, throttled=False, after_s=None
    )

    assert found.reset_s == 40
