"""What `connectors dev` keeps an eye on: `connectors.yaml`, and rows that others change."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from connector_pipelines.cli.opening import ACTOR, say_applied
from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.pipeline.session import Services
from connector_pipelines.telemetry import scrub

__all__ = ["FileWatch", "LocationWatch", "RowsWatch", "warn"]

SOONEST_S, LATEST_S = 5.0, 300.0
"""Between two attempts to load a code location that does not load; each waits twice as long as the one before."""


def warn(error: ConnectorError) -> None:
    """Print an error that does not end the program, with its fix."""
    print(f"error: {scrub(str(error))}", file=sys.stderr, flush=True)
    if error.advice:
        print(f"fix: {scrub(error.advice)}", file=sys.stderr, flush=True)


class FileWatch:
    """Applies the file whenever it is another one; a file with mistakes is told once and changes nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _signature(path)

    def look(self, services: Services) -> None:
        """Apply the file if it changed since the last look."""
        from connector_pipelines.embedded.configured import apply_if_changed

        found = _signature(self._path)
        if found == self._seen:
            return
        try:
            applied = apply_if_changed(services, self._path, ACTOR)
        except ConnectorError as error:
            warn(error)
            print(f"{self._path.name}: not applied; what was configured before stays", file=sys.stderr, flush=True)
            # A mistake stays one until the file is saved again; a database that is away comes back by itself.
            if error.error_class == "transient":
                return
        else:
            if applied is not None:
                say_applied(applied)
        self._seen = found


class RowsWatch:
    """Notices that the configuration in the database is another one, whoever changed it."""

    def __init__(self, services: Services) -> None:
        self._loaded = _revision(services)
        self._away = False

    def differs(self, services: Services) -> str | None:
        """The revision the rows are at, where the code location was loaded from another; None otherwise, or while the database is away."""
        found = self._look(services)
        return None if found == self._loaded else found

    def can_be_read(self, services: Services) -> bool:
        """Whether the database is there; that it is not is told once."""
        return self._look(services) is not None

    def loaded(self, revision: str) -> None:
        """Take note that the code location has this revision now."""
        self._loaded = revision

    def _look(self, services: Services) -> str | None:
        try:
            found = _revision(services)
        except ConnectorError as error:
            if not self._away:
                warn(error)
            self._away = True
            return None
        if self._away:
            print("the database is back", flush=True)
        self._away = False
        return found


class LocationWatch:
    """Has the code location loaded again when it is gone: its server was killed, or could not load it at the time."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._again_at, self._pause_s = 0.0, SOONEST_S
        self._away = False

    def look(self, url: str) -> None:
        """Load it again where it is gone, unless that was tried just now."""
        from connector_pipelines.gateway.reload import location_fault, reload_location

        if self._now() < self._again_at:
            return
        fault = location_fault(url)
        if fault is None:
            if self._away:
                print("the definitions are loaded again", flush=True)
            self._away, self._pause_s = False, SOONEST_S
            return
        if not self._away:
            print(f"the definitions are not loaded any more, loading them again: {fault.splitlines()[0]}", file=sys.stderr, flush=True)
        self._away = True
        # How it went is seen at the next look: right after it, Dagster still tells the old fault.
        with suppress(ConnectorError):
            reload_location(url, wait_s=0)
        self._again_at, self._pause_s = self._now() + self._pause_s, min(2 * self._pause_s, LATEST_S)


def _revision(services: Services) -> str:
    from connector_pipelines.net.postgres import postgres_errors
    from connector_pipelines.store.catalog.administration import revision
    from connector_pipelines.store.catalog.database import scoped

    # Not through the pool: that waits half a minute for a server that is gone, and meanwhile nobody starts it again.
    with postgres_errors("read the configuration"), services.database.connect() as connection, scoped(connection, None) as tx:
        return revision(tx)


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
