"""Files attached to records: validators, ranges, digests, and signed addresses elsewhere."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import httpx
import pytest

from connector_pipelines.testing.fake_api import AllInOne, BearerTokens, FakeApi, StreamShape

BODY = bytes(range(200))


@pytest.fixture
def entry(api: FakeApi, http: httpx.Client) -> dict[str, Any]:
    api.add(StreamShape(name="tickets", paginator=AllInOne()))
    api.company.put("tickets", {"title": "leak"})
    api.company.attach("tickets", "1", "photo.bin", BODY)
    return dict(http.get("/tickets").json()["data"][0]["files"][0])


def test_a_record_lists_its_files_with_size_and_checksum(entry: dict[str, Any]) -> None:
    assert (entry["name"], entry["size"], entry["md5"]) == ("photo.bin", 200, hashlib.md5(BODY).hexdigest())


def test_a_file_comes_with_a_validator_and_a_digest_of_its_bytes(http: httpx.Client, entry: dict[str, Any]) -> None:
    answer = http.get(entry["url"])

    assert answer.content == BODY
    assert answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(hashlib.sha256(BODY).digest()).decode()}:"
    assert http.get(entry["url"], headers={"if-none-match": answer.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    ("wanted", "found", "said"),
    [
        ("bytes=10-19", BODY[10:20], "10-19"),
        ("bytes=190-", BODY[190:], "190-199"),
        ("bytes=-5", BODY[-5:], "195-199"),
        ("bytes=0-999", BODY, "0-199"),
    ],
)
def test_a_range_of_a_file_is_what_was_asked_for(http: httpx.Client, entry: dict[str, Any], wanted: str, found: bytes, said: str) -> None:
    answer = http.get(entry["url"], headers={"range": wanted})

    assert (answer.status_code, answer.content, answer.headers["content-range"]) == (206, found, f"bytes {said}/200")


def test_a_range_of_a_file_that_changed_meanwhile_is_the_whole_new_one(api: FakeApi, http: httpx.Client, entry: dict[str, Any]) -> None:
    etag = http.get(entry["url"]).headers["etag"]
    api.company.attach("tickets", "1", "photo.bin", b"new")

    answer = http.get(entry["url"], headers={"range": "bytes=100-", "if-range": etag})

    assert (answer.status_code, answer.content) == (200, b"new")
    assert http.get(entry["url"], headers={"range": "bytes=100-"}).status_code == 416


def test_a_signed_address_is_on_another_host_and_refuses_credentials(api: FakeApi, http: httpx.Client, entry: dict[str, Any]) -> None:
    api.signs_in(BearerTokens(tokens={"app": "t"}))
    signed = entry["signed_url"]

    assert not signed.startswith(api.url)
    assert http.get(signed).content == BODY
    assert http.get(signed, headers={"authorization": "Bearer t"}).status_code == 400
    assert http.get(signed[:-1]).status_code == 403
    assert http.get(entry["url"]).status_code == 401
    assert signed.rsplit("=", 1)[1] not in repr(api.journal.entries())
    assert [e.signed for e in api.journal.entries("/files/*")] == [True, True, True, False]


def test_a_file_may_be_had_by_a_redirect_to_its_signed_address(http: httpx.Client, entry: dict[str, Any]) -> None:
    answer = http.get(entry["url"] + "/redirect", follow_redirects=True)

    assert answer.content == BODY
    assert [r.status_code for r in answer.history] == [302]


def test_a_file_that_was_taken_off_is_gone(api: FakeApi, http: httpx.Client, entry: dict[str, Any]) -> None:
    api.company.detach("tickets", "1", "photo.bin")

    assert "files" not in http.get("/tickets").json()["data"][0]
    assert http.get(entry["url"]).status_code == 404
