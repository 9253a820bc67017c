"""What is held of texts: by the catalog, and by both sinks of text, each read by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from connector_pipelines.pipeline.embedding import load_model
from connector_pipelines.store.catalog.database import scoped

__all__ = ["TEXT_SINKS", "Document", "Documents", "documents", "vectors"]

TEXT_SINKS = ("search", "vectors")
_VECTORS_LOOKED_AT = 300
_ROUNDED = 2e-3  # of a component, which is held in half precision

_FILES = """
SELECT f.external_id, f.status, x.id::text AS document, coalesce(x.title, regexp_replace(f.path, '^.*/', '')) AS title, coalesce(x.url, f.url) AS url, f.path, f.acl,
       (SELECT array_agg(c.text ORDER BY c.ordinal) FROM chunks c WHERE c.document_id = x.id) AS chunks
FROM files f JOIN endpoints e ON e.id = f.endpoint_id LEFT JOIN documents x ON x.file_id = f.id WHERE e.slug = %s
"""
_SINK = """
SELECT d.document_id::text AS document, d.title, d.url, d.path, d.acl,
       (SELECT array_agg(c.text ORDER BY c.ordinal) FROM {chunks} c WHERE c.document_id = d.document_id) AS chunks
FROM {documents} d WHERE NOT d.deleted AND d.endpoint = %s
"""


@dataclass(frozen=True, slots=True)
class Document:
    """As somebody holds it. `chunks` are empty where there is nothing to search for."""

    title: str
    url: str | None
    path: str
    acl: Mapping[str, Any] | None
    chunks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Documents:
    """Of one endpoint.

    Attributes:
        by_holder: The catalog and each sink; then by id of the item.
        items: Ids of items by the document's.
    """

    by_holder: Mapping[str, Mapping[str, Document]]
    items: Mapping[str, str]


def documents(connection: psycopg.Connection[Any], endpoint: str) -> Documents:
    """Those of an endpoint. `connection` gives rows as dictionaries, and commits by itself."""
    items, catalog = {}, {}
    with scoped(connection, None) as tx:
        rows = tx.execute(_FILES, [endpoint]).fetchall()
    for row in rows:
        if row["document"]:
            items[row["document"]] = row["external_id"]
        if row["status"] == "extracted":
            catalog[row["external_id"]] = _document(row)
    return Documents({"catalog": catalog, **{sink: dict(_told(connection, endpoint, sink, items)) for sink in TEXT_SINKS}}, items)


def vectors(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """A line for each vector, of some of them, that is not that of its text."""
    rows = connection.execute(
        "SELECT text, embedding::text AS vector FROM sink_vectors.chunks ORDER BY md5(document_id::text || ordinal) LIMIT %s",
        [_VECTORS_LOOKED_AT],
    ).fetchall()
    wanted = load_model("wordllama").embed([row["text"] for row in rows])
    for row, vector in zip(rows, wanted, strict=True):
        told = [float(number) for number in row["vector"].strip("[]").split(",")]
        if len(told) != len(vector) or max(abs(one - other) for one, other in zip(told, vector, strict=True)) > _ROUNDED:
            yield f"a vector is not that of its text, {row['text'][:60]!r}"


def _told(connection: psycopg.Connection[Any], endpoint: str, sink: str, items: Mapping[str, str]) -> Iterator[tuple[str, Document]]:
    schema = f"sink_{sink}"
    query = SQL(_SINK).format(chunks=Identifier(schema, "chunks"), documents=Identifier(schema, "documents"))
    for row in connection.execute(query, [endpoint]):
        yield items.get(row["document"], f"a document {row['document']} that the catalog does not know"), _document(row)


def _document(row: Mapping[str, Any]) -> Document:
    return Document(row["title"], row["url"], row["path"], row["acl"], tuple(row["chunks"] or ()))
