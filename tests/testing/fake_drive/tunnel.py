"""A proxy that connects whatever it is asked for with one address: for programs that know no other address than Google's."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def tunnel_to(port: int) -> Iterator[str]:
    """Its address, for the variable HTTPS_PROXY (RFC 9110, 9.3.6)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=carry, args=(client,), daemon=True).start()

        def carry(client: socket.socket) -> None:
            with client, socket.create_connection(("127.0.0.1", port)) as server, contextlib.suppress(OSError):
                asked = b""
                while not asked.endswith(b"\r\n\r\n"):
                    asked += client.recv(65536)
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=copy, args=(server, client), daemon=True).start()
                copy(client, server)

        def copy(source: socket.socket, to: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    to.sendall(data)
                to.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        # Wakes the thread that accepts.
        listener.shutdown(socket.SHUT_RDWR)
