"""`connectors subscriptions`: which systems were asked to tell us of changes, for how long yet, and whether they do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector_pipelines.cli.outcome import FAILED

if TYPE_CHECKING:
    from connector_pipelines.pipeline.subscribing import Kept
    from connector_pipelines.store.catalog.reports import EndpointStatus
    from connector_pipelines.store.catalog.subscriptions import SubscriptionRow

__all__ = ["notes", "subscriptions"]

subscriptions = typer.Typer(
    help="Which systems were asked to tell us of changes, for how long yet, and whether they do.", no_args_is_help=False
)

_Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
_Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The endpoint.")]


@subscriptions.callback(invoke_without_command=True)
def _without_command(ctx: typer.Context, json: _Json = False) -> None:
    """Show every subscription: open ones, those that are to be stopped, and those that could not be opened."""
    if ctx.invoked_subcommand is not None:
        return
    from connector_pipelines.cli.opening import opened
    from connector_pipelines.cli.output import emit_json
    from connector_pipelines.store.catalog.subscriptions import listed

    with opened() as services, services.database.operator() as tx:
        found = listed(tx, None)
    if json:
        emit_json([_as_json(slug, row) for slug, row in found])
    elif found:
        _show(found)
    else:
        print("no subscriptions: docs/webhooks.md says which kinds have them, and what they need")


@subscriptions.command()
def renew(slug: _Slug) -> None:
    """Do now what the schedule does every ten minutes: open what is lacking, replace what soon ends, stop what nobody wants.

    Exit code 1 when something could not be subscribed to.
    """
    from connector_pipelines.cli.opening import apply_if_there, opened
    from connector_pipelines.pipeline.subscribing import keep_subscribed

    with opened() as services:
        apply_if_there(services)
        kept = keep_subscribed(services, slug)
        if services.settings.public_url is None:
            print("nothing is opened: CONNECTORS_PUBLIC_URL is not set")
    _tell(kept)


@subscriptions.command()
def stop(slug: _Slug) -> None:
    """Stop all subscriptions of an endpoint. The schedule opens them again, unless it is paused or has no `webhook:`."""
    from connector_pipelines.cli.opening import opened
    from connector_pipelines.pipeline.subscribing import stop_subscriptions

    with opened() as services:
        kept = stop_subscriptions(services, slug)
    _tell(kept)


def notes(one: EndpointStatus, public_url: str | None) -> list[str]:
    """What of an endpoint's subscriptions needs a person, for `connectors status`."""
    from connector_pipelines.cli.output import one_line

    told = one.subscriptions
    if told is None or one.state in {"paused", "removed", "disabled"}:
        return []
    if public_url is None and _subscribes(one.kind):
        what = "nothing tells of changes, since CONNECTORS_PUBLIC_URL is not set; they are found as scheduled"
        return [f"{one.slug}: {what}\n  fix: set it to where the gateway is reached from outside, as docs/webhooks.md says"]
    if not told["error"]:
        return []
    what = f"{told['failing']} subscriptions could not be opened" if told["failing"] else "what to subscribe to could not be found out"
    error = told["error"]
    advice = f"\n  fix: {error['advice']}" if error.get("advice") else ""
    return [f"{one.slug}: {what}, and changes are found as scheduled: {error['code']}: {one_line(error['message'])}{advice}"]


def _subscribes(kind: str) -> bool:
    from connector_pipelines.core.errors import ConfigurationError
    from connector_pipelines.core.protocols import Subscribes
    from connector_pipelines.registry import source_type

    try:
        return issubclass(source_type(kind), Subscribes)
    except ConfigurationError:
        return False


def _tell(kept: Kept) -> None:
    print(f"{kept.slug}: {kept.open} open, {kept.opened} opened just now, {kept.stopped} stopped, {kept.failing} failing")
    if kept.error:
        print(f"  {kept.error}")
    if kept.failing or kept.error:
        raise typer.Exit(FAILED)


def _show(found: list[tuple[str, SubscriptionRow]]) -> None:
    from connector_pipelines.cli.output import ago, console, one_line, table

    out, now = console(), datetime.now(UTC)
    rows = [
        (
            slug,
            one_line(row.resource),
            row.state,
            ago(row.expires_at, now),
            str(row.calls),
            ago(row.heard_at, now) if row.heard_at else "never",
        )
        for slug, row in found
    ]
    out.print(table("endpoint", "resource", "state", "ends", "calls", "last", rows=rows, numeric=("calls",)))
    for slug, row in found:
        if row.last_error:
            out.print(f"\n{slug}, {one_line(row.resource)}: {row.last_error['code']}: {one_line(str(row.last_error['message']))}")
            if row.last_error.get("advice"):
                out.print(f"  fix: {row.last_error['advice']}")


def _as_json(slug: str, row: SubscriptionRow) -> dict[str, Any]:
    from dataclasses import asdict

    return {"endpoint": slug, **asdict(row)}
