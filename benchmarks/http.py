"""Why `http.client` over connections of our own, and what do the rules around it cost?

All peers fetch the same from the same server, by 8 and by 16 threads, and look at every byte's length; ours does all that
`core.http.Http` promises, with no limiter and no breaker. A bare socket that knows what will come is what the machine can do at most.
`pycurl` and `pyreqwest` take part where they are installed.
"""

from __future__ import annotations

import http.client
import importlib.util
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from benchmarks._costs import Action, Meter, contest
from benchmarks._figures import Figure
from benchmarks._http_server import LARGE, SMALL, http_server
from connector_pipelines.core.http import HttpOptions
from connector_pipelines.net.http import open_http

__all__ = ["figures"]

Fetch = Callable[[str], int]
"""Takes a path and gives the number of bytes that came."""

_PIECE = 256 * 1024


def figures(*, quick: bool) -> Iterator[Figure | str]:
    many, few, rounds = (600, 2, 1) if quick else (2000, 8, 3)
    with http_server() as (port, pid):
        for threads in (8, 16):
            yield from _compared(port, Meter(pid), (threads, "small", many, SMALL, rounds))
        yield from _compared(port, Meter(pid), (8, "large", few, LARGE, rounds))


def _compared(port: int, meter: Meter, work: tuple[int, str, int, int, int]) -> Iterator[Figure]:
    threads, name, count, size, rounds = work
    ours = _ours(port, threads)
    peers = {"bare socket": _socket(port), **_clients(port, threads)}
    with ThreadPoolExecutor(threads) as pool:
        fetches = [ours.download, ours.whole, *peers.values()]
        for fetch in fetches:
            list(pool.map(fetch, ["/small"] * threads * 2))
        costs = contest(meter, rounds, *(partial(_all, pool, fetch, f"/{name}", count, size) for fetch in fetches))
    for number, peer in enumerate(peers, 2):
        what = f"download of {count} × {'20 KiB' if name == 'small' else '64 MiB'}, {threads} threads"
        yield Figure(what=what, peer_name=peer, ours=costs[0], peer=costs[number], items=count, unit="file", megabytes=count * size / 1e6)
    if name == "small":
        what = f"the same read whole, {threads} threads"
        yield Figure(what=what, peer_name="httpx", ours=costs[1], peer=costs[list(peers).index("httpx") + 2], items=count, unit="file")


def _all(pool: ThreadPoolExecutor, fetch: Fetch, path: str, count: int, size: int, _number: int) -> Action:
    def action() -> None:
        if set(pool.map(fetch, [path] * count)) != {size}:
            raise RuntimeError("other bytes came than were sent")

    return action


class _ours:  # noqa: N801 - a peer among functions
    def __init__(self, port: int, threads: int) -> None:
        options = HttpOptions(base_url=f"http://127.0.0.1:{port}/", allow_private=True, max_connections=threads, max_body_bytes=LARGE)
        self._http = open_http(options, name="benchmark")

    def download(self, path: str) -> int:
        with self._http.download(path) as found:
            return sum(map(len, found))

    def whole(self, path: str) -> int:
        return len(self._http.get(path).content)


def _clients(port: int, threads: int) -> dict[str, Fetch]:
    found = {"http.client": _http_client(port), "urllib3": _urllib3(port, threads), "httpx": _httpx(port, threads)}
    optional = {"pycurl": _pycurl, "pyreqwest": _pyreqwest}
    return found | {name: make(port) for name, make in optional.items() if importlib.util.find_spec(name)}


def _socket(port: int) -> Fetch:
    mine = threading.local()

    def fetch(path: str) -> int:
        if not hasattr(mine, "socket"):
            mine.socket, mine.buffer = socket.create_connection(("127.0.0.1", port)), bytearray(_PIECE)
        mine.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        got = mine.socket.recv_into(mine.buffer)
        head = bytes(mine.buffer[:300]).partition(b"\r\n\r\n")[0]
        size = int(head.rpartition(b": ")[2])
        got -= len(head) + 4
        while got < size:
            got += mine.socket.recv_into(mine.buffer)
        return got

    return fetch


def _http_client(port: int) -> Fetch:
    mine = threading.local()

    def fetch(path: str) -> int:
        if not hasattr(mine, "connection"):
            mine.connection = http.client.HTTPConnection("127.0.0.1", port)
        mine.connection.request("GET", path)
        answer = mine.connection.getresponse()
        return sum(map(len, iter(lambda: answer.read(_PIECE), b"")))

    return fetch


def _urllib3(port: int, threads: int) -> Fetch:
    import urllib3

    pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=threads)

    def fetch(path: str) -> int:
        answer = pool.urlopen("GET", path, preload_content=False, retries=False, redirect=False)
        got = sum(map(len, answer.stream(_PIECE, decode_content=False)))
        answer.release_conn()
        return got

    return fetch


def _httpx(port: int, threads: int) -> Fetch:
    import httpx

    limits = httpx.Limits(max_connections=threads, max_keepalive_connections=threads)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", limits=limits, trust_env=False)

    def fetch(path: str) -> int:
        with client.stream("GET", path) as answer:
            return sum(map(len, answer.iter_raw()))

    return fetch


def _pycurl(port: int) -> Fetch:
    pycurl: Any = importlib.import_module("pycurl")
    mine = threading.local()

    def fetch(path: str) -> int:
        if not hasattr(mine, "curl"):
            mine.curl = pycurl.Curl()
        got = [0]

        def take(data: bytes) -> None:
            got[0] += len(data)

        mine.curl.setopt(pycurl.URL, f"http://127.0.0.1:{port}{path}")
        mine.curl.setopt(pycurl.WRITEFUNCTION, take)
        mine.curl.perform()
        return got[0]

    return fetch


def _pyreqwest(port: int) -> Fetch:
    client = importlib.import_module("pyreqwest.client").SyncClientBuilder().build()

    def fetch(path: str) -> int:
        with client.get(f"http://127.0.0.1:{port}{path}").build_streamed() as answer:
            return sum(map(len, iter(answer.body_reader.read_chunk, None)))

    return fetch
