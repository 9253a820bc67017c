"""The bytes of an OpenAPI document as plain values, within bounds: it may come from anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from connector_pipelines.core.errors import Malformed, ResourceError

__all__ = ["MAX_JSON_BYTES", "MAX_YAML_BYTES", "read_document"]

MAX_JSON_BYTES: Final = 64 * 1024**2
MAX_YAML_BYTES: Final = 16 * 1024**2
"""YAML costs about fifty times the time and memory of JSON."""

_MOST_VALUES: Final = 5_000_000
_MOST_IN_YAML: Final = 2_000_000
"""800 MB and 15 seconds of CPU, measured."""

_DEEPEST: Final = 500
_ADVICE: Final = "give the API's own description: OpenAPI 3.x or Swagger 2.0, in JSON or YAML"


def read_document(content: bytes, name: str) -> dict[str, Any]:
    """The document; `name` is what it is called in errors.

    Raises:
        Malformed: It is no OpenAPI document, or refers to itself without end.
        ResourceError: It is larger, or unfolds to more, than can be looked at.
    """
    found = _parsed(content, name)
    _check_bounds(found, name)
    version = isinstance(found, dict) and str(found.get("openapi") or found.get("swagger") or "")
    if not isinstance(found, dict) or not version or not re.match(r"(3\.|2\.0)", version):
        met = f"version {version[:20]!r}" if version else "neither `openapi` nor `swagger` at its top"
        raise Malformed(f"{name} is no OpenAPI 3.x or Swagger 2.0 document: it has {met}", advice=_ADVICE)
    return found


def _parsed(content: bytes, name: str) -> Any:
    is_json = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
    limit = MAX_JSON_BYTES if is_json else MAX_YAML_BYTES
    if len(content) > limit:
        raise ResourceError(
            f"{name} has {len(content) / 1024**2:.0f} MiB; an OpenAPI document may have {limit // 1024**2} MiB as {'JSON' if is_json else 'YAML'}",
            advice="cut it down to the paths that are wanted" + ("" if is_json else ", or convert it to JSON, which may be larger"),
            limit=f"document={limit // 1024**2} MiB",
        )
    try:
        return json.loads(content) if is_json else _yaml(content, name)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{name} is not {'JSON' if is_json else 'YAML'}: {_brief(error)}", advice=_ADVICE) from None


def _yaml(content: bytes, name: str) -> Any:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Without instants, which versions look like, and without merges, which can be nested into a bomb."""

        yaml_implicit_resolvers = {  # noqa: RUF012 - as the base has it
            first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":merge"))]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    try:
        _check_events(yaml.parse(content, Loader), name)
        return yaml.load(content, Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _check_events(events: Iterator[Any], name: str) -> None:
    """Before anything is built: the library's own way down is recursion in C, which ends the process where it is too deep."""
    import yaml

    depth = 0
    for count, event in enumerate(events):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise RecursionError
        if count > _MOST_IN_YAML:
            raise _too_many(name, _MOST_IN_YAML)


def _check_bounds(found: Any, name: str) -> None:
    """An alias in YAML is the value itself again: what it unfolds to is counted, each value once."""
    sizes: dict[int, int] = {}
    stack: list[tuple[Any, bool]] = [(found, False)]
    above: set[int] = set()
    while stack:
        value, is_left = stack.pop()
        if not isinstance(value, dict | list):
            continue
        children = value.values() if isinstance(value, dict) else value
        if is_left:
            above.discard(id(value))
            sizes[id(value)] = 1 + sum(sizes[id(c)] if isinstance(c, dict | list) else 1 for c in children)
            continue
        if id(value) in above or len(above) > _DEEPEST:
            raise Malformed(f"{name} is nested without end", advice=_ADVICE)
        if id(value) not in sizes:
            above.add(id(value))
            stack.append((value, True))
            stack.extend((child, False) for child in children if isinstance(child, dict | list))
        if len(stack) + len(sizes) > _MOST_VALUES:
            raise _too_many(name, _MOST_VALUES)
    if sizes.get(id(found), 0) > _MOST_VALUES:
        raise _too_many(name, _MOST_VALUES)


def _too_many(name: str, most: int) -> ResourceError:
    return ResourceError(
        f"{name} holds, or unfolds to, more than {most:,} values", advice="cut it down to the paths that are wanted", limit=f"values={most}"
    )


def _brief(error: Exception) -> str:
    return "it is nested too deep" if isinstance(error, RecursionError) else " ".join(str(error).split())[:200]
