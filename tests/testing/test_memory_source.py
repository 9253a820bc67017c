"""The source in memory, against the contract."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from connector_pipelines.testing.folders import Recorded
from connector_pipelines.testing.memory_source import Config, Service, Source, StreamConfig
from connector_pipelines.testing.source_suite import (
    FoldersContract,
    InlineSourceContract,
    RecordsContract,
    RefusalContract,
    SourceContract,
    WindowsContract,
    plain_tools,
)

WRITTEN_AT = datetime(2026, 5, 17, 12, tzinfo=UTC)


class TestMemorySource(SourceContract, RefusalContract, WindowsContract):
    @pytest.fixture
    def world(self) -> Service:
        return Service()

    @pytest.fixture
    def source(self, world: Service) -> Source:
        return Source(Config(), plain_tools(), service=world)

    @pytest.fixture
    def again(self, world: Service) -> Source:
        return Source(Config(page_size=1), plain_tools(), service=world)


class TestMemorySourceWithFolders(FoldersContract):
    @pytest.fixture
    def world(self) -> Service:
        return Service()

    @pytest.fixture
    def source(self, world: Service, recorded: Recorded) -> Source:
        return Source(Config(), plain_tools(folders=recorded), service=world)


class TestMemorySourceInline(InlineSourceContract):
    """Every file brings its bytes along."""

    @pytest.fixture
    def world(self) -> Service:
        return Service()

    @pytest.fixture
    def source(self, world: Service) -> Source:
        return Source(Config(inline=True), plain_tools(), service=world)


class Records(Service):
    """A `DatedWorld` whose files are records: their bytes are a field."""

    def put(self, name: str, body: bytes, at: datetime = WRITTEN_AT) -> str:
        known = next((i for i, file in self.files.items() if file.name == f"things/{name}"), None)
        fields = {"id": known or f"key-{len(self.events)}", "body": base64.b64encode(body).decode()}
        return super().put(f"things/{name}", json.dumps(fields).encode(), at)

    def rename(self, file_id: str, name: str) -> str:
        return super().rename(file_id, f"things/{name}")


class TestMemorySourceOfRecords(InlineSourceContract, RecordsContract, WindowsContract):
    names = tuple(name for name in InlineSourceContract.names if "/" not in name)

    def body_of(self, content: bytes) -> bytes:
        return base64.b64decode(json.loads(content)["body"])

    @pytest.fixture
    def world(self) -> Records:
        return Records()

    @pytest.fixture
    def source(self, world: Records) -> Source:
        return Source(Config(streams=(StreamConfig(name="things"),)), plain_tools(), service=world)
