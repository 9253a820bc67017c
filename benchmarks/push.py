"""How long does it take until a change in Google Drive is found by a search, where Drive tells of it, and where it is asked?

The fake Drive, the gateway, the code server, the daemon and a process for each run, as in a production. A change is an edit of a file, or a
new one; the next comes up to five seconds, which is how often the daemon looks, after the one before was found. The peer is the same installation
without subscriptions: it asks every ten seconds, as often as it may; there up to ten seconds lie between changes.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.errors import InvalidSchemaName, UndefinedTable
from psycopg.rows import TupleRow
from pydantic import SecretStr

from benchmarks._costs import Cost, Meter
from benchmarks._figures import Figure
from benchmarks._installation import Installation, installation
from benchmarks._services import free_port, services_running, until
from benchmarks._trail import Way, table_of, way_of
from connector_pipelines.core.config import ConnectorsFile
from connector_pipelines.net.postgres import connect
from connector_pipelines.pipeline.operations import sync
from connector_pipelines.pipeline.search import Searcher
from connector_pipelines.pipeline.session import Services, open_services
from connector_pipelines.pipeline.subscribing import keep_subscribed
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog import configuration
from connector_pipelines.store.sealing import new_key
from connector_pipelines.testing.fake_drive import RemoteFakeDrive, fake_drive_process

__all__ = ["figures"]

_FILES = 200
_GOAL_S = 10.0
_POLL_S = 10
_TICK_S = 5
_PEER = f"asked every {_POLL_S} s"
_PATIENCE_S = 90.0
_IDLE_S = 10.0
_LONGEST_S = 220.0
"""On a busy machine there are fewer changes."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """Where changes happen, and where they are looked for."""

    place: Installation
    services: Services
    drive: RemoteFakeDrive
    folder: str
    known: str
    searcher: Searcher
    dagster: Connection[TupleRow]
    variables: Mapping[str, str]
    gateway_port: int
    meter: Meter
    dice: random.Random


def figures(*, quick: bool) -> Iterator[Figure | str]:
    pushed, polled = (5, 2) if quick else (20, 5)
    with _scene() as scene:
        ours, idle, cost = _phase(scene, pushed, webhook=True)
        told = median(way.seconds for way in ours)
        yield f"{_line('told', ours)}; goal: median {_GOAL_S:.0f} s: {'met' if told < _GOAL_S else 'MISSED'}"
        yield from table_of(ours)
        yield f"nothing changes, for {_IDLE_S:.0f} s, told: CPU {idle.cpu_s + idle.server_cpu_s:.1f} s"
        theirs, _, peer_cost = _phase(scene, polled, webhook=False)
    yield _line(_PEER, theirs)
    yield from table_of(theirs)
    yield Figure(
        what="a change, from the edit until it is found", peer_name=_PEER, ours=[_each(ours, cost)], peer=[_each(theirs, peer_cost)],
        items=1, unit="change",
    )  # fmt: skip


def _line(how: str, ways: list[Way]) -> str:
    seconds = [way.seconds for way in ways]
    return f"{len(ways)} changes, {how}: median {median(seconds):.1f} s, worst {max(seconds):.1f} s, load {os.getloadavg()[0]:.1f}"


def _each(ways: list[Way], of_all: Cost) -> Cost:
    """Of one change: its median wall time, and its share of all CPU that was used while changes were waited for."""
    return Cost(
        wall_s=median(way.seconds for way in ways),
        cpu_s=of_all.cpu_s / len(ways),
        server_cpu_s=of_all.server_cpu_s / len(ways),
        peak_bytes=of_all.peak_bytes,
        children_bytes=of_all.children_bytes,
    )


@contextmanager
def _scene() -> Iterator[_Scene]:
    with ExitStack() as stack:
        place = stack.enter_context(installation())
        drive = stack.enter_context(fake_drive_process())
        drive.allow_http_receivers()
        account = drive.service_account()
        key = place.base / "key.json"
        key.touch(mode=0o600)
        key.write_text(json.dumps(account))
        drive.world.add_user("ada@example.com")
        shared = drive.world.add_drive("Bench", {"ada@example.com": "organizer", account["client_email"]: "writer"})
        folder = drive.world.create_folder("Papers", parent=shared)
        drive.world.fill(folder, _FILES, size=2_000)
        known = drive.world.create(parent=folder, name="known.txt", content=b"as it was")
        port = free_port()
        # The gateway, the code server, the daemon and the runs are children of ours; the database and Drive are counted apart.
        meter = Meter(*place.meter.servers, drive.pid)
        variables = {"CONNECTORS_PUBLIC_URL": f"http://127.0.0.1:{port}", "CONNECTORS_SECRET_KEYS": new_key()}
        services = stack.enter_context(closing(open_services(load_settings({**os.environ, **variables}), SecretStr(place.url))))
        searcher = stack.enter_context(closing(Searcher(services)))
        dagster = stack.enter_context(connect(SecretStr(place.url), autocommit=True))
        yield _Scene(place, services, drive, folder, known, searcher, dagster, variables, port, meter, random.Random(5))


def _phase(scene: _Scene, changes: int, *, webhook: bool) -> tuple[list[Way], Cost, Cost]:
    """Their ways, what it costs when nothing happens, and what they cost."""
    _configure(scene, webhook=webhook)
    ways: list[Way] = []

    def all_of_them() -> None:
        ends_at = time.monotonic() + (_LONGEST_S if webhook else _LONGEST_S / 3)
        for number in range(changes):
            if time.monotonic() > ends_at:
                return
            time.sleep(scene.dice.uniform(0, _TICK_S if webhook else _POLL_S))
            ways.append(_change(scene, number, told=webhook))

    with services_running(scene.place.base, scene.gateway_port, scene.variables):
        until(partial(_looks, scene), "a look of the daemon", _PATIENCE_S)
        kept = keep_subscribed(scene.services, "papers")
        assert (kept.open, kept.error) == (int(webhook), ""), kept
        # The first sync after a subscription was opened, since nobody told what changed until then.
        until(partial(_at_rest, scene), "an end of the runs", _PATIENCE_S)
        idle = scene.meter.cost(partial(time.sleep, _IDLE_S if webhook else 0))
        return ways, idle, scene.meter.cost(all_of_them)


def _configure(scene: _Scene, *, webhook: bool) -> None:
    every = "1d" if webhook else f"{_POLL_S}s"
    settings = {"shared_drive": "Bench", "api_url": scene.drive.url, "allow_private": True}
    connector: dict[str, Any] = {
        "name": "drive", "kind": "google_drive", "auth": {"type": "google_service_account", "key": f"file:{scene.place.base / 'key.json'}"},
        "endpoints": [{"slug": "papers", "settings": settings, "schedule": {"type": "interval", "every": every}}],
        **({"webhook": {"verify": {"type": "source"}}} if webhook else {}),
    }  # fmt: skip
    with scene.services.database.operator() as tx:
        configuration.apply(tx, ConnectorsFile.model_validate({"connectors": [connector]}), actor="benchmark")
    with scene.services.open("papers", "first") as session:
        sync(session)


def _change(scene: _Scene, number: int, *, told: bool) -> Way:
    """Edit a file, or make one, and look for it until it is found."""
    word = f"zq{number}x{scene.dice.randrange(10**9)}"
    text = f"The word of this change is {word}.".encode()
    before = _newest(scene)
    edited_at = time.time()
    if number % 2:
        scene.drive.world.create(parent=scene.folder, name=f"{word}.txt", content=text)
    else:
        scene.drive.world.update_content(scene.known, text)
    points = {}
    if told:
        until(lambda: _newest(scene) > before, "a notification", _PATIENCE_S, 0.01)
        points["told: in the gateway's inbox"] = time.time()
    until(partial(_found, scene, word), f"change {number}", _PATIENCE_S, 0.1)
    found_at = time.time()
    # Events of a run are written together.
    until(partial(_at_rest, scene), "the end of the run", _PATIENCE_S)
    return way_of(scene.services.database, scene.dagster, edited_at, points, found_at)


def _found(scene: _Scene, word: str) -> bool:
    results = scene.searcher.search(word, tenant="default", limit=3)
    return any(word in result.citation.text and set(result.found_by) == {"vectors", "search"} for result in results)


def _newest(scene: _Scene) -> int:
    with scene.services.database.operator() as tx:
        row = tx.execute("SELECT coalesce(max(id), 0) AS id FROM webhook_inbox").fetchone()
    return int(row["id"]) if row else 0


def _looks(scene: _Scene) -> bool:
    # Its tables are made by the first of its processes.
    with suppress(UndefinedTable, InvalidSchemaName):
        query = "SELECT count(*) FROM dagster.job_ticks WHERE timestamp > now() AT TIME ZONE 'utc' - interval '10 s'"
        return _count(scene, query) > 0
    return False


def _at_rest(scene: _Scene) -> bool:
    with scene.services.database.operator() as tx:
        under_way = tx.execute("SELECT FROM endpoints WHERE requested_at IS NOT NULL OR holder IS NOT NULL").fetchall()
    return not under_way and _count(scene, "SELECT count(*) FROM dagster.runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')") == 0


def _count(scene: _Scene, query: LiteralString) -> int:
    row = scene.dagster.execute(query).fetchone()
    return int(row[0]) if row else 0
