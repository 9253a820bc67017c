"""What `connectors test` finds out, by what calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connector_pipelines.core.types import Ability, Probe
from connector_pipelines.sources.google_drive.config import Config
from connector_pipelines.sources.google_drive.probing import Prober
from connector_pipelines.testing.fake_drive import Denied, FakeDrive
from tests.sources.google_drive.reached import ADA, BEN, CEM, Reach


@pytest.fixture
def drive() -> Iterator[FakeDrive]:
    with FakeDrive() as made:
        for person in (ADA, BEN, CEM):
            made.world.add_user(person)
        yield made


def probe(drive: FakeDrive, *, scopes: tuple[str, ...] = ("drive.readonly",), gone: frozenset[str] = frozenset(), **settings: Any) -> Probe:
    config = Config.model_validate({"api_url": drive.url, "allow_private": True, **settings})
    with Reach(drive, scopes=scopes, gone=gone).drives() as google:
        return Prober(config, google).probe()


def by_name(found: Probe) -> dict[str, Ability]:
    return {ability.name: ability for ability in found.abilities}


def test_each_ability_is_tried_by_one_call(drive: FakeDrive) -> None:
    drive.world.create(owner=ADA, name="big.bin", size=5_000_000)

    found = probe(drive, my_drive=True)

    assert found.works
    assert found.account == ADA
    assert [ability.name for ability in found.abilities] == ["sign in", "list files", "read a file", "read permissions", "follow changes"]
    assert [call.call for call in drive.calls()] == [
        "about.get", "files.list", "files.get media", "permissions.list", "changes.getStartPageToken",
    ]  # fmt: skip
    assert drive.journal.bytes_served("files.get media") <= 1024


def test_an_empty_drive_works_and_says_that_there_was_nothing_to_try(drive: FakeDrive) -> None:
    found = probe(drive, my_drive=True)

    assert found.works
    assert "None of those found" in by_name(found)["read a file"].detail


def test_a_file_that_cannot_be_downloaded_is_not_the_one_that_is_tried(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.txt", content=b"hello")
    drive.world.mark(file, downloadable=False)
    drive.world.create_native("document", "hello", owner=ADA, name="Report")

    assert by_name(probe(drive, my_drive=True))["read a file"].works


def test_permissions_are_not_asked_for_where_they_are_not_wanted(drive: FakeDrive) -> None:
    assert "read permissions" not in by_name(probe(drive, my_drive=True, permissions="ignore"))


def test_permissions_that_are_not_shown_to_a_reader_are_no_fault(drive: FakeDrive) -> None:
    file = drive.world.create(owner=BEN, name="theirs.txt", content=b"hello")
    drive.world.share(file, "user", "reader", ADA)

    found = by_name(probe(drive, shared_with_me=True))["read permissions"]

    assert found.works
    assert "not shown to us" in found.detail


@pytest.mark.parametrize("place", ["shared_drive", "folder"])
def test_who_may_only_read_what_is_synced_cannot_read_permissions_and_is_told_what_to_become(drive: FakeDrive, place: str) -> None:
    shared = drive.world.add_drive("Quay", {BEN: "organizer", ADA: "reader"})
    folder = drive.world.create_folder("Plans", parent=shared)
    drive.world.create(parent=folder, name="a.txt", content=b"hello")

    found = by_name(probe(drive, shared_drive=shared) if place == "shared_drive" else probe(drive, folder=folder))

    assert [name for name, ability in found.items() if not ability.works] == ["read permissions"]
    assert "Contributor of the shared drive" in found["read permissions"].detail
    assert "`permissions: ignore`" in found["read permissions"].detail


@pytest.mark.parametrize("trouble", ["missing", "file", "trashed"])
def test_a_folder_that_is_none_is_one_ability_that_fails(drive: FakeDrive, trouble: str) -> None:
    folder = drive.world.create_folder("Plans", owner=ADA)
    if trouble == "trashed":
        drive.world.trash(folder)
    elif trouble == "file":
        folder = drive.world.create(owner=ADA, name="a.txt", content=b"hello")

    found = by_name(probe(drive, folder="nowhere" if trouble == "missing" else folder))

    assert not found["see the folder"].works
    assert found["sign in"].works
    assert "follow changes" in found


def test_a_folder_that_is_there_is_named(drive: FakeDrive) -> None:
    folder = drive.world.create_folder("Plans", owner=ADA)
    drive.world.create(parent=folder, name="a.txt", content=b"hello")

    found = probe(drive, folder=folder)

    assert found.works
    assert by_name(found)["see the folder"].detail == "Plans."
    assert by_name(found)["read a file"].detail == "a.txt."


@pytest.mark.parametrize("by", ["id", "name"])
def test_a_shared_drive_is_found_by_its_id_and_by_its_name(drive: FakeDrive, by: str) -> None:
    shared = drive.world.add_drive("Quay", {ADA: "writer"})
    drive.world.create(parent=shared, name="a.txt", content=b"hello")

    found = probe(drive, shared_drive=shared if by == "id" else "Quay")

    assert found.works
    assert by_name(found)["see the shared drive"].detail == "Quay."


def test_a_shared_drive_that_is_not_seen_is_one_ability_that_fails(drive: FakeDrive) -> None:
    drive.world.add_drive("Quay", {BEN: "reader"})
    for _ in range(2):
        drive.world.add_drive("Pier", {ADA: "reader"})

    assert not by_name(probe(drive, shared_drive="Quay"))["see the shared drive"].works
    assert "Several have that name" in by_name(probe(drive, shared_drive="Pier"))["see the shared drive"].detail
    assert by_name(probe(drive, all_shared_drives=True))["see shared drives"].detail == "2 of them."


def test_a_scope_that_is_missing_is_named_where_it_is_missing(drive: FakeDrive) -> None:
    drive.world.create(owner=ADA, name="a.txt", content=b"hello")

    found = by_name(probe(drive, scopes=("drive.metadata.readonly",), my_drive=True))

    assert found["list files"].works
    assert not found["read a file"].works
    assert "auth/drive.readonly" in found["read a file"].detail


def test_a_user_who_left_is_one_ability_that_fails(drive: FakeDrive) -> None:
    drive.world.create(owner=ADA, name="a.txt", content=b"hello")

    found = by_name(probe(drive, users=[ADA, BEN, CEM], my_drive=True, gone=frozenset({BEN})))

    assert [name for name, ability in found.items() if not ability.works] == [f"act as {BEN}"]
    assert "Take them out of `users`" in found[f"act as {BEN}"].detail


def test_the_abilities_are_tried_as_the_first_user_who_is_let_in(drive: FakeDrive) -> None:
    drive.world.create(owner=BEN, name="a.txt", content=b"hello")

    found = by_name(probe(drive, users=[ADA, BEN], my_drive=True, gone=frozenset({ADA})))

    assert not found[f"act as {ADA}"].works
    assert found["read a file"].detail == "a.txt."


def test_an_api_that_is_off_is_told_with_what_to_do_and_nothing_more_is_tried(drive: FakeDrive) -> None:
    drive.fault(Denied(reason="accessNotConfigured"), times=None)

    found = probe(drive, my_drive=True)

    assert [ability.name for ability in found.abilities] == ["sign in"]
    assert "Enable the Google Drive API" in found.abilities[0].detail


def test_of_very_many_users_some_are_tried_and_the_others_are_counted(drive: FakeDrive) -> None:
    users = [f"user{number}@example.com" for number in range(120)]
    for user in users:
        drive.world.add_user(user)

    found = by_name(probe(drive, users=users, my_drive=True))
    refused = by_name(probe(drive, users=users, my_drive=True, gone=frozenset(users)))

    assert sum(name.startswith("act as user") for name in found) == 100
    assert found["act as the others"].detail.startswith("20 more")
    assert "list files" in found
    assert "list files" not in refused
