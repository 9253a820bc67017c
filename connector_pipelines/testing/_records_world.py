"""What the suite for sinks that keep records asks for, and the records it puts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from connector_pipelines.core.protocols import KeepsRecords, Sink
from connector_pipelines.core.types import RECORD_TYPE, ColumnType, Document, Query, Record, Stream
from connector_pipelines.testing._sink_world import ENDPOINT, OTHER_TENANT, TENANT, id_of

__all__ = ["OTHER_ENDPOINT", "STREAMS", "TEXTS", "TYPED", "UNTYPED", "HeldRecord", "RecordMaker", "declared", "like"]

HeldRecord = Callable[[str], Mapping[str, Any] | None]
"""Document id to the fields held, by their names in the record, or None where it is not held.

Of a field that is null or was never given, either nothing is said or None. A `timestamp` is an aware datetime or ISO 8601 text, a
`date` a date or such a text, a number of any type, `json` what the JSON says.
"""

OTHER_ENDPOINT = "other"

TEXTS = Stream(name="texts", primary_key=("id",), columns={"id": "text", "title": "text", "texts": "json"})
TYPED = Stream(
    name="typed",
    primary_key=("id",),
    cursor_field="seen_at",
    columns={
        "id": "text", "label": "text", "amount": "integer", "price": "number", "active": "boolean", "seen_at": "timestamp", "born_on": "date",
        "tags": "json",
    },
)  # fmt: skip
UNTYPED = Stream(name="untyped", primary_key=("id",))
STREAMS = (TEXTS, TYPED, UNTYPED)


def declared(sink: Sink) -> Sink:
    """The sink, told of the streams of the suite, as one is before a delivery."""
    assert isinstance(sink, KeepsRecords)
    for tenant_id, endpoint in ((TENANT, ENDPOINT), (TENANT, OTHER_ENDPOINT), (OTHER_TENANT, ENDPOINT)):
        sink.declare(tenant_id, endpoint, STREAMS)
    return sink


@dataclass(frozen=True, slots=True)
class RecordMaker:
    """Makes documents of records. What a sink of text is given as chunks, one of records is given as a list in a field."""

    def document(
        self, name: str, *texts: str, generation: int = 1, tenant_id: str = TENANT, endpoint: str = ENDPOINT, title: str = "A title"
    ) -> Document:
        fields = {"id": name, "title": title, "texts": list(texts)}
        return self.record(TEXTS, name, fields, generation=generation, tenant_id=tenant_id, endpoint=endpoint)

    def record(
        self,
        stream: Stream,
        name: str,
        fields: Mapping[str, Any],
        *,
        generation: int = 1,
        tenant_id: str = TENANT,
        endpoint: str = ENDPOINT,
    ) -> Document:
        """A record of `stream`, under the document id of `name`."""
        return Document(
            id=id_of(name), tenant_id=tenant_id, endpoint=endpoint, generation=generation, kind="contract", title=name,
            path=f"{stream.name}/{name}", media_type=RECORD_TYPE, record=Record(stream=stream, fields=fields),
        )  # fmt: skip

    def query(self, text: str, *, tenant_id: str = TENANT, endpoint: str | None = None, limit: int = 50) -> Query:
        return Query(text=text, tenant_id=tenant_id, endpoint=endpoint, limit=limit)


def like(held: Mapping[str, Any] | None, stream: Stream) -> dict[str, Any] | None:
    """`held` in a form that compares: without nulls, instants and days as such, numbers as numbers."""
    if held is None:
        return None
    return {name: _like(value, stream.columns.get(name)) for name, value in held.items() if value is not None}


def _like(value: Any, column: ColumnType | None) -> Any:
    if column == "timestamp" and isinstance(value, str):
        return datetime.fromisoformat(value).astimezone(UTC)
    if column == "date" and isinstance(value, str):
        return date.fromisoformat(value)
    # A Decimal is equal to a float only where that is exact.
    return float(value) if column == "number" else value
