"""The local folder, against the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from connector_pipelines.sources.local_folder import Config, Source
from connector_pipelines.testing.source_suite import RefusalContract, RefusingWorld, SourceContract, plain_tools


class Folder(RefusingWorld, Protocol):
    root: Path


class TestLocalFolder(SourceContract):
    @pytest.fixture
    def world(self, folder: Folder) -> Folder:
        return folder

    @pytest.fixture
    def source(self, world: Folder) -> Source:
        return Source(Config(root=world.root, page_size=3), plain_tools())

    @pytest.fixture
    def again(self, world: Folder) -> Source:
        return Source(Config(root=world.root), plain_tools())


class TestFilesThatAreRefused(RefusalContract):
    @pytest.fixture
    def world(self, folder: Folder, as_nobody: Callable[[], AbstractContextManager[None]]) -> Iterator[Folder]:
        folder.root.chmod(0o777)
        with as_nobody():
            yield folder

    @pytest.fixture
    def source(self, world: Folder) -> Source:
        return Source(Config(root=world.root), plain_tools())


class TestFolderBehindALink(SourceContract):
    """The root is itself a link, as ``current -> release-5`` is."""

    @pytest.fixture
    def world(self, folder: Folder) -> Folder:
        return folder

    @pytest.fixture
    def source(self, world: Folder) -> Source:
        link = world.root.parent / "current"
        link.symlink_to(world.root)
        return Source(Config(root=link, page_size=2), plain_tools())
