"""What `connectors dev` does from start to end: locks, database, Dagster, the loop that watches, and the way out."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from pydantic import SecretStr

from connector_pipelines.cli.dev.family import Record, end_family, end_leftovers, read_record, spawn, write_record
from connector_pipelines.cli.dev.front import Front
from connector_pipelines.cli.dev.logs import LogTail, rotate
from connector_pipelines.cli.dev.watching import FileWatch, LocationWatch, RowsWatch, warn
from connector_pipelines.cli.opening import apply_if_there
from connector_pipelines.cli.starting import ensure_dagster_home, workspace_file
from connector_pipelines.core.errors import Busy, ConfigurationError, ConnectorError, Unavailable
from connector_pipelines.embedded.locks import FileLock
from connector_pipelines.embedded.postgres import EmbeddedPostgres
from connector_pipelines.embedded.stack import embedded_postgres
from connector_pipelines.gateway.reload import is_up, reload_location
from connector_pipelines.pipeline.session import Services, open_services
from connector_pipelines.settings import Settings, environment
from connector_pipelines.store.catalog import schema

__all__ = ["supervise"]

TICK_S = 0.5
FILE_EVERY_S = 1.0
ROWS_EVERY_S = 2.0
POSTGRES_EVERY_S = 2.0
LOCATION_EVERY_S = 3.0

STOP_S = 20.0
"""Dagster itself gives its processes ten seconds each."""
SLOW_START_S = 120.0
STUCK_START_S = 300.0
STUCK_AFTER_OUTAGE_S = 45.0
"""Of a webserver that started while the database was away, counted from when it was back: it may hang for good (1.13.27)."""

RESTARTS = 5
RESTARTS_WITHIN_S = 600.0


def supervise(settings: Settings, port: int, gateway_port: int, *, browser: bool) -> None:
    """Run the installation until SIGINT, SIGTERM or SIGHUP.

    Raises:
        Busy: It runs already.
        ConfigurationError: The port is another program's, or connectors.yaml has mistakes.
        Unavailable: The database does not start, or Dagster ends again and again.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    record = settings.home / "dev.json"
    with contextlib.suppress(KeyboardInterrupt), _interruptible(), _alone(settings.home / "dev.lock", record):
        if end_leftovers(record):
            print("ended what a `connectors dev` that was killed had left running", flush=True)
        front = Front(settings, gateway_port)
        front.end_leftovers()
        _check_port(port)
        with _database(settings) as (services, postgres):
            apply_if_there(services)
            house = _House(settings, port, services, postgres, record, browser, front)
            try:
                house.run()
            finally:
                house.stop()


@dataclass(slots=True)
class _Due:
    """Says true once every so many seconds."""

    every_s: float
    at: float = 0.0

    def now(self) -> bool:
        if time.monotonic() < self.at:
            return False
        self.at = time.monotonic() + self.every_s
        return True


