"""Which runs count as under way although the process that worked on them is gone.

A process that is killed tells nobody. Dagster's default launcher learns of it from the code server that started the process;
where that was killed too, or the run was started from the command line, the run would be under way for ever, and hold its
place in the queue against every later sync of its endpoint.
"""

import json
import socket
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES
from dagster._core.storage.tags import GRPC_INFO_TAG

from connector_pipelines.defs._processes import is_running
from connector_pipelines.defs.services import services_of
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog.workers import run_is_worked_on

__all__ = ["GONE", "HOST_TAG", "end_gone_runs", "is_gone"]

HOST_TAG = "connector/host"
"""Of runs that are executed where they were asked for: the machine."""

GONE = "the process that worked on this run is gone; what it did is kept, the next sync goes on from there"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def end_gone_runs(instance: dg.DagsterInstance, tags: dict[str, str]) -> int:
    """Mark as failed the runs with these tags whose process is gone; how many."""
    found = [run for run in instance.get_runs(dg.RunsFilter(tags=tags, statuses=IN_PROGRESS_RUN_STATUSES)) if is_gone(instance, run)]
    for run in found:
        instance.report_run_failed(run, GONE)
    return len(found)


def is_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether nobody works on the run any more. False where that cannot be known.

    Raises:
        ConnectorError: The database does not answer.
    """
    with services_of(load_settings()).database.operator() as tx:
        worked_on = run_is_worked_on(tx, run.run_id)
    if worked_on:
        return False
    process = _process(instance, run.run_id) if _is_here(run) else None
    if process is not None:
        return not is_running(*process)
    # Of another machine only the lock is seen, which a run started there by hand has for as long as it lives, others on and off.
    return worked_on is False and HOST_TAG in run.tags


def _is_here(run: dg.DagsterRun) -> bool:
    if HOST_TAG in run.tags:
        return run.tags[HOST_TAG] == socket.gethostname()
    server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    return "socket" in server or server.get("host") in _LOOPBACK


def _process(instance: dg.DagsterInstance, run_id: str) -> tuple[int, datetime] | None:
    """The pid its executor noted last, and when; None before that."""
    for entry in reversed(instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)):
        pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if pid is not None:
            return int(str(pid.value)), datetime.fromtimestamp(entry.timestamp, UTC)
    return None
