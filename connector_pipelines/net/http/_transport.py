"""Requests on the wire: the standard library's `http.client`, over connections of our own.

Chosen by measurement (`benchmarks/http.py`), for answers read whole and for bulk bytes alike: a fifth of the CPU of httpx for a small
answer, a third for a large one. httpx 0.28 also loses connections where more threads ask than it may have connections: its pool takes
one that has just been given to another thread for one that the server has closed, and closes it (57 of 3,600 requests of six threads
on two connections).
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.net._sockets import Patience, Stopped, patience
from connector_pipelines.net.http._addresses import origin_of
from connector_pipelines.net.http._connections import Connection, Connections, Way, proxy_authorization
from connector_pipelines.net.http._faults import broken, cut, host_of, not_http, silent, stopped, unwritable
from connector_pipelines.net.http._wire import Sending, TransportSettings, joined

__all__ = ["PooledTransport"]

T = TypeVar("T")

# What a socket holds at most in practice: a larger buffer is made and thrown away for each read.
_READ_BYTES = 256 * 1024


class PooledTransport:
    """A `Transport`."""

    def __init__(self, settings: TransportSettings) -> None:
        self._settings = settings
        self._connections = Connections(settings)

    def send(self, sending: Sending) -> _PooledReply:
        origin, settings = origin_of(sending.url), self._settings
        found = settings.outbound.proxy_for(sending.url)
        way = Way(origin, found.get_secret_value() if found else "", sending.trusted and settings.certificate is not None)
        mine = Patience(settings.stop, sending.deadline)
        with patience(mine):
            connection = _told(sending, lambda: self._connections.take(way))
        try:
            silence_s = settings.read_timeout.total_seconds()
            with patience(mine):
                answer = _told(sending, lambda: _asked(connection, sending, way, silence_s), stale=not connection.fresh)
        except BaseException:
            self._connections.drop(connection)
            raise
        return _PooledReply(answer, connection, self._connections, sending, Patience(settings.stop) if sending.streams else mine)

    def close(self) -> None:
        self._connections.close()


class _PooledReply:
    def __init__(
        self, answer: http.client.HTTPResponse, connection: Connection, connections: Connections, sending: Sending, mine: Patience
    ) -> None:
        self._answer, self._connection, self._connections = answer, connection, connections
        self._sending, self._mine = sending, mine
        self._is_held, self._is_whole = True, answer.isclosed()
        self.status = answer.status
        self.headers: Mapping[str, str] = joined(answer.getheaders())

    def pieces(self) -> Iterator[bytes]:
        answer, left = self._answer, self._answer.length
        while not self._is_whole:
            # Not around the yield: the patience is this thread's, and so is whatever is read in between.
            with patience(self._mine):
                piece = _told(self._sending, lambda: answer.read1(_READ_BYTES))
            left = None if left is None else left - len(piece)
            if not piece and left:
                raise cut(host_of(self._sending.url))
            self._is_whole = left == 0 if left is not None else not piece
            if piece:
                yield piece

    def close(self) -> None:
        if not self._is_held:
            return
        self._is_held = False
        if self._is_whole and not self._answer.will_close:
            if not self._answer.isclosed():
                # The last of it was read without its end being noticed.
                self._answer.read()
            self._connections.give_back(self._connection)
        else:
            self._answer.close()
            self._connections.drop(self._connection)


def _asked(connection: Connection, sending: Sending, way: Way, silence_s: float) -> http.client.HTTPResponse:
    parts = urlsplit(sending.url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    through = way.proxy and parts.scheme == "http"
    connection.putrequest(sending.method, sending.url if through else target, skip_host=True, skip_accept_encoding=True)
    headers = {"host": way.origin.netloc, **sending.headers, **(proxy_authorization(way.proxy) if through else {})}
    if sending.body or sending.method in {"POST", "PUT", "PATCH"}:
        headers["content-length"] = str(len(sending.body))
    for name, value in headers.items():
        connection.putheader(name, value)
    # The time limit of a socket is for the whole of a body that is sent.
    connection.sock.settimeout(silence_s if sending.deadline is None else max(0.1, sending.deadline - time.monotonic()))
    connection.endheaders(sending.body or None)
    connection.sock.settimeout(silence_s)
    return connection.getresponse()


def _told(sending: Sending, act: Callable[[], T], *, stale: bool = False) -> T:
    """What `act` gives; what it raises, as ours."""
    host = host_of(sending.url)
    try:
        return act()
    except Stopped as error:
        raise stopped() from error
    except TimeoutError as error:
        raise silent(host, str(error)) from error
    except (http.client.RemoteDisconnected, http.client.IncompleteRead) as error:
        problem: ConnectorError = cut(host, stale=stale or isinstance(error, http.client.RemoteDisconnected))
    except OSError as error:
        raise broken(host, error, stale=stale) from error
    except http.client.InvalidURL:
        problem = unwritable(host)
    except http.client.HTTPException:
        problem = not_http(host)
    except ValueError:
        problem = unwritable(host)
    # Out here: those errors carry the address, or what came of the answer, and Python keeps them on whatever is raised there.
    raise problem
