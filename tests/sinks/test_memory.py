"""The sink in memory, against the contract."""

from __future__ import annotations

import pytest

from connector_pipelines.sinks.memory import Config, Sink, Store
from connector_pipelines.testing.sink_suite import AclContract, AclOf, Held, Maker, Reopen, SinkContract, plain_tools


class TestMemory(SinkContract, AclContract):
    @pytest.fixture
    def store(self) -> Store:
        return Store()

    @pytest.fixture
    def sink(self, store: Store) -> Sink:
        return Sink("memory", Config(), plain_tools(), store=store)

    @pytest.fixture
    def reopen(self, store: Store) -> Reopen:
        return lambda: Sink("memory", Config(), plain_tools(), store=store)

    @pytest.fixture
    def held(self, store: Store) -> Held:
        def look(document_id: str) -> list[str] | None:
            document = store.documents.get(document_id)
            return None if document is None else [chunk.text for chunk in document.chunks]

        return look

    @pytest.fixture
    def acl_of(self, store: Store) -> AclOf:
        return lambda document_id: store.documents[document_id].acl

    def test_more_occurrences_score_higher_whatever_the_case(self, sink: Sink, maker: Maker) -> None:
        sink.put([maker.document("a", "Zebra", "zebras: ZEBRA and zebra", "horse")])
        assert [(hit.ordinal, hit.score) for hit in sink.search(maker.query("zEbRa"))] == [(1, 3.0), (0, 1.0)]

    def test_instances_that_share_no_store_share_nothing(self, sink: Sink, maker: Maker) -> None:
        sink.put([maker.document("a", "zebra")])
        assert Sink("memory", Config(), plain_tools()).search(maker.query("zebra")) == []
