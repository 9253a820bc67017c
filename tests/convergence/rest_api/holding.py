"""What is held: the rows of the tables, and the documents of the catalog and of both sinks of text, each read by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from tests.convergence.holding import TEXT_SINKS, documents, vectors
from tests.convergence.rest_api.expecting import Text
from tests.convergence.rest_api.streams import Told

__all__ = ["Held", "held"]

_TYPES = {
    "text": "text", "integer": "bigint", "number": "numeric", "boolean": "boolean", "timestamp": "timestamp with time zone", "date": "date", "json": "jsonb",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of a row; `type` is what its column is declared as."""

    type: str
    value: Any

    def holds(self, value: Any) -> bool:
        """Whether it is that value of a record, typed as its column says."""
        try:
            return bool(_HOLDS[self.type](self.value, value))
        except (ValueError, TypeError, AttributeError):
            return False


@dataclass(slots=True)
class Held:
    """By id of the item. `texts` are by who holds them: the catalog, and each sink.

    Attributes:
        rows: By stream and item; of a field all columns that hold something.
        faults: What is wrong in itself, whatever the source says.
    """

    rows: dict[str, dict[str, dict[str, list[Cell]]]] = field(default_factory=dict)
    texts: dict[str, dict[str, Text]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def held(database_url: str, streams: Sequence[Told]) -> Held:
    found = Held(texts={name: {} for name in ("catalog", *TEXT_SINKS)})
    with psycopg.connect(database_url, row_factory=dict_row, autocommit=True) as connection:
        for endpoint in dict.fromkeys(stream.endpoint for stream in streams):
            there = documents(connection, endpoint)
            for holder, texts in there.by_holder.items():
                found.texts[holder] |= {item: Text(one.title, one.url, one.chunks) for item, one in texts.items()}
            for stream in (one for one in streams if one.endpoint == endpoint):
                found.rows[stream.name] = dict(_rows(connection, f"{endpoint}__{stream.name}", there.items, found))
        found.faults += vectors(connection)
    return found


def _rows(
    connection: psycopg.Connection[Any], table: str, items: Mapping[str, str], found: Held
) -> Iterator[tuple[str, dict[str, list[Cell]]]]:
    columns = connection.execute(
        "SELECT column_name AS name, field, type FROM sink_table._columns WHERE table_name = %s", [table]
    ).fetchall()
    types = {
        row["name"]: row["type"]
        for row in connection.execute(
            "SELECT column_name AS name, data_type AS type FROM information_schema.columns WHERE (table_schema, table_name) = ('sink_table', %s)",
            [table],
        )
    }
    found.faults += [
        f"{table}.{c['name']} is {types.get(c['name'])}, not {c['type']}" for c in columns if types.get(c["name"]) != _TYPES[c["type"]]
    ]
    for row in connection.execute(SQL("SELECT * FROM {}").format(Identifier("sink_table", table))):
        document, cells = str(row["_document_id"]), dict[str, list[Cell]]()
        for column in columns:
            if row[column["name"]] is not None:
                cells.setdefault(column["field"], []).append(Cell(column["type"], row[column["name"]]))
        yield items.get(document, f"a row {document} that the catalog does not know"), cells


def _written(value: Any) -> str:
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON, numbers by their value; true is no 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _instant(value: str) -> datetime:
    at = datetime.fromisoformat(value)
    return at if at.tzinfo else datetime.fromisoformat(f"{value}T00:00:00+00:00")  # a date among instants is where it begins


_HOLDS = {
    "text": lambda held, value: not isinstance(value, dict | list) and held == _written(value),
    "integer": lambda held, value: type(value) is int and held == value,
    "number": lambda held, value: type(value) in {int, float} and held == Decimal(str(value)),
    "boolean": lambda held, value: held is value,
    "timestamp": lambda held, value: held == _instant(value),
    "date": lambda held, value: held == date.fromisoformat(value),
    "json": _same,
}
