"""What a sync asks of Drive in which nothing changed, and what is done where Drive does not say whether a file is there."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from connector_pipelines.core.errors import Forbidden, Malformed, NotFound, PermanentError, Unavailable
from connector_pipelines.sources.google_drive import calls
from connector_pipelines.sources.google_drive.permissions import only
from connector_pipelines.testing.fake_drive import FakeDrive
from tests.sources.google_drive.conftest import Opened
from tests.sources.google_drive.mirror import Mirror
from tests.sources.google_drive.reached import ADA, BEN


@pytest.mark.parametrize(
    ("scope", "asked"),
    [
        ("my_drive", {"changes.list": 1}),
        ("shared_with_me", {"changes.list": 1}),
        ("of_user", {"changes.list": 1}),
        ("folder", {"files.get": 1, "permissions.list": 1, "changes.list": 1}),
        ("drive_folder", {"files.get": 1, "permissions.list": 1, "changes.list": 1}),
        ("drive_by_id", {"drives.get": 1, "permissions.list": 1, "changes.list": 1}),
        ("drive_by_name", {"drives.list": 1, "permissions.list": 1, "changes.list": 1}),
        ("all_shared_drives", {"drives.list": 1, "permissions.list": 1, "changes.list": 1}),
    ],
)
def test_a_sync_without_news_asks_three_times_at_most(
    fake: FakeDrive, opened: Opened, mirror: Mirror, scope: str, asked: dict[str, int]
) -> None:
    # A name that could be taken for an id.
    drive = fake.world.add_drive("EngineeringDrawings", [ADA])
    mine, inside = fake.world.create_folder("f", owner=ADA), fake.world.create_folder("f", parent=drive)
    for folder in (mine, inside):
        fake.world.fill(folder, 5)
    settings: dict[str, dict[str, Any]] = {
        "my_drive": {"my_drive": True}, "shared_with_me": {"shared_with_me": True}, "of_user": {"my_drive": True, "users": [ADA]},
        "folder": {"folder": mine}, "drive_folder": {"folder": inside}, "drive_by_id": {"shared_drive": drive},
        "drive_by_name": {"shared_drive": "EngineeringDrawings"}, "all_shared_drives": {"all_shared_drives": True},
    }  # fmt: skip
    mirror.sync(opened(**settings[scope]))
    fake.clear_journal()

    # By another process: what was found out before is known by the cursor.
    pages = mirror.sync(opened(**settings[scope]))

    assert [change for page in pages for change in page.changes] == []
    assert fake.journal.counts() == Counter(asked)


def test_shortcuts_that_lead_out_cost_two_requests_more_however_many_they_are(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    drive = fake.world.add_drive("Team", [ADA])
    for number in range(20):
        fake.world.make_shortcut(fake.world.create(owner=ADA, name=f"{number}.txt", content=b"x"), parent=drive)
    mirror.sync(opened(shared_drive=drive))
    fake.clear_journal()

    pages = mirror.sync(opened(shared_drive=drive))

    assert [change for page in pages for change in page.changes] == []
    sent = Counter(call.call for call in fake.journal.entries() if not call.in_batch)
    assert sent == {"drives.get": 1, "permissions.list": 1, "changes.list": 2, "batch": 1}


@pytest.mark.parametrize("answer", [Malformed("a page of somebody"), PermanentError("400")])
def test_a_file_of_which_drive_says_nothing_is_not_gone(answer: PermanentError) -> None:
    drive = _Answering(answer)
    refused: set[str] = set()

    with pytest.raises(Unavailable, match="does not tell whether a is there"):
        calls.get_many(drive, ["a"])  # type: ignore[arg-type]

    assert calls.get_many(drive, ["a"], refused=refused) == {"a": None}  # type: ignore[arg-type]
    assert refused == {"a"}


@pytest.mark.parametrize(("answer", "is_refused"), [(NotFound("404"), False), (Forbidden("403"), True)])
def test_a_file_that_is_not_for_us_is_not_there(answer: NotFound | Forbidden, is_refused: bool) -> None:
    refused: set[str] = set()

    assert calls.get_many(_Answering(answer), ["a"], refused=refused) == {"a": None}  # type: ignore[arg-type]
    assert refused == ({"a"} if is_refused else set())


def test_who_may_only_read_a_shared_drive_counts_alone_and_nobody_is_let_in(fake: FakeDrive, opened: Opened, mirror: Mirror) -> None:
    drive = fake.world.add_drive("Quay", {BEN: "organizer", ADA: "reader"})
    fake.world.share(file := fake.world.create(parent=drive, name="a.txt", content=b"x"), "anyone", "reader")
    mirror.sync(source := opened(shared_drive=drive))
    told = mirror.files[file].acl
    pages = mirror.sync(source)

    assert told == only(ADA)
    assert [change for page in pages for change in page.changes] == []


class _Answering:
    """A `Drive` in which every call of a batch is answered so."""

    def __init__(self, answer: Exception) -> None:
        self._answer = answer

    def batch(self, asks: list[object]) -> list[Exception]:
        return [self._answer for _ in asks]
