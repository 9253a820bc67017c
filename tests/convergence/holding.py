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

from connector_pipelines.pipeline.embedding import load_model
from connector_pipelines.store.catalog.database import scoped
from tests.convergence.expecting import Text
from tests.convergence.streams import Told

__all__ = ["TEXT_SINKS", "Held", "held"]

TEXT_SINKS = ("search", "vectors")
_TYPES = {
    "text": "text", "integer": "bigint", "number": "numeric", "boolean": "boolean", "timestamp": "timestamp with time zone", "date": "date", "json": "jsonb",
}  # fmt: skip
_VECTORS_LOOKED_AT = 300
_ROUNDED = 2e-3  # of a component, which is held in half precision

_FILES = """
SELECT f.external_id, f.status, x.id::text AS document, coalesce(x.title, regexp_replace(f.path, '^.*/', '')) AS title, x.url,
       (SELECT array_agg(c.text ORDER BY c.ordinal) FROM chunks c WHERE c.document_id = x.id) AS chunks
FROM files f JOIN endpoints e ON e.id = f.endpoint_id LEFT JOIN documents x ON x.file_id = f.id WHERE e.slug = %s
"""
_SINK = """
SELECT d.document_id::text AS document, d.title, d.url,
       (SELECT array_agg(c.text ORDER BY c.ordinal) FROM {chunks} c WHERE c.document_id = d.document_id) AS chunks
FROM {documents} d WHERE NOT d.deleted AND d.endpoint = %s
"""


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
            items = _catalog(connection, endpoint, found)
            for sink in TEXT_SINKS:
                _texts(connection, endpoint, sink, items, found)
            for stream in (one for one in streams if one.endpoint == endpoint):
                found.rows[stream.name] = dict(_rows(connection, f"{endpoint}__{stream.name}", items, found))
        found.faults += _vectors(connection)
    return found


def _catalog(connection: psycopg.Connection[Any], endpoint: str, found: Held) -> dict[str, str]:
    """Fills in what the catalog holds; items by document."""
    items = {}
    with scoped(connection, None) as tx:
        rows = tx.execute(_FILES, [endpoint]).fetchall()
    for row in rows:
        if row["document"]:
            items[row["document"]] = row["external_id"]
        if row["status"] == "extracted":
            found.texts["catalog"][row["external_id"]] = _text(row)
    return items


def _texts(connection: psycopg.Connection[Any], endpoint: str, sink: str, items: Mapping[str, str], found: Held) -> None:
    schema = f"sink_{sink}"
    query = SQL(_SINK).format(chunks=Identifier(schema, "chunks"), documents=Identifier(schema, "documents"))
    for row in connection.execute(query, [endpoint]):
        item = items.get(row["document"], f"a document {row['document']} that the catalog does not know")
        found.texts[sink][item] = _text(row)


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


def _vectors(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """Whether chunks have the vector of their text."""
    rows = connection.execute(
        "SELECT text, embedding::text AS vector FROM sink_vectors.chunks ORDER BY md5(document_id::text || ordinal) LIMIT %s",
        [_VECTORS_LOOKED_AT],
    ).fetchall()
    wanted = load_model("wordllama").embed([row["text"] for row in rows])
    for row, vector in zip(rows, wanted, strict=True):
        told = [float(number) for number in row["vector"].strip("[]").split(",")]
        if len(told) != len(vector) or max(abs(one - other) for one, other in zip(told, vector, strict=True)) > _ROUNDED:
            yield f"a vector is not that of its text, {row['text'][:60]!r}"


def _text(row: Mapping[str, Any]) -> Text:
    return Text(row["title"], row["url"], tuple(row["chunks"] or ()))


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
