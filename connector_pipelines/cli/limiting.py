"""`connectors limits`: how fast systems let themselves be asked, what is paused, which hosts are left alone; and forgetting that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from connector_pipelines.net.limits import Bucket, Circuit, Seen

__all__ = ["limits"]

limits = typer.Typer(help="How fast systems let themselves be asked: what is paused, which hosts do not answer.", no_args_is_help=False)

_Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


@limits.callback(invoke_without_command=True)
def _without_command(ctx: typer.Context, json: _Json = False) -> None:
    """Show every bucket that was ever refused or paused, and every circuit that ever met a failure."""
    if ctx.invoked_subcommand is not None:
        return
    from connector_pipelines.cli.opening import opened
    from connector_pipelines.cli.output import emit_json
    from connector_pipelines.store.catalog.limits import limits_of

    with opened() as services, services.database.operator() as tx:
        seen = limits_of(tx)
    if json:
        emit_json(_as_json(seen))
    else:
        _show(seen)


@limits.command()
def clear(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A connector, or a bucket or circuit as `connectors limits` shows it.")],
) -> None:
    """Forget pauses, learnt rates and failures: the next request is sent at once, by every process.

    Meant for when the other side has raised a limit or lifted a block. What it asked us to wait for is then not waited for.
    """
    from connector_pipelines.cli.opening import opened
    from connector_pipelines.store.catalog.limits import clear as forget

    with opened() as services, services.database.operator() as tx:
        cleared = forget(tx, name)
    print("\n".join(f"cleared {one}" for one in cleared))


def _as_json(seen: Seen) -> dict[str, Any]:
    return {
        "buckets": [{"bucket": name, **_bucket(bucket, seen.now)} for name, bucket in seen.buckets.items()],
        "circuits": [{"circuit": name, **_circuit(circuit, seen.now)} for name, circuit in seen.circuits.items()],
    }


def _bucket(bucket: Bucket, now: float) -> dict[str, Any]:
    from connector_pipelines.net.limits import pace

    paused = bucket.paused_until if bucket.paused_until is not None and now < bucket.paused_until else None
    per_s = pace(bucket, now if paused is None else paused)
    return {
        "paused_until": _instant(paused),
        "requests_per_second": None if per_s is None else round(per_s, 3),
        "refusals": bucket.throttles,
        "refused_at": _instant(bucket.throttled_at),
    }


def _circuit(circuit: Circuit, now: float) -> dict[str, Any]:
    from connector_pipelines.net.limits import state

    return {
        "state": state(circuit, now),
        "until": _instant(circuit.open_until),
        "failures": circuit.failures,
        "opened": circuit.opened,
    }


def _show(seen: Seen) -> None:
    from connector_pipelines.cli.output import ago, console, table

    if not seen.buckets and not seen.circuits:
        print("no system has refused a request or failed to answer")
        return
    # By the database's clock, as everything here.
    now, out = datetime.fromtimestamp(seen.now, UTC), console()
    if seen.buckets:
        told = [(name, _bucket(bucket, seen.now)) for name, bucket in seen.buckets.items()]
        rows = [
            (
                name,
                ago(b["paused_until"], now) if b["paused_until"] else "no",
                "no limit" if b["requests_per_second"] is None else f"{b['requests_per_second']:.1f}",
                str(b["refusals"]),
                ago(b["refused_at"], now),
            )
            for name, b in told
        ]
        out.print(table("bucket", "paused, ends", "requests/s", "refusals", "last", rows=rows, numeric=("requests/s", "refusals")))
    if seen.circuits:
        if seen.buckets:
            out.print()
        shown = [(name, _circuit(circuit, seen.now)) for name, circuit in seen.circuits.items()]
        lines = [(name, c["state"], ago(c["until"], now) if c["until"] else "", str(c["failures"]), str(c["opened"])) for name, c in shown]
        out.print(table("circuit", "state", "tried again", "failures", "opened", rows=lines, numeric=("failures", "opened")))


def _instant(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
