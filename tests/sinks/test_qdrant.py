"""The Qdrant sink against the contract, on the server's engine and on the client's local mode, over HTTP."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from qdrant_client import QdrantClient, models

from connector_pipelines.sinks.qdrant import Config, Sink
from connector_pipelines.testing.sink_suite import AclContract, AclOf, Held, Reopen, SinkContract, plain_tools
from connector_pipelines.testing.tools import PLANTED_SECRET
from tests.qdrant_server import QdrantServer


class OnAServer(SinkContract, AclContract):
    """Every test has names of its own on one server, whose key is enforced."""

    @pytest.fixture
    def config(self, server: QdrantServer) -> Iterator[Config]:
        name = f"c{secrets.token_hex(8)}"
        yield Config(url=server.url, api_key="env:QDRANT_API_KEY", collection=name)
        server.drop(*[found for found in server.collections if found.startswith(name)])

    @pytest.fixture
    def sink(self, config: Config) -> Iterator[Sink]:
        with closing(Sink("vectors", config, plain_tools())) as sink:
            yield sink

    @pytest.fixture
    def reopen(self, config: Config) -> Iterator[Reopen]:
        with ExitStack() as opened:
            yield lambda: opened.enter_context(closing(Sink("vectors", config, plain_tools())))

    @pytest.fixture
    def held(self, server: QdrantServer, config: Config) -> Iterator[Held]:
        with closing(QdrantClient(url=server.url, headers={"api-key": PLANTED_SECRET}, check_compatibility=False)) as client:

            def look(document_id: str) -> list[str] | None:
                """Any chunk there is counts, whether the sink would find it or not."""
                names = {found.name for found in client.get_collections().collections}
                documents, chunks = f"{config.collection}--documents", [n for n in names if n.startswith(f"{config.collection}--w")]
                if documents not in names:
                    return None
                theirs = models.Filter(must=[models.FieldCondition(key="document_id", match=models.MatchValue(value=document_id))])
                points = [p for name in chunks for p in client.scroll(name, theirs, limit=10_000)[0]]
                texts = [p.payload["text"] for p in sorted(points, key=lambda p: p.payload["ordinal"])]
                known = [r for r in client.retrieve(documents, [document_id]) if not r.payload["deleted"]]
                return texts if known or texts else None

            yield look

    @pytest.fixture
    def acl_of(self, server: QdrantServer, config: Config) -> Iterator[AclOf]:
        with closing(QdrantClient(url=server.url, headers={"api-key": PLANTED_SECRET}, check_compatibility=False)) as client:

            def look(document_id: str) -> dict[str, object] | None:
                """What the document's own point says, and each of its chunks: they are filtered by that."""
                names = {found.name for found in client.get_collections().collections}
                theirs = models.Filter(must=[models.FieldCondition(key="document_id", match=models.MatchValue(value=document_id))])
                chunks = [p for n in names if n.startswith(f"{config.collection}--w") for p in client.scroll(n, theirs, limit=100)[0]]
                (own,) = client.retrieve(f"{config.collection}--documents", [document_id])
                assert [p.payload["acl"] for p in chunks] == [own.payload["acl"]] * own.payload["chunks"]
                return own.payload["acl"]

            yield look


class TestOnTheServersEngine(OnAServer):
    @pytest.fixture
    def server(self, edge_server: QdrantServer) -> QdrantServer:
        return edge_server


class TestOnLocalMode(OnAServer):
    @pytest.fixture
    def server(self, local_server: QdrantServer) -> QdrantServer:
        return local_server
