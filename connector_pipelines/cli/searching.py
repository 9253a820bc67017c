"""`connectors search`: where in what was brought in a thing is said."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector_pipelines.cli.outcome import NOTHING_FOUND

if TYPE_CHECKING:
    from connector_pipelines.pipeline.search import Result

__all__ = ["print_results", "search"]


def search(
    text: Annotated[str, typer.Argument(help="What to look for: words, or a question.")],
    endpoint: Annotated[str | None, typer.Option(help="Only what this endpoint brought in.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose documents.")] = "default",
    limit: Annotated[int, typer.Option(min=1, max=200, help="Passages at most.")] = 10,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Search by words and by meaning, and print each passage with where it stands.

    Exit code 1 when nothing is found.
    """
    from connector_pipelines.cli.opening import opened
    from connector_pipelines.cli.output import emit_json
    from connector_pipelines.pipeline.search import search as search_all
    from connector_pipelines.store.catalog.administration import anything_delivered
    from connector_pipelines.store.catalog.configuration import endpoint as endpoint_of

    if not text.strip():
        raise typer.BadParameter("say what to look for")
    with opened() as services:
        with services.database.operator() as tx:
            begun = anything_delivered(tx)
            if endpoint is not None:
                endpoint_of(tx, endpoint, even_removed=True)
        found = search_all(services, text, tenant=tenant, endpoint=endpoint, limit=limit) if begun else []
    if json:
        emit_json([as_json(result) for result in found])
    else:
        print_results(found, text)
    if not found:
        print(
            "nothing found" if begun else "no document has been delivered yet: run `connectors sync`, then see `connectors status`",
            file=sys.stderr,
        )
        raise typer.Exit(NOTHING_FOUND)


def print_results(found: list[Result], text: str) -> None:
    """A few lines for each passage, best first."""
    from rich.text import Text

    from connector_pipelines.cli.output import console, highlighted, one_line

    out = console()
    for result in found:
        cited = result.citation
        where = str(cited.place)
        out.print(Text(one_line(cited.title), style="bold") + Text(f"  {one_line(where)}" if where else "", style="cyan"))
        out.print(Text(f"  {cited.endpoint}: {one_line(cited.path)}", style="dim"))
        out.print(Text("  ") + highlighted(result.snippet, text.split()))
        if cited.url:
            out.print(Text(f"  {one_line(cited.url)}", style="dim"))
        out.print()


def as_json(result: Result) -> dict[str, Any]:
    """The stable keys of one passage."""
    cited = result.citation
    return {
        "title": cited.title,
        "path": cited.path,
        "url": cited.url,
        "endpoint": cited.endpoint,
        "kind": cited.kind,
        "place": cited.place.as_json(),
        "snippet": result.snippet,
        "score": result.score,
        "found_by": result.found_by,
        "document_id": cited.document_id,
        "ordinal": cited.ordinal,
    }
