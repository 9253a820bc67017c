"""A TCP way to a real server that can be cut, and can fall silent without being cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from types import TracebackType

__all__ = ["Way"]

CHUNK = 65536


class Way:
    """Listens on `address` (``host:port``) and carries what comes to `server` and back.

    Cut, it ends every connection and each new one at once, as a server does that was stopped. Silent, it takes connections and
    bytes and passes nothing on, as a machine that swaps, or a proxy that hangs.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._speaks = threading.Event()
        self._speaks.set()
        self._is_cut = False
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    @property
    def address(self) -> str:
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    @property
    def port(self) -> int:
        number: int = self._listener.getsockname()[1]
        return number

    def __enter__(self) -> Way:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cut()
        # Wakes the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            cut, self._open = self._open, set()
        self._speaks.set()
        for one in cut:
            _end(one)

    def fall_silent(self) -> None:
        self._is_cut = False
        self._speaks.clear()

    def mend(self) -> None:
        self._is_cut = False
        self._speaks.set()

    @contextlib.contextmanager
    def cut_off(self) -> Iterator[None]:
        """Cut for the length of the block."""
        self.cut()
        try:
            yield
        finally:
            self.mend()

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Silent for the length of the block; what was held back goes on after it."""
        self.fall_silent()
        try:
            yield
        finally:
            self.mend()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._is_cut:
                    _end(client)
                else:
                    threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        host, port = self._server.rsplit(":", 1)
        with client, contextlib.suppress(OSError), socket.create_connection((host, int(port))) as upstream:
            with self._lock:
                self._open |= {client, upstream}
            threading.Thread(target=self._pass_on, args=(upstream, client), daemon=True).start()
            self._pass_on(client, upstream)

    def _pass_on(self, come: socket.socket, go: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := come.recv(CHUNK):
                self._speaks.wait()
                go.sendall(data)
        # The other direction ends too: half a connection is of no use to anybody here.
        for one in (come, go):
            with self._lock:
                self._open.discard(one)
            _end(one)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        one.close()
