"""`connectors validate` and `connectors apply`: is `connectors.yaml` right, and bring it in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["apply", "validate"]


def validate(
    file: Annotated[Path | None, typer.Argument(help="Default: connectors.yaml, or what CONNECTORS_CONFIG names.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Check connectors.yaml and print every mistake with its line and its fix. Changes nothing, and needs no database.

    Exit code 2 when there is one.
    """
    from connector_pipelines.cli.opening import quiet_settings
    from connector_pipelines.cli.output import count, emit_json
    from connector_pipelines.pipeline.connectors_file import read_connectors_file

    path = file or quiet_settings().config_file
    found = read_connectors_file(path)
    endpoints = [endpoint.slug for connector in found.connectors for endpoint in connector.endpoints]
    if json:
        emit_json({"file": str(path), "connectors": len(found.connectors), "endpoints": endpoints, "sinks": sorted(found.sinks)})
        return
    print(
        f"{path.name} is right: {count(len(found.connectors), 'connector')}, {count(len(endpoints), 'endpoint')}, {count(len(found.sinks), 'sink')}"
    )


def apply(json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Bring connectors.yaml into the database and print what that changed.

    An endpoint the file no longer has is put aside: it is not synced any more, and what it brought in stays searchable until `connectors purge`.
    `connectors sync` and `connectors dev` do this by themselves.
    """
    from connector_pipelines.cli.opening import ACTOR, opened, quiet_settings, say_applied
    from connector_pipelines.cli.output import emit_json
    from connector_pipelines.embedded.configured import apply_file
    from connector_pipelines.pipeline.connectors_file import read_connectors_file

    settings = quiet_settings()
    # Before the database is touched: a mistake in the file is told at once.
    read_connectors_file(settings.config_file)
    with opened(settings) as services:
        applied = apply_file(services, settings.config_file, ACTOR)
    if json:
        emit_json(applied)
    elif applied.anything:
        say_applied(applied)
    else:
        print("nothing changed")
