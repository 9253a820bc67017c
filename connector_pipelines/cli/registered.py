"""`connectors kinds`: what can be read from, written to and understood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from connector_pipelines.registry import Kind, Role

__all__ = ["kinds"]


def kinds(
    check: Annotated[bool, typer.Option("--check", help="Import each one; exit 1 when one cannot be used.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the kinds of sources and sinks, and the formats that text is taken from."""
    from connector_pipelines.cli.output import emit_json
    from connector_pipelines.registry import kinds as registered

    roles: tuple[Role, ...] = ("source", "sink", "extractor")
    found = {role: registered(role, check=check or role == "extractor") for role in roles}
    if json:
        emit_json({f"{role}s": [_described(kind) for kind in some] for role, some in found.items()})
    else:
        _show(found)
    if check and any(kind.error for some in found.values() for kind in some):
        raise typer.Exit(1)


def _described(kind: Kind) -> dict[str, Any]:
    described = {"kind": kind.name, "from": kind.distribution or "built in", "error": kind.error}
    return described | {"media_types": _media_types(kind)} if kind.role == "extractor" else described


def _media_types(kind: Kind) -> dict[str, tuple[str, ...]]:
    from connector_pipelines.registry import extractor_type

    return {} if kind.error else dict(extractor_type(kind.name).media_types)


def _show(found: dict[Role, tuple[Kind, ...]]) -> None:
    from connector_pipelines.cli.output import console, table

    out = console()
    for role in ("source", "sink"):
        out.print(
            table(f"{role}s", "from", "", rows=[(kind.name, kind.distribution or "built in", kind.error or "") for kind in found[role]])
        )
        out.print()
    out.print(table("extractors", "files", rows=[(kind.name, kind.error or _formats(kind)) for kind in found["extractor"]]))


def _formats(kind: Kind) -> str:
    suffixes = sorted({suffix for some in _media_types(kind).values() for suffix in some})
    return " ".join(suffixes) or ", ".join(sorted(_media_types(kind)))
