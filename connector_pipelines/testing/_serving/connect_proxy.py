"""Which address is a host's? A proxy that connects whoever asks for any host to one port of this machine, in a process of its own.

A client whose addresses are built in (rclone's Drive has none to set) is brought to a fake by it, over its own TLS. Bytes pass
in the kernel, by splice(2): it costs next to nothing.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["connect_proxy"]

_PIECE = 1024**2


@contextmanager
def connect_proxy(port: int) -> Iterator[tuple[str, int]]:
    """Its URL and its pid; it leads to `port`."""
    with subprocess.Popen([sys.executable, "-m", __name__, str(port)], stdout=subprocess.PIPE, text=True) as proxy:
        try:
            assert proxy.stdout is not None
            yield f"http://127.0.0.1:{int(proxy.stdout.readline())}", proxy.pid
        finally:
            proxy.terminate()
            proxy.wait(timeout=20)


def _serve(client: socket.socket, port: int) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        got = client.recv(4096)
        if not got:
            return
        head += got
    server = socket.create_connection(("127.0.0.1", port))
    for each in (client, server):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()
    _pass_on(client, server)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    read, write = os.pipe()
    with suppress(OSError):
        while got := os.splice(source.fileno(), write, _PIECE):
            while got:
                got -= os.splice(read, target.fileno(), got)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    os.close(read)
    os.close(write)


def _main() -> None:
    port = int(sys.argv[1])
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            threading.Thread(target=_serve, args=(listener.accept()[0], port), daemon=True).start()


if __name__ == "__main__":
    _main()
