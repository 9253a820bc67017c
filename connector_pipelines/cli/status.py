"""`connectors status`: how much there is of everything, per endpoint, and whether it adds up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from connector_pipelines.store.catalog.reports import EndpointStatus

__all__ = ["adds_up", "print_status", "status"]


def status(
    slug: Annotated[str | None, typer.Argument(metavar="[SLUG]", help="Only this endpoint.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show each endpoint: files seen = waiting + stored + extracted + skipped + failed, and what each sink holds."""
    from connector_pipelines.cli.opening import opened
    from connector_pipelines.cli.output import emit_json
    from connector_pipelines.store.catalog.configuration import endpoint
    from connector_pipelines.store.catalog.reports import endpoint_status

    with opened() as services, services.database.operator() as tx:
        if slug is not None:
            endpoint(tx, slug)
        found = endpoint_status(tx, slug)
    if json:
        emit_json([_as_json(one) for one in found])
    elif found:
        print_status(found, public_url=services.settings.public_url)
    else:
        print("no endpoints yet: `connectors init` writes a connectors.yaml to start from, `connectors apply` brings it in")


def adds_up(one: EndpointStatus) -> bool:
    """Whether every file seen is in exactly one state, and every document is accounted for at each sink."""
    states = one.waiting + one.stored + one.extracted + sum(one.skipped.values()) + sum(one.failed.values())
    sinks = all(n["delivered"] + n["owed"] + n["failed"] + n.get("not_kept", 0) == one.extracted for n in one.sinks.values())
    return states == one.seen and sinks


def print_status(found: Sequence[EndpointStatus], *, public_url: str | None = None) -> None:
    """The table, and below it what needs a person."""
    from connector_pipelines.cli.output import console, table
    from connector_pipelines.cli.subscribing import notes

    headings = ("endpoint", "state", "seen", "waiting", "stored", "extracted", "skipped", "failed", "bytes", "synced", "next")
    out = console()
    out.print(table(*headings, rows=[_row(one) for one in found], numeric=headings[2:6]))
    sinks = [
        (one.slug, name, *(str(n[k]) for k in ("delivered", "owed", "failed", "to_remove")))
        for one in found
        for name, n in one.sinks.items()
    ]
    if sinks:
        out.print()
        out.print(
            table(
                "endpoint",
                "sink",
                "delivered",
                "owed",
                "failed",
                "to remove",
                rows=sinks,
                numeric=("delivered", "owed", "failed", "to remove"),
            )
        )
    for one in found:
        for line in [*_notes(one), *notes(one, public_url)]:
            out.print(f"\n{line}")


def _row(one: EndpointStatus) -> tuple[str, ...]:
    from connector_pipelines.cli.output import ago, counts, size

    seen = f"{one.seen - one.parts} + {one.parts} parts" if one.parts else str(one.seen)
    seen = seen if adds_up(one) else f"{seen} (!)"
    due = _due(one)
    numbers = (seen, str(one.waiting), str(one.stored), str(one.extracted), counts(one.skipped), counts(one.failed), size(one.bytes))
    return (one.slug, one.state, *numbers, ago(one.synced_at), due)


def _due(one: EndpointStatus) -> str:
    from connector_pipelines.cli.output import ago

    if one.state in {"paused", "error", "disabled"}:
        return "waits for a person"
    times = [at for at in (one.next_due_at, one.retry_at) if at is not None]
    if not times:
        return "when asked"
    told = ago(min(times))
    return "due now" if told.endswith("ago") else told


def _notes(one: EndpointStatus) -> list[str]:
    from connector_pipelines.cli.output import one_line

    notes = []
    if not adds_up(one):
        notes.append(
            f"(!) {one.slug}: the numbers do not add up. While a sync runs that may be for a moment; if it stays, please report it."
        )
    if one.held_deletions:
        held = one.held_deletions
        examples = ", ".join(one_line(p) for p in held["examples"])
        notes.append(
            f"{one.slug}: {held['files']} of {held['known']} known files are gone at the source and were kept ({examples}).\n"
            f"  fix: `connectors approve {one.slug}` if they are meant to be gone; else bring the source back and sync again"
        )
    # What is held was told just above, in more detail.
    if one.last_error and one.last_error.get("code") != "deletions_held":
        where = f" at {one.last_error['stage']}" if one.last_error.get("stage") else ""
        notes.append(f"{one.slug}: the last sync ended{where} with {one.last_error['code']}: {one_line(one.last_error['message'])}")
        if one.last_error.get("advice"):
            notes[-1] += f"\n  fix: {one.last_error['advice']}"
    if one.notifications:
        notes.append(f"{one.slug}: {one.notifications} notifications of its webhook wait for the next sync")
    if one.refused:
        told = ", ".join(f"{calls} {reason}" for reason, calls in sorted(one.refused.items()))
        notes.append(
            f"{one.slug}: calls of the webhook of {one.connector!r} were refused since yesterday: {told}; docs/webhooks.md says why"
        )
    if one.failed:
        notes.append(f"{one.slug}: `connectors failures --endpoint {one.slug}` lists what failed, with the reasons")
    if one.lacking:
        notes.append(
            f"{one.slug}: {one.lacking} documents lack something; `connectors failures --endpoint {one.slug}` says what was left out"
        )
    return notes


def _as_json(one: EndpointStatus) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(one) | {"adds_up": adds_up(one)}
