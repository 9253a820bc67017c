"""The reference page of everything that can be configured, from the models themselves.

``python -m connector_pipelines.pipeline.reference > docs/reference/configuration.md``
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from connector_pipelines.core.config import ConnectorsFile, format_duration
from connector_pipelines.registry import Kind, kinds, sink_type, source_type
from connector_pipelines.settings import Settings

__all__ = ["render_reference"]

_PREFACE = """\
# Configuration

Made from the models by `python -m connector_pipelines.pipeline.reference > docs/reference/configuration.md`; change
the descriptions there, not this page. Durations are written like `30s`, `5m`, `1h 30m` or `2d`. A secret is a
reference, such as `env:NAME` or `vault:MOUNT/PATH#FIELD`, never the value itself: see [secrets](../secrets.md).
"""

_HEAD = ["Field", "Type", "Default", "What it says"]
_NAMES: dict[object, str] = {
    str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", timedelta: "duration", date: "date",
    SecretStr: "text, secret", Any: "anything",
}  # fmt: skip


def render_reference() -> str:
    """Markdown: `connectors.yaml`, the settings of every kind that is built in, the environment variables."""
    parts = [_PREFACE, "## connectors.yaml\n", *_model(ConnectorsFile, "")]
    parts += ["## Kinds of source\n", "Under `settings:` of an endpoint.\n", *_kinds("source")]
    parts += ["## Kinds of sink\n", "Under `settings:` of a sink.\n", *_kinds("sink")]
    parts += ["## Environment variables\n", "An empty variable counts as unset.\n", _variables()]
    return "\n".join(parts)


def _model(model: type[BaseModel], place: str, *, one_of_several: bool = False) -> Iterator[str]:
    if doc := _first_paragraph(model.__dict__.get("__doc__")):
        yield f"{doc}\n"
    rows = [_row(name, field) for name, field in model.model_fields.items()]
    # The field that tells the models of a union apart has a default, which reading does not use.
    yield _table(_HEAD, [[*row[:2], "required", row[3]] if one_of_several and row[0] == "`type`" else row for row in rows])
    for name, field in model.model_fields.items():
        inner = f"{place}.{name}".removeprefix(".")
        choices = list(_nested(field.annotation))
        for suffix, nested in choices:
            tag = nested.model_fields.get("type")
            of_type = f" of type `{tag.default}`" if tag and tag.default else ""
            yield f"### `{inner}{suffix}`{of_type}\n"
            yield from _model(nested, f"{inner}{suffix}", one_of_several=len(choices) > 1)


def _nested(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    origin, parts = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
    elif origin in {tuple, list}:
        yield from ((f"[]{suffix}", model) for suffix, model in _nested(parts[0]))
    elif origin is dict:
        yield from ((f".NAME{suffix}", model) for suffix, model in _nested(parts[1]))
    elif origin in {Union, UnionType, Annotated}:
        for part in parts:
            yield from _nested(part)


def _kinds(role: Literal["source", "sink"]) -> Iterator[str]:
    for kind in kinds(role):
        if kind.distribution is None:
            model = source_type(kind.name).config_type if role == "source" else sink_type(kind.name).config_type
            yield f"### {kind.name}\n"
            yield f"{_about(kind)}\n"
            yield from _model(model, "settings") if model.model_fields else ["No settings.\n"]


def _about(kind: Kind) -> str:
    return _first_paragraph(importlib.import_module(kind.location.partition(":")[0]).__doc__)


def _variables() -> str:
    # Those that most people look at first; the rest is in the order of their places.
    own = Settings.__annotations__
    fields = [field for _, field in sorted(Settings.model_fields.items(), key=lambda item: item[0] not in own)]
    rows = [[f"`{field.validation_alias}`", _type(field), _default(field), field.description or ""] for field in fields]
    return _table(["Variable", *_HEAD[1:]], rows)


def _row(name: str, field: FieldInfo) -> list[str]:
    return [f"`{name}`", _type(field), _default(field), field.description or ""]


def _type(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥", "max_length": "length ≤"}
    limits = [
        f"{sign} {_bound(value)}" for name, sign in signs.items() for m in field.metadata if (value := getattr(m, name, None)) is not None
    ]
    return ", ".join((_spelled(field.annotation), *limits))


def _bound(value: object) -> object:
    return format_duration(value) if isinstance(value, timedelta) else value


def _spelled(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _spelled(parts[0])
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in {Union, UnionType}:
        return " or ".join(dict.fromkeys(_spelled(part) for part in parts if part is not NoneType))
    if origin in {tuple, list, frozenset}:
        return f"list of {_spelled(parts[0])}"
    if origin is dict:
        return f"{_spelled(parts[1])} by name"
    return _NAMES.get(annotation, "block")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None or field.default_factory is not None:
        return ""
    return _written(field.default)


def _written(value: object) -> str:
    if value == "":
        return "empty"
    if isinstance(value, BaseModel):
        tag = getattr(value, "type", None)
        return f"`type: {tag}`" if tag else ""
    if isinstance(value, tuple | list):
        return "`[]`" if not value else ", ".join(_written(each) for each in value)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{format_duration(value) if isinstance(value, timedelta) else value}`"


def _table(head: list[str], rows: list[list[str]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in row) + " |" for row in cells) + "\n"


def _first_paragraph(doc: str | None) -> str:
    return " ".join(inspect.cleandoc(doc).split("\n\n")[0].split()) if doc else ""


if __name__ == "__main__":
    sys.stdout.write(render_reference())
