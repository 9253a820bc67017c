"""What stands between a company and the world: a proxy that wants to know who asks, and certificates that only the company trusts."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from pydantic import SecretStr

from connector_pipelines.core.outbound import Outbound
from tests.net.scripted import requests

__all__ = ["Authority", "Proxy", "proxying", "tls_in_front"]

USER, PASSWORD = "ours", "p@ss w/rd-41"


class Authority:
    """A certificate authority nobody knows; `bundle` is its certificate as a PEM file."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.bundle = folder / "authority.pem"
        self._ca.cert_pem.write_to_path(self.bundle)

    def server(self, *names: str, asks: bool = False) -> ssl.SSLContext:
        """For a server of those names, by default localhost; with `asks`, one that wants a certificate of the client, too."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*(names or ("localhost", "127.0.0.1"))).configure_cert(context)
        if asks:
            self._ca.configure_trust(context)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def client(self) -> tuple[str, str]:
        """Certificate and key of a client, PEM."""
        made = self._ca.issue_cert("client@example.com")
        return b"".join(blob.bytes() for blob in made.cert_chain_pems).decode(), made.private_key_pem.bytes().decode()


@dataclass(slots=True)
class Proxy:
    """`lines` are the first lines of what it was asked, `refused` those that showed no user."""

    url: str
    lines: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    status: int = 200

    @property
    def secret(self) -> SecretStr:
        return SecretStr(self.url)

    def outbound(self, *, ca_file: Path | None = None, no_proxy: tuple[str, ...] = ()) -> Outbound:
        return Outbound(https_proxy=self.secret, http_proxy=self.secret, ca_file=ca_file, no_proxy=no_proxy)


@contextlib.contextmanager
def proxying() -> Iterator[Proxy]:
    """A forwarding proxy: tunnels by CONNECT, and plain requests of whole addresses; only for who shows the user in its URL."""
    wanted = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def carry(client: socket.socket) -> None:
        for asked in requests(client, 1):
            line = f"{asked.method} {asked.target}"
            proxy.lines.append(line)
            if asked.headers.get("proxy-authorization") != wanted:
                proxy.refused.append(line)
                client.sendall(b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
                continue
            if proxy.status != 200:
                client.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % proxy.status)
                continue
            host, _, port = asked.target.removeprefix("http://").partition("/")[0].rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port))) as upstream:
                if asked.method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                else:
                    path = "/" + asked.target.removeprefix("http://").partition("/")[2]
                    kept = "".join(f"{name}: {value}\r\n" for name, value in asked.headers.items() if name != "proxy-authorization")
                    upstream.sendall(f"{asked.method} {path} HTTP/1.1\r\n{kept}\r\n".encode() + asked.body)
                _pump_both(client, upstream)
            return

    with _listening(carry) as port:
        from urllib.parse import quote

        proxy = Proxy(f"http://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}")
        yield proxy


@contextlib.contextmanager
def tls_in_front(server: str, context: ssl.SSLContext) -> Iterator[str]:
    """``localhost:port`` that speaks TLS and passes on to `server` (``host:port``), which does not."""

    def carry(client: socket.socket) -> None:
        host, port = server.rsplit(":", 1)
        with context.wrap_socket(client, server_side=True) as opened, socket.create_connection((host, int(port))) as upstream:
            _pump_both(opened, upstream)

    with _listening(carry) as port:
        yield f"localhost:{port}"


@contextlib.contextmanager
def _listening(carry: Callable[[socket.socket], None]) -> Iterator[int]:
    def serve(client: socket.socket) -> None:
        # TLS that is broken off is an OSError, and so is what it wraps.
        with client, contextlib.suppress(OSError):
            carry(client)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            # Wakes the thread that accepts.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _pump_both(one: socket.socket, other: socket.socket) -> None:
    back = threading.Thread(target=_pump, args=(other, one), daemon=True)
    back.start()
    _pump(one, other)
    back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
