from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from connector_pipelines.testing.fake_api import FakeApi


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as api:
        yield api


@pytest.fixture
def http(api: FakeApi) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, trust_env=False, timeout=5) as client:
        yield client
