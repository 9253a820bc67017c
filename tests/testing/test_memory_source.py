"""The source in memory, against the contract."""

from __future__ import annotations

import pytest

from connector_pipelines.testing.memory_source import Config, Service, Source
from connector_pipelines.testing.source_suite import RefusalContract, SourceContract, plain_tools


class TestMemorySource(SourceContract, RefusalContract):
    @pytest.fixture
    def world(self) -> Service:
        return Service()

    @pytest.fixture
    def source(self, world: Service) -> Source:
        return Source(Config(), plain_tools(), service=world)

    @pytest.fixture
    def again(self, world: Service) -> Source:
        return Source(Config(page_size=1), plain_tools(), service=world)
