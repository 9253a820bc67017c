"""One collection on a real engine: the server's own in Rust, or the client's local mode."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import qdrant_edge as edge
from qdrant_client import QdrantClient, models

Payload = dict[str, Any]

_ROOM = 512 * 1024 * 1024


class Engine(Protocol):
    """A collection's points. Its caller sees to it that only one thread is in it, as a shard's log does."""

    def __init__(self, vectors: Mapping[str, models.VectorParams]) -> None: ...
    def index(self, field: str, schema: str) -> None: ...
    def upsert(self, points: Sequence[models.PointStruct], condition: models.Filter | None) -> None: ...
    def delete(self, wanted: models.Filter | Sequence[str]) -> None: ...
    def retrieve(self, ids: Sequence[str]) -> list[tuple[str, Payload]]: ...
    def scroll(self, wanted: models.Filter | None, limit: int, offset: str | None) -> tuple[list[tuple[str, Payload]], str | None]: ...
    def query(self, vector: list[float], using: str, wanted: models.Filter | None, limit: int) -> list[tuple[str, Payload, float]]: ...
    def count(self, wanted: models.Filter | None) -> int: ...
    def facet(self, key: str, wanted: models.Filter | None, limit: int) -> dict[Any, int]: ...
    def close(self) -> None: ...


class EdgeEngine:
    """The server's storage and search, as a library."""

    def __init__(self, vectors: Mapping[str, models.VectorParams]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="qdrant-", dir=_memory())
        given = {name: edge.EdgeVectorParams(size=p.size, distance=edge.Distance.Cosine) for name, p in vectors.items()}
        # The server has collections without vectors; the library wants one to be declared, and no point to have it.
        declared = given or {"none": edge.EdgeVectorParams(size=1, distance=edge.Distance.Cosine)}
        # No log either: nothing here outlives the server.
        self._shard = edge.EdgeShard.create(str(Path(self._folder.name) / "shard"), edge.EdgeConfig(vectors=declared, wal_enabled=False))

    def index(self, field: str, schema: str) -> None:
        kinds = {
            "tenant": edge.KeywordIndexParams(is_tenant=True),
            "keyword": edge.PayloadSchemaType.Keyword,
            "uuid": edge.PayloadSchemaType.Uuid,
            "integer": edge.PayloadSchemaType.Integer,
        }
        self._shard.update(edge.UpdateOperation.create_field_index(field, kinds[schema]))

    def upsert(self, points: Sequence[models.PointStruct], condition: models.Filter | None) -> None:
        given = [edge.Point(UUID(str(p.id)), p.vector, p.payload) for p in points]
        self._shard.update(edge.UpdateOperation.upsert_points(given, condition and _filter(condition)))

    def delete(self, wanted: models.Filter | Sequence[str]) -> None:
        if isinstance(wanted, models.Filter):
            self._shard.update(edge.UpdateOperation.delete_points_by_filter(_filter(wanted)))
        else:
            self._shard.update(edge.UpdateOperation.delete_points([UUID(i) for i in wanted]))

    def retrieve(self, ids: Sequence[str]) -> list[tuple[str, Payload]]:
        return [(str(r.id), r.payload) for r in self._shard.retrieve([UUID(i) for i in ids], with_payload=True, with_vector=False)]

    def scroll(self, wanted: models.Filter | None, limit: int, offset: str | None) -> tuple[list[tuple[str, Payload]], str | None]:
        asked = edge.ScrollRequest(offset=offset and UUID(offset), limit=limit, filter=wanted and _filter(wanted), with_payload=True)
        records, following = self._shard.scroll(asked)
        return [(str(r.id), r.payload) for r in records], None if following is None else str(following)

    def query(self, vector: list[float], using: str, wanted: models.Filter | None, limit: int) -> list[tuple[str, Payload, float]]:
        nearest = edge.Query.Nearest(vector, using=using)
        asked = edge.QueryRequest(limit=limit, query=nearest, filter=wanted and _filter(wanted), with_payload=True)
        return [(str(p.id), p.payload, p.score) for p in self._shard.query(asked)]

    def count(self, wanted: models.Filter | None) -> int:
        return self._shard.count(edge.CountRequest(exact=True, filter=wanted and _filter(wanted)))

    def facet(self, key: str, wanted: models.Filter | None, limit: int) -> dict[Any, int]:
        asked = edge.FacetRequest(key, limit=limit, exact=True, filter=wanted and _filter(wanted))
        return {hit.value: hit.count for hit in self._shard.facet(asked).hits}

    def close(self) -> None:
        self._shard.close()
        self._folder.cleanup()


