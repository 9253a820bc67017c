"""HTTP/1.1 on one thread with an event loop: a fraction of the CPU of a thread for each connection, and latency that holds none.

Measured with answers of 20 KB over TLS on 64 connections that are kept (Python 3.11, uvloop): 43 to 54 µs of CPU an answer, against 159 to
190 µs with `http_server`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import threading
from datetime import timedelta
from typing import Any, Final

from connector_pipelines.testing._serving.connection import Connection
from connector_pipelines.testing._serving.wire import HeadWriter
from connector_pipelines.testing.fake_api.http_server import Respond, Tls, tls_context

__all__ = ["EventServer"]

_PATIENCE_S: Final = 10.0
_BACKLOG: Final = 1024


class EventServer:
    """Listens on loopback from the beginning, answers from `start` on."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: Tls | None = None,
    ) -> None:
        self.writer = HeadWriter()
        self.scheme = "https" if tls else "http"
        self.numbers = itertools.count(1)
        self.connections: set[Connection] = set()
        self._context = tls_context(tls) if tls else None
        self._socket = socket.create_server((host, port), backlog=_BACKLOG)
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._run, name="event-server", daemon=True)
        self.url = f"{self.scheme}://{host}:{self._socket.getsockname()[1]}"

    def start(self, respond: Respond) -> None:
        """Answer with `respond`, which is called on the loop's thread and must not wait."""
        self.respond = respond
        self._thread.start()

    def skew(self, by: timedelta) -> None:
        """How far the header `Date` is ahead of this machine's clock."""
        self.writer.skew_s = by.total_seconds()

    def stop(self) -> None:
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_PATIENCE_S)
        self._socket.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: Connection(self, self._loop), sock=self._socket, ssl=self._context, backlog=_BACKLOG)
        )
        try:
            self._loop.run_forever()
        finally:
            server.close()
            for connection in tuple(self.connections):
                connection.abort()
            # Once more around, so that what was aborted is closed.
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # not on every platform
        return asyncio.new_event_loop()
    made: Any = uvloop.new_event_loop()
    return made  # type: ignore[no-any-return]
