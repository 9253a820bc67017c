"""Who may see what, asked of a Drive: compared with the permissions that are really in effect there."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector_pipelines.core.access import Acl
from connector_pipelines.sources.google_drive.access import Access
from connector_pipelines.sources.google_drive.calls import Corpus
from connector_pipelines.sources.google_drive.client import Json
from connector_pipelines.sources.google_drive.permissions import FILE_FIELDS, only, with_more
from connector_pipelines.sources.google_drive.tree import NOTHING
from connector_pipelines.testing.fake_drive import BackendError, Denied, FakeDrive, Truth
from tests.sources.google_drive.reached import ADA, BEN, Reach

PAGE = f"nextPageToken,files(id,mimeType,{FILE_FIELDS})"
ROLES = ("reader", "commenter", "writer", "fileOrganizer")


@pytest.fixture
def drive() -> Iterator[FakeDrive]:
    with FakeDrive() as made:
        for person in (ADA, BEN):
            made.world.add_user(person)
        yield made


def test_a_files_own_permissions_add_to_those_of_its_drive(drive: FakeDrive) -> None:
    shared = drive.world.add_drive("Quay", {ADA: "organizer"})
    plain, own = (drive.world.create(parent=shared, name=name, content=b"x") for name in ("plain.txt", "own.txt"))
    drive.world.share(own, "group", "commenter", "Staff@example.com")
    drive.world.share(own, "anyone", "reader")

    found = seen(drive, ADA, shared)

    assert found[plain] == Acl(readers=frozenset({f"user:{ADA}"}))
    assert found[own] == Acl(readers=frozenset({f"user:{ADA}", "group:staff@example.com"}), with_link=frozenset({"anyone"}))


def test_a_thousand_files_of_a_drive_take_one_question_beside_the_listing(drive: FakeDrive) -> None:
    shared = drive.world.add_drive("Quay", {ADA: "organizer", BEN: "reader"})
    drive.world.fill(shared, 1000)

    assert set(seen(drive, ADA, shared).values()) == {Acl(readers=frozenset({f"user:{ADA}", f"user:{BEN}"}))}
    assert drive.journal.counts() == {"files.list": 1, "permissions.list": 1}


def test_permissions_of_many_files_are_asked_for_in_batches(drive: FakeDrive) -> None:
    shared = drive.world.add_drive("Quay", {ADA: "organizer"})
    files = drive.world.fill(shared, 120)
    for each in files:
        drive.world.share(each, "user", "reader", BEN)

    assert set(seen(drive, ADA, shared).values()) == {Acl(readers=frozenset({f"user:{ADA}", f"user:{BEN}"}))}
    assert [call.call for call in drive.journal.entries() if not call.in_batch] == ["files.list", "batch", "batch"]


@pytest.mark.parametrize("seed", range(12))
def test_in_a_shared_drive_it_is_what_is_in_effect_there(drive: FakeDrive, seed: int) -> None:
    chance = random.Random(seed)
    members = {ADA: "organizer", **{f"m{number}@example.com": chance.choice(ROLES) for number in range(3)}}
    shared = drive.world.add_drive("Quay", members)
    drive.world.set_member(shared, "everyone@example.com", "reader", "group")
    fill(drive, chance, shared)

    assert seen(drive, ADA, shared) == in_effect(drive.world.truth(ADA, below=shared))


@pytest.mark.parametrize("seed", range(6))
def test_in_my_drive_it_is_what_is_in_effect_there_and_nothing_is_asked(drive: FakeDrive, seed: int) -> None:
    chance = random.Random(seed)
    top = drive.world.create_folder("Plans", owner=ADA)
    fill(drive, chance, top)

    found = seen(drive, ADA)

    truth = in_effect(drive.world.truth(ADA))
    assert {key: found[key] for key in truth} == truth
    assert drive.journal.counts() == {"files.list": 1}


def test_who_only_reads_a_file_of_somebody_else_is_all_that_is_certain(drive: FakeDrive) -> None:
    lent, public = (drive.world.create(owner=ADA, name=name, content=b"x") for name in ("lent.txt", "public.txt"))
    for each in (lent, public):
        drive.world.share(each, "user", "reader", BEN)
    drive.world.share(public, "anyone", "reader", allow_file_discovery=True)

    assert seen(drive, BEN) == {lent: only(BEN), public: only(BEN)}


def test_a_link_that_may_be_found_is_told_apart_from_one_that_may_not(drive: FakeDrive) -> None:
    found, hidden = (drive.world.create(owner=ADA, name=name, content=b"x") for name in ("found.txt", "hidden.txt"))
    drive.world.share(found, "domain", "reader", "Example.com", allow_file_discovery=True)
    drive.world.share(hidden, "domain", "reader", "Example.com")

    acls = seen(drive, ADA)

    assert acls[found] == Acl(readers=frozenset({f"user:{ADA}", "domain:example.com"}))
    assert acls[hidden] == Acl(readers=frozenset({f"user:{ADA}"}), with_link=frozenset({"domain:example.com"}))


def test_whose_account_was_deleted_sees_nothing_any_more(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.txt", content=b"x")
    drive.world.share(file, "user", "writer", BEN)
    drive.world.remove(BEN)

    assert seen(drive, ADA) == {file: Acl(readers=frozenset({f"user:{ADA}"}))}


def test_a_permission_that_ends_says_when(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.txt", content=b"x")
    end = datetime(2099, 1, 2, 3, 4, 5, tzinfo=UTC)
    drive.world.share(file, "user", "reader", BEN, expires_at=end)

    assert seen(drive, ADA)[file].until == {f"user:{BEN}": end.isoformat()}


def test_members_that_are_refused_leave_only_us_and_never_what_was_shared(drive: FakeDrive) -> None:
    shared = drive.world.add_drive("Quay", {ADA: "organizer", BEN: "reader"})
    file = drive.world.create(parent=shared, name="a.txt", content=b"x")
    drive.fault(Denied(reason="insufficientFilePermissions"), call="permissions.list")

    assert seen(drive, ADA, shared) == {file: only(ADA)}


def test_permissions_of_one_file_that_are_refused_leave_those_of_its_folder(drive: FakeDrive) -> None:
    shared = drive.world.add_drive("Quay", {ADA: "organizer"})
    refused, told = (drive.world.create(parent=shared, name=name, content=b"x") for name in ("refused.txt", "told.txt"))
    for each in (refused, told):
        drive.world.share(each, "anyone", "reader")
    drive.fault(Denied(reason="insufficientFilePermissions"), call="permissions.list", path=f"*/{refused}/*")

    members = Acl(readers=frozenset({f"user:{ADA}"}))
    assert seen(drive, ADA, shared) == {
        refused: with_more(members, ADA),
        told: Acl(readers=members.readers, with_link=frozenset({"anyone"})),
    }


def test_a_failure_that_passes_is_waited_for_and_takes_nobodys_access(drive: FakeDrive) -> None:
    shared = drive.world.add_drive("Quay", {ADA: "organizer", BEN: "reader"})
    file = drive.world.create(parent=shared, name="a.txt", content=b"x")
    drive.fault(BackendError(), call="permissions.list")

    assert seen(drive, ADA, shared) == {file: Acl(readers=frozenset({f"user:{ADA}", f"user:{BEN}"}))}
    assert drive.journal.counts()["permissions.list"] == 2


def seen(drive: FakeDrive, user: str, shared: str | None = None) -> dict[str, Acl]:
    """Who may see what the user sees of a shared drive, or of My Drive, as one page of a listing."""
    with Reach(drive).of(user) as google:
        items: list[Json] = google.call("files.list", q="trashed = false", pageSize=1000, fields=PAGE, **Corpus(shared).params)["files"]
        return Access(google, user, NOTHING).of([item for item in items if item["id"] != shared])


def fill(drive: FakeDrive, chance: random.Random, top: str) -> None:
    """Folders in folders and files in them, some with permissions of their own, some folders of limited access."""
    folders = [top]
    for number in range(40):
        parent = chance.choice(folders)
        if chance.random() < 0.3:
            made = drive.world.create_folder(f"folder {number}", parent=parent)
            folders.append(made)
            if chance.random() < 0.3:
                drive.world.limit_access(made)
        else:
            made = drive.world.create(parent=parent, name=f"{number}.txt", content=b"x")
        if chance.random() < 0.4:
            drive.world.share(made, **permission(chance))


def permission(chance: random.Random) -> dict[str, Any]:
    role = chance.choice(ROLES[:3])
    kind = chance.choice(["user", "group", "domain", "anyone"])
    if kind in {"domain", "anyone"}:
        return {"type": kind, "role": role, "who": "Example.org" if kind == "domain" else "", "allow_file_discovery": chance.random() < 0.5}
    ends = datetime(2099, 1, 1, tzinfo=UTC) + timedelta(days=chance.randrange(100)) if chance.random() < 0.3 else None
    return {"type": kind, "role": role, "who": f"m{chance.randrange(5)}@example.com", "expires_at": ends}


def in_effect(truth: Mapping[str, Truth]) -> dict[str, Acl]:
    """The permissions that are in effect, in our words."""
    return {key: _acl(item) for key, item in truth.items()}


def _acl(item: Truth) -> Acl:
    found = {_principal(each.type, each.who): each for each in item.acl if each.type in {"user", "group"} or each.discoverable}
    by_link = {_principal(each.type, each.who) for each in item.acl} - found.keys()
    ends = {who: datetime.fromtimestamp(each.expires_at / 1_000_000, UTC).isoformat() for who, each in found.items() if each.expires_at}
    return Acl(readers=frozenset(found), with_link=frozenset(by_link), until=ends)


def _principal(kind: str, who: str) -> str:
    return f"{kind}:{who.lower()}" if who else kind
