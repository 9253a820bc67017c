"""`connectors failures`: every item that did not make it, why, what to do about it, and trying again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from connector_pipelines.store.catalog.administration import FailureDetails
    from connector_pipelines.store.catalog.failures import FailureRow

__all__ = ["ADVICE", "failures"]

failures = typer.Typer(help="Items that did not make it: list them, explain one, try again.", no_args_is_help=False)

MEANING = {
    "transient": "it is expected to pass: the item is tried again by itself, later each time",
    "permanent": "this item will not work as it is; the others are not held up by it",
    "configuration": "a setting is wrong; the connector waits for a person",
    "resource": "a limit was met; the item needs more than one file may cost",
    "security": "we were refused; nothing is tried again by itself",
}

ADVICE = {
    "malformed": "open the file in its own program and save it again; a new version is taken up by itself",
    "encrypted": "name the password under `extraction.passwords` in connectors.yaml (as a reference, such as `env:NAME`), then `connectors failures retry`",
    "mismatch": "the file changed while it was read, or arrives damaged: the next sync looks again; if it stays, check the source",
    "not_found": "it is gone at the source; the next sweep (`connectors sync --sweep`) records that",
    "forbidden": "give the account or user we read as the right to this item, then `connectors failures retry`",
    "subject_refused": "see whether that user left or is suspended, and take them off the list of users; else `connectors auth NAME --as USER` tries it",
    "unauthenticated": "sign the connector in again (`connectors auth status` shows who is), or renew its key; then `connectors sync`",
    "rate_limited": "nothing to do; to be gentler, sync less often",
    "resource": "raise the limit named under `extraction:` of the endpoint in connectors.yaml, then `connectors failures retry`",
    "transient": "nothing to do unless it stays; `connectors failures retry` tries at once",
    "permanent": "correct the item at the source; a new version is taken up by itself",
    "configuration": "correct connectors.yaml (`connectors validate`), then `connectors sync`",
    "security": "check what the account may see, then `connectors sync`",
}
"""By code, else by class."""

_Endpoint = Annotated[str | None, typer.Option("--endpoint", help="Only this endpoint's.")]
_Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
_Limit = Annotated[int, typer.Option(min=1, help="Rows at most, the newest.")]


@failures.callback(invoke_without_command=True)
def _without_command(ctx: typer.Context, endpoint: _Endpoint = None, json: _Json = False, limit: _Limit = 100) -> None:
    """List the open failures, newest first."""
    if ctx.invoked_subcommand is None:
        _list(endpoint, limit, json=json)


@failures.command("list")
def list_open(endpoint: _Endpoint = None, json: _Json = False, limit: _Limit = 100) -> None:
    """List the open failures, newest first."""
    _list(endpoint, limit, json=json)


@failures.command()
def explain(
    failure_id: Annotated[int, typer.Argument(metavar="ID", help="As `connectors failures` shows it.")], json: _Json = False
) -> None:
    """Say what a failure means, what to do about it, and what happened before."""
    from connector_pipelines.cli.opening import opened
    from connector_pipelines.cli.output import emit_json
    from connector_pipelines.store.catalog.administration import failure_details

    with opened() as services, services.database.operator() as tx:
        found = failure_details(tx, failure_id)
    if json:
        emit_json(found)
    else:
        _explain(found)


@failures.command()
def retry(
    failure_id: Annotated[int | None, typer.Argument(metavar="ID", help="One of them.")] = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", help="All of one endpoint's.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Try failures again at the next sync, and ask for that sync.

    A running `connectors dev` begins it within seconds; otherwise run `connectors sync`.
    """
    from connector_pipelines.cli.opening import opened
    from connector_pipelines.cli.output import count
    from connector_pipelines.store.catalog.administration import failure_details
    from connector_pipelines.store.catalog.configuration import endpoint as endpoint_named
    from connector_pipelines.store.catalog.failures import retry as retry_failures

    if sum((failure_id is not None, endpoint is not None, every)) != 1:
        raise typer.BadParameter("name an ID, or --endpoint SLUG, or --all: one of the three")
    with opened() as services, services.database.operator() as tx:
        if failure_id is not None:
            failure_details(tx, failure_id)
        if endpoint is not None:
            endpoint_named(tx, endpoint)
        again = retry_failures(tx, slug=endpoint, failure_id=failure_id)
    print(f"{count(again, 'item')} will be tried again; `connectors sync` does it now" if again else "nothing to try again")


def _list(endpoint: str | None, limit: int, *, json: bool) -> None:
    from connector_pipelines.cli.opening import opened
    from connector_pipelines.cli.output import emit_json
    from connector_pipelines.store.catalog.configuration import endpoint as endpoint_named
    from connector_pipelines.store.catalog.failures import failures_of

    with opened() as services, services.database.operator() as tx:
        if endpoint is not None:
            endpoint_named(tx, endpoint)
        rows = failures_of(tx, endpoint, limit=limit)
    if json:
        emit_json(rows)
    else:
        _show(rows, limit)


def _show(rows: list[FailureRow], limit: int) -> None:
    from connector_pipelines.cli.output import ago, console, table

    if not rows:
        print("no open failures")
        return
    shown = [
        (
            str(r.id),
            r.endpoint,
            r.item,
            r.sink or r.stage,
            r.code,
            r.message,
            str(r.attempts),
            ago(r.next_try_at) if r.next_try_at else "when retried",
        )
        for r in rows
    ]
    console().print(table("id", "endpoint", "item", "at", "code", "reason", "tries", "next try", rows=shown, numeric=("id", "tries")))
    if len(rows) == limit:
        print(f"\nthe newest {limit}; --limit shows more")
    print("\n`connectors failures explain ID` says what to do; `connectors failures retry` tries again")


def _explain(found: FailureDetails) -> None:
    from connector_pipelines.cli.output import ago, count, one_line, size

    print(f"{one_line(found.item)}  ({found.endpoint})")
    print(f"  what:     {found.code} at {found.sink or found.stage}: {one_line(found.message)}")
    print(f"  means:    {found.error_class}: {MEANING.get(found.error_class, '')}")
    print(f"  to do:    {ADVICE.get(found.code) or ADVICE.get(found.error_class, '')}")
    if found.file_status:
        print(f"  file:     {found.file_status}, {found.media_type}, {'size unknown' if found.size is None else size(found.size)}")
    print(f"  tried:    {count(found.attempts, 'time')}, first {ago(found.first_at)}, last {ago(found.last_at)}")
    if found.resolved_at:
        print(f"  resolved: {ago(found.resolved_at)}")
    else:
        print(
            f"  next try: {ago(found.next_try_at) if found.next_try_at else 'not by itself; `connectors failures retry ' + str(found.id) + '`'}"
        )
    for row in found.earlier:
        ended = f"resolved {ago(row['resolved_at'])}" if row["resolved_at"] else "open"
        print(f"  also:     {row['code']} at {row['sink'] or row['stage']}, {ago(row['last_at'])}, {ended}")
