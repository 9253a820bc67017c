"""The page that a browser is sent back to after a person signed in: a server on this machine, for as long as that takes."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Forbidden, Unauthenticated

__all__ = ["Redirects", "listening"]

_SLOWEST_S = 10.0
_LOOKS_EVERY_S = 0.2
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<body style="font-family: sans-serif; margin: 4rem auto; max-width: 40rem"><h1>{title}</h1><p>{text}</p></body></html>"""


class Redirects:
    """What the browser brings.

    Attributes:
        url: To be named as the redirect address: the one configured, with the port that is listened on.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._path = urlsplit(url).path or "/"
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._take: Callable[[Mapping[str, str]], None] | None = None
        self._error: ConnectorError | None = None

    def wait(self, take: Callable[[Mapping[str, str]], None], *, within_s: float, stop: threading.Event) -> None:
        """Return when the browser brought what `take` was content with. What it refuses as `Forbidden` is not waited for any less.

        Args:
            take: Given the query of the redirect; what it raises is shown in the browser too.

        Raises:
            Unauthenticated: Nobody came within `within_s`, or `stop` was set.
            ConnectorError: What `take` raised.
        """
        self._take = take
        deadline = time.monotonic() + within_s
        while not self._over.wait(_LOOKS_EVERY_S):
            if stop.is_set() or time.monotonic() >= deadline:
                raise Unauthenticated("nobody signed in in time", advice="begin again; where this machine has no browser, with `--paste`")
        if self._error is not None:
            raise self._error

    def answer(self, target: str) -> tuple[int, str]:
        """Status and page for what a browser asks for."""
        parts = urlsplit(target)
        # A browser asks for an icon, too, and anything on this machine may knock.
        if parts.path != self._path or not parts.query or self._take is None:
            return 404, _page("Nothing here", "This address answers once, to a sign-in that is under way.")
        with self._lock:
            if self._over.is_set():
                return 200, _page("This is over", "The sign-in has ended; see the terminal. You may close this page.")
            try:
                self._take(dict(parse_qsl(parts.query)))
            except Forbidden as error:
                return 400, _page("Not this one", f"{error}. {error.advice}.")
            except ConnectorError as error:
                self._error = error
                self._over.set()
                return 400, _page("Not signed in", f"{error}. You may close this page; the terminal says more.")
            self._over.set()
        return 200, _page("Signed in", "You may close this page.")


@contextmanager
def listening(redirect_url: str) -> Iterator[Redirects]:
    """Listen on the port of `redirect_url`, or a free one where it has none; on 127.0.0.1 alone.

    Raises:
        ConfigurationError: The port is taken, or the address is another one of this machine.
    """
    parts = urlsplit(redirect_url)
    if parts.hostname not in {"127.0.0.1", "localhost"} or parts.scheme != "http":
        raise ConfigurationError(
            f"{redirect_url} cannot be listened on", advice="write http://127.0.0.1/… or http://localhost/… as `redirect_url`"
        )
    try:
        server = _Server(("127.0.0.1", parts.port or 0), _Handler)
    except OSError as error:
        raise ConfigurationError(
            f"port {parts.port} of this machine cannot be listened on: {error.strerror}",
            advice="end what has it, or name another in `redirect_url`, here and at the provider",
        ) from error
    server.redirects = Redirects(parts._replace(netloc=f"{parts.hostname}:{server.server_address[1]}").geturl())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": _LOOKS_EVERY_S}, daemon=True, name="redirects")
    thread.start()
    try:
        yield server.redirects
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    # Browsers open connections ahead and say nothing on them: each has a thread of its own, and none is waited for.
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = False
    redirects: Redirects


class _Handler(BaseHTTPRequestHandler):
    timeout = _SLOWEST_S
    server_version = "connectors"
    sys_version = ""

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)  # noqa: S101 - made by it alone
        status, page = self.server.redirects.answer(self.path)
        body = page.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        # The address holds the code: nothing may keep it, or pass it on.
        for name, value in (
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Nothing: the line would hold the code."""


def _page(title: str, text: str) -> str:
    return _PAGE.format(title=html.escape(title), text=html.escape(text))
