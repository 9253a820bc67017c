"""What is written to Qdrant: a point for each chunk, one for each document, and the conditions under which they are."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from connector_pipelines.core.errors import PermanentError
from connector_pipelines.core.types import Chunk, Document, DocumentRef

if TYPE_CHECKING:
    from qdrant_client.models import Filter, PointStruct

    from connector_pipelines.core.types import Vector

__all__ = [
    "CHUNK_INDEXES", "DOCUMENT_INDEXES", "VECTOR", "Held", "Revised", "chunk_points", "document_point", "held_by", "of_tenant", "requests",
    "revised", "superseded", "tombstone", "unless_newer",
]  # fmt: skip

VECTOR = "text"
"""Name of the chunks' vector."""

CHUNK_INDEXES = {"tenant_id": "tenant", "endpoint": "keyword", "document_id": "uuid", "revision": "uuid", "generation": "integer"}
DOCUMENT_INDEXES = {"tenant_id": "tenant", "endpoint": "keyword", "generation": "integer"}
"""Fields of the payload by which something is asked, and the kind of index each has. Strict mode allows no other."""

_NAMES = UUID("5b0f8f3c-3a37-4d0e-8a57-0d1f6a3c9e42")
_REQUEST_BYTES = 8 * 1024 * 1024
_REQUEST_POINTS = 500
_POINT_BYTES = 1_000  # what surrounds text and vector
_NUMBER_BYTES = 13


@dataclass(frozen=True, slots=True)
class Revised:
    """A document and the id of what it says: equal contents at an equal generation are the same revision."""

    document: Document
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the collection of documents says of one. `revision` is empty where it is deleted."""

    tenant_id: str
    generation: int
    revision: str
    chunks: int


def revised(document: Document) -> Revised:
    """Checks what the server would refuse, or would not notice.

    Raises:
        PermanentError: Its id is no UUID, or a vector holds something that is no number.
    """
    _require_uuid(document.id)
    for chunk in document.chunks:
        _require_finite(document, chunk)
    contents = [_facts(document), _clean(document.metadata), [(c.hash.hex(), c.place.as_json()) for c in document.chunks]]
    digest = sha256(json.dumps([document.id, document.generation, contents], sort_keys=True).encode()).hexdigest()
    return Revised(document, str(uuid5(_NAMES, digest)))


def chunk_points(one: Revised) -> Iterator[PointStruct]:
    from qdrant_client.models import PointStruct

    shared = {"document_id": one.document.id, "generation": one.document.generation, "revision": one.revision, **_facts(one.document)}
    base = UUID(one.revision)
    for chunk in one.document.chunks:
        payload = {
            **shared,
            "ordinal": chunk.ordinal,
            "hash": chunk.hash.hex(),
            "text": _clean(chunk.text),
            "place": _clean(chunk.place.as_json()),
        }
        # Eight places are more than a unit vector's single precision has, and half the digits on the wire.
        numbers = _vector(chunk).astype("float64").round(8).tolist()
        yield PointStruct(id=str(uuid5(base, str(chunk.ordinal))), vector={VECTOR: numbers}, payload=payload)


def document_point(one: Revised) -> PointStruct:
    document = one.document
    about = {"revision": one.revision, "chunks": len(document.chunks), "deleted": False, "metadata": _clean(document.metadata)}
    return _document(document, {**_facts(document), **about})


def tombstone(ref: DocumentRef) -> PointStruct:
    """Keeps the generation, and nothing of what the document said."""
    _require_uuid(ref.id)
    return _document(ref, {**_owner(ref), "revision": "", "chunks": 0, "deleted": True})


def held_by(payload: Mapping[str, Any] | None) -> Held:
    found = payload or {}
    return Held(tenant_id=found["tenant_id"], generation=found["generation"], revision=found["revision"], chunks=found["chunks"])


def requests(points: Iterable[PointStruct]) -> Iterator[list[PointStruct]]:
    """The points in requests of at most about 8 MiB, a quarter of what the server takes unless told otherwise."""
    batch: list[PointStruct] = []
    size = 0
    for point in points:
        more = _size(point)
        if batch and (size + more > _REQUEST_BYTES or len(batch) >= _REQUEST_POINTS):
            yield batch
            batch, size = [], 0
        batch.append(point)
        size += more
    if batch:
        yield batch


def unless_newer(refs: Sequence[DocumentRef]) -> Filter:
    """Matches the documents' own points while they are of the same tenant and of no higher generation."""
    from qdrant_client.models import FieldCondition, Filter, HasIdCondition, MatchValue, Range

    ids: defaultdict[tuple[str, int], list[int | str | UUID]] = defaultdict(list)
    for ref in refs:
        ids[_text(ref.tenant_id), ref.generation].append(ref.id)
    return Filter(
        should=[
            Filter(
                must=[
                    HasIdCondition(has_id=some),
                    FieldCondition(key="tenant_id", match=MatchValue(value=tenant_id)),
                    FieldCondition(key="generation", range=Range(lte=generation)),
                ]
            )
            for (tenant_id, generation), some in ids.items()
        ]
    )


