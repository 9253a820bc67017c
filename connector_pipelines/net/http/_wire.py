"""One request and its answer as they go over the wire: what knows nothing of policy, and what policy needs to know of it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from connector_pipelines.core.errors import Unavailable
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net.protocols import ClientCertificate

__all__ = ["KEPT_S", "PIECE_BYTES", "Barred", "Lost", "Reply", "Sending", "Transport", "TransportSettings", "joined"]

PIECE_BYTES = 1024 * 1024
KEPT_S = 25.0
"""How long an idle connection is kept: less than servers commonly do, so that they rarely close one as we take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A request as it goes out.

    Attributes:
        url: Whole: it may hold secrets.
        headers: Names in lower case; without those of the connection and of the body's length.
        deadline: Of the monotonic clock, for the answer as far as it is read; None for no end but silence.
        trusted: Whether the host is one that our certificate is shown to.
        streams: Whether the deadline is for the head of the answer alone.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    deadline: float | None = None
    trusted: bool = False
    streams: bool = False


class Reply(Protocol):
    """An answer whose body is still to be read. Closed by whoever asked for it.

    Attributes:
        headers: Names in lower case; of a repeated one the values are joined by ``, ``.
    """

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def pieces(self) -> Iterator[bytes]:
        """The body as it came, its content encoding not undone, in pieces of at most 1 MiB.

        Raises:
            Lost: It broke off, or is shorter than it says.
            Malformed: It is not HTTP.
        """
        ...

    def close(self) -> None: ...


class Transport(Protocol):
    """A pool of connections. Used by several threads at once."""

    def send(self, sending: Sending) -> Reply:
        """Ask, and read the head of the answer.

        Raises:
            Lost: No answer came.
            Malformed: What came is not HTTP.
            ConfigurationError: The address cannot be called.
        """
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportSettings:
    """What every transport is made of."""

    outbound: Outbound
    certificate: ClientCertificate | None
    connections: int
    connect_timeout: timedelta
    read_timeout: timedelta
    allow_private: bool
    stop: threading.Event


class Lost(Unavailable):
    """The connection was not made, or broke.

    Args:
        arrived: Whether the other side may have got the request.
        stale: It broke before a byte came, as a connection does that was kept for too long.
    """

    def __init__(self, message: str, *, arrived: bool, stale: bool = False) -> None:
        super().__init__(message)
        self.arrived, self.stale = arrived, stale


class Barred(Unavailable):
    """The circuit is open: nothing was sent."""


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers as `Reply.headers` has them."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found
