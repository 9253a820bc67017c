"""How a command gets at the installation: settings, logs, database, and `connectors.yaml` brought in."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector_pipelines.pipeline.session import Services
    from connector_pipelines.settings import Settings
    from connector_pipelines.store.catalog.configuration import Applied

__all__ = ["ACTOR", "apply_if_there", "opened", "quiet_settings", "say_applied"]

ACTOR = "connectors"
"""Who the audit log says it was, when it was the command line."""


def quiet_settings() -> Settings:
    """The settings; logs show warnings only unless `CONNECTORS_LOG_LEVEL` asks for more."""
    from connector_pipelines.settings import load_settings
    from connector_pipelines.telemetry import configure_logging

    settings = load_settings()
    level = settings.log_level if "log_level" in settings.model_fields_set or "--debug" in sys.argv else "WARNING"
    configure_logging(level, settings.log_format)
    if level == "WARNING":
        # A database that is away, or a query that was interrupted, is told once, by our own error; the libraries tell it ten times.
        for library in ("psycopg", "urllib3"):
            logging.getLogger(library).setLevel(logging.ERROR)
    return settings


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[Services]:
    """The services of the installation, closed at the end."""
    from connector_pipelines.embedded.stack import open_installation

    services = open_installation(settings or quiet_settings())
    try:
        yield services
    finally:
        services.close()


def apply_if_there(services: Services) -> Applied | None:
    """Bring `connectors.yaml` in where it says something new, and say what that changed; None where it does not."""
    from connector_pipelines.embedded.configured import apply_if_changed

    path = services.settings.config_file
    if not path.exists():
        return None
    applied = apply_if_changed(services, path, ACTOR)
    if applied is not None:
        say_applied(applied)
    return applied


def say_applied(applied: Applied) -> None:
    """A line for each way in which the configuration changed, on standard error."""
    for what, names in (("added", applied.added), ("changed", applied.changed), ("put aside", applied.removed), ("changed", applied.other)):
        if names:
            print(f"{what}: {', '.join(names)}", file=sys.stderr)
    for slug in applied.removed:
        print(f"  what {slug} brought in stays searchable until `connectors purge {slug}`", file=sys.stderr)
