"""Calls that the kind itself proves: its handshake, its notifications, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.gateway.conftest import SECRET, Gate

BY_SOURCE = {"verify": {"type": "source"}}


@pytest.fixture
def own_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate) -> Gate:
    """The connector `crm` is of a kind with a way of its own."""
    installed = tmp_path / "plugins" / "accepting-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: accepting\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[connector_pipelines.sources]\naccepting = tests.gateway.accepting:Source\n")
    monkeypatch.syspath_prepend(str(installed.parent))
    gate.configure(BY_SOURCE, kind="accepting")
    return gate


def told(gate: Gate, *changes: dict[str, object], word: str = SECRET) -> httpx.Response:
    body = json.dumps({"word": word, "changes": changes}).encode()
    return gate.client.post("/webhooks/crm", content=body, headers=[("X-Twice", "a"), ("X-Twice", "b")])


def test_a_handshake_is_answered_with_what_the_caller_waits_for_and_tells_nothing(own_way: Gate) -> None:
    answer = own_way.client.get("/webhooks/crm", params={"challenge": "ä & <b>"})

    assert (answer.status_code, answer.text) == (200, "ä & <b>")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert own_way.inbox() == []


def test_a_call_may_tell_several_things_each_of_which_is_one_delivery(own_way: Gate) -> None:
    answers = [told(own_way, {"name": "1", "id": 7}, {"name": "2", "id": 8}).status_code for _ in range(2)]

    assert answers == [202, 202]
    assert [(row["delivery_id"], row["payload"]["id"]) for row in own_way.inbox()] == [("1", 7), ("2", 8)]


def test_what_the_kind_refuses_is_refused_and_counted(own_way: Gate) -> None:
    statuses = [told(own_way, word="another").status_code, own_way.client.post("/webhooks/crm", content=b"{").status_code]

    assert statuses == [401, 400]
    assert own_way.refused() == {"forged": 1, "malformed": 1}


def test_a_secret_of_the_kinds_that_was_replaced_is_picked_up(own_way: Gate) -> None:
    assert told(own_way).status_code == 202
    (own_way.folder / "secret").write_text("the-next-secret")
    own_way.clock.forward(seconds=31)

    assert told(own_way, word="the-next-secret").status_code == 202


def test_a_fault_of_the_kind_is_answered_and_logged_without_a_word_of_the_call_and_nothing_is_stored(
    own_way: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps({"word": SECRET, "changes": [{"hunter2": "hunter2", "name": {"hunter2": 1}}, "hunter2"]}).encode()
    answer = own_way.client.post("/webhooks/crm", content=body, headers=[("X-Twice", "a"), ("X-Twice", "b")])

    assert (answer.status_code, answer.text) == (500, "this is a fault of ours\n")
    assert "accepting.py" in caplog.text
    assert "hunter2" not in caplog.text
    assert own_way.inbox() == []


def test_a_kind_without_a_way_of_its_own_takes_nothing_until_that_is_corrected(gate: Gate) -> None:
    gate.configure(BY_SOURCE)

    assert gate.call().status_code == 503
