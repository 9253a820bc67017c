"""Which server does a benchmark of HTTP ask? One of sockets and nothing else, in a process of its own: it is to be no limit."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["LARGE", "SMALL", "http_server"]

SMALL = 20 * 1024
LARGE = 64 * 1024**2

_PIECE = bytes(1024**2)


@contextmanager
def http_server() -> Iterator[tuple[int, int]]:
    """Its port and its pid. ``/small`` has 20 KiB, ``/large`` 64 MiB."""
    with subprocess.Popen([sys.executable, "-m", "benchmarks._http_server"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline()), server.pid
        finally:
            server.terminate()
            server.wait(timeout=20)


def _serve(connection: socket.socket) -> None:
    small = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % SMALL + bytes(SMALL)
    large = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % LARGE
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    held = b""
    with connection, suppress(OSError):
        while data := connection.recv(65536):
            held += data
            while b"\r\n\r\n" in held:
                head, _, held = held.partition(b"\r\n\r\n")
                if b" /small" not in head:
                    connection.sendall(large)
                for _ in range(LARGE // len(_PIECE)) if b" /small" not in head else ():
                    connection.sendall(_PIECE)
                if b" /small" in head:
                    connection.sendall(small)


def _main() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            threading.Thread(target=_serve, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    _main()
