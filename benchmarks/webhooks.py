"""How many calls of a webhook are taken in a second, and how fast is each answered?

The peer is the same server with an application that answers 202 and does nothing: no body read, no signature, no database. Ours
verifies an HMAC over each body and stores the call durably before it answers. Server, callers and Postgres share the machine.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from statistics import median

from benchmarks._callers import SECRET
from benchmarks._costs import Action, contest
from benchmarks._figures import Figure, percentile
from benchmarks._installation import Installation, installation
from connector_pipelines.core.config import ConnectorsFile
from connector_pipelines.store.catalog import configuration

__all__ = ["figures"]

_PEER = "bare 202"
_WEBHOOK = {
    "verify": {"type": "hmac", "secrets": ["env:BENCH_SECRET"], "header": "X-Hub-Signature-256", "prefix": "sha256="},
    "delivery_id": {"header": "X-GitHub-Delivery"},
}
_BARE = """
import socket, sys, asyncio
from connector_pipelines.gateway.serving import bind, server_of
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind.endswith("shutdown"): return
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})
server_of(app).run(sockets=[bind("127.0.0.1", int(sys.argv[1]))])
"""


def figures(*, quick: bool) -> Iterator[Figure | str]:
    calls, rounds = (2_000, 2) if quick else (10_000, 3)
    with installation() as place:
        _configure(place)
        gateway = [sys.executable, "-m", "connector_pipelines.cli", "gateway", "--port"]
        with _served(gateway, {"BENCH_SECRET": SECRET}) as ours, _served([sys.executable, "-c", _BARE], {}) as bare:
            for connections in (1, 16, 64):
                yield from _measured(place, (ours, bare), connections, calls if connections > 1 else calls // 5, rounds)
        stored = place.endpoint("docs")
        with place.services.database.operator() as tx:
            row = tx.execute("SELECT count(*) AS n FROM notifications_owed WHERE endpoint_id = %s", [stored.id]).fetchone()
        yield f"{row['n'] if row else 0:,} notifications are in the inbox, as many as were answered with 202"


def _configure(place: Installation) -> None:
    connector = {"name": "bench", "kind": "local_folder", "webhook": _WEBHOOK, "endpoints": [{"slug": "docs", "settings": {"root": "."}}]}
    with place.services.database.operator() as tx:
        configuration.apply(tx, ConnectorsFile.model_validate({"connectors": [connector]}), actor="benchmark")


def _measured(place: Installation, ports: tuple[int, int], connections: int, calls: int, rounds: int) -> Iterator[Figure | str]:
    latencies: tuple[list[float], list[float]] = ([], [])
    first = iter(range(connections * 1_000_000, 10**12, calls))
    for port in ports:
        _called(port, connections, next(first), 200, [])
    contenders = [partial(_round, port, connections, first, calls, times) for port, times in zip(ports, latencies, strict=True)]
    ours, bare = contest(place.meter, rounds, *contenders)
    what = f"{calls:,} calls over {connections} connection{'s' if connections > 1 else ''}, callers included"
    yield Figure(what=what, peer_name=_PEER, ours=ours, peer=bare, items=calls, unit="call")
    for name, times in zip(("ours", _PEER), latencies, strict=True):
        yield f"{name}: p50 {median(times) * 1000:.1f} ms, p99 {percentile(times, 0.99) * 1000:.1f} ms"


def _round(port: int, connections: int, first: Iterator[int], calls: int, times: list[float], _: int) -> Action:
    return partial(_called, port, connections, next(first), calls, times)


def _called(port: int, connections: int, first: int, calls: int, times: list[float]) -> None:
    command = [sys.executable, "-m", "benchmarks._callers", *map(str, (port, connections, first, calls))]
    times += json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


@contextmanager
def _served(command: list[str], variables: Mapping[str, str]) -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port: int = probe.getsockname()[1]
    with subprocess.Popen([*command, str(port)], env={**os.environ, **variables}, stdout=subprocess.DEVNULL) as process:
        try:
            _until(lambda: _listens(port))
            yield port
        finally:
            process.terminate()
            process.wait(20)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _until(met: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 60
    while not met():
        if time.monotonic() > give_up_at:
            raise RuntimeError("the server did not start")
        time.sleep(0.05)
