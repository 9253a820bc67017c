"""One connection of an `EventServer`: requests in, answers out, and every way to break off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from connector_pipelines.testing._serving.wire import BODILESS, Head, read_head
from connector_pipelines.testing.fake_api.faults import Delivery
from connector_pipelines.testing.fake_api.messages import Answer, Request

if TYPE_CHECKING:
    from connector_pipelines.testing._serving.event_server import EventServer

__all__ = ["Connection"]

_LOG: Final = logging.getLogger(__name__)
_MAX_HEAD: Final = 64 * 1024
_MAX_BODY: Final = 64 * 1024**2
_WHOLE: Final = 64 * 1024
"""Up to here, head and body are written at once; more goes piece by piece, as fast as it is taken."""
_PIECE: Final = 256 * 1024


class Connection(asyncio.Protocol):
    def __init__(self, server: EventServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._number = next(server.numbers)
        self._buffer = b""
        self._head: Head | None = None
        self._busy = False
        self._open = False
        self._closing = False
        self._certificate: str | None = None
        self._left = memoryview(b"")
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._open = True
        self._certificate = _common_name(transport.get_extra_info("peercert"))
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base's
        self._open = False
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._busy:
            self._advance()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._left:
            self._pump()

    def abort(self) -> None:
        self._transport.abort()

    def _advance(self) -> None:
        """Answer the next request, where all of it is here."""
        if self._head is None and not self._read_head():
            return
        head = self._head
        assert head is not None
        size = head.body_size
        if size is None or size > _MAX_BODY:
            self._refuse(411 if size is None else 413)
            return
        if len(self._buffer) < size:
            return
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        self._busy = True
        self._answer(head.request(self._server.scheme, body, self._certificate))

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD:
                self._refuse(431)
            return False
        try:
            self._head = read_head(self._buffer[:end])
        except ValueError:
            self._refuse(400)
            return False
        self._buffer = self._buffer[end + 4 :]
        self._closing = not self._head.keeps_alive
        if self._head.headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _refuse(self, status: int) -> None:
        self._busy = self._closing = True
        self._send(Answer(status), Delivery())

    def _answer(self, request: Request) -> None:
        try:
            answer, delivery = self._server.respond(request, self._number)
        except Exception as error:  # noqa: BLE001 - a bug of the fake is told, and ends no connection: that would look like a scripted fault
            _LOG.exception("fake_failed %s %s", request.method, request.path)
            answer, delivery = Answer(500, f"bug in the fake: {error!r}".encode(), {"Content-Type": "text/plain"}), Delivery()
        if delivery.stall_s:
            self._loop.call_later(delivery.stall_s, self._deliver, answer, delivery)
        else:
            self._deliver(answer, delivery)

    def _deliver(self, answer: Answer, delivery: Delivery) -> None:
        if not self._open:
            return
        if delivery.reset:
            self._reset()
        else:
            self._send(answer, delivery)

    def _send(self, answer: Answer, delivery: Delivery) -> None:
        head = self._server.writer.head(answer)
        bodiless = answer.status in BODILESS or (self._head is not None and self._head.method == "HEAD")
        body = b"" if bodiless else answer.body
        if delivery.cut_after is not None:
            body, self._closing = body[: delivery.cut_after], True
        if delivery.piece_bytes:
            self._transport.write(head)
            self._drip(body, 0, delivery.piece_bytes, delivery.pause_s)
        elif len(body) <= _WHOLE:
            self._transport.write(head + body)
            self._sent()
        else:
            self._transport.write(head)
            self._left = memoryview(body)
            self._pump()

    def _pump(self) -> None:
        while self._left and not self._paused and self._open:
            piece, self._left = self._left[:_PIECE], self._left[_PIECE:]
            self._transport.write(piece)
        if not self._left:
            self._sent()

    def _drip(self, body: bytes, at: int, piece_bytes: int, pause_s: float) -> None:
        if not self._open:
            return
        self._transport.write(body[at : at + piece_bytes])
        if at + piece_bytes < len(body):
            self._loop.call_later(pause_s, self._drip, body, at + piece_bytes, piece_bytes, pause_s)
        else:
            self._sent()

    def _sent(self) -> None:
        self._head, self._busy = None, False
        if self._closing:
            self._transport.close()
        elif self._buffer:
            # Not from within: a client that sends many at once would nest calls as deep.
            self._loop.call_soon(self._advance_if_idle)

    def _advance_if_idle(self) -> None:
        if self._open and not self._busy:
            self._advance()

    def _reset(self) -> None:
        # Lingering for no time at all is how a socket is made to say RST. The descriptor is the loop's, so a copy is told.
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._transport.get_extra_info("socket").fileno())) as copy:
            copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _common_name(shown: Mapping[str, Any] | None) -> str | None:
    names: Any = (shown or {}).get("subject", ())
    return next((str(value) for part in names for name, value in part if name == "commonName"), None)
