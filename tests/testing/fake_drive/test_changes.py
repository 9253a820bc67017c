"""The change feeds: what makes an entry, and what an entry says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.testing.fake_drive.asking import ADA, BOB, DRIVES, Asking, Refused


def told(changes: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    return [(change.get("fileId") or change["driveId"], change["removed"]) for change in changes]


def test_a_feed_begins_where_its_token_was_asked_for(ask: Asking) -> None:
    ask.world.create(owner=ADA, name="before", content=b"")
    token = ask.token()
    after = ask.world.create(owner=ADA, name="after", content=b"")

    page = ask("changes", pageToken=token)

    assert told(page["changes"]) == [(after, False)]
    assert ask("changes", pageToken=page["newStartPageToken"])["changes"] == []


def test_only_the_last_page_has_the_next_start(ask: Asking) -> None:
    token = ask.token()
    ask.world.fill(ask.world.create_folder("Many", owner=ADA), 4, 10)

    pages = list(ask.pages("changes", pageToken=token, pageSize=2))

    assert [("nextPageToken" in page, "newStartPageToken" in page) for page in pages] == [(True, False), (True, False), (False, True)]
    assert [len(page["changes"]) for page in pages] == [2, 2, 1]


def test_an_entry_tells_how_the_file_is_now(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="one", content=b"1")
    token = ask.token()
    ask.world.rename(file, "two")
    ask.world.update_content(file, b"22")

    changes = ask.changes(token, fields="nextPageToken,changes(fileId,changeType,time,file(name,size,version))")

    assert [change["file"] for change in changes] == [{"name": "two", "size": "2", "version": "3"}] * 2
    assert changes[0]["time"] < changes[1]["time"]


@pytest.mark.parametrize("edit", ["rename", "move", "trash", "share", "limit_access"])
def test_an_edit_of_a_folder_makes_an_entry_for_the_folder_alone(ask: Asking, edit: str) -> None:
    world = ask.world
    folder = world.create_folder("Folder", owner=ADA)
    inner = world.create_folder("Inner", parent=folder)
    file = world.create(parent=inner, name="a.txt", content=b"1")
    other = world.create_folder("Other", owner=ADA)
    token = ask.token()
    more = {"rename": ["Renamed"], "move": [other], "share": ["user", "reader", BOB]}.get(edit, [])

    getattr(world, edit)(folder, *more)

    assert told(ask.changes(token)) == [(folder, False)]
    shown = ask(f"files/{file}", fields="trashed,explicitlyTrashed,version,permissionIds")
    assert (shown["trashed"], shown["explicitlyTrashed"], shown["version"]) == (edit == "trash", False, "1")
    assert len(shown["permissionIds"]) == (2 if edit == "share" else 1)


def test_trash_is_no_removal_and_restoring_keeps_the_old_time(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="a.txt", content=b"1")
    before = ask(f"files/{file}", fields="modifiedTime")
    token = ask.token()
    ask.world.trash(file)
    (change,) = ask.changes(token, fields="nextPageToken,changes(removed,file(trashed,explicitlyTrashed))")
    assert change == {"removed": False, "file": {"trashed": True, "explicitlyTrashed": True}}
    token = ask.token()

    ask.world.untrash(file)

    (change,) = ask.changes(token, fields="nextPageToken,changes(removed,file(trashed,modifiedTime))")
    assert change == {"removed": False, "file": {"trashed": False, **before}}


def test_what_is_deleted_for_good_has_no_file_and_what_lay_in_it_no_entry(ask: Asking) -> None:
    folder = ask.world.create_folder("Folder", owner=ADA)
    file = ask.world.create(parent=folder, name="a.txt", content=b"1")
    token = ask.token()

    ask.world.delete(folder)

    (change,) = ask.changes(token)
    assert (change["fileId"], change["removed"], "file" in change) == (folder, True, False)
    assert ask.changes(token, includeRemoved=False) == []
    with pytest.raises(Refused, match="404"):
        ask(f"files/{file}")


def test_access_that_is_lost_looks_like_a_deletion(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="a.txt", content=b"1")
    ask.world.share(file, "user", "reader", BOB)
    mine, his = ask.token(ADA), ask.token(BOB)

    ask.world.unshare(file, "user", BOB)

    assert told(ask.changes(mine, ADA)) == [(file, False)]
    (change,) = ask.changes(his, BOB)
    assert (change["fileId"], change["removed"], "file" in change) == (file, True, False)


def test_a_file_that_others_gave_me_is_in_my_feed(ask: Asking) -> None:
    token = ask.token(BOB)
    file = ask.world.create(owner=ADA, name="a.txt", content=b"1")
    assert ask.changes(token, BOB) == []

    ask.world.share(file, "user", "reader", BOB)

    assert told(ask.changes(token, BOB)) == [(file, False)]
    assert ask.changes(token, BOB, restrictToMyDrive=True) == []


def test_a_shared_drive_has_a_feed_of_its_own(ask: Asking) -> None:
    drive = ask.world.add_drive("Team", {ADA: "organizer", BOB: "reader"})
    tokens = {user: ask.token(user, driveId=drive, supportsAllDrives=True) for user in (ADA, BOB)}
    mine = ask.token()
    file = ask.world.create(parent=drive, name="a.txt", content=b"1")

    assert told(ask.changes(tokens[BOB], BOB, driveId=drive, **DRIVES)) == [(file, False)]
    assert ask.changes(mine) == []
    assert told(ask.changes(mine, **DRIVES)) == [(file, False)]

    ask.world.delete(file)

    assert told(ask.changes(tokens[ADA], driveId=drive, **DRIVES)) == [(file, True), (file, True)]
    # Of what leaves a shared drive, the feed of a user may say nothing at all.
    assert told(ask.changes(mine, **DRIVES)) == [(file, True)]


def test_a_token_is_for_one_user_and_one_drive(ask: Asking) -> None:
    drive = ask.world.add_drive("Team", {ADA: "organizer", BOB: "reader"})
    token = ask.token(driveId=drive, supportsAllDrives=True)

    others: list[tuple[str, dict[str, Any]]] = [(BOB, {"driveId": drive}), (ADA, {})]
    for user, params in others:
        with pytest.raises(Refused) as refused:
            ask("changes", user, pageToken=token, **params, **DRIVES)
        assert (refused.value.status, refused.value.location) == (400, "pageToken")
    with pytest.raises(Refused) as refused:
        ask("changes")
    assert (refused.value.status, refused.value.reason) == (400, "required")


def test_tokens_can_be_rejected_by_feed(ask: Asking) -> None:
    drive = ask.world.add_drive("Team", {ADA: "organizer"})
    mine, of_drive = ask.token(), ask.token(driveId=drive, supportsAllDrives=True)

    ask.world.reject_tokens(drive=drive)

    assert ask.changes(mine) == []
    with pytest.raises(Refused, match="400"):
        ask.changes(of_drive, driveId=drive, **DRIVES)
    assert ask.changes(ask.token(driveId=drive, supportsAllDrives=True), driveId=drive, **DRIVES) == []
    ask.world.reject_tokens()
    with pytest.raises(Refused, match="400"):
        ask.changes(mine)


def test_a_drive_that_is_renamed_or_lost_is_an_entry_of_its_own_kind(ask: Asking) -> None:
    drive = ask.world.add_drive("Team", {ADA: "organizer", BOB: "reader"})
    ask.world.create(parent=drive, name="a.txt", content=b"1")
    token = ask.token(BOB)

    ask.world.rename_drive(drive, "Crew")
    (renamed,) = ask.changes(token, BOB, **DRIVES)
    token = ask.token(BOB)
    ask.world.remove_member(drive, BOB)
    (lost,) = ask.changes(token, BOB, **DRIVES)

    assert (renamed["changeType"], renamed["driveId"], renamed["drive"]["name"]) == ("drive", drive, "Crew")
    assert (lost["changeType"], lost["removed"], "drive" in lost) == ("drive", True, False)
    with pytest.raises(Refused, match="404"):
        ask("drives/" + drive, BOB)
    assert ask("drives", BOB)["drives"] == []


def test_a_member_who_joins_is_told_of_the_drive_and_of_nothing_in_it(ask: Asking) -> None:
    drive = ask.world.add_drive("Team", {ADA: "organizer"})
    ask.world.create(parent=drive, name="a.txt", content=b"1")
    token = ask.token(BOB)

    ask.world.set_member(drive, BOB, "reader")

    assert told(ask.changes(token, BOB, **DRIVES)) == [(drive, False)]
    assert ask.names(corpora="drive", driveId=drive, user=BOB, **DRIVES) == ["a.txt"]


def test_a_file_moved_into_a_shared_drive_leaves_one_feed_for_another(ask: Asking) -> None:
    drive = ask.world.add_drive("Team", {ADA: "organizer"})
    file = ask.world.create(owner=ADA, name="a.txt", content=b"1")
    ask.world.share(file, "user", "reader", BOB)
    mine, his, of_drive = ask.token(), ask.token(BOB), ask.token(driveId=drive, supportsAllDrives=True)

    ask.world.move(file, drive)

    assert told(ask.changes(mine)) == [(file, True)]
    assert told(ask.changes(his, BOB)) == [(file, True)]
    assert told(ask.changes(of_drive, driveId=drive, **DRIVES)) == [(file, False)]
    back = ask.token(driveId=drive, supportsAllDrives=True)

    ask.world.move(file, ask.world.add_user(ADA))

    assert told(ask.changes(back, driveId=drive, **DRIVES)) == [(file, True)]
    kept = ask.changes(back, driveId=drive, includeCorpusRemovals=True, **DRIVES)
    assert (kept[0]["removed"], kept[0]["file"]["name"]) == (True, "a.txt")


def test_an_edit_nobody_can_see_raises_the_version_and_makes_an_entry(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="a.txt", content=b"1")
    before = ask(f"files/{file}", fields="*")
    token = ask.token()

    ask.world.touch(file)

    after = ask(f"files/{file}", fields="*")
    assert {name for name in after if after[name] != before[name]} == {"version"}
    assert told(ask.changes(token)) == [(file, False)]


def test_pages_may_be_empty_or_short_or_repeat_themselves(ask: Asking) -> None:
    token = ask.token()
    ids = ask.world.fill(ask.world.create_folder("Many", owner=ADA), 5, 10)
    ask.world.quirks(empty_page_every=3, repeat_every=1)

    pages = [[change["fileId"] for change in page["changes"]] for page in ask.pages("changes", pageToken=token, pageSize=3)]

    assert [] in pages[:-1]
    assert all(len(page) <= 3 for page in pages)
    everything = [each for page in pages for each in page]
    assert set(ids) < set(everything)
    assert len(everything) > 6


def test_listeners_hear_whose_feeds_got_entries(ask: Asking) -> None:
    heard: list[frozenset[tuple[str, str | None]]] = []
    ask.world.listeners.append(heard.append)
    drive = ask.world.add_drive("Team", {ADA: "organizer", BOB: "reader"})
    heard.clear()

    file = ask.world.create(owner=ADA, name="a.txt", content=b"1")
    ask.world.share(file, "user", "reader", BOB)
    ask.world.create(parent=drive, name="b.txt", content=b"1")
    with pytest.raises(KeyError):
        ask.world.rename("no such file", "c")

    assert heard == [
        {(ADA, None)},
        {(ADA, None), (BOB, None)},
        {(ADA, None), (BOB, None), (ADA, drive), (BOB, drive)},
    ]


def test_a_permission_that_expires_says_nothing(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="a.txt", content=b"1")
    soon = ask.world.clock.now() + 3_600_000_000
    ask.world.share(file, "user", "reader", BOB, expires_at=datetime.fromtimestamp(soon / 1e6, UTC))
    token = ask.token(BOB)
    assert ask(f"files/{file}", BOB)["name"] == "a.txt"

    ask.world.pass_time(timedelta(hours=2))

    assert ask.changes(token, BOB) == []
    with pytest.raises(Refused, match="404"):
        ask(f"files/{file}", BOB)
    assert len(ask(f"files/{file}/permissions")["permissions"]) == 1
