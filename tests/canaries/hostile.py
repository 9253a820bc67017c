"""A server that is wrong in every way it can be, and repeats in each of them what it was asked with."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from tests.canaries.forms import Canaries

__all__ = ["WAYS", "Hostile"]

WAYS = (
    "refused", "forbidden", "missing", "slow_down", "away", "html", "garbage", "flagged", "cut", "not_http", "status_line", "redirected",
    "misled", "turned_round", "next_refused", "next_elsewhere", "encoded", "too_large", "files_refused", "files_cut",
)  # fmt: skip
"""First segments of the path, each a way to be wrong. `works` is right. An API below each of them has one stream, `contacts`."""

LATER = {"Retry-After": "900"}


class Hostile:
    """Listens on loopback from `with` to its end. Also a proxy that answers by itself, and an OAuth server whose tokens are canaries.

    Attributes:
        url, elsewhere: The same server by two names: what redirects from one to the other leaves the host.
        valid: Access tokens that are good now.
    """

    def __init__(self, canaries: Canaries) -> None:
        self.canaries, self.valid, self._given = canaries, set[str](), 0
        self._lock = threading.Lock()
        self.refuses_refresh = False
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hostile": self}))
        self.url, self.elsewhere = (f"http://{name}:{self._server.server_port}" for name in ("127.0.0.1", "localhost"))

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self) -> dict[str, Any]:
        """An answer of the token endpoint: every token of it is new, and a canary."""
        with self._lock:
            self._given += 1
            number = self._given
        made = {name: self.canaries.new(f"{name} {number}", plain=True) for name in ("access_token", "refresh_token", "instance_ticket")}
        self.valid.add(made["access_token"])
        claims = "eyJlbWFpbCI6ICJhZGFAZXhhbXBsZS5jb20ifQ"
        made["id_token"] = f"eyJhbGciOiAibm9uZSJ9.{claims}.{self.canaries.new(f'id_token {number}', plain=True)}"
        # Over at once: whoever uses it next, refreshes it.
        return {**made, "token_type": "Bearer", "expires_in": 0 if number % 2 else 3600}

    def asked_for_token(self, form: dict[str, str], echo: str) -> tuple[int, dict[str, Any]]:
        for name in ("code_verifier", "assertion", "client_assertion"):
            if name in form:
                self.canaries.keep(f"{name} {secrets.token_hex(4)}", form[name])
        refused = form.get("grant_type") == "refresh_token" and self.refuses_refresh
        if refused or form.get("scope") == "nothing":
            return 400, {"error": "invalid_grant", "error_description": f"not with {echo}"}
        if form.get("scope") == "code":
            return 400, {"error": form.get("client_secret") or "x", "error_description": echo}
        return 200, self.token()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who hung up on us had reason to."""


