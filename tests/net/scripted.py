"""A server on a real socket that does to each request exactly what it is told, however wrong that is."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Asked", "Scripted", "Step", "answer", "closing", "raw", "requests", "reset", "serving"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it came. `connection` counts the connections, from 1; `peer` is the certificate the client showed, in DER."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    peer: bytes | None = None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


Step = Callable[[socket.socket, Asked], None]
"""Answers a request. What it raises as OSError ends the connection."""


def answer(status: int = 200, body: bytes = b"", *, headers: Mapping[str, str] | None = None, length: int | None = None) -> Step:
    """A whole answer; `length` is what it says of itself, by default the truth."""
    given = {"Content-Length": str(len(body) if length is None else length), **(headers or {})}
    head = f"HTTP/1.1 {status} Said\r\n" + "".join(f"{name}: {value}\r\n" for name, value in given.items()) + "\r\n"

    def step(connection: socket.socket, _: Asked) -> None:
        connection.sendall(head.encode("latin-1") + body)
        if length is not None and length > len(body):
            raise OSError("cut")

    return step


def raw(data: bytes, *, then_close: bool = True) -> Step:
    """These very bytes."""

    def step(connection: socket.socket, _: Asked) -> None:
        connection.sendall(data)
        if then_close:
            raise OSError("end")

    return step


def closing(_: socket.socket, __: Asked) -> None:
    """No answer: the connection is closed."""
    raise OSError("end")


def reset(connection: socket.socket, _: Asked) -> None:
    """No answer: the connection is torn down."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise OSError("reset")


@dataclass(slots=True)
class Scripted:
    """Steps are taken in their order, whatever is asked; without any left, `otherwise` answers.

    Attributes:
        released: Set when the server ends: whatever stalls waits for it.
    """

    url: str
    host: str
    port: int
    asked: list[Asked] = field(default_factory=list)
    steps: deque[Step] = field(default_factory=deque)
    otherwise: Step = field(default_factory=lambda: answer(200, b"{}"))
    released: threading.Event = field(default_factory=threading.Event)
    connections: int = 0

    def script(self, *steps: Step) -> None:
        self.steps.extend(steps)

    def stall(self, connection: socket.socket, _: Asked) -> None:
        """No answer, and no end."""
        self.released.wait(30)

    def drip(self, connection: socket.socket, _: Asked) -> None:
        """A byte of the body every few milliseconds, without end."""
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not self.released.wait(0.01):
            connection.sendall(b"x")

    def drip_head(self, connection: socket.socket, _: Asked) -> None:
        """The same with the head."""
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not self.released.wait(0.01):
            connection.sendall(b"x")


@contextlib.contextmanager
def serving(*, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", named: str | None = None) -> Iterator[Scripted]:
    """A server; with `named`, its URL has that name instead of the address."""
    with socket.create_server((host, 0)) as listener:
        port = listener.getsockname()[1]
        server = Scripted(f"{'https' if tls else 'http'}://{named or host}:{port}", named or host, port)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    server.connections += 1
                    threading.Thread(target=carry, args=(connection, server.connections), daemon=True).start()

        def carry(plain: socket.socket, number: int) -> None:
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                connection = stack.enter_context(tls.wrap_socket(plain, server_side=True) if tls else plain)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peer = connection.getpeercert(True) if isinstance(connection, ssl.SSLSocket) else None
                for asked in requests(connection, number, peer):
                    server.asked.append(asked)
                    step = server.steps.popleft() if server.steps else server.otherwise
                    step(connection, asked)

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server
        finally:
            server.released.set()
            # Wakes the thread that accepts.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def requests(connection: socket.socket, number: int, peer: bytes | None = None) -> Iterator[Asked]:
    """The requests of one connection, as they come."""
    with connection.makefile("rb") as stream:
        while line := stream.readline():
            method, target, _ = line.decode("latin-1").split(" ", 2)
            headers: dict[str, str] = {}
            while (header := stream.readline().decode("latin-1").strip()) != "":
                name, _, value = header.partition(":")
                headers[name.strip().lower()] = value.strip()
            body = stream.read(int(headers.get("content-length", "0")))
            yield Asked(method=method, target=target, headers=headers, body=body, connection=number, peer=peer)