@dataclass(slots=True)
class _House:
    settings: Settings
    port: int
    services: Services
    postgres: EmbeddedPostgres | None
    record_path: Path
    browser: bool
    front: Front
    process: subprocess.Popen[bytes] | None = None
    record: Record | None = None
    ready: bool = False
    started_at: float = 0.0
    told_slow: bool = False
    had_outage: bool = False
    starts: list[float] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.settings.home / "logs" / "dagster.log"

    def run(self) -> None:
        """Start Dagster, and look after everything until interrupted."""
        file, rows, location = FileWatch(self.settings.config_file), RowsWatch(self.services), LocationWatch()
        rotate(self.log)
        tail = LogTail(self.log)
        self._start()
        file_due, rows_due, postgres_due, location_due = map(_Due, (FILE_EVERY_S, ROWS_EVERY_S, POSTGRES_EVERY_S, LOCATION_EVERY_S))
        while True:
            for line in tail.new():
                print(f"dagster | {line}", flush=True)
            if postgres_due.now():
                self._look_after_postgres()
            if file_due.now():
                file.look(self.services)
            self._look_after_dagster(rows)
            self.front.look_after(self.services, self._environ())
            if self.ready and rows_due.now() and (revision := rows.differs(self.services)) is not None:
                self._reload(rows, revision)
            if self.ready and location_due.now():
                location.look(self.url)
            time.sleep(TICK_S)

    def stop(self) -> None:
        """End Dagster and all it started. A second Ctrl-C ends the patience."""
        if self.process is None or self.record is None:
            return
        again: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: again.append(number))
        print("\nending …", flush=True)
        self.front.stop()
        # Reaped while waiting: a zombie is no member of the family any more.
        clean = end_family(self.record, gently_s=STOP_S, hurry=lambda: bool(again) or self.process is None)
        self.process.wait(timeout=10)
        self.record_path.unlink(missing_ok=True)
        print("ended" if clean else "ended; some processes had to be killed, their work goes on at the next start", flush=True)

    def _environ(self) -> dict[str, str]:
        return {
            **environment(),
            "CONNECTORS_HOME": str(self.settings.home),
            "CONNECTORS_CONFIG": str(self.settings.config_file),
            "DAGSTER_HOME": str(ensure_dagster_home(self.settings)),
            "DAGSTER_WEBSERVER_URL": self.url,
            "PYTHONUNBUFFERED": "1",
        }

    def _start(self) -> None:
        workspace = str(workspace_file(self.settings))
        command = [sys.executable, "-m", "dagster", "dev", "-w", workspace, "-h", "127.0.0.1", "-p", str(self.port)]
        self.process, self.record = spawn(command, self._environ(), self.log, self.port)
        write_record(self.record_path, self.record)
        self.ready, self.told_slow, self.had_outage, self.started_at = False, False, False, time.monotonic()
        self.starts.append(self.started_at)
        print(f"starting Dagster … its log is {self.log}", flush=True)

    def _look_after_dagster(self, rows: RowsWatch) -> None:
        if self.process is None or self.process.poll() is not None:
            # Without a database it would end at once, and again, until we gave it up.
            if rows.can_be_read(self.services):
                self._restart(f"ended by itself (code {self.process.returncode if self.process else None})")
        elif not self.ready and is_up(self.url):
            self.ready = True
            print(f"Dagster UI: {self.url}    (Ctrl-C ends everything)", flush=True)
            if self.browser:
                self._open_browser()
        elif not self.ready:
            self._look_after_start(rows)

    def _look_after_start(self, rows: RowsWatch) -> None:
        if not rows.can_be_read(self.services):
            self.had_outage, self.started_at = True, time.monotonic()
        waited_s = time.monotonic() - self.started_at
        if waited_s > (STUCK_AFTER_OUTAGE_S if self.had_outage else STUCK_START_S):
            self._restart("does not answer")
        elif waited_s > SLOW_START_S and not self.told_slow:
            self.told_slow = True
            print(f"Dagster does not answer yet; {self.log} may say why", flush=True)

    def _open_browser(self) -> None:
        import webbrowser

        webbrowser.open(self.url)
        self.browser = False

    def _restart(self, why: str) -> None:
        if self.record is not None:
            end_family(self.record, gently_s=2)
        recent = [at for at in self.starts if time.monotonic() - at < RESTARTS_WITHIN_S]
        if len(recent) > RESTARTS:
            raise Unavailable(
                f"Dagster was started {len(recent)} times in {RESTARTS_WITHIN_S / 60:.0f} minutes", advice=f"{self.log} says why"
            )
        wait_s = min(2.0 ** (len(recent) - 1), 30.0)
        print(f"Dagster {why}; starting it again in {wait_s:.0f} s", file=sys.stderr, flush=True)
        time.sleep(wait_s)
        self._start()

    def _look_after_postgres(self) -> None:
        if self.postgres is None:
            return
        try:
            if self.postgres.is_running():
                return
            print("the local database is gone; starting it again", file=sys.stderr, flush=True)
            url = SecretStr(self.postgres.ensure_running())
        except ConnectorError as error:
            warn(error)
            return
        if url != self.services.database.url:
            self.services.close()
            self.services = open_services(self.settings, url)
        print("the local database runs again", flush=True)

    def _reload(self, rows: RowsWatch, revision: str) -> None:
        try:
            found = reload_location(self.url, wait_s=5)
        except Unavailable as error:
            # Asked again at the next look; a Dagster that is gone is started again by then, and reads the rows as they are.
            print(f"not reloaded yet: {error}", file=sys.stderr, flush=True)
            return
        except ConnectorError as error:
            warn(error)
        else:
            print(f"reloaded: {found.assets} assets", flush=True)
        rows.loaded(revision)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and a closed terminal are a Ctrl-C too, and SIGINT is one even where whoever started us had it ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _alone(path: Path, record: Path) -> Iterator[None]:
    """Hold the lock that one `connectors dev` of this folder has."""
    lock = FileLock(path)
    if not lock.acquire(timeout_s=0):
        other = read_record(record)
        where = f" as process {other.pid}, at http://127.0.0.1:{other.port}" if other else ""
        raise Busy(f"`connectors dev` of {path.parent} runs already{where}", advice="use that one, or end it with Ctrl-C first")
    try:
        yield
    finally:
        lock.release()


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} of 127.0.0.1 is taken by another program", advice="choose another with --port"
            ) from error


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[tuple[Services, EmbeddedPostgres | None]]:
    """The services, and the local Postgres where it is the database: the last one out of it stops it."""
    postgres = embedded_postgres(settings) if settings.database_url is None else None
    url = settings.database_url or SecretStr(postgres.ensure_running() if postgres else "")
    try:
        schema.ensure(url, may_upgrade=postgres is not None)
        services = open_services(settings, url)
        try:
            yield services, postgres
        finally:
            services.close()
    finally:
        if postgres is not None:
            postgres.release()
