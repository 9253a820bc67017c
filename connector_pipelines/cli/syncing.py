"""`connectors sync`: bring in what changed, now, and say what became of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from connector_pipelines.cli.synced import EndpointResult
    from connector_pipelines.pipeline.session import Services

__all__ = ["chosen", "sync", "sync_now"]


def sync(
    slugs: Annotated[list[str] | None, typer.Argument(metavar="[SLUG]...", help="Endpoints. Default: all that are not paused.")] = None,
    sweep: Annotated[bool, typer.Option("--sweep", help="Look at everything the source has, not only at what changed.")] = False,
    request: Annotated[bool, typer.Option("--request", help="Only ask: the running `connectors dev`, or Dagster daemon, does it.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 while any item of these endpoints has failed, now or earlier.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Sync endpoints in a Dagster run in this process. Applies connectors.yaml first if it changed.

    Exit codes: 0 well; 1 the sync of an endpoint failed; 2 wrong usage or configuration; 3 finished, but some items have failed (with --strict); 4 deletions are held; 130 interrupted.
    """
    from connector_pipelines.cli.opening import apply_if_there, opened
    from connector_pipelines.cli.output import emit_json
    from connector_pipelines.cli.synced import exit_code, print_results

    with opened() as services:
        apply_if_there(services)
        names = chosen(services, slugs or [])
        if request:
            _request(services, names)
            return
        results = sync_now(services, names, sweep=sweep, quiet=json)
    if json:
        emit_json(results)
    else:
        print_results(results)
    if code := exit_code(results, strict=strict):
        raise typer.Exit(code)


def chosen(services: Services, slugs: list[str]) -> list[str]:
    """The endpoints named, or all that are not paused.

    Raises:
        ConfigurationError: One of them is not known, or there is none.
    """
    from connector_pipelines.core.errors import ConfigurationError
    from connector_pipelines.store.catalog.configuration import endpoint, installation

    with services.database.operator() as tx:
        if slugs:
            return [endpoint(tx, slug).slug for slug in dict.fromkeys(slugs)]
        known = installation(tx).endpoints
    if not known:
        path = services.settings.config_file
        there = (
            f"{path.name} names none, or they were purged and `connectors apply` brings them back"
            if path.exists()
            else f"there is no {path}"
        )
        raise ConfigurationError(
            f"there are no endpoints to sync: {there}", advice="`connectors init` writes a connectors.yaml to start from"
        )
    ready = [one.slug for one in known if not one.paused]
    if not ready:
        raise ConfigurationError("all endpoints are paused", advice="set `paused: false` in connectors.yaml, or name one")
    return ready


def sync_now(services: Services, slugs: list[str], *, sweep: bool = False, quiet: bool = False) -> list[EndpointResult]:
    """Sync through Dagster in this process, showing how far it is; what became of each endpoint."""
    from connector_pipelines.cli.progress import shown
    from connector_pipelines.cli.starting import ensure_dagster_home
    from connector_pipelines.cli.synced import results_of
    from connector_pipelines.defs.local_run import run_sync

    ensure_dagster_home(services.settings)
    with shown(wanted=not quiet or sys.stderr.isatty()) as progress:
        run = run_sync(slugs, sweep=sweep, progress=progress, settings=services.settings)
    if run.cancelled:
        # Dagster takes Ctrl-C for itself while a run lasts, and ends the run.
        raise KeyboardInterrupt
    return results_of(services, slugs, run)


def _request(services: Services, slugs: list[str]) -> None:
    from datetime import UTC, datetime

    from connector_pipelines.store.catalog.scheduling import request as ask

    with services.database.operator() as tx:
        for slug in slugs:
            ask(tx, slug, datetime.now(UTC))
    print(f"asked for a sync of {', '.join(slugs)}; a running `connectors dev` or Dagster daemon begins it within seconds")
