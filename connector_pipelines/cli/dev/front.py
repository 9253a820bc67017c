"""The gateway beside Dagster: started as soon as a connector has a webhook, and again when it ends by itself."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connector_pipelines.cli.dev.family import Record, end_family, end_leftovers, spawn, write_record
from connector_pipelines.cli.dev.logs import rotate
from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.net.postgres import connect, postgres_errors
from connector_pipelines.pipeline.session import Services
from connector_pipelines.settings import Settings
from connector_pipelines.store.catalog.database import scoped
from connector_pipelines.store.catalog.inbox import receivers

__all__ = ["Front"]

LOOK_EVERY_S = 3.0
SOONEST_S, LATEST_S = 1.0, 30.0
"""Between two starts; each waits twice as long as the one before, until one has lasted for as long as the longest."""

STOP_S = 12.0
"""The gateway answers the calls that are under way within ten seconds."""


@dataclass(slots=True)
class Front:
    """The gateway's process, on `port` of 127.0.0.1. It answers the calls that are under way before it ends."""

    settings: Settings
    port: int
    process: subprocess.Popen[bytes] | None = None
    record: Record | None = None
    pause_s: float = SOONEST_S
    started_at: float = 0.0
    look_at: float = field(default=0.0)

    @property
    def record_path(self) -> Path:
        return self.settings.home / "gateway.json"

    @property
    def log(self) -> Path:
        return self.settings.home / "logs" / "gateway.log"

    def end_leftovers(self) -> None:
        """End one that a `connectors dev` that was killed left running."""
        end_leftovers(self.record_path)

    def look_after(self, services: Services, environ: Mapping[str, str]) -> None:
        """Start it where it is wanted and does not run."""
        if time.monotonic() < self.look_at:
            return
        self.look_at = time.monotonic() + LOOK_EVERY_S
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None:
            self._give_up_on(self.process.returncode)
        elif _any_webhook(services):
            self._start(environ)

    def stop(self) -> bool:
        """End it; whether it ended by itself."""
        if self.process is None or self.record is None:
            return True
        clean = end_family(self.record, gently_s=STOP_S, hurry=lambda: self.process is None or self.process.poll() is not None)
        self.process.wait(timeout=10)
        self.record_path.unlink(missing_ok=True)
        return clean

    def _start(self, environ: Mapping[str, str]) -> None:
        rotate(self.log)
        command = [sys.executable, "-m", "connector_pipelines.cli", "gateway", "--port", str(self.port)]
        self.process, self.record = spawn(command, environ, self.log, self.port)
        write_record(self.record_path, self.record)
        self.started_at = time.monotonic()
        print(f"gateway for webhooks: http://127.0.0.1:{self.port}/webhooks/…    (its log is {self.log})", flush=True)

    def _give_up_on(self, code: int) -> None:
        self.pause_s = SOONEST_S if time.monotonic() - self.started_at > LATEST_S else min(2 * self.pause_s, LATEST_S)
        self.process, self.look_at = None, time.monotonic() + self.pause_s
        print(f"the gateway ended by itself (code {code}); starting it again. {self.log} may say why", file=sys.stderr, flush=True)


def _any_webhook(services: Services) -> bool:
    try:
        # Not through the pool: that waits half a minute for a server that is gone.
        with postgres_errors("read the webhooks"), connect(services.database.url) as connection, scoped(connection, None) as tx:
            return bool(receivers(tx))
    except ConnectorError:
        return False
