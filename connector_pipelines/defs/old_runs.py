"""Which of Dagster's old runs may go: those that no asset and no window owes its state to.

Dagster keeps runs for ever, and a run that is deleted takes the state of the windows it materialised with it (measured
on 1.13.27). So the last run that materialised a window stays, however old, and so does one that failed at it since.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import SqlEventLogStorage

from connector_pipelines.core.errors import ConfigurationError

__all__ = ["OldRuns", "delete_old_runs"]

PAGE = 500
_DONE, _PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION.value, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value

OldRuns = tuple[int, int]
"""How many were deleted, and how many stay although they are as old."""


def delete_old_runs(instance: dg.DagsterInstance, before: datetime, ours: Callable[[dg.DagsterRun], bool]) -> OldRuns:
    """Delete runs that ended before then, with their events and what they printed. May be stopped anywhere and run again.

    Args:
        ours: Whether a run is of this code location: others share the instance.

    Raises:
        ConfigurationError: The instance keeps its events where they cannot be searched.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise ConfigurationError(
            f"old runs cannot be told apart in an event log of type {type(storage).__name__}", advice="use the storage of dagster-postgres"
        )
    # All are found before the first is deleted: a page begins after the run that the last one ended with.
    old = [[run.run_id for run in page if ours(run)] for page in _pages(instance, before)]
    unneeded = [sorted(set(ids) - _needed(storage, ids)) for ids in old]
    for ids in unneeded:
        for run_id in ids:
            # What it printed first: of a run that is gone, nobody would know that there is something to delete.
            instance.compute_log_manager.delete_logs(prefix=[run_id])
            instance.delete_run(run_id)
        _forget_checks(storage, ids)
    deleted = sum(map(len, unneeded))
    return deleted, sum(map(len, old)) - deleted


def _pages(instance: dg.DagsterInstance, before: datetime) -> Iterator[Sequence[dg.DagsterRun]]:
    filters = dg.RunsFilter(statuses=FINISHED_STATUSES, updated_before=before)
    cursor = None
    while page := instance.get_runs(filters, cursor=cursor, limit=PAGE, ascending=True):
        cursor = page[-1].run_id
        yield page


def _needed(storage: SqlEventLogStorage, run_ids: Sequence[str]) -> set[str]:
    """Those of the runs that last materialised something, or last set out to and did not."""
    import sqlalchemy as sa
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

    event, later = SqlEventLogStorageTable.alias("event"), SqlEventLogStorageTable.alias("later")
    # What was materialised since settles what was only planned; a plan settles an earlier plan.
    settles = (later.c.dagster_event_type == _DONE) | ((later.c.dagster_event_type == _PLANNED) & (event.c.dagster_event_type == _PLANNED))
    same_asset = sa.and_(later.c.asset_key == event.c.asset_key, later.c.id > event.c.id, settles)
    # Two questions and not one with OR: the index begins with the asset and goes by the partition.
    newer_whole = sa.select(1).where(same_asset, event.c.partition.is_(None), later.c.partition.is_(None)).exists()
    newer_window = sa.select(1).where(same_asset, later.c.partition == event.c.partition).exists()
    found = sa.select(event.c.run_id.distinct()).where(
        event.c.run_id.in_(run_ids), event.c.dagster_event_type.in_([_DONE, _PLANNED]), ~newer_whole, ~newer_window
    )
    with storage.index_connection() as connection:
        return {row[0] for row in connection.execute(found)}


def _forget_checks(storage: SqlEventLogStorage, run_ids: Sequence[str]) -> None:
    """Delete the results of checks of these runs, which Dagster leaves behind."""
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable

    with storage.index_connection() as connection:
        connection.execute(AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.run_id.in_(run_ids)))
