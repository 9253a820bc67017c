"""What a sink has to do, in the least code: documents in a dictionary, gone with the process.

The one to copy for a new kind of sink. A real one keeps `Store` on the other side, deletions with their generations
included, and does in one transaction what happens here under one lock. Then it runs `testing.sink_suite`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from connector_pipelines.core.protocols import SinkConfig, Tools
from connector_pipelines.core.types import Ability, Document, DocumentRef, Hit, Probe, Query

__all__ = ["Config", "Sink", "Store"]


class Config(SinkConfig):
    """Nothing to set."""


@dataclass(frozen=True, slots=True)
class Store:
    """What several instances hold together.

    Attributes:
        documents: By id.
        deleted: Id to the generation it was deleted at, so that a late writer does not bring it back.
    """

    documents: dict[str, Document] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Sink:
    """Finds chunks by how often the words of a query occur in them, whatever their case.

    Args:
        store: Where to hold documents together with other instances; None for one of its own.
    """

    config_type: ClassVar[type[SinkConfig]] = Config

    def __init__(self, name: str, config: Config, tools: Tools, *, store: Store | None = None) -> None:  # noqa: ARG002 - every sink is lent the tools; this one needs none
        self._name = name
        self._store = store or Store()

    def test(self) -> Probe:
        detail = f"{len(self._store.documents)} documents are held, until this process ends."
        return Probe(account=self._name, abilities=(Ability("hold documents", works=True, detail=detail),))

    def put(self, documents: Sequence[Document]) -> None:
        with self._store.lock:
            for document in documents:
                if document.generation >= self._latest(document.id):
                    self._store.documents[document.id] = document
                    self._store.deleted.pop(document.id, None)

    def delete(self, documents: Sequence[DocumentRef]) -> None:
        with self._store.lock:
            for document in documents:
                if document.generation >= self._latest(document.id):
                    self._store.documents.pop(document.id, None)
                    self._store.deleted[document.id] = document.generation

    def search(self, query: Query) -> Sequence[Hit]:
        words = query.text.casefold().split()
        hits = [
            Hit(document_id=document.id, generation=document.generation, ordinal=chunk.ordinal, score=score)
            for document in self._held(query.tenant_id, query.endpoint)
            for chunk in document.chunks
            if (score := float(sum(map(chunk.text.casefold().count, words)))) > 0
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.document_id, hit.ordinal))[: query.limit]

    def inventory(self, tenant_id: str, endpoint: str) -> Iterator[tuple[str, int]]:
        for document in self._held(tenant_id, endpoint):
            yield document.id, document.generation

    def close(self) -> None:
        """Nothing to let go of."""

    def _latest(self, document_id: str) -> int:
        """The generation held or deleted; lower ones are late. Less than any where the document is not known."""
        held = self._store.documents.get(document_id)
        return held.generation if held else self._store.deleted.get(document_id, -1)

    def _held(self, tenant_id: str, endpoint: str | None) -> list[Document]:
        with self._store.lock:
            documents = list(self._store.documents.values())
        return [d for d in documents if d.tenant_id == tenant_id and endpoint in {None, d.endpoint}]
