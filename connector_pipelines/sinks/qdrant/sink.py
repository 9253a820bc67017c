"""Putting, deleting, searching, and taking inventory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Unavailable
from connector_pipelines.core.protocols import Tools
from connector_pipelines.core.types import Ability, Document, DocumentRef, Hit, Probe, Query
from connector_pipelines.sinks._batches import latest
from connector_pipelines.sinks.qdrant.collections import Collections, Live
from connector_pipelines.sinks.qdrant.config import Config
from connector_pipelines.sinks.qdrant.points import (
    VECTOR,
    Held,
    Revised,
    chunk_points,
    document_point,
    held_by,
    of_tenant,
    requests,
    revised,
    superseded,
    tombstone,
    unless_newer,
)
from connector_pipelines.sinks.qdrant.server import Gone, Server

if TYPE_CHECKING:
    from qdrant_client.models import Filter, PointStruct, ScoredPoint

    from connector_pipelines.core.types import Vector

__all__ = ["Sink"]

_TRIES = 3
_PAGE = 1_000
_MOST_ASKED = 10_000
_NOWHERE = "00000000-0000-0000-0000-000000000000"
_HELD = ["tenant_id", "generation", "revision", "chunks"]
_HIT = ["document_id", "revision", "generation", "ordinal"]


class Sink:
    """A put has three steps: chunks are written under ids of their revision, which no document names yet; the documents' own
    points are made to name it, in one conditional update that leaves alone what is of a higher generation; and chunks that no
    document names any more are removed. Killed before the second, nothing has changed; after it, everything counts.
    """

    config_type = Config

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        self._config = config
        self._server = Server(name, config, tools)
        self._collections = Collections(self._server, config.collection or f"sink_{name}", config.model)
        self._dimension: int | None = None
        self._knows_documents = False
        # By thread, from the model asked for to the search that follows: what the alias leads to may change between the two.
        self._asked = threading.local()

    @property
    def model(self) -> str:
        return self._config.model

    @property
    def searched_model(self) -> str:
        live = self._asked.live = self._collections.live()
        return self.model if live is None or live.name == self._collections.own else live.model

    def test(self) -> Probe:
        try:
            abilities = tuple(self._abilities())
        except ConnectorError as error:
            abilities = (Ability("connect", False, f"{error}. {error.advice}".rstrip(". ")),)
        return Probe(account=self._server.account, abilities=abilities)

    def put(self, documents: Sequence[Document]) -> None:
        batch = [revised(document) for document in latest(documents)]
        if not batch:
            return
        try:
            self._prepare(batch)
            for _ in range(_TRIES):
                if self._written(batch):
                    return
        except Gone:
            self._dimension, self._knows_documents = None, False
            raise
        raise Unavailable("another writer keeps replacing the same documents", advice="the next try finds out who was last")

    def delete(self, documents: Sequence[DocumentRef]) -> None:
        batch = latest(documents)
        if not batch:
            return
        try:
            if not self._knows_documents:
                self._collections.prepare_documents()
                self._knows_documents = True
            self._raise(batch, [tombstone(ref) for ref in batch])
            self._sweep(self._held([ref.id for ref in batch]))
        except Gone:
            self._dimension, self._knows_documents = None, False
            raise

    def search(self, query: Query) -> Sequence[Hit]:
        if query.vector is None:
            raise ValueError("a search in a vector sink needs the query's vector")
        live: Live | None = self._asked.__dict__.pop("live", None) or self._collections.live()
        if query.limit <= 0 or live is None:
            return []
        self._refuse_other_dimension(live.name, live.dimension, query.vector)
        try:
            return self._nearest(live.name, query, query.vector)
        except Gone as error:
            raise Unavailable(f"the collection {live.name!r} was replaced just now", advice="ask again") from error

    def inventory(self, tenant_id: str, endpoint: str) -> Iterator[tuple[str, int]]:
        """A document some of whose chunks are missing is not held; one that is deleted and has chunks still is."""
        offset = None
        while True:
            page, offset = self._page(tenant_id, endpoint, offset)
            counts = self._chunk_counts(list(page))
            for document_id, held in page.items():
                count = counts.get(document_id, 0)
                if (count == held.chunks) if held.revision else count:
                    yield document_id, held.generation
            if offset is None:
                return

    def settle(self) -> None:
        self._collections.drop_replaced()

    def switch(self) -> None:
        self._collections.switch()

    def close(self) -> None:
        self._server.close()

    def _prepare(self, batch: Sequence[Revised]) -> None:
        vectors = [chunk.vector for one in batch for chunk in one.document.chunks if chunk.vector is not None]
        if self._dimension is None and vectors:
            self._collections.prepare(len(vectors[0]))
            self._dimension, self._knows_documents = len(vectors[0]), True
        if not self._knows_documents:
            self._collections.prepare_documents()
            self._knows_documents = True
        for vector in vectors:
            self._refuse_other_dimension(self._collections.own, self._dimension or 0, vector)

    def _written(self, batch: Sequence[Revised]) -> bool:
        """Whether, when all was done, every chunk of the documents that are ours now was there."""
        before = self._held([one.document.id for one in batch])
        current = [one for one in batch if not _is_late(one.document, before.get(one.document.id))]
        for points in requests(point for one in current for point in chunk_points(one)):
            self._upsert(self._collections.own, points)
        self._raise([one.document for one in current], [document_point(one) for one in current])
        after = self._held([one.document.id for one in batch])
        self._sweep(after)
        ours = [one for one in current if one.document.id in after and after[one.document.id].revision == one.revision]
        return self._are_complete(ours)

    def _raise(self, refs: Sequence[DocumentRef], points: Sequence[PointStruct]) -> None:
        """Make the documents' own points these, but for those that are of a higher generation by then, or of another tenant."""
        from qdrant_client.models import WriteOrdering

        by_id = {ref.id: ref for ref in refs}
        for some in requests(points):
            condition = unless_newer([by_id[str(point.id)] for point in some])
            self._upsert(self._collections.documents, some, condition=condition, ordering=WriteOrdering.STRONG)

    def _upsert(self, collection: str, points: list[PointStruct], *, condition: Filter | None = None, ordering: object = None) -> None:
        from qdrant_client.models import UpdateStatus

        result = self._server.call(
            "write points",
            lambda c: c.upsert(collection, points, wait=True, update_filter=condition, ordering=ordering),  # type: ignore[arg-type]
        )
        if result.status != UpdateStatus.COMPLETED:
            raise Unavailable(f"the server took points and did not write them in time ({result.status.value})")

    def _held(self, ids: Sequence[str]) -> dict[str, Held]:
        found = self._server.call(
            "look at documents", lambda c: c.retrieve(self._collections.documents, ids=list(ids), with_payload=_HELD, with_vectors=False)
        )
        return {str(record.id): held_by(record.payload) for record in found}

    def _sweep(self, held: Mapping[str, Held]) -> None:
        """Remove what these documents do not name, from every model's collection."""
        from qdrant_client.models import FilterSelector

        for collection in self._collections.every() if held else ():
            selector = FilterSelector(filter=superseded(held))
            try:
                self._server.call("remove chunks", lambda c, name=collection, s=selector: c.delete(name, points_selector=s, wait=True))  # type: ignore[misc]
            except Gone:
                if collection == self._collections.own:
                    raise

    def _are_complete(self, ours: Sequence[Revised]) -> bool:
        from qdrant_client.models import FieldCondition, Filter, MatchAny

        expected = sum(len(one.document.chunks) for one in ours)
        if not expected:
            return True
        named = Filter(must=[FieldCondition(key="revision", match=MatchAny(any=[one.revision for one in ours]))])
        counted = self._server.call("count chunks", lambda c: c.count(self._collections.own, count_filter=named, exact=True))
        return counted.count == expected

    def _nearest(self, collection: str, query: Query, vector: Vector) -> list[Hit]:
        """Those of the nearest that their documents name. Where others crowd them out, more are asked for."""
        asked, wanted = query.limit, of_tenant(query.tenant_id, query.endpoint)
        while True:
            near = self._server.call(
                "search",
                lambda c, n=asked: c.query_points(  # type: ignore[misc]
                    collection, query=vector.tolist(), using=VECTOR, query_filter=wanted, limit=n, with_payload=_HIT
                ),
            ).points
            hits = self._named(near)
            if len(hits) >= query.limit or len(near) < asked or asked >= _MOST_ASKED:
                return sorted(hits, key=lambda hit: (-hit.score, hit.document_id, hit.ordinal))[: query.limit]
            asked = min(asked * 4, _MOST_ASKED)

    def _named(self, near: Sequence[ScoredPoint]) -> list[Hit]:
        found = [(point.payload or {}, point.score) for point in near]
        held = self._held(sorted({payload["document_id"] for payload, _ in found})) if found else {}
        return [
            Hit(document_id=p["document_id"], generation=p["generation"], ordinal=p["ordinal"], score=score)
            for p, score in found
            if p["document_id"] in held and held[p["document_id"]].revision == p["revision"]
        ]

    def _page(self, tenant_id: str, endpoint: str, offset: object) -> tuple[dict[str, Held], object]:
        try:
            records, following = self._server.call(
                "take inventory",
                lambda c: c.scroll(
                    self._collections.documents,
                    scroll_filter=of_tenant(tenant_id, endpoint),
                    limit=_PAGE,
                    offset=offset,  # type: ignore[arg-type]
                    with_payload=_HELD,
                ),
            )
        except Gone:
            return {}, None
        return {str(record.id): held_by(record.payload) for record in records}, following

    def _chunk_counts(self, ids: list[str]) -> dict[str, int]:
        from qdrant_client.models import FieldCondition, Filter, MatchAny

        if not ids:
            return {}
        theirs = Filter(must=[FieldCondition(key="document_id", match=MatchAny(any=ids))])
        try:
            found = self._server.call(
                "count chunks", lambda c: c.facet(self._collections.own, "document_id", facet_filter=theirs, limit=len(ids), exact=True)
            )
        except Gone:
            return {}
        return {str(hit.value): hit.count for hit in found.hits}

    def _refuse_other_dimension(self, collection: str, dimension: int, vector: Vector) -> None:
        if vector.shape != (dimension,):
            raise ConfigurationError(
                f"the collection {collection!r} holds vectors of {dimension} dimensions and was given one of shape {vector.shape}",
                advice="the model behind the name has changed: give the sink another `collection`, it is then filled anew",
            )

    def _abilities(self) -> Iterator[Ability]:
        version = self._server.version()
        open_wire = urlsplit(self._config.url).scheme == "http"
        yield Ability("connect", True, f"Qdrant {version}{', without TLS' if open_wire else ''}.")
        names = self._collections.every()
        yield Ability(
            "list collections", True, f"{len(names)} of this sink." if names else "None of this sink yet: the first delivery makes them."
        )
        live = self._collections.live()
        if live is not None:
            yield self._about(live, names)
        if self._collections.info(self._collections.documents) is not None:
            yield self._may_write()

    def _about(self, live: Live, names: Sequence[str]) -> Ability:
        said = f"{live.name}: model {live.model}, {live.dimension} dimensions."
        if live.name != self._collections.own:
            said += f" Filled anew with model {self.model}; searches are answered from {live.model} until everything is delivered."
        if left := sorted(set(names) - {live.name, self._collections.own, live.replaces}):
            said += f" Left over from other models, and safe to remove: {', '.join(left)}."
        return Ability("search", True, said)

    def _may_write(self) -> Ability:
        from qdrant_client.models import PointIdsList

        nothing = PointIdsList(points=[_NOWHERE])
        try:
            self._server.call("write", lambda c: c.delete(self._collections.documents, points_selector=nothing))
        except ConnectorError as error:
            return Ability("write", False, f"{error}. {error.advice}".rstrip(". "))
        return Ability("write", True, "A deletion of nothing was taken.")


def _is_late(ref: DocumentRef, held: Held | None) -> bool:
    return held is not None and (held.generation > ref.generation or held.tenant_id != ref.tenant_id)
