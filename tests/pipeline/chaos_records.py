"""A sync of records in a process of its own, with faults on both sides, that may be killed."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.core.protocols import KeepsRecords
from connector_pipelines.pipeline import operations
from connector_pipelines.pipeline.session import open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.testing.memory_source import Config, Service, Source, StreamConfig
from connector_pipelines.testing.tools import plain_tools
from tests.pipeline.chaos import FlakyRecords, FlakySink, FlakyStreams

__all__ = ["STREAMS", "Plan", "run", "save"]

STREAMS = (StreamConfig(name="contacts", title="{{ name }}", body="{{ name }} {{ note }}"), StreamConfig(name="deals"))
WRITTEN_AT = datetime(2026, 5, 17, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What happens to one sync. `state` is a file that `save` wrote; the others are as in `chaos.Plan`."""

    database_url: str
    home: str
    state: str
    seed: int
    chaos: float = 0.0
    killed_after_s: float | None = None
    days_later: int = 0
    sweep: bool = False


def save(service: Service, path: Path) -> None:
    """The other side, for other processes to read."""
    files = {file_id: [file.name, file.body.decode()] for file_id, file in service.files.items()}
    revisions = {file_id: file.revision for file_id, file in service.files.items()}
    path.write_text(json.dumps({"epoch": service.epoch, "events": service.events, "files": files, "revisions": revisions}))


def run(plan: Plan) -> str:
    """Sync the endpoint `crm` as planned; the code of what stopped it, or `done`."""
    if plan.killed_after_s is not None:
        threading.Timer(plan.killed_after_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
    services = open_services(load_settings({"CONNECTORS_HOME": plan.home, "CONNECTORS_EXTRACT_WORKERS": "1"}), SecretStr(plan.database_url))
    dice = random.Random(plan.seed)
    try:
        with services.open("crm", f"run-{plan.seed}") as session:
            source = Source(Config(page_size=7, streams=STREAMS), plain_tools(), service=_load(Path(plan.state)))
            flaky = replace(
                session,
                source=FlakyStreams(source, dice, plan.chaos),
                sinks={name: _flaky(sink, dice, plan.chaos) for name, sink in session.sinks.items()},
                clock=lambda: datetime.now(UTC) + timedelta(days=plan.days_later),
            )
            operations.sync(flaky, sweep=plan.sweep)
    except ConnectorError as error:
        return error.code
    finally:
        services.close()
    return "done"


def _load(path: Path) -> Service:
    state = json.loads(path.read_text())
    service = Service()
    for file_id, (name, body) in state["files"].items():
        # Under its own id, at its own place in the feed.
        service.files[file_id] = replace(_FILE, name=name, body=body.encode(), revision=state["revisions"][file_id])
    service.events, service.epoch = state["events"], state["epoch"]
    return service


def _flaky(sink: Any, dice: random.Random, chaos: float) -> FlakySink:
    return (FlakyRecords if isinstance(sink, KeepsRecords) else FlakySink)(sink, dice, chaos)


def _a_file() -> Any:
    service = Service()
    return service.files[service.put("any", b"", WRITTEN_AT)]


_FILE = _a_file()
