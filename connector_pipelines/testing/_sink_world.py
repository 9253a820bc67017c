"""What the sink suite asks for, and the documents it puts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from connector_pipelines.core.protocols import Searches, Sink, TakesInventory
from connector_pipelines.core.types import Chunk, Document, DocumentRef, Hit, Query

if TYPE_CHECKING:
    from connector_pipelines.core.types import Vector

__all__ = ["ENDPOINT", "OTHER_TENANT", "TENANT", "Held", "Maker", "Reopen", "found", "id_of", "listed", "ref", "vector_of"]

Held = Callable[[str], Sequence[str] | None]
"""Document id to the texts of its chunks by ordinal, or None where the document is not held."""

Reopen = Callable[[], Sink]
"""Another instance on the same store, as another process would have. Whoever gives it closes it."""

_NAMES = UUID("6a2f3a5e-8f55-4a2b-9d37-0d6a4f0d3a11")


def id_of(name: str) -> str:
    return str(uuid5(_NAMES, name))


TENANT = id_of("tenant")
OTHER_TENANT = id_of("another tenant")
ENDPOINT = "contract"


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes documents and queries. `dimension` is that of the sink's vectors, or None where it wants none."""

    dimension: int | None

    def document(
        self, name: str, *texts: str, generation: int = 1, tenant_id: str = TENANT, endpoint: str = ENDPOINT, title: str = "A title"
    ) -> Document:
        return Document(
            id=id_of(name),
            tenant_id=tenant_id,
            endpoint=endpoint,
            generation=generation,
            kind="contract",
            title=title,
            path=f"folder/{title}.txt",
            media_type="text/plain",
            chunks=tuple(self._chunk(ordinal, text) for ordinal, text in enumerate(texts)),
        )

    def query(self, text: str, *, tenant_id: str = TENANT, endpoint: str | None = None, limit: int = 50) -> Query:
        return Query(text=text, tenant_id=tenant_id, endpoint=endpoint, limit=limit, vector=self._vector(text))

    def _chunk(self, ordinal: int, text: str) -> Chunk:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
        return Chunk(ordinal=ordinal, text=text, hash=digest, vector=self._vector(text))

    def _vector(self, text: str) -> Vector | None:
        return None if self.dimension is None else vector_of(text, self.dimension)


def vector_of(text: str, dimension: int) -> Vector:
    """Of unit length, the nearer to another's the more words they share. The same on every machine."""
    import numpy as np

    total = np.zeros(dimension)
    for word in text.casefold().split() or [""]:
        seed = int.from_bytes(hashlib.sha256(word.encode(errors="surrogatepass")).digest()[:8])
        total += np.random.default_rng(seed).standard_normal(dimension)
    return (total / np.linalg.norm(total)).astype(np.float32)


def ref(name: str, generation: int, *, tenant_id: str = TENANT, endpoint: str = ENDPOINT) -> DocumentRef:
    return DocumentRef(id=id_of(name), tenant_id=tenant_id, endpoint=endpoint, generation=generation)


def found(sink: Sink, query: Query) -> Sequence[Hit] | None:
    """None where the sink does not search."""
    return tuple(sink.search(query)) if isinstance(sink, Searches) else None


def listed(sink: Sink, tenant_id: str = TENANT, endpoint: str = ENDPOINT) -> list[tuple[str, int]] | None:
    """Sorted; None where the sink takes no inventory."""
    return sorted(sink.inventory(tenant_id, endpoint)) if isinstance(sink, TakesInventory) else None
