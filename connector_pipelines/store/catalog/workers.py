"""Which run workers are alive: a worker is, while its connection keeps its advisory lock.

A process that dies, by kill -9 too, loses its connection and with it the lock: its work is free at once, without a
clock to wait for. A machine that vanishes is noticed by TCP keepalives within about a minute. What a worker writes
back is conditional on the row's generation and status, so one that only lost its connection does no harm.
Advisory locks need a session: the database URL must not lead to a pooler in transaction mode.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg

from connector_pipelines.core.errors import Unavailable
from connector_pipelines.net.postgres import postgres_errors
from connector_pipelines.store.catalog.database import Database, Transaction, scoped

__all__ = ["ALIVE", "DEAD_CLAIM", "Worker", "require_alive", "run_is_worked_on", "worker"]

CLASS_ID = 1129271892
"""First key of the advisory locks; the second is the worker's id."""

ALIVE = f"""(
    SELECT objid::bigint::integer FROM pg_locks
    WHERE locktype = 'advisory' AND classid = {CLASS_ID} AND objsubid = 2
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)"""
"""SQL: the ids of the workers that are alive."""

DEAD_CLAIM = f"(claimed_by IS NULL OR claimed_by NOT IN {ALIVE})"
"""SQL: the row is nobody's, or a dead worker's."""


@dataclass(frozen=True, slots=True)
class Worker:
    id: int
    run_id: str


def run_is_worked_on(tx: Transaction, run_id: str) -> bool | None:
    """Whether a worker of that run is alive; None where the run never had one."""
    row = tx.execute(
        f"SELECT count(*) AS n, count(*) FILTER (WHERE id IN {ALIVE}) AS alive FROM workers WHERE run_id = %s", [run_id]
    ).fetchone()
    return bool(row["alive"]) if row and row["n"] else None


def require_alive(tx: Transaction, worker: Worker) -> None:
    """Look whether others still see this worker.

    Raises:
        Unavailable: Its connection was lost, and with it all it had claimed: it would take its own work for a dead worker's.
    """
    row = tx.execute(f"SELECT %s IN {ALIVE} AS alive", [worker.id]).fetchone()
    if not (row and row["alive"]):
        raise Unavailable(
            "the connection by which others know that this run is alive was lost", advice="nothing to do; what was claimed is claimed anew"
        )


@contextmanager
def worker(database: Database, run_id: str) -> Iterator[Worker]:
    """Register this process as a worker of a run, for as long as the block lasts."""
    with database.connect() as connection:
        with scoped(connection, None) as tx:
            row = tx.execute(
                "INSERT INTO workers (run_id, host, pid) VALUES (%s, %s, %s) RETURNING id", [run_id, socket.gethostname(), os.getpid()]
            ).fetchone()
        assert row is not None  # noqa: S101 - INSERT … RETURNING gives a row
        with postgres_errors("register the worker"):
            connection.execute("SELECT pg_advisory_lock(%s, %s)", [CLASS_ID, row["id"]])
        try:
            yield Worker(row["id"], run_id)
        finally:
            # The server notices only a little later that a connection was closed; what is orderly ended is free at once.
            with suppress(psycopg.Error):
                connection.execute("SELECT pg_advisory_unlock(%s, %s)", [CLASS_ID, row["id"]])