class _Handler(BaseHTTPRequestHandler):
    hostile: Hostile
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length).decode(errors="replace")
        self.echo = " ".join([self.path, body, *(f"{name}: {value}" for name, value in self.headers.items())])
        _, way, *rest = urlsplit(self.path).path.split("/")
        known: dict[str, Callable[[], None]] = {"oauth": lambda: self._oauth(rest, body), "files": self._file, "page": self._page}
        known |= {name: getattr(self, f"_{name}") for name in WAYS}
        known.get(way, self._records)()

    do_POST = do_GET  # noqa: N815 - their names there

    def do_CONNECT(self) -> None:
        self.echo = " ".join(f"{name}: {value}" for name, value in self.headers.items())
        self._say(407, self.echo.encode(), {"Proxy-Authenticate": f'Basic realm="{self._secret()}"'}, reason=self._secret())
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Nothing: this is not what is searched."""

    def _secret(self) -> str:
        """The credential that came with the request, one word of it."""
        shown = self.headers.get("authorization") or self.headers.get("x-api-key") or self.headers.get("proxy-authorization") or self.path
        return shown.rsplit(" ", 1)[-1].rsplit("=", 1)[-1]

    def _say(self, status: int, body: bytes, headers: dict[str, str] | None = None, *, reason: str | None = None) -> None:
        self.send_response(status, reason)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self._say(status, json.dumps(body).encode(), headers)

    def _error(self, status: int, headers: dict[str, str] | None = None) -> None:
        fault = {"code": self._secret(), "reason": self._secret(), "message": self.echo}
        told = {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{self._secret()}"', "X-Request-Id": self._secret()}
        self._json(status, {"error": fault, "errors": [fault], "code": self._secret()}, {**told, **(headers or {})})

    def _records(self, **more: Any) -> None:
        self._json(200, {"data": [{"id": 1, "name": "Ada"}], **more})

    def _oauth(self, rest: list[str], body: str) -> None:
        if rest == ["authorize"]:
            asked = dict(parse_qsl(urlsplit(self.path).query))
            code = self.hostile.canaries.new("authorization code", tough=True)
            back = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
            self._say(302, b"", {"Location": back})
        else:
            self._json(*self.hostile.asked_for_token(dict(parse_qsl(body)), self.echo))

    def _refused(self) -> None:
        self._error(401)

    def _forbidden(self) -> None:
        self._error(403)

    def _missing(self) -> None:
        self._say(404, f"<p>{self.echo}</p>".encode(), {"Content-Type": "text/html"}, reason=self._secret())

    def _slow_down(self) -> None:
        self._error(429, LATER)

    def _away(self) -> None:
        self._error(500)

    def _html(self) -> None:
        self._say(200, f"<form action='{self.echo}'>".encode(), {"Content-Type": "text/html"})

    def _garbage(self) -> None:
        self._say(200, json.dumps({"data": [self.echo]}).encode()[:-2])

    def _flagged(self) -> None:
        self._json(200, {"error": self._secret()})

    def _cut(self) -> None:
        self._say(200, self.echo.encode(), {"Content-Length": "1000000"})
        self.close_connection = True

    def _not_http(self) -> None:
        self.wfile.write(f"{self._secret()}\r\n\r\n".encode())
        self.close_connection = True

    def _status_line(self) -> None:
        self.wfile.write(f"HTTP/1.1 {self._secret()} {self._secret()}\r\n\r\n".encode())
        self.close_connection = True

    def _redirected(self) -> None:
        self._say(302, b"", {"Location": f"{self.hostile.elsewhere}/forbidden?access_token={quote(self._secret())}"})

    def _misled(self) -> None:
        self._say(302, b"", {"Location": f"ftp://{quote(self._secret())}@[nowhere?token={quote(self._secret())}"})

    def _turned_round(self) -> None:
        self._say(302, b"", {"Location": f"/turned_round?api_key={quote(self._secret())}&n={secrets.token_hex(2)}"})

    def _next_refused(self) -> None:
        self._records(next=f"{self.hostile.url}/page?api_key={quote(self._secret())}")

    def _next_elsewhere(self) -> None:
        self._records(next=f"{self.hostile.elsewhere}/page?api_key={quote(self._secret())}")

    def _page(self) -> None:
        self._html()

    def _encoded(self) -> None:
        self._say(200, self.echo.encode(), {"Content-Encoding": "gzip"})

    def _too_large(self) -> None:
        self._say(200, self.echo.encode(), {"Content-Length": str(10**9)})
        self.close_connection = True

    def _files_refused(self) -> None:
        self._with_file("refused")

    def _files_cut(self) -> None:
        self._with_file("cut")

    def _with_file(self, how: str) -> None:
        """A record with a file, whose address carries what lets anybody read it; the record's own address gives the same."""
        token = self.hostile.canaries.new(f"signed address, {how} {secrets.token_hex(4)}", plain=True)
        file = {"id": "f1", "name": f"{how}.txt", "size": 100, "url": f"{self.hostile.url}/files/{how}?sv=2&ticket={token}"}
        record = {"id": 1, "name": "Ada", "files": [file]}
        is_one = urlsplit(self.path).path.endswith("/1")
        self._json(200, record if is_one else {"data": [record]})

    def _file(self) -> None:
        if "/refused" in self.path:
            self._error(403)
        else:
            self._say(200, self.echo.encode()[:10], {"Content-Length": "100", "Content-Type": "text/plain"})
            self.close_connection = True
