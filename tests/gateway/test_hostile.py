"""What a caller nobody knows can do: be refused, be counted, and use up nothing."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import socket

import pytest

from connector_pipelines.gateway import serving
from connector_pipelines.gateway.calls import Memory, Overloaded, Refusal, read_body
from tests.gateway.conftest import SECRET, SIGNED, Gate, eventually, signature

HEAD = b"POST /webhooks/crm HTTP/1.1\r\nHost: gateway\r\n"


def answered(connection: socket.socket) -> bytes:
    """Everything until the other side closes, or rests for a while."""
    connection.settimeout(5)
    said = b""
    try:
        while piece := connection.recv(65536):
            said += piece
    except (TimeoutError, ConnectionError):
        pass
    return said


def test_forged_replayed_oversized_and_malformed_calls_are_refused_counted_and_leave_nothing(gate: Gate) -> None:
    old = {"header": "X-Time"}
    gate.configure(
        {"verify": {**SIGNED["verify"], "signed": "{timestamp}{body}", "timestamp": old}, "max_body_bytes": 100}  # type: ignore[dict-item]
    )
    now, then = (str(int(gate.clock().timestamp()) + skew) for skew in (0, -3600))

    def call(body: bytes, at: str, secret: str = SECRET, **headers: str) -> int:
        return gate.call(body, **{"X-Time": at, "X-Hub-Signature-256": signature(at.encode() + body, secret), **headers}).status_code

    statuses = {
        "genuine": call(b"{}", now),
        "forged": call(b"{}", now, "another"),
        "unsigned": gate.client.post("/webhooks/crm", content=b"{}").status_code,
        "replayed": call(b"{}", then),
        "too_large": call(b"x" * 101, now),
        "malformed": call(b"{", now),
    }

    assert statuses == {"genuine": 202, "forged": 401, "unsigned": 401, "replayed": 401, "too_large": 413, "malformed": 400}
    assert gate.refused() == {"forged": 1, "unsigned": 1, "replayed": 1, "too_large": 1, "malformed": 1}
    assert len(gate.inbox()) == 1


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"a": 1}x', b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000, b"[" * 65 + b"]" * 65, b'{"a":' * 65 + b"1" + b"}" * 65, b"1" * 5000, b"\x00"],
)  # fmt: skip
def test_what_is_no_json_or_nested_deeper_than_anybody_means_is_malformed(gate: Gate, body: bytes) -> None:
    assert gate.call(body).status_code == 400
    assert gate.inbox() == []


def test_a_payload_as_deep_and_wide_as_is_taken_is_stored(gate: Gate) -> None:
    deep = b"[" * 60 + b"]" * 60
    wide = json.dumps([{"n": n} for n in range(20_000)]).encode()

    assert [gate.call(body, delivery=str(len(body))).status_code for body in (deep, wide)] == [202, 202]


def test_a_body_without_a_length_is_read_no_further_than_the_limit(gate: Gate) -> None:
    gate.configure({**SIGNED, "max_body_bytes": 1000})
    with gate.socket() as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 50_000_000:
                sent += connection.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        said = answered(connection)

    assert said.startswith(b"HTTP/1.1 413") or sent < 50_000_000
    assert sent < 50_000_000
    assert eventually(lambda: gate.refused() == {"too_large": 1})


def test_a_length_beyond_the_limit_is_refused_before_a_byte_of_the_body(gate: Gate) -> None:
    for length in (b"1048577", b"9" * 18):
        with gate.socket() as connection:
            connection.sendall(HEAD + b"Content-Length: " + length + b"\r\n\r\n")
            assert answered(connection).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "request_",
    [
        b"NONSENSE\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"X-Odd: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_http_or_could_be_read_in_two_ways_is_refused(gate: Gate, request_: bytes) -> None:
    with gate.socket() as connection:
        connection.sendall(request_)
        assert answered(connection).startswith(b"HTTP/1.1 400")
    assert gate.inbox() == []


def test_headers_without_end_are_cut_off(gate: Gate) -> None:
    with gate.socket() as connection:
        connection.sendall(HEAD)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 50_000_000:
                sent += connection.send(b"X-Odd: %s\r\n" % (b"x" * 1000))
    assert sent < 50_000_000


def test_who_sends_a_header_now_and_then_or_nothing_at_all_is_cut_off_in_time(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEADERS_S", 0.3)
    with gate.socket() as silent, gate.socket() as slow:
        slow.sendall(HEAD)

        def cut_off() -> bool:
            try:
                slow.sendall(b"X-Slow: 1\r\n")
            except ConnectionError:
                return True
            return False

        assert eventually(cut_off, 5)
        silent.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert silent.recv(1) == b""


def test_who_sends_a_body_now_and_then_is_answered_and_cut_off_in_time() -> None:
    async def slowly() -> object:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    memory = Memory(1000)
    with pytest.raises(Refusal, match="too_slow"):
        asyncio.run(read_body(slowly(), None, 10_000, memory, within_s=0.1))  # type: ignore[arg-type]
    memory.take(1000)


def test_bodies_that_are_read_at_once_share_a_bound_and_give_back_what_they_took() -> None:
    async def pieces(count: int) -> object:
        for _ in range(count):
            yield b"x" * 100

    memory = Memory(1000)
    first = asyncio.run(read_body(pieces(6), None, 10_000, memory))  # type: ignore[arg-type]
    with pytest.raises(Overloaded):
        asyncio.run(read_body(pieces(6), None, 10_000, memory))  # type: ignore[arg-type]
    memory.give_back(len(first))

    assert len(asyncio.run(read_body(pieces(10), None, 10_000, memory))) == 1000  # type: ignore[arg-type]


def test_an_attack_is_a_few_rows_and_a_line_of_the_log_and_neither_has_a_word_of_it(gate: Gate) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    log = logging.getLogger("connector_pipelines.gateway")
    log.addHandler(handler)
    try:
        for number in range(300):
            gate.client.post("/webhooks/crm", content=b'{"password": "hunter2"}', headers={"X-Hub-Signature-256": f"sha256={number:064x}"})
            gate.client.post(f"/webhooks/guess-{number}", content=b"{}")
        gate.clock.forward(minutes=2)
        gate.client.post("/webhooks/crm", content=b"{}", headers={"X-Hub-Signature-256": "sha256=00"})
    finally:
        log.removeHandler(handler)

    lines = written.getvalue().splitlines()
    assert len(lines) == 3
    assert "300" in lines[2]
    assert not [word for word in ("hunter2", "guess", "sha256", f"{5:064x}") if word in written.getvalue()]
    assert gate.refused() == {"forged": 301}
    assert gate.rows("SELECT count(*) AS n FROM webhook_refusals") == [{"n": 1}]


def test_what_could_not_be_written_of_the_counts_is_written_later(gate: Gate) -> None:
    gate.client.post("/webhooks/crm")
    with gate.way.cut_off():
        gate.house.write_counts()
    gate.client.post("/webhooks/crm")

    assert gate.refused() == {"unsigned": 2}


def test_a_caller_that_goes_away_in_the_middle_of_its_body_leaves_no_trace(gate: Gate) -> None:
    with gate.socket() as connection:
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\nhalf")
    assert gate.call(delivery="next").status_code == 202
    assert [row["delivery_id"] for row in gate.inbox()] == ["next"]
