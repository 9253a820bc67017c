"""A sink that keeps the records of streams, in memory: what the suite for such sinks is proved on, and the other side of a test.

The one to copy for a sink that keeps typed rows. It is told what to hold like any other sink; what it is to hold is
`Document.record`, and of which streams there will be any, `declare` says beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from connector_pipelines.core.protocols import SinkConfig, Tools
from connector_pipelines.core.types import Document, DocumentRef, Probe, Stream
from connector_pipelines.net.postgres import storable_json
from connector_pipelines.sinks import memory

__all__ = ["Config", "Sink", "Store"]

Config = memory.Config


@dataclass(frozen=True, slots=True)
class Store(memory.Store):
    """What several instances hold together.

    Attributes:
        streams: By tenant, endpoint and name, as they were declared last.
    """

    streams: dict[tuple[str, str, str], Stream] = field(default_factory=dict)

    def fields(self, document_id: str) -> Mapping[str, Any] | None:
        """What is held of a record, or None where it is not held."""
        document = self.documents.get(document_id)
        return None if document is None or document.record is None else storable_json(document.record.fields)


class Sink:
    """Refuses what no sink of its kind is to be told: text, and records of streams that nobody declared."""

    config_type: ClassVar[type[SinkConfig]] = Config

    def __init__(self, name: str, config: Config, tools: Tools, *, store: Store | None = None) -> None:
        self._store = store or Store()
        self._documents = memory.Sink(name, config, tools, store=self._store)

    def test(self) -> Probe:
        return self._documents.test()

    def declare(self, tenant_id: str, endpoint: str, streams: Sequence[Stream]) -> None:
        with self._store.lock:
            self._store.streams.update({(tenant_id, endpoint, stream.name): stream for stream in streams})

    def put(self, documents: Sequence[Document]) -> None:
        for document in documents:
            if document.record is None or document.chunks:
                raise TypeError(f"{document.id} is no record, or has chunks")
            if (document.tenant_id, document.endpoint, document.record.stream.name) not in self._store.streams:
                raise LookupError(f"nobody declared the stream {document.record.stream.name!r} of {document.endpoint!r}")
        self._documents.put(documents)

    def delete(self, documents: Sequence[DocumentRef]) -> None:
        self._documents.delete(documents)

    def inventory(self, tenant_id: str, endpoint: str) -> Iterator[tuple[str, int]]:
        return self._documents.inventory(tenant_id, endpoint)

    def close(self) -> None:
        """Nothing to let go of."""
