"""The world after many edits: what the API tells agrees with the truth, and feeds and truth with each other."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from typing import Any

import pytest

from connector_pipelines.testing.fake_drive.items import FOLDER
from connector_pipelines.testing.fake_drive.truth import Truth
from tests.testing.fake_drive.asking import ADA, BOB, DRIVES, Asking

FILE = "nextPageToken,files(id,name,mimeType,version,size,sha256Checksum,headRevisionId,trashed,parents,owners/emailAddress,driveId)"

_KINDS = [*["file"] * 8, "folder", "folder", "content", "rename", "move", "move", "trash", "untrash", "delete", "share", "unshare", "limit"]


class Chance:
    """Edits a person could make, drawn by lot; what makes no sense just now is passed over."""

    def __init__(self, ask: Asking, seed: int) -> None:
        self._ask = ask
        self._draw = random.Random(seed)
        self.drive = ask.world.add_drive("Team", {ADA: "organizer", BOB: "reader"})
        self.top = ask.world.create_folder("Top", owner=ADA)
        ask.world.share(self.top, "user", "reader", BOB)

    def edit(self, count: int) -> None:
        for number in range(count):
            self._one(number)

    def _one(self, number: int) -> None:
        world, draw = self._ask.world, self._draw
        known = [item for item in world.state.items.values() if item.parent is not None and item.id != self.top]
        folders = [item.id for item in known if item.children is not None] + [self.drive, self.top]
        parent = draw.choice(folders)
        item = draw.choice(known).id if known else None
        kind = draw.choice(_KINDS)
        if kind == "file":
            world.create(parent=parent, name=f"file {number}", content=b"%d" % number)
        elif kind == "folder":
            world.create_folder(f"folder {number}", parent=parent)
        elif item is not None:
            self._change(kind, item, parent, number)

    def _change(self, kind: str, item: str, parent: str, number: int) -> None:
        world = self._ask.world
        is_folder = world.state.items[item].children is not None
        if kind == "content" and not is_folder:
            world.update_content(item, b"again %d" % number)
        elif kind == "rename":
            world.rename(item, f"renamed {number}")
        elif kind == "move":
            inside = {item, *(each.id for each in world.state.below(world.state.items[item]))}
            if parent not in inside:
                world.move(item, parent)
        elif kind in {"trash", "untrash", "delete"} and (kind != "delete" or self._draw.random() < 0.1 or not is_folder):
            getattr(world, kind)(item)
        elif kind == "share":
            world.share(item, "user", "reader", BOB)
        elif kind == "unshare" and world.state.items[item].grants:
            world.unshare(item, "user", BOB)
        elif kind == "limit" and is_folder:
            world.limit_access(item, limited=self._draw.random() < 0.3)


def as_told(file: dict[str, Any]) -> tuple[Any, ...]:
    size = int(file["size"]) if "size" in file else None
    owner = file["owners"][0]["emailAddress"] if "owners" in file else None
    return (
        file["mimeType"], file["name"], int(file["version"]), size, file.get("sha256Checksum"), file.get("headRevisionId"), file["trashed"],
        owner, file.get("driveId"),
    )  # fmt: skip


def as_true(truth: Truth) -> tuple[Any, ...]:
    return (
        truth.mime_type, truth.names[-1], truth.version, truth.size, truth.sha256, truth.head_revision_id, truth.trashed,
        truth.owner, truth.drive_id,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("user", [ADA, BOB])
def test_after_many_edits_listings_say_what_is_true(ask: Asking, seed: int, user: str) -> None:
    chance = Chance(ask, seed)
    chance.edit(300)

    in_drive = [
        file for page in ask.pages("files", user, corpora="drive", driveId=chance.drive, fields=FILE, **DRIVES) for file in page["files"]
    ]
    mine = [file for page in ask.pages("files", user, fields=FILE) for file in page["files"]]

    assert {file["id"]: as_told(file) for file in in_drive} == {
        key: as_true(truth) for key, truth in ask.world.truth(user, below=chance.drive).items()
    }
    true = (
        ask.world.truth(user)
        if user == ADA
        else {key: each for key, each in ask.world.truth(user, shared_with_me=True).items() if not each.drive_id}
    )
    assert {file["id"]: as_told(file) for file in mine} == {key: as_true(truth) for key, truth in true.items()}
    assert len(in_drive) > 5
    assert len(mine) > 5


@pytest.mark.parametrize("seed", range(4))
def test_every_difference_is_in_a_feed_or_under_a_folder_that_is(ask: Asking, seed: int) -> None:
    chance = Chance(ask, seed)
    chance.edit(100)
    before = {user: ask.world.truth(user, below=chance.drive) for user in (ADA, BOB)}
    above = parents(ask, before[ADA].values())
    tokens = {user: ask.token(user, driveId=chance.drive, supportsAllDrives=True) for user in (ADA, BOB)}

    chance.edit(400)

    for user in (ADA, BOB):
        named = {change["fileId"] for change in ask.changes(tokens[user], user, driveId=chance.drive, pageSize=7, **DRIVES)}
        now = ask.world.truth(user, below=chance.drive)
        after = parents(ask, now.values())
        differ = {key for key in before[user].keys() | now.keys() if before[user].get(key) != now.get(key)}
        assert len(differ) > (10 if user == ADA else 0)
        for key in differ:
            assert named & ({key} | above.get(key, set()) | after.get(key, set())), key


def parents(ask: Asking, truths: Iterable[Truth]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for truth in truths:
        item, over = ask.world.state.items[truth.id], set()
        while item.parent is not None:
            item = item.parent
            over.add(item.id)
        found[truth.id] = over
    return found


def test_edits_and_questions_may_come_from_many_threads(ask: Asking) -> None:
    folder = ask.world.create_folder("Folder", owner=ADA)
    token = ask.token()
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for each in range(50):
                file = ask.world.create(parent=folder, name=f"{number}-{each}", content=b"1")
                ask.world.rename(file, "renamed")
                assert ask.raw(f"files/{file}", alt="media").body == b"1"
                ask.names(f"'{folder}' in parents")
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert len(ask.changes(token, pageSize=1000)) == 400


def test_truth_tells_paths_below_what_was_asked_for(ask: Asking) -> None:
    drive = ask.world.add_drive("Team", [ADA])
    folder = ask.world.create_folder("Plans / 2026", parent=drive)
    inner = ask.world.create_folder("Inner", parent=folder)
    file = ask.world.create(parent=inner, name="a.txt", content=b"hello")
    ask.world.trash(inner)

    truth = ask.world.truth(ADA, below=folder)

    assert truth.keys() == {inner, file}
    assert (truth[file].path, truth[file].names, truth[file].trashed, truth[file].size) == ("Inner/a.txt", ("Inner", "a.txt"), True, 5)
    assert truth[inner].mime_type == FOLDER
    assert ask.world.truth(ADA, below=drive)[file].names == ("Plans / 2026", "Inner", "a.txt")
    assert ask.world.truth(BOB, below=drive) == {}
    assert {(each.who, each.role) for each in truth[file].acl} == {(ADA, "organizer")}
