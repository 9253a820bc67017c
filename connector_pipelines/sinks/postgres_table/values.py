"""What a value of a record is to a column: its type, and whether a column of another type can hold it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from connector_pipelines.core.types import ColumnType
from connector_pipelines.net.postgres import storable, storable_json

__all__ = ["POSTGRES_TYPES", "WIDER", "Misfit", "flattened", "holder", "in_utc", "pointer", "sure", "type_for", "type_of"]

POSTGRES_TYPES: Mapping[ColumnType, str] = {
    "text": "text", "integer": "bigint", "number": "numeric", "boolean": "boolean", "timestamp": "timestamptz", "date": "date", "json": "jsonb",
}  # fmt: skip

WIDER: Mapping[tuple[ColumnType, ColumnType], ColumnType] = {("integer", "number"): "number", ("date", "timestamp"): "timestamp"}
"""A column of the first type that is given a value of the second becomes one of the third: nothing is lost."""

_BIGINT = 2**63
# RFC 3339, and what Postgres reads: an offset is at most 15:59 there. An instant without an offset is none.
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-](?:0\d|1[0-5]):?[0-5]\d)", re.ASCII)
_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def pointer(*path: str) -> str:
    """Where a field is in a record, as RFC 6901 writes it: two fields never share one."""
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in path)


def flattened(fields: Mapping[str, Any], depth: int, whole: Collection[str] = (), at: str = "") -> Iterator[tuple[str, Any]]:
    """Pointer and value of each field, objects opened down to `depth`, but for those at `whole`. An object without fields is a value."""
    for name, value in fields.items():
        here = f"{at}/{name}" if "/" not in name and "~" not in name else at + pointer(name)
        if depth and type(value) is dict and value and here not in whole:
            yield from flattened(value, depth - 1, whole, here)
        else:
            yield here, value


def type_of(value: object) -> ColumnType:
    """The type of a value that is not None, by itself."""
    found = _BY_CLASS.get(type(value))
    if found is not None:
        return found(value)
    return "json" if isinstance(value, Mapping | list | tuple) else "text"


def in_utc(value: object) -> object:
    """A text that reads as an instant but for its zone, with UTC for it; anything else as it is."""
    return f"{value}Z" if type(value) is str and _WITHOUT_ZONE.fullmatch(value) else value


def type_for(types: Collection[ColumnType]) -> ColumnType:
    """The type of a new column for values of all these types."""
    met = set(types)
    if len(met) == 1:
        return met.pop()
    for candidate, held in _MIXED:
        if met <= held:
            return candidate
    return "json" if "json" in met else "text"


def holder(column: ColumnType, value: ColumnType) -> Callable[[Any], object] | None:
    """How a column of the first type is given a value of the second; None where it cannot hold it."""
    if column == "json":
        return _as_json
    if column == "text":
        return None if value == "json" else _as_text
    if column == value or value in _TAKES.get(column, ()):
        return _as_it_is
    return None


class Misfit(Exception):
    """A value that is not of its column's type after all."""


def sure(column: ColumnType, kind: type) -> Callable[[Any], object] | None:
    """How a value of that class gets into a column of that type, which checks what the class does not say; None where the long way is to be gone.

    Raises (the function): Misfit.
    """
    return _SURE.get((column, kind))


def _of_text(value: Any) -> ColumnType:
    # Nine texts in ten are told from a date by their fifth character.
    if len(value) < 10 or value[4] != "-" or len(value) > 40:
        return "text"
    try:
        if _DATE.fullmatch(value):
            date.fromisoformat(value)
            return "date"
        if _TIMESTAMP.fullmatch(value):
            datetime.fromisoformat(value)
            return "timestamp"
    except ValueError:  # the 30th of February
        return "text"
    return "text"


def _as_it_is(value: Any) -> object:
    return value


def _as_text(value: Any) -> object:
    return storable(value) if type(value) is str else json.dumps(value) if isinstance(value, bool | float) else str(value)


def _as_json(value: Any) -> object:
    return json.dumps(storable_json(value), ensure_ascii=False)


def _bigint(value: Any) -> object:
    if -_BIGINT <= value < _BIGINT:
        return value
    raise Misfit


def _timestamp(value: Any) -> object:
    if _of_text(value) == "timestamp":
        return value
    raise Misfit


def _date(value: Any) -> object:
    if _of_text(value) == "date":
        return value
    raise Misfit


_SURE: dict[tuple[ColumnType, type], Callable[[Any], object]] = {
    ("text", str): storable, ("text", int): _as_text, ("text", float): _as_text, ("text", bool): _as_text,
    ("integer", int): _bigint, ("number", int): _as_it_is, ("number", float): _as_it_is, ("number", Decimal): _as_it_is,
    ("boolean", bool): _as_it_is, ("timestamp", str): _timestamp, ("date", str): _date,
    **{("json", kind): _as_json for kind in (str, int, float, bool, list)},
}  # fmt: skip
_BY_CLASS: dict[type, Callable[[Any], ColumnType]] = {
    str: _of_text,
    bool: lambda _: "boolean",
    int: lambda value: "integer" if -_BIGINT <= value < _BIGINT else "number",
    float: lambda _: "number",
    Decimal: lambda _: "number",
    dict: lambda _: "json",
    list: lambda _: "json",
}
_TAKES: Mapping[ColumnType, tuple[ColumnType, ...]] = {"number": ("integer",), "timestamp": ("date",)}
_MIXED: tuple[tuple[ColumnType, frozenset[ColumnType]], ...] = (
    ("number", frozenset({"integer", "number"})),
    ("timestamp", frozenset({"date", "timestamp"})),
)
