"""Qdrant servers that several modules share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from connector_pipelines.testing.tools import PLANTED_SECRET
from tests.qdrant_server import EdgeEngine, LocalEngine, QdrantServer, serving
from tests.sinks.qdrant_world import World


@pytest.fixture(scope="session")
def edge_server() -> Iterator[QdrantServer]:
    """On the server's own engine; its key is enforced."""
    with serving(EdgeEngine, key=PLANTED_SECRET, read_only_key="read-only") as server:
        yield server


@pytest.fixture(scope="session")
def local_server() -> Iterator[QdrantServer]:
    """On the client's local mode."""
    with serving(LocalEngine, key=PLANTED_SECRET) as server:
        yield server


@pytest.fixture
def world(edge_server: QdrantServer) -> Iterator[World]:
    with ExitStack() as stack:
        made = World(edge_server, stack)
        yield made
    edge_server.drop(*[name for name in edge_server.collections if name.startswith(made.name)])
