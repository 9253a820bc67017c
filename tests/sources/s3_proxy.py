"""A way to a real S3 on which one can be told to misbehave, as the real service does now and then."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(kw_only=True)
class Act:
    """What happens, `times` times, to requests whose line has `to` in it.

    Attributes:
        status: Answered with it, and `body`, instead of asking the server.
        cut_after: The server's answer ends after this many bytes of its body, and the connection with it.
        when_cut: Done before the connection is.
        dropped: Headers of the request that the server is not shown.
        added: Headers of the answer, in place of the server's own.
        rewritten: Of the body.
    """

    to: str
    times: int = 1
    status: int | None = None
    body: bytes = b""
    cut_after: int | None = None
    when_cut: Callable[[], object] = lambda: None
    dropped: tuple[str, ...] = ()
    added: Mapping[str, str] = field(default_factory=dict)
    rewritten: Callable[[bytes], bytes] = lambda body: body


@dataclass
class Way:
    """`endpoint` is its address; `seen` the request lines that came by, and `headers` those of each."""

    endpoint: str
    acts: list[Act]
    seen: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def act_for(self, line: str) -> Act:
        for act in self.acts:
            if act.to in line and act.times > 0:
                act.times -= 1
                return act
        return Act(to="")


def error(code: str, **more: str) -> bytes:
    return "".join(("<Error>", *(f"<{k}>{v}</{k}>" for k, v in {"Code": code, "Message": "No.", **more}.items()), "</Error>")).encode()


@contextmanager
def way_to(server: str, *acts: Act, tls: ssl.SSLContext | None = None) -> Iterator[Way]:
    """A proxy before the address `server`, itself behind `tls`. The Host that was signed is passed on."""
    with _Proxy(("127.0.0.1", 0), _Handler) as proxy:
        proxy.netloc = urlsplit(server).netloc
        proxy.way = Way(f"{'https' if tls else 'http'}://127.0.0.1:{proxy.server_port}", list(acts))
        if tls:
            proxy.socket = tls.wrap_socket(proxy.socket, server_side=True)
        threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield proxy.way
        proxy.shutdown()


class _Proxy(ThreadingHTTPServer):
    way: Way
    netloc: str

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away, or trusts no certificate of ours, is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Proxy

    def do_GET(self) -> None:
        line, way = f"{self.command} {self.path}", self.server.way
        way.seen.append(line)
        way.headers.append({name.lower(): value for name, value in self.headers.items()})
        act = way.act_for(line)
        if act.status is None:
            self._pass_on(act)
        else:
            self._answer(act.status, {}, act.body, act)

    do_HEAD = do_GET  # noqa: N815 - named by the protocol

    def log_message(self, *args: object) -> None:
        """Nobody reads it."""

    def _pass_on(self, act: Act) -> None:
        upstream = http.client.HTTPConnection(self.server.netloc, timeout=30)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name not in act.dropped:
                upstream.putheader(name, value)
        upstream.endheaders()
        answer = upstream.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in {"connection", "transfer-encoding"}}
        self._answer(answer.status, kept, act.rewritten(answer.read()), act)
        upstream.close()

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes, act: Act) -> None:
        self.send_response_only(status)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        for name, value in {**headers, **act.added, "Content-Length": length}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if act.cut_after is None else body[: act.cut_after])
        if act.cut_after is not None:
            self.wfile.flush()
            act.when_cut()
            self.close_connection = True
