"""An OAuth server on this machine, for tests: authlib's server side over plain HTTP, with scripted faults and a journal.

It signs in whoever it is told to (`person`), without a page to click on, and is strict otherwise: PKCE, redirect addresses, proofs of
clients, single use of codes and, where it rotates them, of refresh tokens.

    with OAuthServer() as server:
        auth = {"type": "oauth2", "token_url": server.token_url, …}
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, Self
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2 import OAuth2Error

from connector_pipelines.testing._oauth_authority import Authority, Leeway, OAuthClient, Request

__all__ = ["Asked", "Fault", "OAuthClient", "OAuthServer"]

_PATIENCE_S = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a request for a token instead of an answer.

    Attributes:
        what: `status`: it is answered with `status` and `body`, and gives nothing. `cut`: the connection breaks. `hold`: the answer
            waits until `release` is set.
        done: Whether the token is given all the same, so that only the answer is lost (`cut`).
    """

    what: Literal["status", "cut", "hold"]
    status: int = 500
    body: object = ""
    headers: tuple[tuple[str, str], ...] = ()
    done: bool = True
    release: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request for a token.

    Attributes:
        began, ended: Places in the order of all beginnings and ends: those of requests that did not overlap are neighbours.
        status: Of the answer; 0 where there was none.
        error: Of the answer, or empty.
        reused: It brought a refresh token that was used before, and ended its family.
        form: What was asked, secrets included.
    """

    began: int
    ended: int
    grant_type: str
    status: int
    error: str
    reused: bool
    form: dict[str, str] = field(repr=False)


class OAuthServer:
    """Listens from the beginning of the `with` block to its end.

    Args:
        clients: Who may ask; one with the id `app` by default.
        lifetime_s: Of access tokens.
        told_lifetime: What `expires_in` says of that; None for nothing.
        rotates, leeway: As at `Authority`.
        people: Who may sign in, and whom service accounts may speak for.
        port: 0 is a free one.
    """

    def __init__(
        self,
        *clients: OAuthClient,
        lifetime_s: float = 3600.0,
        told_lifetime: Callable[[float], object] = lambda lifetime_s: lifetime_s,
        rotates: bool = True,
        leeway: Leeway = "none",
        people: Iterable[str] = ("ada@example.com",),
        port: int = 0,
    ) -> None:
        self._http = _Http(("127.0.0.1", port), _Handler)
        self._http.oauth = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._authority = Authority(
            clients or (OAuthClient(),), token_url=self.token_url, told_lifetime=told_lifetime, rotates=rotates, leeway=leeway, people=frozenset(people),
        )  # fmt: skip
        self._authority.lifetime_s = lifetime_s
        self.person: str | None = next(iter(people), None)
        self._faults: deque[Fault] = deque()
        self._held: list[Fault] = []
        self._journal: list[Asked] = []
        self._places = itertools.count()
        self._arrived = threading.Condition()
        self._begun = 0

    @property
    def authorize_url(self) -> str:
        return f"{self.url}/authorize"

    @property
    def token_url(self) -> str:
        return f"{self.url}/token"

    @property
    def account_url(self) -> str:
        """Says who a token is of: ``{"user": {"email": …}}``; 401 for one that is not good."""
        return f"{self.url}/me"

    @property
    def lifetime_s(self) -> float:
        return self._authority.lifetime_s

    @lifetime_s.setter
    def lifetime_s(self, seconds: float) -> None:
        self._authority.lifetime_s = seconds

    @property
    def journal(self) -> tuple[Asked, ...]:
        """Every request for a token that was answered, or was not, in the order of their ends."""
        return tuple(self._journal)

    def script(self, *faults: Fault) -> None:
        """What happens to the next requests for a token, one each."""
        self._faults.extend(faults)
        self._held.extend(faults)

    def wait_for(self, requests: int) -> None:
        """Return when that many requests for a token have begun."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self._begun >= requests, _PATIENCE_S), f"only {self._begun} requests came"

    def holder(self, access_token: str) -> str | None:
        """Who a token is of, or None where it is not good (any more)."""
        return self._authority.holder(access_token)

    def end(self, person: str) -> None:
        """Take back everything that was given to a person, as they may do in their settings."""
        with self._authority.lock:
            self._authority.ended |= {g.family for g in self._authority.granted if g.person == person}

    def expire(self) -> None:
        """End every access token; refresh tokens stay."""
        with self._authority.lock:
            for granted in self._authority.granted:
                granted.ends_at = time.monotonic()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for fault in self._held:
            fault.release.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, method: str, target: str, form: dict[str, str], headers: Message) -> _Reply | None:
        """Of one request, or None where the connection is to break; for the handler."""
        parts = urlsplit(target)
        if (method, parts.path) == ("POST", "/token"):
            return self._give(form, headers)
        if (method, parts.path) == ("GET", "/authorize"):
            return self._send_on(dict(parse_qsl(parts.query)), headers)
        if (method, parts.path) == ("GET", "/me"):
            holder = self.holder(headers.get("Authorization", "").removeprefix("Bearer "))
            return _Reply(200, {"user": {"email": holder}}) if holder else _Reply(401, {"error": "invalid_token"})
        return _Reply(404, "")

    def _send_on(self, query: dict[str, str], headers: Message) -> _Reply:
        """Back to the application at once: with a code, or with `access_denied` where `person` is None."""
        request = Request("GET", self.authorize_url, headers, query)
        with self._authority.lock:
            try:
                grant = self._authority.get_consent_grant(request, end_user=self.person)
            except OAuth2Error as error:
                return _Reply(400, {"error": error.error, "error_description": error.description})
            return _Reply(*self._authority.create_authorization_response(request, grant_user=self.person, grant=grant))

    def _give(self, form: dict[str, str], headers: Message) -> _Reply | None:
        with self._arrived:
            began, self._begun = next(self._places), self._begun + 1
            fault = self._faults.popleft() if self._faults else None
            self._arrived.notify_all()
        request = Request("POST", self.token_url, headers, form)
        reply: _Reply | None = None
        if fault is None or (fault.what != "status" and fault.done):
            with self._authority.lock:
                reply = _Reply(*self._authority.create_token_response(request))
        if fault is not None:
            reply = self._spoilt(fault, reply)
        error = str(reply.body.get("error", "")) if reply and isinstance(reply.body, dict) else ""
        status = reply.status if reply else 0
        self._journal.append(
            Asked(
                began=began, ended=next(self._places), grant_type=form.get("grant_type", ""), status=status, error=error,
                reused=request.reused, form=form,
            )
        )  # fmt: skip
        return reply

    def _spoilt(self, fault: Fault, reply: _Reply | None) -> _Reply | None:
        if fault.what == "status":
            return _Reply(fault.status, fault.body, fault.headers)
        if fault.what == "hold":
            fault.release.wait(_PATIENCE_S)
            return reply
        return None


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: object
    headers: Iterable[tuple[str, str]] = ()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    oauth: OAuthServer


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE_S

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(dict(parse_qsl(body.decode())))

    def _answer(self, form: dict[str, str]) -> None:
        assert isinstance(self.server, _Http)
        reply = self.server.oauth.answer(self.command, self.path, form, self.headers)
        if reply is None:
            return
        body = reply.body if isinstance(reply.body, bytes) else str(reply.body).encode()
        if isinstance(reply.body, dict):
            body = json.dumps(reply.body).encode()
        headers = {"Content-Type": "application/json", **dict(reply.headers), "Content-Length": str(len(body))}
        with suppress(ConnectionError):  # who asked may have been killed
            self.send_response(reply.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """The journal is the log."""
