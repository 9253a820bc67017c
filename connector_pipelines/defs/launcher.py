"""How the local Dagster launches runs: as it does by default, and it notices when the process of one is gone.

In `dagster.yaml`::

    run_launcher: {module: connector_pipelines.defs.launcher, class: WatchingRunLauncher}

Dagster's run monitoring asks it every few seconds about each run under way. Launchers that start containers know by themselves.
"""

from dagster import DagsterRun
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

from connector_pipelines.defs.liveness import GONE, is_gone

__all__ = ["WatchingRunLauncher"]


class WatchingRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, with the health check that it lacks (1.13.27)."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        if is_gone(self._instance, run):
            return CheckRunHealthResult(WorkerStatus.FAILED, GONE)
        return CheckRunHealthResult(WorkerStatus.RUNNING)
