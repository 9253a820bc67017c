"""A small HTTP server on loopback, for stand-ins of services that cannot be installed with pip."""

from __future__ import annotations

import json
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["Answer", "Call", "Loopback"]

MAX_BODY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked. `path` is decoded; names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` goes out as JSON; None sends none."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Loopback(ABC):
    """Serves on a free port from `with` to its end; one call at a time.

    Attributes:
        journal: Method, path and status of every call.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.journal: list[tuple[str, str, int]] = []
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.address = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    @abstractmethod
    def answer(self, call: Call) -> Answer: ...

    def answered(self, call: Call) -> Answer:
        """`answer`, written down."""
        with self._lock:
            answer = self.answer(call)
            self.journal.append((call.method, call.path, answer.status))
            return answer


def _handler(server: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body in one packet: two would wait for each other (Nagle's algorithm).
        wbufsize = -1
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- its name there
            """Not to standard error."""

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            length = min(int(self.headers.get("content-length") or 0), MAX_BODY_BYTES)
            body = self.rfile.read(length)
            query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(server.answered(Call(self.command, unquote(parts.path), query, headers, _json(body))))

        do_POST = do_PUT = do_LIST = do_DELETE = do_GET  # noqa: N815 -- their names there

        def _send(self, answer: Answer) -> None:
            content = b"" if answer.body is None else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()

    return Handler


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
