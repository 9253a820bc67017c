"""What `connectors dev` has started is killed while a sync runs: all of it comes back by itself, and the sync is done once."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections import Counter
from pathlib import Path

import pytest
from pydantic import SecretStr

from connector_pipelines.cli.dev.family import TOKEN
from connector_pipelines.net.postgres import connect
from tests.faults.conftest import House, eventually, said

RECOVERED_S = 100


@pytest.mark.timeout(290)
def test_code_server_run_worker_and_daemon_are_killed_and_the_sync_is_done_all_the_same(house: House) -> None:
    house.configure({"slug": "docs", "schedule": {"type": "interval", "every": "1h"}})
    house.gates.hold("open")

    with house.command("dev", "--port", str(_free_port()), "--no-browser") as dev:
        assert _a_run_comes_to(house, "open")
        _kill(house, "dagster api grpc", "multiprocessing.spawn")
        by_another = _a_run_comes_to(house, "open")
        _kill(house, "dagster._daemon")
        restarted = eventually(lambda: "Dagster ended by itself" in said(house.folder), RECOVERED_S)
        by_a_third = _a_run_comes_to(house, "open")
        house.gates.open("open")
        done = eventually(lambda: house.status().state == "active", RECOVERED_S)
        dev.send_signal(signal.SIGINT)
        code = dev.wait(60)
        output = said(house.folder)
    with connect(SecretStr(house.direct_url)) as connection:
        statuses = [row[0] for row in connection.execute("SELECT status FROM dagster.runs").fetchall()]

    assert by_another, output
    assert by_a_third, output
    assert done, output
    assert "the definitions are loaded again" in output
    assert restarted, output
    assert Counter(house.put()) == {"0.txt": 1, "1.txt": 1, "2.txt": 1}
    assert set(statuses) == {"FAILURE", "SUCCESS"}
    assert code == 0


def _a_run_comes_to(house: House, point: str) -> bool:
    (house.gates.folder / f"at-{point}").unlink(missing_ok=True)
    return eventually(lambda: house.gates.reached(point), RECOVERED_S)


def _kill(house: House, *commands: str) -> None:
    """Those of the family whose command line has one of these words."""
    token = json.loads((house.folder / "home" / "dev.json").read_text())["token"]
    wanted, killed = f"{TOKEN}={token}".encode(), 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if wanted in (folder / "environ").read_bytes() and any(words in line for words in commands):
                os.kill(int(folder.name), signal.SIGKILL)
                killed += 1
        except OSError:
            continue
    assert killed >= len(commands), f"of {commands} only {killed} were running"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number
