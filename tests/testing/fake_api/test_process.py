"""The fake as a process of its own, edited from another, and fast enough to be measured against."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connector_pipelines.testing.fake_api import (
    AllInOne,
    BearerTokens,
    CursorToken,
    RateLimit,
    RemoteFakeApi,
    Status,
    StreamShape,
    fake_api_process,
)


@pytest.fixture(scope="module")
def remote() -> Iterator[RemoteFakeApi]:
    with fake_api_process() as remote:
        yield remote


def test_every_edit_can_be_made_from_another_process(remote: RemoteFakeApi) -> None:
    remote.add(
        StreamShape(name="orders", paginator=AllInOne()),
        StreamShape(name="lines", paginator=AllInOne(), parent="orders", path="/orders/{parent}/lines"),
    )
    remote.clock(now=datetime(2026, 1, 1, tzinfo=UTC), step=timedelta(minutes=1))
    first, second, third, fourth = remote.put_many("orders", [{"n": n} for n in range(4)])
    line = remote.put("lines", {"sku": "A"}, parent=first)

    remote.put("orders", {"n": 10}, id=first, updated_at=datetime(2025, 1, 1, tzinfo=UTC))
    remote.delete("orders", second)
    remote.delete("orders", third)
    remote.restore("orders", third)
    remote.hard_delete("orders", fourth)
    remote.touch("orders", third)
    remote.move("lines", line, third)
    remote.attach("orders", first, "a.txt", b"text", "text/plain")
    remote.attach("orders", first, "b.txt", b"text", "text/plain")
    remote.detach("orders", first, "b.txt")

    truth = remote.truth("orders")
    assert set(truth) == {first, third}
    assert truth[third]["updated_at"] == "2026-01-01T00:09:00Z"
    assert [file["name"] for file in truth[first]["files"]] == ["a.txt"]
    assert httpx.get(f"{remote.url}/orders/{third}/lines", trust_env=False).json()["data"][0]["sku"] == "A"


def test_sign_in_limits_faults_and_the_journal_are_there_for_other_processes(remote: RemoteFakeApi) -> None:
    remote.add(StreamShape(name="things", paginator=AllInOne()))
    remote.signs_in(BearerTokens(tokens={"app": "t"}))
    remote.limit(RateLimit(requests=2, per_s=60))
    remote.skew(timedelta(0))
    remote.fault(Status(status=500))
    remote.clear_journal()

    asked = [
        httpx.get(f"{remote.url}/things", headers={"authorization": "Bearer t"} if n != 1 else {}, trust_env=False).status_code
        for n in range(4)
    ]
    remote.limit()
    remote.signs_in()
    remote.clear_faults()

    assert asked == [500, 401, 200, 429]
    assert [(e.status, e.credential) for e in remote.journal().entries()] == [(500, "app"), (401, ""), (200, "app"), (429, "app")]
    assert remote.journal().violations_of_retry_after() == []


def test_a_command_that_cannot_be_done_says_why(remote: RemoteFakeApi) -> None:
    with pytest.raises(ValueError, match="delete: KeyError: 'no_such_stream'"):
        remote.delete("no_such_stream", "1")


def test_pages_of_a_thousand_come_faster_than_30000_records_a_second(remote: RemoteFakeApi) -> None:
    remote.add(StreamShape(name="many", paginator=CursorToken()))
    remote.fill("many", 20_000)

    remote.clear_journal()
    with httpx.Client(base_url=remote.url, trust_env=False) as http:
        after: dict[str, str] | None = {}
        read = 0
        while after is not None:
            body = http.get("/many", params={"limit": 1000, **after}).json()
            read += len(body["data"])
            after = body["paging"]["next"] if "paging" in body else None

    entries = remote.journal().entries("/many")
    # How long it took to answer, not how long we took to read.
    answering_s = sum((entry.answered_s or 0) - entry.arrived_s for entry in entries)
    assert read == 20_000
    assert len({entry.connection for entry in entries}) == 1
    assert answering_s < read / 30_000


def test_the_module_runs_as_a_program_and_prints_its_address() -> None:
    command = [sys.executable, "-m", "connector_pipelines.testing.fake_api", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            status = httpx.get(f"{url}/nothing", trust_env=False).status_code
        finally:
            process.terminate()

    assert (status, process.returncode) == (404, 0)
