"""How the application is served: uvicorn, within limits of bytes, time and connections that no caller can pass."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.gateway.app import create_app
from connector_pipelines.gateway.house import open_house
from connector_pipelines.pipeline.session import Services

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["bind", "serve", "server_of"]

MOST_CONNECTIONS = 1_000
HEADERS_BYTES = 64 * 1024
HEADERS_S = 10.0
KEEP_ALIVE_S = 30
SWITCH_S = 0.0005
"""Calls wait for the thread that stores them, and it for the loop: at Python's 5 ms the slowest of a hundred takes twice as long."""

GRACE_S = 10
"""For calls that are under way when we are told to end."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn bounds neither the bytes of headers nor the time they take: a thousand slow callers would be all there is room for."""

    _begun: asyncio.TimerHandle | None = None
    _left = HEADERS_BYTES

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself
        super().connection_made(transport)
        # Above `limit_concurrency` calls are answered with 503; that many more, not even that.
        if len(self.connections) > 2 * MOST_CONNECTIONS:
            transport.abort()
            return
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_are_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._begun is not None:
            self._left -= len(data)
            if self._left < 0:
                self._give_up()

    def on_message_begin(self) -> None:
        self._headers_are_here()
        self._wait_for_headers()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._headers_are_here()
        super().on_headers_complete()

    def _wait_for_headers(self) -> None:
        self._left = HEADERS_BYTES
        self._begun = self.loop.call_later(HEADERS_S, self._give_up)

    def _headers_are_here(self) -> None:
        if self._begun is not None:
            self._begun.cancel()
            self._begun = None

    def _give_up(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.abort()


def bind(host: str, port: int) -> socket.socket:
    """A listening place, before anything else is begun.

    Raises:
        ConfigurationError: It is taken, or not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, or asyncio does not know that it is TCP, and each answer waits 40 ms for more to go with it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"the gateway cannot listen on {host}:{port}: {error.strerror or error}", advice="choose another with --host and --port"
        ) from error
    return listener


def serve(services: Services, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called when calls are taken. Calls that are under way then are answered."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    sys.setswitchinterval(SWITCH_S)
    try:
        # When it has ended, uvicorn gives itself the signal again that ended it.
        with open_house(services) as house, contextlib.suppress(KeyboardInterrupt):
            server_of(create_app(house), ready).run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, before)


def server_of(app: ASGIApp, ready: Callable[[], None] = lambda: None, **options: Any) -> Server:
    """The server as the gateway has it, for any application."""
    config = Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        **options,
    )

    class Telling(Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    return Telling(config)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
