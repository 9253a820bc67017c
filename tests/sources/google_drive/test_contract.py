"""The shipped contract of every source, over a fake Drive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest

from connector_pipelines.sources.google_drive import Config, Source
from connector_pipelines.testing.fake_drive import FakeDrive
from connector_pipelines.testing.source_suite import SourceContract, WindowsContract
from tests.sources.google_drive.mirror import Mirror
from tests.sources.google_drive.reached import ADA, Reach

_AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


class DriveWorld:
    """A shared drive, or a folder of it, as the contract wants to change it."""

    def __init__(self, fake: FakeDrive) -> None:
        self._fake, self._world = fake, fake.world
        self.drive = self._world.add_drive("Team", [ADA])
        self.place = self.drive
        self._ids: dict[str, str] = {}
        self._numbers = count()

    def put(self, name: str, body: bytes) -> str:
        return self.put_at(name, body, _AT)

    def put_at(self, name: str, body: bytes, at: datetime) -> str:
        if name in self._ids:
            self._world.update_content(self._ids[name], body, modified_at=at)
        else:
            self._ids[name] = self._world.create(parent=self.place, name=name, content=body, modified_at=at)
        return self._ids[name]

    def remove(self, file_id: str) -> None:
        self._world.delete(file_id)
        self._ids = {name: key for name, key in self._ids.items() if key != file_id}

    def rename(self, file_id: str, name: str) -> str:
        self._world.rename(file_id, name)
        self._ids = {known: key for known, key in self._ids.items() if key != file_id} | {name: file_id}
        return file_id

    def forget_cursors(self) -> None:
        self._world.reject_tokens()

    def vanish(self) -> None:
        self._world.remove_drive(self.drive)


class FolderWorld(DriveWorld):
    """A folder in somebody's My Drive."""

    def __init__(self, fake: FakeDrive) -> None:
        super().__init__(fake)
        self.place = self._world.create_folder("Plans", owner=ADA)

    def vanish(self) -> None:
        self._world.trash(self.place)


class _OfDrive:
    @pytest.fixture
    def world(self, fake: FakeDrive) -> DriveWorld:
        return DriveWorld(fake)

    def settings(self, world: DriveWorld) -> dict[str, str]:
        return {"shared_drive": world.drive}

    @pytest.fixture
    def source(self, fake: FakeDrive, world: DriveWorld) -> Iterator[Source]:
        source = Source(Config(api_url=fake.url, allow_private=True, page_size=2, **self.settings(world)), Reach(fake).tools)
        yield source
        source.close()


class TestSharedDrive(_OfDrive, SourceContract, WindowsContract):
    @pytest.fixture
    def again(self, fake: FakeDrive, world: DriveWorld) -> Iterator[Source]:
        tools = replace(Reach(fake).tools, folders=Mirror())
        source = Source(Config(api_url=fake.url, allow_private=True, page_size=2, shared_drive="Team"), tools)
        yield source
        source.close()


class TestFolder(_OfDrive, SourceContract, WindowsContract):
    @pytest.fixture
    def world(self, fake: FakeDrive) -> DriveWorld:
        return FolderWorld(fake)

    def settings(self, world: DriveWorld) -> dict[str, str]:
        return {"folder": world.place}
