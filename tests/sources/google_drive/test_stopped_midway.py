"""Whoever is stopped while a folder that came in is being listed finds the rest of it at the next sync."""

from __future__ import annotations

import pytest

from connector_pipelines.sources.google_drive import Source
from connector_pipelines.testing.fake_drive import FakeDrive
from tests.sources.google_drive.conftest import Opened
from tests.sources.google_drive.mirror import Mirror
from tests.sources.google_drive.reached import ADA, BEN


@pytest.mark.parametrize("permissions", ["capture", "ignore"])
@pytest.mark.parametrize("pages", [1, 2, 3])
def test_a_folder_that_came_in_is_listed_again_where_its_listing_broke_off(
    fake: FakeDrive, mirror: Mirror, opened: Opened, permissions: str, pages: int
) -> None:
    folder = fake.world.create_folder("Came in", owner=ADA)
    fake.world.fill(fake.world.create_folder("Deep", parent=folder), 5)
    fake.world.trash(folder)
    source = opened(my_drive=True, page_size=2, permissions=permissions)
    mirror.sync(source)
    fake.world.untrash(folder)

    _recorded_so_far(mirror, opened(my_drive=True, page_size=2, permissions=permissions), pages)
    mirror.sync(source)

    assert len(mirror.files) == 5


def test_what_others_may_see_of_a_folder_is_told_again_where_telling_broke_off(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    folder = fake.world.create_folder("Shared", owner=ADA)
    fake.world.fill(folder, 5)
    source = opened(my_drive=True, page_size=2)
    mirror.sync(source)
    fake.world.share(folder, who=BEN)

    _recorded_so_far(mirror, opened(my_drive=True, page_size=2), 2)
    mirror.sync(source)

    assert {f"user:{BEN}" in ref.acl.readers for ref in mirror.files.values() if ref.acl} == {True}
    assert mirror.folders[folder].acl == next(iter(mirror.files.values())).acl


def _recorded_so_far(mirror: Mirror, source: Source, pages: int) -> None:
    """A sync that is killed after so many pages."""
    for _, page in zip(range(pages), source.changes(mirror.cursor), strict=False):
        mirror.record(page)
        mirror.cursor = page.cursor or mirror.cursor


def test_a_folder_that_leaves_one_that_went_keeps_its_files_though_pages_are_recorded_late(
    fake: FakeDrive, mirror: Mirror, opened: Opened
) -> None:
    went, stays = (fake.world.create_folder(name, owner=ADA) for name in ("Went", "Stays"))
    folder = fake.world.create_folder("Deep", parent=went)
    fake.world.fill(folder, 2)
    source = opened(my_drive=True, page_size=1)
    mirror.sync(source)
    fake.world.trash(went)
    fake.world.move(folder, stays)

    for page in list(source.changes(mirror.cursor)):
        mirror.record(page)

    assert sorted(mirror.paths) == ["Stays/Deep/file-000000.txt", "Stays/Deep/file-000001.txt"]
