"""HTTP/1.1 on a socket: keep-alive, whole answers with their length, and every way to break off."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from connector_pipelines.testing.fake_api.faults import Delivery
from connector_pipelines.testing.fake_api.messages import Answer, Request

__all__ = ["HttpServer", "Respond", "Tls", "tls_context"]

Respond = Callable[[Request, int], tuple[Answer, Delivery]]
"""A request and the number of its connection, to what is sent and how."""

_MAX_BODY: Final = 64 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files: the server's certificate chain and key, and the authority whose client certificates are demanded, or None."""

    certificate: Path
    key: Path
    client_authority: Path | None = None


class HttpServer:
    """Listens on loopback from the start, answers from `start` on, a thread for each connection."""

    def __init__(
        self, respond: Respond, *, host: str = "127.0.0.1", port: int = 0, tls: Tls | None = None, named: str | None = None
    ) -> None:
        self._server = _Server(host, port, respond, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.url = f"{'https' if tls else 'http'}://{named or host}:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def skew(self, by: timedelta) -> None:
        """How far the header `Date` is ahead of this machine's clock."""
        self._server.skew_s = by.total_seconds()

    def stop(self) -> None:
        self._server.closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()


def tls_context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.client_authority:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(tls.client_authority)
    return context


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, respond: Respond, tls: Tls | None) -> None:
        self.respond = respond
        self.scheme = "https" if tls else "http"
        self.closing = threading.Event()
        self.skew_s = 0.0
        self.numbers = itertools.count(1)
        self._open: set[socket.socket] = set()
        super().__init__((host, port), _Handler)
        if tls:
            # The handshake is made by the first read, in the connection's own thread.
            self.socket = tls_context(tls).wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or was made to, is no news."""

    def close_connections(self) -> None:
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.number = next(self.server.numbers)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """The journal says it."""

    def __getattr__(self, name: str) -> Any:
        # `do_GET` and all others: which methods there are is the routes' business.
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MAX_BODY or self.headers.get("Transfer-Encoding"):
            self._send(Answer(413 if length > _MAX_BODY else 411), Delivery())
            self.close_connection = True
            return
        answer, delivery = self.server.respond(self._request(self.rfile.read(length)), self.number)
        if delivery.stall_s and self.server.closing.wait(delivery.stall_s):
            self.close_connection = True
            return
        if delivery.reset:
            self._reset()
            return
        self._send(answer, delivery)

    def _request(self, body: bytes) -> Request:
        path, _, query = self.path.partition("?")
        return Request(
            method=self.command,
            path=unquote(path),
            target=self.path,
            base=f"{self.server.scheme}://{self.headers.get('Host', '')}",
            params=dict(parse_qsl(query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            certificate=_common_name(self.connection),
        )

    def _send(self, answer: Answer, delivery: Delivery) -> None:
        bodiless = self.command == "HEAD" or answer.status in {204, 304}
        lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}", f"Date: {formatdate(time.time() + self.server.skew_s, usegmt=True)}"]
        if answer.status not in {204, 304}:
            lines.append(f"Content-Length: {len(answer.body)}")
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        body = b"" if bodiless else answer.body
        if delivery.cut_after is not None:
            self.wfile.write(head + body[: delivery.cut_after])
            self.close_connection = True
        elif delivery.piece_bytes:
            self._drip(head, body, delivery.piece_bytes, delivery.pause_s)
        else:
            self.wfile.write(head + body)

    def _drip(self, head: bytes, body: bytes, piece_bytes: int, pause_s: float) -> None:
        self.wfile.write(head)
        for at in range(0, len(body), piece_bytes):
            self.wfile.write(body[at : at + piece_bytes])
            if self.server.closing.wait(pause_s):
                break

    def _reset(self) -> None:
        # Lingering for no time at all is how a socket is made to say RST.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


def _common_name(connection: socket.socket) -> str | None:
    if not isinstance(connection, ssl.SSLSocket) or not (shown := connection.getpeercert()):
        return None
    names: Any = shown.get("subject", ())
    return next((str(value) for part in names for name, value in part if name == "commonName"), None)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Scripted"
