"""How does an installation come to hold many chunks soon? Past the source and the extractors, through the catalog and the sinks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

from benchmarks._installation import Installation
from benchmarks._trees import passage
from connector_pipelines.core.protocols import Settles
from connector_pipelines.core.types import ChangePage, Chunk, Cursor, DayRange, Document, Facts, FileRef, Upserted, Vector, content_hash
from connector_pipelines.pipeline.embedding import load_model
from connector_pipelines.pipeline.session import Session
from connector_pipelines.store.catalog import deliveries, work
from connector_pipelines.store.catalog.listing import open_listing
from connector_pipelines.store.catalog.reports import stage_log

__all__ = ["fill"]

_PER_DOCUMENT = 20
_CHARACTERS = 300
_ALL = DayRange()


def fill(place: Installation, chunks: int) -> list[str]:
    """Give the installation an endpoint `docs` with so many chunks in both sinks; their texts."""
    source = random.Random(13)
    texts = [passage(source, _CHARACTERS) for _ in range(chunks)]
    place.configure({"docs": {"root": str(place.base)}})
    with place.services.open("docs", "benchmark") as session:
        _list(session, chunks // _PER_DOCUMENT)
        _extract(session, texts)
        vectors = dict(zip(map(content_hash, texts), load_model("wordllama").embed(texts), strict=True))
        for sink in session.sinks:
            _deliver(session, sink, vectors)
    return texts


def _list(session: Session, files: int) -> None:
    now = datetime.now(UTC)
    refs = (
        FileRef(id=f"{n:06}", path=f"note{n:06}.txt", version="1", media_type="text/plain", size=1, modified_at=now) for n in range(files)
    )
    with (
        stage_log(session.database, session.endpoint, "benchmark", "listing") as log,
        open_listing(session.database, session.endpoint, log.id, now, land=lambda _: "") as listing,
    ):
        listing.record(ChangePage(changes=tuple(map(Upserted, refs)), cursor=Cursor("end")))
        listing.flush()


def _extract(session: Session, texts: Sequence[str]) -> None:
    endpoint, now = session.endpoint, datetime.now(UTC)
    with session.database.tenant(endpoint.tenant_id) as tx:
        files = work.claim(tx, endpoint, session.worker, status="listed", days=_ALL, now=now, limit=len(texts))
        digests = [sha256(file.ref.id.encode()) for file in files]
        stored = [work.Stored(file, d.digest(), d.hexdigest(), 1) for file, d in zip(files, digests, strict=True)]
        work.save_stored(tx, endpoint, stored, now)
        files = work.claim(tx, endpoint, session.worker, status="stored", days=_ALL, now=now, limit=len(texts))
        work.save_extracted(tx, endpoint, [_extracted(file, _share(texts, n)) for n, file in enumerate(files)], now)


def _share(texts: Sequence[str], number: int) -> Sequence[str]:
    return texts[number * _PER_DOCUMENT : (number + 1) * _PER_DOCUMENT]


def _extracted(file: work.Claimed, texts: Sequence[str]) -> work.Extracted:
    chunks = tuple(Chunk(ordinal=n, text=text, hash=content_hash(text)) for n, text in enumerate(texts))
    return work.Extracted(file, "text/plain", "text 1, chunks 1", Facts(), chunks)


def _deliver(session: Session, sink: str, vectors: dict[bytes, Vector]) -> None:
    """All of it in one batch: the vectors' index is made once, after the last."""
    endpoint, now = session.endpoint, datetime.now(UTC)
    with session.database.tenant(endpoint.tenant_id) as tx:
        deliveries.plan(tx, endpoint, sink)
        owed = deliveries.claim(tx, endpoint, sink, session.worker, days=_ALL, now=now, limit=1_000_000)
        documents, _ = deliveries.documents(tx, endpoint, owed)
    held = session.sinks[sink]
    held.put([_with_vectors(d, vectors) for d in documents])
    if isinstance(held, Settles):
        held.settle()
    with session.database.tenant(endpoint.tenant_id) as tx:
        deliveries.save(tx, sink, owed, now)


def _with_vectors(document: Document, vectors: dict[bytes, Vector]) -> Document:
    return replace(document, chunks=tuple(replace(c, vector=vectors[c.hash]) for c in document.chunks))
