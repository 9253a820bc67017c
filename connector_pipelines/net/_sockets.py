"""How a TCP connection to a system we do not own is made and waited on: never to a private address unasked, and no wait without end.

The name is resolved once, what it resolves to is looked at, and that very address is connected to: a name that means something else
a moment later changes nothing. A read ends when its deadline has passed or the run is stopped, whatever the other side drips.
"""

from __future__ import annotations

import ipaddress
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from connector_pipelines.core.errors import ConfigurationError

__all__ = ["Patience", "PatientTls", "Stopped", "connect", "patience", "require_public"]

_LOOKS_EVERY_S = 0.25
_KEEPALIVE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))

# Of the host although global by their number: Azure's metadata and DNS, and the protocol assignments (RFC 6890), which some clouds use.
_OF_THE_CLOUD = tuple(ipaddress.ip_network(each) for each in ("168.63.129.16/32", "192.0.0.0/24"))
# IPv4 inside IPv6 that a gateway unpacks (RFC 6052).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Stopped(OSError):
    """The run is to end, in the middle of a read."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the reads of this thread may take. `deadline` is of the monotonic clock, or None."""

    stop: threading.Event
    deadline: float | None = None


@contextmanager
def patience(held: Patience) -> Iterator[None]:
    """Every read of this thread, on a connection made by `connect`, has this patience."""
    before = getattr(_of_thread, "patience", None)
    _of_thread.patience = held
    try:
        yield
    finally:
        _of_thread.patience = before


def connect(host: str, port: int, *, timeout_s: float | None, allow_private: bool) -> socket.socket:
    """A connection to the first address of `host` that answers.

    Raises:
        ConfigurationError: There is no such name, or it is a private address and those are not allowed.
        OSError: None answers.
    """
    found = _resolved(host, port)
    if not allow_private:
        _require_public(host, found)
    refused: OSError | None = None
    for family, address in found:
        made = _PatientSocket(family, socket.SOCK_STREAM)
        try:
            made.settimeout(timeout_s)
            made.connect(address)
            for option in _KEEPALIVE:
                made.setsockopt(*option)
        except OSError as error:
            made.close()
            refused = error
        else:
            return made
    raise refused or OSError(f"{host} has no address")


def require_public(host: str, port: int) -> None:
    """Refuse `host` if this machine takes it for a private one; what it does not know it lets pass.

    For what goes through a proxy, which resolves names itself: it may know this one as another address.
    """
    try:
        found = _resolved(host, port)
    except (OSError, ConfigurationError):
        return
    _require_public(host, found)


class _Pollable(socket.socket):
    @cached_property
    def readiness(self) -> select.poll:
        poll = select.poll()
        poll.register(self, select.POLLIN)
        return poll


class _PatientSocket(_Pollable):
    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        _await(self)
        return super().recv(bufsize, flags)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        _await(self)
        return super().recv_into(buffer, nbytes, flags)


class PatientTls(ssl.SSLSocket, _Pollable):
    """For `ssl.SSLContext.sslsocket_class`."""

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - its name in ssl
        if not self.pending():
            _await(self)
        return super().read(len, buffer)


_of_thread = threading.local()


def _await(held: _PatientSocket | PatientTls) -> None:
    mine: Patience | None = getattr(_of_thread, "patience", None)
    timeout_s = held.gettimeout()
    if mine is None or timeout_s == 0:
        return
    now = time.monotonic()
    until = now + timeout_s if timeout_s is not None else float("inf")
    if mine.deadline is not None:
        until = min(until, mine.deadline)
    poll = held.readiness
    while True:
        if poll.poll(max(0.0, min(until - now, _LOOKS_EVERY_S)) * 1000):
            if mine.deadline is not None and time.monotonic() > mine.deadline:
                raise TimeoutError("the answer took too long in all")
            return
        if mine.stop.is_set():
            raise Stopped("the run was stopped")
        now = time.monotonic()
        if now >= until:
            raise TimeoutError("no byte came in time")


def _resolved(host: str, port: int) -> list[tuple[int, Any]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}:
            raise ConfigurationError(
                f"{host} is not the name of any machine", advice="check the address, and this machine's DNS"
            ) from error
        raise
    except (UnicodeError, ValueError) as error:
        raise ConfigurationError(f"{host!r} is not the name of a machine", advice="check the address") from error
    return [(family, address) for family, _, _, _, address in found]


def _require_public(host: str, found: list[tuple[int, Any]]) -> None:
    for _, address in found:
        number = str(address[0]).partition("%")[0]
        if not _is_public(ipaddress.ip_address(number)):
            met = "" if number == host else f" ({number})"
            raise ConfigurationError(
                f"{host}{met} is an address of a private network or of this machine, and those are not called",
                advice="if that is meant, set `allow_private: true` in the endpoint's settings",
            )


def _is_public(address: Address) -> bool:
    inner = _unpacked(address)
    if inner is not None:
        return _is_public(inner)
    if address.is_multicast or address.is_reserved or any(address in network for network in _OF_THE_CLOUD):
        return False
    return address.is_global


def _unpacked(address: Address) -> Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
