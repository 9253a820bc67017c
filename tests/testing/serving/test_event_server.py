"""The server of one thread: HTTP/1.1 as clients speak it, and as they should not."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
import trustme

from connector_pipelines.testing._serving.authority import PrivateAuthority
from connector_pipelines.testing._serving.event_server import EventServer
from connector_pipelines.testing.fake_api.faults import Delivery
from connector_pipelines.testing.fake_api.http_server import Tls
from connector_pipelines.testing.fake_api.messages import Answer, Request, json_answer

LARGE = bytes(range(256)) * 20_000


def respond(request: Request, connection: int) -> tuple[Answer, Delivery]:
    """By its path."""
    delivery = {
        "/cut": Delivery(cut_after=3),
        "/drip": Delivery(piece_bytes=2, pause_s=0.001),
        "/reset": Delivery(reset=True),
        "/late": Delivery(stall_s=0.2),
    }
    if request.path == "/bug":
        raise RuntimeError("a bug")
    if request.path == "/large":
        return Answer(200, LARGE), Delivery()
    if request.path == "/none":
        return Answer(204), Delivery()
    told = {
        "method": request.method, "path": request.path, "params": dict(request.params), "body": request.body.decode(),
        "connection": connection, "certificate": request.certificate, "base": request.base, "agent": request.headers.get("user-agent"),
    }  # fmt: skip
    return json_answer(told), delivery.get(request.path, Delivery())


@pytest.fixture
def server() -> Iterator[EventServer]:
    server = EventServer()
    server.start(respond)
    yield server
    server.stop()


@pytest.fixture
def http(server: EventServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=10) as http:
        yield http


def raw(server: EventServer, *pieces: bytes) -> bytes:
    """What comes back for these bytes, sent piece by piece."""
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while piece := connection.recv(65536):
            found += piece
        return found


def test_a_request_is_told_as_it_came(server: EventServer, http: httpx.Client) -> None:
    told = http.post("/a%20b/c?x=1&y=%C3%A4&z=", content=b"body", headers={"user-agent": "test"}).json()

    assert told["method"] == "POST"
    assert (told["path"], told["params"]) == ("/a b/c", {"x": "1", "y": "ä", "z": ""})
    assert (told["body"], told["agent"], told["base"]) == ("body", "test", server.url)


def test_a_connection_is_kept(http: httpx.Client) -> None:
    assert {http.get("/").json()["connection"] for _ in range(3)} == {1}


def test_a_request_that_comes_in_pieces_or_with_another_is_answered(server: EventServer) -> None:
    one = b"POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
    two = b"GET /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    answer = raw(server, *(bytes([byte]) for byte in one), two)

    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.index(b'"/one"') < answer.index(b'"/two"')
    assert b'"body": "body"' in answer


def test_large_bodies_come_whole(http: httpx.Client) -> None:
    assert http.get("/large").content == LARGE


def test_a_client_that_reads_slowly_holds_up_no_other(server: EventServer, http: httpx.Client) -> None:
    with http.stream("GET", "/large") as slow, httpx.Client(base_url=server.url, trust_env=False) as other:
        assert other.get("/").status_code == 200
        assert slow.read() == LARGE


def test_answers_without_a_body_have_none(http: httpx.Client) -> None:
    none, head = http.get("/none"), http.head("/large")

    assert (none.status_code, none.content, "content-length" in none.headers) == (204, b"", False)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(LARGE)))
    assert http.get("/").status_code == 200


def test_answers_are_cut_dripped_and_reset(http: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("/cut")
    with pytest.raises(httpx.ReadError):
        http.get("/reset")

    assert http.get("/drip").json()["path"] == "/drip"


def test_a_bug_is_told_as_one(http: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    answer = http.get("/bug")

    assert (answer.status_code, answer.text) == (500, "bug in the fake: RuntimeError('a bug')")
    assert "fake_failed GET /bug" in caplog.text


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/2\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, b"431"),
    ],
)
def test_what_is_no_request_is_refused(server: EventServer, sent: bytes, status: bytes) -> None:
    assert raw(server, sent).startswith(b"HTTP/1.1 " + status)


def test_who_waits_for_leave_to_send_a_body_gets_it(server: EventServer) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"

    assert raw(server, head, b"body").startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


def test_answers_that_wait_hold_up_no_other(server: EventServer) -> None:
    began = time.monotonic()
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        threads = [threading.Thread(target=http.get, args=("/late",)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    took_s = time.monotonic() - began

    assert 0.2 <= took_s < 2


def test_the_clock_of_the_headers_may_be_wrong(server: EventServer, http: httpx.Client) -> None:
    server.skew(timedelta(hours=1))

    ahead = parsedate_to_datetime(http.get("/").headers["date"]) - datetime.now(UTC)

    assert timedelta(minutes=59) < ahead < timedelta(minutes=61)


def test_over_tls_the_authority_is_trusted_and_others_are_not(tmp_path: Path) -> None:
    authority = PrivateAuthority(tmp_path)
    server = EventServer(tls=authority.server(names=("localhost", "www.example.com")))
    server.start(respond)
    try:
        context = ssl.create_default_context(cafile=authority.certificate)
        with httpx.Client(base_url=server.url, verify=context, trust_env=False) as http:
            assert http.get("/large").content == LARGE
            assert http.get("/").json()["base"].startswith("https://")
        with httpx.Client(base_url=server.url, trust_env=False) as stranger, pytest.raises(httpx.ConnectError, match="CERTIFICATE"):
            stranger.get("/")
    finally:
        server.stop()


def test_a_client_certificate_is_known_by_its_name(tmp_path: Path) -> None:
    authority = trustme.CA()
    paths = {name: tmp_path / name for name in ("server.pem", "server.key", "client.pem", "ca.pem")}
    shown = authority.issue_cert("127.0.0.1")
    shown.cert_chain_pems[0].write_to_path(paths["server.pem"])
    shown.private_key_pem.write_to_path(paths["server.key"])
    authority.issue_cert("ada@example.com", common_name="ada").private_key_and_cert_chain_pem.write_to_path(paths["client.pem"])
    authority.cert_pem.write_to_path(paths["ca.pem"])
    server = EventServer(tls=Tls(certificate=paths["server.pem"], key=paths["server.key"], client_authority=paths["ca.pem"]))
    server.start(respond)
    try:
        context = ssl.create_default_context(cafile=paths["ca.pem"])
        context.load_cert_chain(paths["client.pem"])
        with httpx.Client(base_url=server.url, verify=context, trust_env=False) as http:
            assert http.get("/").json()["certificate"] == "ada"
    finally:
        server.stop()
