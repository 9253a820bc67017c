"""The sink that keeps records in memory, against the contract."""

from __future__ import annotations

import pytest

from connector_pipelines.testing.memory_records import Config, Sink, Store
from connector_pipelines.testing.records_suite import HeldRecord, RecordsSinkContract, Reopen, declared, plain_tools


class TestMemoryRecords(RecordsSinkContract):
    @pytest.fixture
    def store(self) -> Store:
        return Store()

    @pytest.fixture
    def sink(self, store: Store) -> Sink:
        return declared(Sink("records", Config(), plain_tools(), store=store))

    @pytest.fixture
    def reopen(self, store: Store) -> Reopen:
        return lambda: declared(Sink("records", Config(), plain_tools(), store=store))

    @pytest.fixture
    def held_record(self, store: Store) -> HeldRecord:
        return store.fields
