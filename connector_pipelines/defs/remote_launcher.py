"""How a production without a cluster launches runs: in the code location's container, which is asked whether they still run.

In `dagster.yaml`::

    run_launcher: {module: connector_pipelines.defs.remote_launcher, class: RemoteRunLauncher}

Daemon and runs are in different containers, so the daemon cannot look for a run's process, as it does on one machine. Where
the code location's container was replaced, its runs ended with it, and the new server has never heard of them.
"""

from dagster import DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value

from connector_pipelines.defs.launcher import WatchingRunLauncher

__all__ = ["RemoteRunLauncher"]

GONE = "the code location does not know this run: it was restarted since. What the run did is kept, the next sync goes on from there"


class RemoteRunLauncher(WatchingRunLauncher):
    """The local launcher, but for runs of a code server of another machine."""

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]  # Dagster's own has no annotations
        if client is None:
            # Started without a code server, as by `connectors sync`.
            return super().check_run_worker_health(run)
        try:
            current = deserialize_value(client.get_current_runs(), GetCurrentRunsResult).current_runs
        except DagsterUserCodeUnreachableError:
            # It restarts, or the network is away: whoever answers next will know.
            return CheckRunHealthResult(WorkerStatus.RUNNING, "the code location does not answer")
        if run.run_id in current:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, GONE)
