"""What do the sink's promises cost beside a bare upload of the same points to the same Qdrant engine?

The peer is the vendor's client: points of the same payload and vectors, made before and upserted in the same batches, and nothing
asked before or after. Ours makes the points of documents, writes them, names them in a conditional update, reads what is held
before and after, removes what is not named, and counts.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import numpy as np
from qdrant_client import QdrantClient, models

from benchmarks._costs import Action, Meter, contest
from benchmarks._figures import Figure
from connector_pipelines.core.types import Chunk, Document, content_hash
from connector_pipelines.sinks.qdrant import Config, Sink
from connector_pipelines.sinks.qdrant.points import CHUNK_INDEXES, VECTOR, chunk_points, requests, revised
from connector_pipelines.testing.sink_suite import plain_tools

__all__ = ["figures"]

_PEER = "bare qdrant-client, the same points"
_DIMENSION = 256
_CHUNKS = 10  # of a document
_BATCH = 200  # documents, as deliveries come


def figures(*, quick: bool) -> Iterator[Figure | str]:
    documents, rounds = (600, 3) if quick else (2_000, 5)
    batches = list(_batches(documents))
    with _server() as (url, pid):
        ours, peer = contest(Meter(pid), rounds, lambda n: _ours(url, n, batches), lambda n: _bare(url, n, batches))
        yield Figure(
            what=f"{documents * _CHUNKS:,} chunks put, new", peer_name=_PEER, ours=ours, peer=peer, items=documents * _CHUNKS, unit="chunk"
        )
        again, bare = contest(Meter(pid), rounds, lambda _: _ours(url, 0, batches), lambda _: _bare(url, 0, batches))
        yield Figure(what="… put again, unchanged", peer_name=_PEER, ours=again, peer=bare, items=documents * _CHUNKS, unit="chunk")


def _batches(documents: int) -> Iterator[list[Document]]:
    dice = np.random.default_rng(3)
    for first in range(0, documents, _BATCH):
        yield [_document(dice, number) for number in range(first, min(first + _BATCH, documents))]


def _document(dice: np.random.Generator, number: int) -> Document:
    vectors = dice.standard_normal((_CHUNKS, _DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = [f"passage {n} of document {number}: " + "retaining walls and girders " * 30 for n in range(_CHUNKS)]
    chunks = tuple(Chunk(ordinal=n, text=t, hash=content_hash(t), vector=v) for n, (t, v) in enumerate(zip(texts, vectors, strict=True)))
    facts = {"kind": "bench", "title": f"Document {number}", "path": f"folder/{number}.txt", "media_type": "text/plain"}
    return Document(
        id=f"{number:032x}"[:8] + f"-0000-4000-8000-{number:012x}", tenant_id="t", endpoint="e", generation=1, chunks=chunks, **facts
    )


def _ours(url: str, number: int, batches: Sequence[list[Document]]) -> Action:
    sink = Sink("bench", Config(url=url, collection=f"ours_{number}"), plain_tools())
    sink.put(batches[0][:1])

    def action() -> None:
        with closing(sink):
            for batch in batches:
                sink.put(batch)

    return action


def _bare(url: str, number: int, batches: Sequence[list[Document]]) -> Action:
    client, name = QdrantClient(url=url, check_compatibility=False), f"bare_{number}"
    if name not in {found.name for found in client.get_collections().collections}:
        client.create_collection(name, vectors_config={VECTOR: models.VectorParams(size=_DIMENSION, distance=models.Distance.COSINE)})
        for field, kind in CHUNK_INDEXES.items():
            client.create_payload_index(name, field, models.PayloadSchemaType("keyword" if kind == "tenant" else kind))

    ready = [points for batch in batches for points in requests(point for document in batch for point in chunk_points(revised(document)))]

    def action() -> None:
        with closing(client):
            for points in ready:
                client.upsert(name, points, wait=True)

    return action


@contextmanager
def _server() -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "tests.qdrant_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.communicate()
