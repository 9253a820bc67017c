"""`connectors approve` and `connectors purge`: what is deleted only because a person said so."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

__all__ = ["approve", "purge"]

_Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The endpoint.")]


def approve(slug: _Slug, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Let deletions be made that a sync found and held, because they were more than the endpoint's share.

    The next sync makes them; it is asked for, and a running `connectors dev` begins it within seconds.
    """
    from connector_pipelines.cli.opening import ACTOR, opened
    from connector_pipelines.cli.output import one_line
    from connector_pipelines.store.catalog import administration

    with opened() as services:
        with services.database.operator() as tx:
            held = administration.held_deletions(tx, slug)
        if held is not None:
            print(f"{slug}: {held.files} of {held.known} known files are gone at the source, for example")
            for path in held.examples:
                print(f"  {one_line(path)}")
            _ask(f"Delete what was brought in of these {held.files} files?", yes=yes)
        with services.database.operator() as tx:
            administration.approve(tx, slug, datetime.now(UTC), actor=ACTOR)
    print(f"approved; `connectors sync {slug}` makes the deletions now, files that are back by then are kept")


def purge(slug: _Slug, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Forget an endpoint and all it brought in: from every sink, from the catalog, from the object store.

    Nothing at the source is touched. Meant for endpoints that connectors.yaml no longer has.
    """
    from connector_pipelines.cli.opening import ACTOR, opened
    from connector_pipelines.cli.output import count, size
    from connector_pipelines.pipeline.purging import purge as forget
    from connector_pipelines.store.catalog.administration import documents_of
    from connector_pipelines.store.catalog.configuration import endpoint as endpoint_of

    with opened() as services:
        with services.database.operator() as tx:
            endpoint = endpoint_of(tx, slug, even_removed=True)
            documents = len(documents_of(tx, endpoint))
        note = (
            ""
            if endpoint.removed
            else " It is still configured: take it out of connectors.yaml too, or the next `connectors apply` brings it back."
        )
        _ask(f"Forget {slug} and the {count(documents, 'document')} it brought in?{note}", yes=yes)
        done = forget(services, slug, f"purge-{slug}", datetime.now(UTC), actor=ACTOR)
    print(
        f"forgot {slug}: {count(done.documents, 'document')} removed from {', '.join(done.sinks) or 'no sink'}, {size(done.bytes)} of stored bytes deleted"
    )
    if done.left:
        print("other syncs are running, so stored bytes that nothing refers to any more were left; the next purge deletes them")


def _ask(question: str, *, yes: bool) -> None:
    """Go on only if a person, or `--yes`, says so."""
    from connector_pipelines.core.errors import ConfigurationError

    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError("this deletes, and there is nobody to ask", advice="add --yes")
    if not typer.confirm(question):
        print("nothing was changed")
        raise typer.Exit(1)
