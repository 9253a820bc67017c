"""One run in a process of its own, that may be killed at any moment."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Literal

from pydantic import SecretStr

from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.core.types import DayRange
from connector_pipelines.pipeline import operations
from connector_pipelines.pipeline.session import Session, open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.testing.fake_api.clock import START_AT

__all__ = ["PRELOADED", "Ended", "Plan", "Work", "main"]

PRELOADED = (
    "tests.convergence.syncing", "connector_pipelines.sources.rest_api", "connector_pipelines.sources.google_drive.source",
    "googleapiclient.discovery", "googleapiclient.http", "connector_pipelines.sinks.postgres_table",
    "connector_pipelines.sinks.postgres_text", "connector_pipelines.sinks.pgvector", "jinja2.sandbox", "httpx", "numpy", "tokenizers",
)  # fmt: skip
"""What every such process needs, imported once."""

Work = Literal["sync", "sweep", "notified", "drain", "days"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run.

    Attributes:
        work: A sync; one that sweeps; one that asks only what notifications are about; the stages after the listing, beside
            whoever else is at them; some days, from the listing on.
        days_later: How far the clock is ahead, so that what waits for a later try is taken up.
    """

    database_url: str
    home: str
    endpoint: str
    seed: int
    work: Work = "sync"
    days_later: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """The code of what stopped it, `done`, or `killed`; what it says of itself; and how many items its listing found to be other than known."""

    code: str
    message: str = ""
    changed: int = 0


def main(plan: Plan, answers: Connection) -> None:
    os.environ.pop("DATABASE_URL", None)
    # Of what is wrong on purpose there is much to say.
    logging.disable(logging.ERROR)
    answers.send(_run(plan))
    os._exit(0)


def _run(plan: Plan) -> Ended:
    try:
        with _opened(plan) as session:
            return Ended("done", changed=_work(session, plan))
    except ConnectorError as error:
        return Ended(error.code, f"{error}. {error.advice}")


@contextmanager
def _opened(plan: Plan) -> Iterator[Session]:
    settings = load_settings({"CONNECTORS_HOME": plan.home, "CONNECTORS_EXTRACT_WORKERS": "1", "CONNECTORS_DOWNLOAD_THREADS": "3"})
    services = open_services(settings, SecretStr(plan.database_url))
    later = timedelta(days=plan.days_later)
    try:
        with services.open(plan.endpoint, f"run-{plan.seed}") as session:
            yield replace(session, clock=lambda: datetime.now(UTC) + later)
    finally:
        services.close()


def _work(session: Session, plan: Plan) -> int:
    if plan.work in {"sync", "sweep", "notified"}:
        report = operations.sync(session, sweep=plan.work == "sweep", notified=plan.work == "notified")
        return sum(report.stages["listing"].counts[name] for name in ("new", "changed", "restored", "deleted", "moved"))
    days = _days(plan) if plan.work == "days" else DayRange()
    for stage in operations.stages_of(session)[0 if plan.work == "days" else 1 :]:
        operations.run_stage(session, stage, days, sweep=False)
    return 0


def _days(plan: Plan) -> DayRange:
    dice = random.Random(plan.seed)
    first = START_AT.date() + timedelta(days=dice.randrange(10))
    return DayRange(first, first + timedelta(days=dice.randrange(20)))
