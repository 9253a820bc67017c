"""Notifications at full speed while what takes them and what acts on them is killed: none is lost, and the runs are few."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import Any

import pytest
from pydantic import SecretStr
from ruamel.yaml import YAML

from connector_pipelines.embedded.configured import apply_file
from connector_pipelines.net.postgres import connect
from tests.faults.conftest import REPOSITORY, House, eventually, said
from tests.faults.notifying import SECRET
from tests.faults.test_dev_killed import _free_port, _kill

CALLS = 10_000
CLIENTS = 2
RECOVERED_S = 100


@pytest.mark.timeout(290)
def test_every_notification_taken_leads_to_its_record_though_gateway_daemon_and_run_are_killed(house: House) -> None:
    _configure(house)
    house.sync()
    house.gates.hold("follow")
    port, half = _free_port(), CALLS // 2

    with house.command("dev", "--port", str(_free_port()), "--gateway-port", str(port), "--no-browser", WEBHOOK=SECRET) as dev:
        assert eventually(lambda: _listens(port), RECOVERED_S), said(house.folder)
        first = _notified(house, port, 0, half)
        assert eventually(lambda: house.gates.reached("follow"), RECOVERED_S), said(house.folder)
        later = [_notify(house, port, half * (n + 2), half // CLIENTS) for n in range(CLIENTS)]
        assert eventually(lambda: _inbox(house) > half + half // 4, RECOVERED_S), said(house.folder)
        _kill_gateway(house)
        # With it, Dagster ends, and the run that is in the middle of its work.
        _kill(house, "dagster._daemon")
        told = [first, *map(_result, later)]
        house.gates.open("follow")
        done = eventually(lambda: house.rows("SELECT count(*) AS n FROM notifications_owed")[0]["n"] == 0, RECOVERED_S)
        settled = eventually(lambda: house.status().state == "active", RECOVERED_S)
        dev.send_signal(signal.SIGINT)
        code = dev.wait(60)
        output = said(house.folder)

    taken = {name: version for one in told for name, version in one["taken"].items()}
    known = {row["external_id"]: int(row["version"]) for row in house.rows("SELECT external_id, version FROM files")}
    runs = _runs(house)
    inbox = house.rows("SELECT count(*) AS n, count(done_at) AS done FROM webhook_inbox")[0]
    assert done, output
    assert settled, output
    made = sum(one["made"] for one in told)
    assert made > CALLS * 0.99
    assert inbox == {"n": made, "done": made}
    assert {name: version for name, version in taken.items() if known.get(name, -1) < version} == {}
    assert sum(one["again"] for one in told) > 0
    assert "the gateway ended by itself" in output
    assert any(line.startswith("follow ") for line in house.gates.done())
    assert len(runs) <= 8
    assert code == 0
    assert not (house.folder / "home" / "gateway.json").exists()


def _configure(house: House) -> None:
    records = house.gates.folder / "records"
    records.mkdir(parents=True)
    (records / "first").write_text("1")
    settings = {"gates": str(house.gates.folder)}
    webhook = {
        "verify": {"type": "hmac", "secrets": ["env:WEBHOOK"], "header": "X-Signature"},
        "delivery_id": {"header": "X-Delivery"},
    }
    connector = {"name": "Under test", "kind": "following", "webhook": webhook, "endpoints": [{"slug": "docs", "settings": settings}]}
    YAML(typ="safe").dump({"sinks": {"one": {"kind": "gated", "settings": settings}}, "connectors": [connector]}, house.place.yaml)
    apply_file(house.direct, house.place.yaml, "test")


def _notify(house: House, port: int, first: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.faults.notifying", *map(str, (port, house.gates.folder, first, count))]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(output)
    return found


def _notified(house: House, port: int, first: int, count: int) -> dict[str, Any]:
    return _result(_notify(house, port, first, count))


def _inbox(house: House) -> int:
    return int(house.rows("SELECT count(*) AS n FROM webhook_inbox")[0]["n"])


def _kill_gateway(house: House) -> None:
    os.kill(json.loads((house.folder / "home" / "gateway.json").read_text())["child"], signal.SIGKILL)


def _runs(house: House) -> list[Any]:
    with connect(SecretStr(house.direct_url)) as connection:
        return connection.execute("SELECT status FROM dagster.runs").fetchall()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
