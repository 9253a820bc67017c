"""Somebody between us and a Drive: every token that goes through is a canary, and each way to be wrong repeats what was asked."""

from __future__ import annotations

import base64
import http.client
import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.canaries.forms import Canaries

__all__ = ["DRIVE_WAYS", "Between"]

_ANY: Final = r"drive/v3/"
_BYTES: Final = r"drive/v3/files/[^/]+\?.*alt=media"
_EXPORT: Final = r"drive/v3/files/[^/]+/export\?"
_READY: Final = r"drive/v3/downloads/"

DRIVE_WAYS: Final[Mapping[str, Mapping[str, str]]] = {
    "works": {},
    "refused": {_ANY: "unknown"},
    "forbidden": {r"drive/v3/(changes/startPageToken|files\?)": "denied"},
    "cut_short": {_ANY: "cut_short"},
    "switched_off": {_ANY: "switched_off"},
    "slow_down": {_ANY: "slow_down"},
    "garbage": {_ANY: "garbage"},
    "html": {_ANY: "html"},
    "redirected": {_ANY: "redirected"},
    "turned_round": {_ANY: "turned_round"},
    "parts_refused": {r"batch/": "parts_refused"},
    "batch_refused": {r"batch/": "denied"},
    "bytes_refused": {_BYTES: "denied"},
    "bytes_elsewhere": {_BYTES: "redirected"},
    "export_refused": {_EXPORT: "too_large", _READY: "denied"},
    "export_elsewhere": {_EXPORT: "too_large", _READY: "redirected"},
    "export_turned_round": {_EXPORT: "too_large", _READY: "turned_round"},
    "export_failed": {_EXPORT: "too_large", r"drive/v3/(files/[^/]+/download|operations/)": "export_failed"},
    "watch_refused": {r"drive/v3/changes/watch": "denied"},
    "watch_unproven": {r"drive/v3/changes/watch": "unproven"},
    "stop_refused": {r"drive/v3/channels/stop": "denied"},
    "token_refused": {r"token$": "grant_refused"},
    "token_forbidden": {r"token$": "client_refused"},
    "token_garbage": {r"token$": "html"},
}
"""First segments of the path: what is asked of each that is answered here, and how. All else goes on to the Drive."""

_LATER: Final = {"Retry-After": "900"}
_OF_THE_HOP: Final = frozenset({"accept-encoding", "connection", "content-length"})
_TOLD_ON: Final = frozenset({"content-type", "content-range", "location", "retry-after"})
_KEPT: Final = 8
"""Assertions and places in listings that are looked for: each is long, and looked for everywhere."""


