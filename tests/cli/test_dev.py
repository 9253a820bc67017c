"""`connectors dev`: one command, watched files, and no process left behind however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from connector_pipelines.cli.dev.family import TOKEN, end_leftovers, spawn, write_record
from connector_pipelines.cli.dev.logs import BURST, LogTail, important, rotate
from tests.cli.conftest import Place

STARTED_S = 90
_ASSETS = {"query": "{ assetNodes { assetKey { path } } }"}


def _eventually(found: Callable[[], bool], limit_s: float) -> bool:
    """Whether it came true: what another process does is seen by looking again."""
    give_up_at = time.monotonic() + limit_s
    while not found():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.2)
    return True


class Dev:
    """A `connectors dev` that was started, with what it printed in a file."""

    def __init__(self, place: Place, port: int) -> None:
        self.place, self.port = place, port
        self.output = place.folder / f"dev-{time.monotonic_ns()}.txt"
        with self.output.open("wb") as stream:
            self.process = subprocess.Popen(
                place.command("dev", "--port", str(port), "--no-browser"),
                cwd=place.folder, env=place.environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True,
            )  # fmt: skip

    def says(self, words: str, limit_s: float = STARTED_S) -> bool:
        return (
            _eventually(lambda: words in self.output.read_text() or self.process.poll() is not None, limit_s)
            and words in self.output.read_text()
        )

    def endpoints(self) -> set[str]:
        nodes = httpx.post(f"http://127.0.0.1:{self.port}/graphql", json=_ASSETS, timeout=30, trust_env=False).json()["data"]["assetNodes"]
        return {node["assetKey"]["path"][1] for node in nodes}

    def record(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.place.folder / "home" / "dev.json").read_text())
        return found

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)


def _processes_of(token: object) -> list[int]:
    wanted, found = f"{TOKEN}={token}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


@pytest.fixture
def start(place: Place, port: int) -> Iterator[Callable[[], Dev]]:
    started: list[Dev] = []

    def one() -> Dev:
        started.append(Dev(place, port))
        return started[-1]

    yield one
    for dev in started:
        if dev.process.poll() is None:
            dev.process.send_signal(signal.SIGINT)
            dev.process.wait(timeout=60)
    end_leftovers(place.folder / "home" / "dev.json")


def test_a_new_endpoint_is_seen_without_a_restart_and_nothing_is_left_at_the_end(place: Place, start: Callable[[], Dev]) -> None:
    first = start()
    assert first.says("starting Dagster"), first.output.read_text()
    second = start()
    refused = second.process.wait(timeout=60)
    killed = first.record()
    first.process.kill()
    first.process.wait()
    dev = start()
    assert dev.says("Dagster UI"), dev.output.read_text()
    before = dev.endpoints()
    place.write("more/note.txt", "The bridge deck was inspected.")
    place.configure("files", "more", extra="nonsense: 1\n")
    complained = dev.says("not applied")
    place.configure("files", "more")
    reloaded = dev.says("reloaded: 10 assets", 60)
    after = dev.endpoints()
    token = dev.record()["token"]
    code = dev.interrupt()

    assert refused == 1
    assert "runs already as process" in second.output.read_text()
    assert "had left running" in dev.output.read_text()
    assert _processes_of(killed["token"]) == []
    assert (before, after) == ({"files"}, {"files", "more"})
    assert complained
    assert "connectors.yaml:" in dev.output.read_text()
    assert reloaded, dev.output.read_text()
    assert code == 0
    assert _processes_of(token) == []
    assert not (place.folder / "home" / "dev.json").exists()


def test_a_port_that_is_taken_is_told(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        ended = place.run("dev", "--port", str(number), "--no-browser")

    assert ended.code == 2
    assert f"port {number} of 127.0.0.1 is taken by another program" in ended.err


def test_the_local_database_serves_when_no_other_is_named(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write("files/a.txt", "text")
    place.configure("files")

    ended = place.run("status", "--json")

    assert (ended.code, ended.json) == (0, [])
    assert re.search(r"stopped|shut down", (tmp_path / "home" / "postgres" / "postgres.log").read_text())


def test_a_process_that_only_has_the_pid_of_ours_is_left_alone(tmp_path: Path) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    ours, record = spawn(sleeper, dict(os.environ), tmp_path / "log", 1)
    other = subprocess.Popen(sleeper)
    try:
        write_record(tmp_path / "dev.json", type(record)(pid=1, child=other.pid, child_started="0", port=1, token="another"))
        ended_other = end_leftovers(tmp_path / "dev.json")
        write_record(tmp_path / "dev.json", record)
        ended_ours = end_leftovers(tmp_path / "dev.json")

        assert (ended_other, other.poll()) == (False, None)
        assert ended_ours
        assert ours.wait(timeout=10) != 0
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("2024-05-01 12:00:00 +0000 - dagster - INFO - Serving", None),
        ("2024-05-01 12:00:00 +0000 - daemon - WARNING - No cursor for event type RUN_FAILURE", None),
        ("\x1b[31m2024-05-01\x1b[0m - dagster - \x1b[31mERROR\x1b[0m - it broke", "2024-05-01 - dagster - ERROR - it broke"),
        ("psycopg.OperationalError: postgresql://me:verysecretword@host/db", "psycopg.OperationalError: postgresql://me:***@host/db"),
        ("no error here", None),
    ],
)
def test_only_what_a_person_should_see_is_taken_from_the_log(line: str, shown: str | None) -> None:
    assert important(line) == shown


def test_a_fault_that_repeats_does_not_fill_the_terminal(tmp_path: Path) -> None:
    log = tmp_path / "dagster.log"
    tail = LogTail(log, lambda: 0.0)
    log.write_text("a - ERROR - again\n" * 500)

    shown = list(tail.new())

    assert len(shown) == BURST + 1
    assert shown[-1].startswith("more of these: see ")
    assert list(tail.new()) == []


def test_a_large_log_is_put_aside_once(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "dagster.log"
    rotate(log)
    with log.open("wb") as stream:
        stream.truncate(20_000_000)

    rotate(log)

    assert [p.name for p in log.parent.iterdir()] == ["dagster.log.1"]