def superseded(held: Mapping[str, Held]) -> Filter:
    """Matches the chunks of these documents that are of the generation held or a lower one, and not of the revision held.

    Those of a higher one are left: their writer is still at it.
    """
    from qdrant_client.models import FieldCondition, Filter, MatchAny, Range

    generations: defaultdict[int, list[str]] = defaultdict(list)
    for document_id, one in held.items():
        generations[one.generation].append(document_id)

    def of(generation: int, ids: list[str]) -> Filter:
        kept = [held[i].revision for i in ids if held[i].revision]
        return Filter(
            must=[
                FieldCondition(key="document_id", match=MatchAny(any=ids)),
                FieldCondition(key="generation", range=Range(lte=generation)),
            ],
            must_not=[FieldCondition(key="revision", match=MatchAny(any=kept))] if kept else None,
        )

    return Filter(should=[of(generation, ids) for generation, ids in generations.items()])


def of_tenant(tenant_id: str, endpoint: str | None) -> Filter:
    from qdrant_client.models import FieldCondition, Filter, MatchValue

    wanted = {"tenant_id": tenant_id} | ({} if endpoint is None else {"endpoint": endpoint})
    return Filter(must=[FieldCondition(key=key, match=MatchValue(value=_text(value))) for key, value in wanted.items()])


def _document(ref: DocumentRef, payload: dict[str, Any]) -> PointStruct:
    from qdrant_client.models import PointStruct

    return PointStruct(id=ref.id, vector={}, payload={"document_id": ref.id, "generation": ref.generation, **payload})


def _owner(ref: DocumentRef) -> dict[str, Any]:
    return {"tenant_id": _text(ref.tenant_id), "endpoint": _text(ref.endpoint)}


def _facts(document: Document) -> dict[str, Any]:
    texts = {name: getattr(document, name) for name in ("kind", "title", "path", "url", "media_type")}
    modified_at = document.modified_at and document.modified_at.isoformat()
    return {**_owner(document), **_clean(texts), "modified_at": modified_at, "acl": _clean(document.acl)}


def _require_uuid(document_id: str) -> None:
    try:
        canonical: str | None = str(UUID(document_id))
    except ValueError:
        canonical = None
    if canonical != document_id:
        raise PermanentError(f"the document id {document_id[:40]!r} is no UUID in its usual form, which Qdrant wants as the id of a point")


def _require_finite(document: Document, chunk: Chunk) -> None:
    import numpy as np

    # The engine takes NaN, and the collection never finds that point again.
    if not np.isfinite(_vector(chunk)).all():
        raise PermanentError(f"the vector of chunk {chunk.ordinal} of document {document.id} holds something that is no number")


def _vector(chunk: Chunk) -> Vector:
    if chunk.vector is None:
        raise ValueError(f"chunk {chunk.ordinal} has no vector: this sink must be given embedded chunks")
    return chunk.vector


def _size(point: PointStruct) -> int:
    payload, vector = point.payload or {}, point.vector
    numbers = len(vector.get(VECTOR, ())) if isinstance(vector, dict) else 0  # type: ignore[arg-type]
    texts = len(str(payload.get("text", "")).encode()) + len(str(payload.get("metadata", "")))
    return _POINT_BYTES + texts + numbers * _NUMBER_BYTES


def _text(text: str) -> str:
    """`text` without what the catalog does not keep either: NUL, and lone surrogates, which JSON has not and names of files may hold."""
    plain = text.replace("\x00", "")
    return plain if plain.isascii() else plain.encode(errors="replace").decode()


def _clean(value: object) -> Any:
    """As JSON, with anything unknown as text and numbers that are none as null."""
    if isinstance(value, Mapping):
        return {_text(str(k)): _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else _text(str(value))
