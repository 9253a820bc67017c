"""A process is killed at any moment: what it did is kept, what it had taken is free, and Dagster learns of it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from connector_pipelines.defs._processes import is_running
from connector_pipelines.defs.launcher import WatchingRunLauncher
from connector_pipelines.defs.liveness import HOST_TAG
from connector_pipelines.defs.services import close_services, services_of
from connector_pipelines.embedded.stack import embedded_postgres
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog.workers import worker
from tests.faults.conftest import REPOSITORY, House, eventually, said

STARTED = dg.DagsterRunStatus.STARTED


@pytest.mark.parametrize("point", ["list", "open", "one"])
def test_a_sync_that_is_killed_is_due_at_once_and_the_next_does_the_rest(house: House, point: str) -> None:
    house.configure({"slug": "docs"})
    house.gates.hold(point)

    with house.sync_process() as process:
        assert eventually(lambda: house.gates.reached(point)), said(house.folder)
        process.kill()
        process.wait()
    # The server notices within moments that a connection of a dead process is one.
    free = eventually(lambda: house.status().state == "interrupted")
    again = house.due(datetime.now(UTC))
    house.gates.open(point)
    house.sync()

    assert (free, again) == (True, {"docs": "interrupted"})
    assert house.status().sinks["one"] == {"delivered": 3, "owed": 0, "failed": 0, "to_remove": 0}
    assert Counter(house.put()) == {"0.txt": 1, "1.txt": 1, "2.txt": 1}


def test_the_run_of_a_sync_that_was_killed_is_marked_failed_by_the_next(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    home = _dagster_home(house, monkeypatch)
    house.configure({"slug": "docs"})
    house.gates.hold("open")

    with house.command("sync") as process:
        assert eventually(lambda: house.gates.reached("open")), said(house.folder)
        process.kill()
        process.wait()
    house.gates.open("open")
    with house.command("sync") as process:
        code = process.wait(60)

    assert code == 0, said(house.folder)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        newest, killed = instance.get_runs()
        told = [e.get_dagster_event().message for e in instance.all_logs(killed.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)]
    assert (newest.status, killed.status) == (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
    assert len(told) == 1
    assert "the process that worked on this run is gone" in str(told[0])


def test_run_monitoring_tells_a_run_whose_process_is_gone_from_one_that_lives(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    home = _dagster_home(house, monkeypatch)
    dead, ours, server = _dead_process(), os.getpid(), {GRPC_INFO_TAG: '{"host": "localhost", "socket": "/tmp/socket"}'}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, WatchingRunLauncher)
        health = {
            "its process is gone": _health(instance, server, dead),
            "its process lives": _health(instance, server, ours),
            "it has not said which process it is": _health(instance, server, None),
            "another machine, where nobody can look": _health(instance, {GRPC_INFO_TAG: '{"host": "pod-7", "port": 4000}'}, dead),
            "by hand, here, gone": _health(instance, {HOST_TAG: socket.gethostname()}, dead),
        }
        elsewhere = _run(instance, {HOST_TAG: "another-machine"}, None)
        with worker(house.direct.database, elsewhere.run_id):
            health["by hand, elsewhere, its lock is held"] = launcher.check_run_worker_health(elsewhere).status
        health["by hand, elsewhere, its lock is free"] = launcher.check_run_worker_health(elsewhere).status
    close_services()

    gone = {"its process is gone", "by hand, here, gone", "by hand, elsewhere, its lock is free"}
    assert {what for what, status in health.items() if status is WorkerStatus.FAILED} == gone
    assert {status for what, status in health.items() if what not in gone} == {WorkerStatus.RUNNING}


def test_another_process_with_the_number_of_a_dead_one_is_not_taken_for_it() -> None:
    now = datetime.now(UTC)

    assert is_running(os.getpid(), now)
    assert not is_running(os.getpid(), now - timedelta(days=30))


def test_a_killed_process_that_nobody_has_reaped_is_gone() -> None:
    zombie = os.fork()
    if zombie == 0:
        os._exit(0)
    try:
        assert eventually(lambda: not is_running(zombie, datetime.now(UTC)), 10)
    finally:
        os.waitpid(zombie, 0)


def test_an_extraction_worker_that_is_killed_takes_nothing_with_it(house: House) -> None:
    house.configure({"slug": "docs", "settings": {"gates": str(house.gates.folder), "files": 40}})

    with house.syncing() as result:
        assert eventually(lambda: bool(_extraction_workers()))
        for pid in _extraction_workers():
            os.kill(pid, signal.SIGKILL)
        ended = result()
    house.rows("UPDATE files SET retry_at = NULL RETURNING id")
    house.sync()

    assert ended.error is None
    assert house.status().extracted == 40
    assert len(house.put()) == 40


def test_a_local_postgres_that_is_killed_is_started_again_by_whoever_needs_it(tmp_path: Path) -> None:
    settings = load_settings({"CONNECTORS_HOME": str(tmp_path), "CONNECTORS_CONFIG": str(tmp_path / "connectors.yaml")})
    asked = "SELECT count(*) AS n FROM endpoints"
    with services_of(settings).database.operator() as tx:
        before = tx.execute(asked).fetchall()

    os.kill(int((tmp_path / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
    with services_of(settings).database.operator() as tx:
        after = tx.execute(asked).fetchall()
    close_services()
    embedded_postgres(settings).release()

    assert before == after == [{"n": 0}]


def _dagster_home(house: House, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As the product ships it, for this process too."""
    home = house.folder / "home" / "dagster"
    home.mkdir(parents=True)
    shutil.copy(REPOSITORY / "dagster_home" / "dagster.yaml", home)
    for name, value in house.settings_variables().items():
        monkeypatch.setenv(name, value)
    return home


def _run(instance: dg.DagsterInstance, tags: dict[str, str], pid: int | None) -> dg.DagsterRun:
    run = dg.DagsterRun(job_name="job", status=STARTED, tags=tags)
    instance.add_run(run)
    if pid is not None:
        instance.report_engine_event(f"Started process for run (pid: {pid}).", run, dg._core.events.EngineEventData.in_process(pid))
    return run


def _health(instance: dg.DagsterInstance, tags: dict[str, str], pid: int | None) -> WorkerStatus:
    return instance.run_launcher.check_run_worker_health(_run(instance, tags, pid)).status


def _dead_process() -> int:
    process = multiprocessing.get_context("spawn").Process(target=time.time)
    process.start()
    process.join()
    assert process.pid is not None
    return process.pid


def _extraction_workers() -> list[int]:
    """Children of this process that extract."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(os.getpid()) and b"connector_pipelines.extractors" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found
