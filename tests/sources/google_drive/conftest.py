"""A fake Drive for each test, and sources that look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from connector_pipelines.sources.google_drive import Config, Source
from connector_pipelines.testing.fake_drive import FakeDrive
from tests.sources.google_drive.mirror import Mirror
from tests.sources.google_drive.reached import ADA, BEN, CEM, Reach

Opened = Callable[..., Source]


@pytest.fixture
def fake() -> Iterator[FakeDrive]:
    with FakeDrive() as drive:
        for person in (ADA, BEN, CEM):
            drive.world.add_user(person)
        yield drive


@pytest.fixture
def mirror() -> Mirror:
    return Mirror()


@pytest.fixture
def opened(fake: FakeDrive, mirror: Mirror) -> Iterator[Opened]:
    """Makes a source of settings; `gone` are users who left. It looks at the drive as ADA where `users` names nobody."""
    with ExitStack() as stack:

        def make(*, gone: frozenset[str] = frozenset(), reach: Reach | None = None, **settings: Any) -> Source:
            tools = replace((reach or Reach(fake, gone=gone)).tools, folders=mirror)
            source = Source(Config(api_url=fake.url, allow_private=True, **settings), tools)
            stack.callback(source.close)
            return source

        yield make
