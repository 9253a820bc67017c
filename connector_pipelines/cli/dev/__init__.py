"""`connectors dev`: the whole installation from one command, until Ctrl-C."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from connector_pipelines.cli.gateway import PORT

if TYPE_CHECKING:
    from connector_pipelines.settings import Settings

__all__ = ["dev"]


def dev(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the Dagster UI, on 127.0.0.1.")] = 3000,
    gateway_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Of the gateway, on 127.0.0.1; it runs while a connector has `webhook:`.")
    ] = PORT,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the UI in a browser.")] = False,
) -> None:
    """Run everything here: the local database where DATABASE_URL names none, and Dagster with its UI, schedules and sensors.

    connectors.yaml is watched: a change is checked, applied, and seen in the UI within seconds; one with mistakes changes nothing.
    Ctrl-C ends all of it; what was under way goes on at the next start.
    """
    from connector_pipelines.cli.dev.supervisor import supervise
    from connector_pipelines.cli.opening import quiet_settings

    settings = quiet_settings()
    _ensure_configured(settings)
    supervise(settings, port, gateway_port, browser=not no_browser and sys.stdout.isatty())


def _ensure_configured(settings: Settings) -> None:
    from connector_pipelines.cli.starting import write_connectors_file
    from connector_pipelines.core.errors import ConfigurationError

    path = settings.config_file
    if path.exists():
        return
    if not sys.stdin.isatty() or not typer.confirm(f"There is no {path.name} here. Write one to start from?", default=True):
        raise ConfigurationError(
            f"there is no {path}", advice="`connectors init` writes one to start from; CONNECTORS_CONFIG names another place"
        )
    write_connectors_file(settings, None)
    print(f"wrote {path}")