class Between:
    """Listens on loopback from `with` to its end.

    Attributes:
        url, elsewhere: The same server by two names: what redirects from one to the other leaves the host.
        refuses_refresh: Whether refresh tokens are good for nothing now.
        keys: Private keys of service accounts, by their addresses.
        channels: Tokens of the channels that were asked for, by id.
    """

    def __init__(self, drive_url: str, canaries: Canaries) -> None:
        self.canaries, self.drive = canaries, urlsplit(drive_url).netloc
        self._lock = threading.Lock()
        self._shown: dict[str, str] = {}
        self._real: dict[str, str] = {}
        self._kept: dict[str, set[str]] = {}
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"between": self}))
        self.refuses_refresh, self.keys, self.channels = False, dict[str, str](), dict[str, str]()
        self.url, self.elsewhere = (f"http://{name}:{self._server.server_port}" for name in ("127.0.0.1", "localhost"))

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def hide(self, what: str, real: str) -> str:
        """The canary that is told in place of what the Drive gave out."""
        with self._lock:
            if real not in self._shown:
                made = self._shown[real] = self.canaries.new(f"{what} of Google {len(self._shown)}", plain=True)
                self._real[made] = real
            return self._shown[real]

    def real(self, text: str) -> str:
        """`text` as the Drive is to see it."""
        with self._lock:
            known = dict(self._real)
        return re.sub(r"qzkanary[0-9a-f]{18}qzkanary[0-9a-f]{18}", lambda found: known.get(found[0], found[0]), text)

    def signed_anew(self, assertion: str) -> str:
        """The same for the Drive: what is signed says for whom it is."""
        header, claims, _ = (
            (json.loads(base64.urlsafe_b64decode(part + "==")) if n < 2 else {}) for n, part in enumerate(assertion.split("."))
        )
        claims["aud"] = f"http://{self.drive}/token"
        return jwt.encode(header, claims, RSAKey.import_key(self.keys[claims["iss"]]))

    def keep(self, what: str, secret: str) -> None:
        """Look for it from now on, if it is one of the first of its sort."""
        with self._lock:
            kept = self._kept.setdefault(what, set())
            if not secret or secret in kept or len(kept) >= _KEPT:
                return
            kept.add(secret)
            number = len(kept)
        self.canaries.keep(f"{what} of Google {number}", secret)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who hung up on us had reason to."""


class _Handler(BaseHTTPRequestHandler):
    between: Between
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode(errors="replace")
        _, self.way, self.asked = self.path.split("/", 2)
        self.secret = (self.headers.get("authorization") or self.path).rsplit(" ", 1)[-1]
        named = sorted(f"{name}: {value}" for name, value in self.headers.items())
        # Those of Google and who we are first: not all of it is shown.
        self.echo = " ".join(
            [self.secret, self.body, *sorted(named, key=lambda each: not each.startswith(("x-goog-drive", "auth"))), self.path]
        )
        self._note()
        for pattern, how in DRIVE_WAYS[self.way].items():
            if re.match(pattern, self.asked):
                act: Callable[[], None] = getattr(self, f"_{how}")
                return act()
        return self._pass_on()

    do_POST = do_GET  # noqa: N815 - their names there

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Nothing: this is not what is searched."""

    def _note(self) -> None:
        if self.asked == "token":
            self.between.keep("assertion", dict(parse_qsl(self.body)).get("assertion", ""))
        if self.asked.startswith("drive/v3/changes/watch"):
            channel = json.loads(self.body)
            self.between.channels[channel["id"]] = channel["token"]
            self.between.keep("channel token", channel["token"])

    def _pass_on(self) -> None:
        between = self.between
        if between.refuses_refresh and "grant_type=refresh_token" in self.body:
            return self._grant_refused()
        # Parts of a batch name their way, too.
        body = between.real(self.body).replace(f" /{self.way}/drive/", " /drive/")
        if self.asked == "token" and "assertion" in (form := dict(parse_qsl(body))):
            body = urlencode(form | {"assertion": between.signed_anew(form["assertion"])})
        headers = {name: between.real(value) for name, value in self.headers.items() if name.lower() not in _OF_THE_HOP}
        drive = http.client.HTTPConnection(between.drive, timeout=60)
        try:
            drive.request(self.command, between.real(f"/{self.asked}"), body.encode() or None, headers)
            answer = drive.getresponse()
            content = answer.read()
        finally:
            drive.close()
        kept = {name: value for name, value in answer.headers.items() if name.lower() in _TOLD_ON}
        between.keep("code of a person", dict(parse_qsl(urlsplit(kept.get("Location", "")).query)).get("code", ""))
        if not kept.get("Content-Type", "").startswith("text/"):
            content = self._hidden(content)
        return self._say(answer.status, content, kept)

    def _hidden(self, content: bytes) -> bytes:
        """An answer of the Drive with a canary for each of its secrets, and with our address."""
        told = content.decode(errors="surrogateescape").replace(f"{self.between.url}/drive/v3/", f"{self.between.url}/{self.way}/drive/v3/")
        for place in re.findall(r'"nextPageToken": ?"([^"]+)"', told):
            self.between.keep("place in a listing", place)
        pattern = r'("(?:access_token|refresh_token|(?:target)?[rR]esourceKey)": ?"|resourcekey=|/drive/v3/downloads/)([^"&]+)'
        told = re.sub(pattern, lambda found: found[1] + self.between.hide(_sort_of(found[1]), found[2]), told)
        return told.encode(errors="surrogateescape")

    def _say(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _error(self, status: int, reason: str, message: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        inner = {"message": message, "domain": "global", "reason": reason, "location": self.secret, "locationType": "parameter"}
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": {"said": self.echo}}
        fault = {"code": status, "message": message, "errors": [inner], "status": self.secret, "details": [info], **more}
        told = {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{self.secret}"', "X-Request-Id": self.secret}
        self._say(status, json.dumps({"error": fault}).encode(), {**told, **(headers or {})})

    def _unknown(self) -> None:
        self._error(401, "authError", f"not with {self.echo}")

    def _denied(self) -> None:
        self._error(403, self.secret, f"no: {self.echo}")

    def _cut_short(self) -> None:
        # What is shown of a message ends somewhere: in the midst of a secret, here.
        self._error(403, "insufficientFilePermissions", f"{'no ' * 95}{self.secret}")

    def _switched_off(self) -> None:
        page = f"https://console.developers.google.com/apis/{self.secret}/overview?project={self.secret}"
        self._error(403, "accessNotConfigured", f"Enable it by visiting {page} then retry", extendedHelp=page)

    def _slow_down(self) -> None:
        self._error(429, "userRateLimitExceeded", f"slower: {self.echo}", _LATER)

    def _garbage(self) -> None:
        self._say(200, json.dumps({"files": [self.echo]}).encode()[:-2])

    def _html(self) -> None:
        self._say(200, f"<form action='{self.echo}'>".encode(), {"Content-Type": "text/html"})

    def _redirected(self) -> None:
        self._say(302, b"", {"Location": f"{self.between.elsewhere}/forbidden/drive/v3/files?access_token={quote(self.secret)}"})

    def _turned_round(self) -> None:
        self._say(302, b"", {"Location": f"/turned_round/drive/v3/files?access_token={quote(self.secret)}&n={secrets.token_hex(2)}"})

    def _too_large(self) -> None:
        self._error(403, "exportSizeLimitExceeded", "This file is too large to be exported.")

    def _export_failed(self) -> None:
        self._say(200, json.dumps({"name": "x", "done": True, "error": {"code": 13, "message": self.echo}}).encode())

    def _unproven(self) -> None:
        self._error(401, "push.webhookUrlUnauthorized", f"Unauthorized WebHook callback channel: {self.echo}")

    def _grant_refused(self) -> None:
        self._say(
            400, json.dumps({"error": "invalid_grant", "error_description": f"not with {self.echo}", "error_subtype": self.secret}).encode()
        )

    def _client_refused(self) -> None:
        self._say(401, json.dumps({"error": "unauthorized_client", "error_description": self.echo}).encode())

    def _parts_refused(self) -> None:
        """A batch that went well, and in which each call was refused (https://developers.google.com/workspace/drive/api/guides/performance)."""
        fault = {"code": 403, "message": f"no: {self.echo}", "errors": [{"reason": self.secret, "message": self.echo}]}
        inner = json.dumps({"error": fault})
        parts = [
            f"--b\r\nContent-Type: application/http\r\nContent-ID: <response-{name}>\r\n\r\nHTTP/1.1 403 {self.secret}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(inner)}\r\n\r\n{inner}\r\n"
            for name in re.findall(r"Content-ID: <([^>]+)>", self.body)
        ]
        self._say(200, ("".join(parts) + "--b--\r\n").encode(), {"Content-Type": "multipart/mixed; boundary=b"})


def _sort_of(place: str) -> str:
    if "esource" in place:
        return "resource key"
    return "address of an export" if "/" in place else place.strip('": ')
