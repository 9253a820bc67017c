"""The source in memory that tells of changes, against the contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from connector_pipelines.testing.memory_push import SERVICES, Config, PushService, Source
from connector_pipelines.testing.source_suite import Remembered, SourceContract, SubscribesContract, plain_tools


class TestMemoryPush(SourceContract, SubscribesContract):
    @pytest.fixture
    def world(self) -> Iterator[PushService]:
        SERVICES["suite"] = PushService()
        yield SERVICES["suite"]
        del SERVICES["suite"]

    @pytest.fixture
    def source(self, world: PushService, remembered: Remembered) -> Source:
        return Source(Config(service="suite"), replace(plain_tools(), subscriptions=remembered))
