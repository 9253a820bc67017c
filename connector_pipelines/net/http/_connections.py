"""Connections: made, kept for the next request, and never more than allowed."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
import time
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.net._sockets import connect, require_public
from connector_pipelines.net._tls import tls_context, trusting
from connector_pipelines.net.http._addresses import Origin
from connector_pipelines.net.http._faults import no_free_connection, not_reached, proxy_refused, stopped
from connector_pipelines.net.http._wire import KEPT_S, TransportSettings

__all__ = ["Connection", "Connections", "Way", "proxy_authorization"]

_LOOKS_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Way:
    """What connections are kept by. `proxy` may hold a password; `shows` is whether our certificate is shown."""

    origin: Origin
    proxy: str = field(default="", repr=False)
    shows: bool = False


class _Response(http.client.HTTPResponse):
    """One that lets hints pass which come before the answer (RFC 9110, 15.2): the library knows 100 alone."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            said = super()._read_status()  # type: ignore[misc]
            if not 102 <= said[1] < 200:
                return said  # type: ignore[no-any-return]
            http.client.parse_headers(self.fp)


class Connection(http.client.HTTPConnection):
    """One over a socket that is there already. `fresh` until it has carried a request."""

    response_class = _Response

    def __init__(self, way: Way, made: socket.socket) -> None:
        super().__init__(way.origin.host, way.origin.port)
        self.way, self.sock, self.fresh, self.idle_since = way, made, True, 0.0
        # It must not connect again by itself: what it connects to would not be looked at.
        self.auto_open = 0

    def is_usable(self, now: float) -> bool:
        """Whether it may carry another request, as far as can be seen from here."""
        if self.sock is None or now - self.idle_since > KEPT_S:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        # Anything to read between answers is the end, or nothing we asked for.
        return not poll.poll(0)


class Connections:
    """Used by several threads at once."""

    def __init__(self, settings: TransportSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._idle: dict[Way, list[Connection]] = {}
        self._free = threading.BoundedSemaphore(settings.connections)
        self._is_closed = False
        self._own: ssl.SSLContext | None = None

    def take(self, way: Way) -> Connection:
        """One for a request, to be given to `give_back` or `drop`."""
        self._wait_for_free(way)
        try:
            return self._kept(way) or Connection(way, self._made(way))
        except BaseException:
            self._free.release()
            raise

    def give_back(self, connection: Connection) -> None:
        connection.idle_since, connection.fresh = time.monotonic(), False
        with self._lock:
            if not self._is_closed:
                self._idle.setdefault(connection.way, []).append(connection)
                connection = None  # type: ignore[assignment]
        if connection is not None:
            connection.close()
        self._free.release()

    def drop(self, connection: Connection) -> None:
        connection.close()
        self._free.release()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            kept, self._idle = self._idle, {}
        for connection in (each for some in kept.values() for each in some):
            connection.close()

    def _wait_for_free(self, way: Way) -> None:
        until = time.monotonic() + self._settings.read_timeout.total_seconds()
        while not self._free.acquire(timeout=_LOOKS_EVERY_S):
            if self._settings.stop.is_set():
                raise stopped()
            if time.monotonic() > until:
                raise no_free_connection(way.origin.host)

    def _kept(self, way: Way) -> Connection | None:
        now = time.monotonic()
        while True:
            with self._lock:
                kept = self._idle.get(way)
                connection = kept.pop() if kept else None
            if connection is None or connection.is_usable(now):
                return connection
            connection.close()

    def _made(self, way: Way) -> socket.socket:
        timeout_s = self._settings.connect_timeout.total_seconds()
        context = self._context(shows=way.shows) if way.origin.scheme == "https" else None
        try:
            made = self._reached(way, timeout_s)
            if context is not None:
                made = _over_tls(made, context, way.origin.host)
        except OSError as error:
            raise not_reached(way.origin.netloc, error) from error
        made.settimeout(self._settings.read_timeout.total_seconds())
        return made

    def _context(self, *, shows: bool) -> ssl.SSLContext:
        if not shows:
            return trusting(self._settings.outbound)
        with self._lock:
            self._own = self._own or tls_context(self._settings.outbound, self._settings.certificate)
            return self._own

    def _reached(self, way: Way, timeout_s: float) -> socket.socket:
        origin, private = way.origin, self._settings.allow_private
        if not way.proxy:
            return connect(origin.host, origin.port, timeout_s=timeout_s, allow_private=private)
        if not private:
            require_public(origin.host, origin.port)
        parts = urlsplit(way.proxy)
        if parts.scheme not in {"http", "https"}:
            raise ConfigurationError(
                f"the way to {origin.host} leads through a proxy that speaks {parts.scheme}, and only HTTP is spoken here",
                advice="set HTTPS_PROXY and HTTP_PROXY, or put the host into NO_PROXY",
            )
        host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
        # The proxy is the operator's choice, wherever it is.
        made = connect(host, port, timeout_s=timeout_s, allow_private=True)
        if parts.scheme == "https":
            made = _over_tls(made, trusting(self._settings.outbound), host)
        if origin.scheme == "https":
            _tunnel(made, origin, way.proxy)
        return made


def proxy_authorization(proxy: str) -> dict[str, str]:
    """The header that signs in to the proxy of that URL; none where it has no user."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"proxy-authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _over_tls(made: socket.socket, context: ssl.SSLContext, host: str) -> socket.socket:
    try:
        return context.wrap_socket(made, server_hostname=host)
    except BaseException:
        made.close()
        raise


def _tunnel(made: socket.socket, origin: Origin, proxy: str) -> None:
    """RFC 9110, 9.3.6."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"host: {host}:{origin.port}"]
    lines += [f"{name}: {value}" for name, value in proxy_authorization(proxy).items()]
    try:
        made.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        answer = http.client.HTTPResponse(made, method="CONNECT")
        answer.begin()
    except http.client.HTTPException:
        answer = None
    except BaseException:
        made.close()
        raise
    if answer is None or not 200 <= answer.status < 300:
        made.close()
        raise proxy_refused(origin.host, answer.status if answer else "what is not HTTP")