class LocalEngine:
    """The client's own imitation of a server, in Python."""

    _NAME = "it"

    def __init__(self, vectors: Mapping[str, models.VectorParams]) -> None:
        self._client = QdrantClient(":memory:")
        self._client.create_collection(self._NAME, vectors_config=dict(vectors))

    def index(self, field: str, schema: str) -> None:
        """Local mode has none and needs none."""

    def upsert(self, points: Sequence[models.PointStruct], condition: models.Filter | None) -> None:
        self._client.upsert(self._NAME, list(points), update_filter=condition)

    def delete(self, wanted: models.Filter | Sequence[str]) -> None:
        chosen = models.FilterSelector(filter=wanted) if isinstance(wanted, models.Filter) else models.PointIdsList(points=list(wanted))
        self._client.delete(self._NAME, chosen)

    def retrieve(self, ids: Sequence[str]) -> list[tuple[str, Payload]]:
        return [(str(r.id), r.payload or {}) for r in self._client.retrieve(self._NAME, list(ids), with_payload=True)]

    def scroll(self, wanted: models.Filter | None, limit: int, offset: str | None) -> tuple[list[tuple[str, Payload]], str | None]:
        records, following = self._client.scroll(self._NAME, wanted, limit=limit, offset=offset)
        return [(str(r.id), r.payload or {}) for r in records], None if following is None else str(following)

    def query(self, vector: list[float], using: str, wanted: models.Filter | None, limit: int) -> list[tuple[str, Payload, float]]:
        found = self._client.query_points(self._NAME, query=vector, using=using, query_filter=wanted, limit=limit).points
        # It computes in double precision, where the order of additions shows; the server in single.
        return [(str(p.id), p.payload or {}, round(p.score, 6)) for p in found]

    def count(self, wanted: models.Filter | None) -> int:
        return self._client.count(self._NAME, wanted).count

    def facet(self, key: str, wanted: models.Filter | None, limit: int) -> dict[Any, int]:
        return {hit.value: hit.count for hit in self._client.facet(self._NAME, key, facet_filter=wanted, limit=limit, exact=True).hits}

    def close(self) -> None:
        self._client.close()


def _memory() -> str | None:
    """Where files are in memory, if there is such a place and room in it: a new shard writes and syncs a hundred of them."""
    place = Path("/dev/shm")
    return str(place) if place.is_dir() and shutil.disk_usage(place).free > _ROOM else None


def _filter(given: models.Filter) -> edge.Filter:
    def each(conditions: object) -> list[Any] | None:
        return None if conditions is None else [_condition(c) for c in (conditions if isinstance(conditions, list) else [conditions])]

    return edge.Filter(must=each(given.must), should=each(given.should), must_not=each(given.must_not))


def _condition(given: object) -> Any:
    if isinstance(given, models.Filter):
        return _filter(given)
    if isinstance(given, models.HasIdCondition):
        return edge.HasIdCondition({UUID(str(i)) for i in given.has_id})
    assert isinstance(given, models.FieldCondition), f"the server of the tests does not know {type(given).__name__}"
    if isinstance(given.match, models.MatchValue):
        return edge.FieldCondition(given.key, match=edge.MatchValue(given.match.value))
    if isinstance(given.match, models.MatchAny):
        return edge.FieldCondition(given.key, match=edge.MatchAny(given.match.any))
    assert isinstance(given.range, models.Range), f"the server of the tests does not know {given!r}"
    bounds = {name: getattr(given.range, name) for name in ("gt", "gte", "lt", "lte")}
    return edge.FieldCondition(given.key, range=edge.RangeFloat(**bounds))
