"""A TCP connection that misbehaves on the way to a real server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def losing_the_answer_to(request: bytes, server: str) -> Iterator[tuple[str, list[int]]]:
    """Address of a way to `server` (``host:port``), and the requests whose answers were lost: the first that has `request` in its line.

    The server has done what it was asked by then: its whole answer was read, and thrown away with the connection.
    """
    lost: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=carry, args=(client,), daemon=True).start()

        def carry(client: socket.socket) -> None:
            host, port = server.rsplit(":", 1)
            with client, socket.create_connection((host, int(port))) as upstream, contextlib.suppress(OSError):
                threading.Thread(target=back, args=(upstream, client), daemon=True).start()
                while data := client.recv(65536):
                    if not lost and request in data.partition(b"\r\n")[0]:
                        lost.append(len(lost))
                        upstream.settimeout(20)
                        losing.add(client)
                    upstream.sendall(data)

        def back(upstream: socket.socket, client: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := upstream.recv(65536):
                    if client in losing:
                        client.shutdown(socket.SHUT_RDWR)
                        return
                    client.sendall(data)

        losing: set[socket.socket] = set()
        threading.Thread(target=accept, daemon=True).start()
        host, port = listener.getsockname()
        yield f"{host}:{port}", lost
        # Wakes the thread that accepts.
        listener.shutdown(socket.SHUT_RDWR)
