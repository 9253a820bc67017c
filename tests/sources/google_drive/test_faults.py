"""What Drive says no with, and what we make of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector_pipelines.core.errors import (
    ConfigurationError,
    ConnectorError,
    Forbidden,
    NotFound,
    PermanentError,
    RateLimited,
    SubjectRefused,
    TransientError,
    Unauthenticated,
    Unavailable,
)
from connector_pipelines.core.http import HttpResponse
from connector_pipelines.sources.google_drive.faults import Abusive, NotExportable, PageTokenRejected, Refiner, TooLargeToExport
from connector_pipelines.telemetry import redact

FILES = "https://www.googleapis.com/drive/v3/files"
PROJECT = "google_drive/quay"


def body(reason: str, message: str = "No.", **more: Any) -> bytes:
    return json.dumps(
        {"error": {"code": 0, "message": message, "errors": [{"domain": "global", "reason": reason, "message": message}], **more}}
    ).encode()


def met(status: int, content: bytes, *, url: str = f"{FILES}/abc", headers: dict[str, str] | None = None) -> ConnectorError:
    answer = HttpResponse(status=status, url=url, headers=headers or {}, content=content)
    return Refiner(project_bucket=PROJECT, user="ann@example.com")(answer)


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (403, "userRateLimitExceeded", RateLimited),
        (403, "rateLimitExceeded", RateLimited),
        (429, "rateLimitExceeded", RateLimited),
        (403, "dailyLimitExceeded", RateLimited),
        (403, "sharingRateLimitExceeded", RateLimited),
        (403, "downloadQuotaExceeded", TransientError),
        (500, "internalError", Unavailable),
        (503, "backendError", Unavailable),
        (403, "insufficientFilePermissions", Forbidden),
        (403, "appNotAuthorizedToFile", Forbidden),
        (403, "cannotDownloadFile", Forbidden),
        (403, "cannotDownloadAbusiveFile", Abusive),
        (403, "teamDriveMembershipRequired", Forbidden),
        (403, "fileNotDownloadable", PermanentError),
        (403, "fileNotExportable", NotExportable),
        (403, "cannotExportFile", NotExportable),
        (403, "exportSizeLimitExceeded", TooLargeToExport),
        (403, "domainPolicy", SubjectRefused),
        (403, "accessNotConfigured", ConfigurationError),
        (403, "insufficientPermissions", ConfigurationError),
        (401, "authError", SubjectRefused),
        (400, "required", PermanentError),
        (404, "notFound", NotFound),
        (400, "badRequest", PermanentError),
        (416, "requestedRangeNotSatisfiable", PermanentError),
    ],
)
def test_the_reason_decides_and_is_told(status: int, reason: str, kind: type[ConnectorError]) -> None:
    error = met(status, body(reason, "Not today."))

    assert type(error) is kind
    assert str(error) == f"Drive answered {status} ({reason}) to files/abc as ann@example.com: Not today."


def test_a_refused_sign_in_stops_the_connector_and_a_refused_user_does_not() -> None:
    answer = HttpResponse(status=401, url=FILES, headers={}, content=body("authError"))

    ourselves, user = Refiner()(answer), Refiner(user="ann@example.com")(answer)

    assert type(ourselves) is Unauthenticated
    assert ourselves.stops_connector
    assert type(user) is SubjectRefused
    assert not user.stops_connector


def test_a_policy_may_be_of_the_unit_that_one_user_is_in() -> None:
    answer = HttpResponse(status=403, url=FILES, headers={}, content=body("domainPolicy"))

    ourselves, user = Refiner()(answer), Refiner(user="ann@example.com")(answer)

    assert type(ourselves) is ConfigurationError
    assert type(user) is SubjectRefused
    assert "the unit that ann@example.com is in" in user.advice


@pytest.mark.parametrize(
    ("status", "reason", "message", "bucket"),
    [
        (403, "userRateLimitExceeded", "", None),
        (403, "rateLimitExceeded", "Rate Limit Exceeded", PROJECT),
        (403, "dailyLimitExceeded", "", PROJECT),
        (429, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user'", None),
        (429, "RATE_LIMIT_EXCEEDED", "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'", PROJECT),
        (429, "", "", None),
    ],
)
def test_a_limit_pauses_whom_it_is_of(status: int, reason: str, message: str, bucket: str | None) -> None:
    error = met(status, body(reason, message))

    assert isinstance(error, RateLimited)
    assert error.bucket == bucket


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({}, "Slow down", None),
        ({"retry-after": "7"}, "Slow down", 7),
        ({"retry-after": "Mon, 02 Mar 2026 10:00:30 GMT"}, "Slow down", 30),
        ({}, "User Rate Limit Exceeded. Retry after 2026-03-02T10:01:40.000Z", 100),
        ({"retry-after": "7"}, "Retry after 2026-03-02T10:01:40Z", 100),
        ({}, "Retry after 2026-03-02T09:00:00Z", 0),
        ({"retry-after": "soon"}, "Retry after a while", None),
    ],
)
def test_how_long_to_wait_is_read_wherever_it_is_said_by_the_clock_of_the_other_side(
    headers: dict[str, str], message: str, seconds: float | None
) -> None:
    error = met(403, body("userRateLimitExceeded", message), headers={"date": "Mon, 02 Mar 2026 10:00:00 GMT", **headers})

    assert isinstance(error, RateLimited)
    assert error.retry_after_s == seconds


def test_a_spent_day_is_looked_at_once_an_hour() -> None:
    error = met(403, body("dailyLimitExceeded"))

    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 3600


def test_the_quota_of_one_file_pauses_nobody() -> None:
    error = met(403, body("downloadQuotaExceeded"))

    assert isinstance(error, TransientError)
    assert not isinstance(error, RateLimited | Unavailable)
    assert error.retry_after_s == 3600


def test_an_api_that_is_off_is_told_with_the_page_on_which_it_is_switched_on() -> None:
    page = "https://console.developers.google.com/apis/api/drive.googleapis.com/overview?project=1234"
    error = met(403, body("accessNotConfigured", f"Drive API has not been used. Enable it by visiting {page} then retry."))

    assert error.advice == f"Enable the Google Drive API for the project: {page}"
    assert "console.cloud.google.com" in met(403, body("accessNotConfigured")).advice


def test_a_missing_scope_is_named_and_told_apart_from_a_file_that_is_not_ours() -> None:
    detail = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "domain": "googleapis.com"}
    error = met(403, body("insufficientPermissions", details=[detail]))

    assert type(error) is ConfigurationError
    assert "ACCESS_TOKEN_SCOPE_INSUFFICIENT" in str(error)
    assert "https://www.googleapis.com/auth/drive.readonly" in error.advice


@pytest.mark.parametrize(("location", "kind"), [("pageToken", PageTokenRejected), ("orderBy", PermanentError)])
def test_a_place_in_a_listing_that_is_none_any_more_is_known(location: str, kind: type[ConnectorError]) -> None:
    inner = {"domain": "global", "reason": "invalid", "message": "Invalid Value", "locationType": "parameter", "location": location}
    content = json.dumps({"error": {"code": 400, "message": "Invalid Value", "errors": [inner]}}).encode()

    assert type(met(400, content, url=FILES)) is kind


def test_a_conversion_that_is_not_offered_is_known_by_what_was_asked_for() -> None:
    content = body("badRequest", "The requested conversion is not supported.")

    assert type(met(400, content, url=f"{FILES}/abc/export")) is NotExportable
    assert type(met(400, content)) is PermanentError


@pytest.mark.parametrize("content", [b"", b"<!doctype html><html>Not found</html>", b"not json", b"[]", b'{"error": []}', b'"x"'])
def test_a_404_that_is_not_in_drives_words_says_nothing_of_the_file(content: bytes) -> None:
    assert type(met(404, content)) is Unavailable


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, SubjectRefused),
        (403, Forbidden),
        (408, Unavailable),
        (500, Unavailable),
        (502, Unavailable),
        (504, Unavailable),
        (400, PermanentError),
    ],
)
@pytest.mark.parametrize("content", [b"", b"<html><body>Error</body></html>", b'{"error": {"code": 1}}', b"\xff\xfe"])
def test_what_is_not_json_is_told_by_its_status(status: int, kind: type[ConnectorError], content: bytes) -> None:
    assert type(met(status, content)) is kind


def test_googles_page_about_automated_queries_is_a_limit() -> None:
    page = b"<html><body>We're sorry... but your computer or network may be sending automated queries.</body></html>"

    error = met(403, page)

    assert isinstance(error, RateLimited)
    assert error.bucket == PROJECT


def test_the_list_that_a_batch_is_refused_with_is_read() -> None:
    assert type(met(403, b"[" + body("userRateLimitExceeded") + b"]", url="https://www.googleapis.com/batch/drive/v3")) is RateLimited


def test_the_error_of_a_token_endpoint_is_read() -> None:
    error = met(400, b'{"error": "invalid_grant", "error_description": "Bad Request"}')

    assert "invalid_grant" in str(error)


def test_what_an_address_in_googles_sentence_carries_is_not_shown() -> None:
    message = (
        'See <a href="https://drive.google.com/x?token=hush&key=1">here</a> or https://www.googleapis.com/y?access_token=hush#hush now'
    )

    said = str(met(403, body("forbidden", message)))

    assert "hush" not in said
    assert said.endswith("See here or https://www.googleapis.com/y now")


def test_a_sentence_without_end_is_cut_and_a_reason_that_is_none_is_left_out() -> None:
    error = met(403, body("x" * 500 + "\n", "word " * 1000))

    assert len(str(error)) < 400
    assert "()" not in str(error)


@pytest.mark.parametrize(
    ("reason", "message", "url"),
    [
        ("ya29.repeated-token-4711", "No.", f"{FILES}/abc"),
        ("insufficientFilePermissions", "no " * 96 + "ya29.repeated-token-4711", f"{FILES}/abc"),
        ("accessNotConfigured", "https://console.cloud.google.com/apis/ya29.repeated-token-4711?project=ya29.repeated-token-4711", f"{FILES}/abc"),
        ("forbidden", "No.", f"{FILES}/ya29.repeated-token-4711"),
        ("forbidden", "sent with x-goog-drive-resource-keys: abc/0-ya29.repeated,def/0-ya29.repeated", f"{FILES}/abc"),
    ],
    ids=["as the reason", "where a long sentence is cut", "in a page of the console", "in an address", "as resource keys"],
)  # fmt: skip
def test_a_secret_that_is_repeated_to_us_is_not_shown_nor_half_of_it(reason: str, message: str, url: str) -> None:
    redact("ya29.repeated-token-4711")

    error = met(403, body(reason, message), url=url)

    assert "ya29" not in f"{error} {error.advice}"
