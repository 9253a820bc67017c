"""`connectors draft`: a first connectors.yaml for an API, from what the API says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["draft"]


def draft(
    kind: Annotated[str, typer.Argument(help="What to draft a connector of: rest_api.", metavar="KIND")],
    openapi: Annotated[
        Path, typer.Option("--openapi", metavar="FILE", help="The API's OpenAPI 3.x or Swagger 2.0 document, JSON or YAML.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; it must not exist yet. Default: print it.")
    ] = None,
) -> None:
    """Draft a connectors.yaml from the OpenAPI document of an API.

    Base address, sign-in, streams, keys, pages, what lies below what: every guess says so beside it, and what could not be told is left to you.
    """
    from connector_pipelines.core.errors import ConfigurationError
    from connector_pipelines.sources.rest_api.drafting import draft_from_openapi

    if kind != "rest_api":
        raise ConfigurationError(f"connectors of kind {kind!r} cannot be drafted", advice="only those of kind rest_api can")
    text = draft_from_openapi(_content(openapi), openapi.name)
    if out is None:
        print(text, end="")
        return
    _write(out, text)
    print(f"{out} is drafted. Read it through; then `connectors validate {out}`")


def _content(path: Path) -> bytes:
    from connector_pipelines.core.errors import ConfigurationError, ResourceError
    from connector_pipelines.sources.rest_api.drafting.document import MAX_JSON_BYTES

    try:
        # Looked at before it is read: it may be of any size.
        if (size := path.stat().st_size) > MAX_JSON_BYTES:
            raise ResourceError(
                f"{path} has {size / 1024**2:.0f} MiB; an OpenAPI document may have {MAX_JSON_BYTES // 1024**2} MiB",
                advice="cut it down to the paths that are wanted",
                limit=f"document={MAX_JSON_BYTES // 1024**2} MiB",
            )
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}", advice="give the OpenAPI document as a file") from error


def _write(path: Path, text: str) -> None:
    from connector_pipelines.core.errors import ConfigurationError

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigurationError(f"{path} exists already", advice="draft into another file, and take over what is wanted") from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}", advice="name another file with --out") from error
