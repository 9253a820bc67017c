"""Who may see what, and what the API tells of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.testing.fake_drive.asking import ADA, BOB, DRIVES, EVE, Asking, Refused

LISTED = "nextPageToken,permissions(type,role,emailAddress,domain,allowFileDiscovery,view,permissionDetails(role,inherited,inheritedFrom))"


def holders(ask: Asking, file: str, user: str = ADA) -> dict[str, str]:
    pages = ask.pages(f"files/{file}/permissions", user, fields=LISTED, supportsAllDrives=True)
    return {each.get("emailAddress", each.get("domain", each["type"])): each["role"] for page in pages for each in page["permissions"]}


def test_what_a_folder_gives_its_files_inherit(ask: Asking) -> None:
    folder = ask.world.create_folder("Folder", owner=ADA)
    file = ask.world.create(parent=ask.world.create_folder("Inner", parent=folder), name="a.txt", content=b"1")
    ask.world.share(folder, "user", "reader", BOB)
    ask.world.share(file, "user", "writer", BOB)

    assert holders(ask, file) == {ADA: "owner", BOB: "writer"}
    (bobs,) = [each for each in ask(f"files/{file}/permissions", fields=LISTED)["permissions"] if each["emailAddress"] == BOB]
    assert bobs["permissionDetails"] == [{"role": "reader", "inherited": True}, {"role": "writer", "inherited": False}]

    ask.world.unshare(file, "user", BOB)

    assert holders(ask, file) == {ADA: "owner", BOB: "reader"}
    ask.world.share(folder, "user", "writer", BOB)
    ask.world.share(file, "user", "reader", BOB)
    assert holders(ask, file) == {ADA: "owner", BOB: "writer"}


def test_permissions_come_inline_to_those_who_may_share(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="a.txt", content=b"1")
    ask.world.share(file, "user", "reader", BOB)

    mine, his = (ask(f"files/{file}", user, fields="permissions,permissionIds,shared") for user in (ADA, BOB))

    assert {each["emailAddress"] for each in mine["permissions"]} == {ADA, BOB}
    assert len(mine["permissionIds"]) == 2
    assert his == {"shared": True}
    with pytest.raises(Refused) as refused:
        ask(f"files/{file}/permissions", BOB)
    assert (refused.value.status, refused.value.reason) == (403, "insufficientFilePermissions")


def test_permissions_of_what_is_in_a_shared_drive_come_by_listing_them_alone(ask: Asking) -> None:
    drive = ask.world.add_drive("Team", {ADA: "organizer", BOB: "reader"})
    folder = ask.world.create_folder("Folder", parent=drive)
    file = ask.world.create(parent=folder, name="a.txt", content=b"1")
    ask.world.share(folder, "group", "writer", "staff@example.com")

    shown = ask(f"files/{file}", fields="*", supportsAllDrives=True)

    assert not shown.keys() & {"permissions", "owners", "ownedByMe", "shared", "writersCanShare"}
    assert (shown["hasAugmentedPermissions"], len(shown["permissionIds"])) == (False, 3)
    assert ask(f"files/{folder}", fields="hasAugmentedPermissions", supportsAllDrives=True) == {"hasAugmentedPermissions": True}
    assert holders(ask, file) == {ADA: "organizer", BOB: "reader", "staff@example.com": "writer"}
    with pytest.raises(Refused) as refused:
        holders(ask, file, BOB)
    assert (refused.value.status, refused.value.reason) == (403, "insufficientFilePermissions")
    listed = ask(f"files/{file}/permissions", fields="*", supportsAllDrives=True)["permissions"]
    details = {each["emailAddress"]: each["permissionDetails"] for each in listed}
    assert details[BOB] == [{"permissionType": "member", "role": "reader", "inherited": True, "inheritedFrom": drive}]
    assert details["staff@example.com"] == [{"permissionType": "file", "role": "writer", "inherited": True, "inheritedFrom": folder}]
    with pytest.raises(Refused, match="404"):
        ask(f"files/{file}/permissions")


def test_a_folder_of_limited_access_leaves_but_its_name_to_those_above(ask: Asking) -> None:
    drive = ask.world.add_drive("Team", {ADA: "organizer", BOB: "writer"})
    folder = ask.world.create_folder("Limited", parent=drive)
    file = ask.world.create(parent=folder, name="secret.txt", content=b"1")
    ask.world.limit_access(folder)

    assert ask.names(corpora="drive", driveId=drive, user=BOB, **DRIVES) == ["Limited"]
    shown = ask(f"files/{folder}", BOB, fields="name,inheritedPermissionsDisabled,capabilities/canListChildren", supportsAllDrives=True)
    assert shown == {"name": "Limited", "inheritedPermissionsDisabled": True, "capabilities": {"canListChildren": False}}
    assert ask.names(f"'{folder}' in parents", BOB, **DRIVES) == []
    with pytest.raises(Refused, match="404"):
        ask(f"files/{file}", BOB, supportsAllDrives=True)
    bobs = [
        each
        for each in ask(f"files/{folder}/permissions", fields=LISTED, supportsAllDrives=True)["permissions"]
        if each["emailAddress"] == BOB
    ]
    assert [(each["role"], each["view"]) for each in bobs] == [("reader", "metadata")]
    assert holders(ask, file) == {ADA: "organizer"}

    ask.world.share(folder, "user", "reader", BOB)

    assert holders(ask, file) == {ADA: "organizer", BOB: "reader"}
    assert ask(f"files/{file}", BOB, supportsAllDrives=True)["name"] == "secret.txt"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"type": "group", "who": "staff@example.com", "role": "reader"}, {"emailAddress": "staff@example.com", "deleted": False}),
        ({"type": "domain", "who": "example.com", "role": "reader", "allow_file_discovery": True}, {"domain": "example.com", "allowFileDiscovery": True}),
        ({"type": "anyone", "role": "commenter"}, {"id": "anyoneWithLink", "allowFileDiscovery": False}),
        ({"type": "anyone", "role": "reader", "allow_file_discovery": True}, {"id": "anyone", "allowFileDiscovery": True}),
        ({"type": "user", "who": EVE, "role": "reader", "expires_at": datetime(2030, 1, 2, tzinfo=UTC)}, {"expirationTime": "2030-01-02T00:00:00.000Z"}),
    ],
)  # fmt: skip
def test_every_kind_of_permission_is_told(ask: Asking, given: dict[str, Any], shown: dict[str, Any]) -> None:
    file = ask.world.create(owner=ADA, name="a.txt", content=b"1")

    key = ask.world.share(file, **given)

    told = ask(f"files/{file}/permissions/{key}", fields="*")
    assert (told["type"], told["role"]) == (given["type"], given["role"])
    assert shown.items() <= told.items()
    ask.world.unshare(file, given["type"], given.get("who", ""), allow_file_discovery=given.get("allow_file_discovery", False))
    assert len(ask(f"files/{file}/permissions")["permissions"]) == 1


def test_permissions_come_in_pages_of_a_hundred(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="a.txt", content=b"1")
    for number in range(120):
        ask.world.share(file, "user", "reader", f"person{number}@example.com")

    pages = [len(page["permissions"]) for page in ask.pages(f"files/{file}/permissions", pageSize=500)]

    assert pages == [100, 21]


def test_what_somebody_puts_into_my_folder_is_theirs_and_i_may_edit_it(ask: Asking) -> None:
    folder = ask.world.create_folder("Folder", owner=ADA)
    ask.world.share(folder, "user", "writer", BOB)
    file = ask.world.create(owner=BOB, parent=folder, name="bobs.txt", content=b"1")

    assert holders(ask, file) == {ADA: "writer", BOB: "owner"}
    assert set(ask.names("")) == {"Folder", "bobs.txt"}
    token = ask.token(BOB)

    ask.world.delete(folder)

    assert ask.names("", BOB) == ["bobs.txt"]
    assert ask.names("'root' in parents", BOB) == ["bobs.txt"]
    assert holders(ask, file, BOB) == {BOB: "owner"}
    assert {(change["fileId"], change["removed"]) for change in ask.changes(token, BOB)} == {(folder, True), (file, False)}


def test_a_user_who_leaves_takes_their_files_along_and_stays_in_permissions_as_deleted(ask: Asking) -> None:
    his = ask.world.create(owner=BOB, name="bobs.txt", content=b"1")
    ask.world.share(his, "user", "reader", ADA)
    folder = ask.world.create_folder("Folder", owner=BOB)
    ask.world.share(folder, "user", "writer", ADA)
    mine = ask.world.create(owner=ADA, parent=folder, name="adas.txt", content=b"1")
    key = ask.world.share(mine, "user", "reader", BOB)
    token = ask.token()

    ask.world.remove(BOB)

    assert {(change["fileId"], change["removed"]) for change in ask.changes(token)} == {(his, True), (folder, True), (mine, False)}
    assert ask.names("'root' in parents") == ["adas.txt"]
    assert ask(f"files/{mine}/permissions/{key}", fields="deleted") == {"deleted": True}
    assert not ask.world.is_active(BOB)
    with pytest.raises(Refused) as refused:
        ask("about", BOB, fields="user")
    assert (refused.value.status, refused.value.reason) == (401, "authError")


def test_a_suspended_user_cannot_ask_and_their_files_stay(ask: Asking) -> None:
    file = ask.world.create(owner=BOB, name="bobs.txt", content=b"1")
    ask.world.share(file, "user", "reader", ADA)

    ask.world.suspend(BOB)

    assert not ask.world.is_active(BOB)
    assert ask(f"files/{file}")["name"] == "bobs.txt"
    with pytest.raises(Refused, match="401"):
        ask("files", BOB)
    ask.world.suspend(BOB, suspended=False)
    assert ask.names("", BOB) == ["bobs.txt"]


def test_moving_a_file_changes_what_it_inherits(ask: Asking) -> None:
    shared, private = (ask.world.create_folder(name, owner=ADA) for name in ("Shared", "Private"))
    ask.world.share(shared, "user", "reader", BOB)
    file = ask.world.create(parent=shared, name="a.txt", content=b"1")
    token = ask.token(BOB)

    ask.world.move(file, private)

    assert [(change["fileId"], change["removed"]) for change in ask.changes(token, BOB)] == [(file, True)]
    assert ask(f"files/{file}", fields="parents") == {"parents": [private]}
    for edit in (ask.world.trash, ask.world.delete):
        with pytest.raises(ValueError, match="root"):
            edit(ask.world.add_user(ADA))
    with pytest.raises(ValueError, match="lies in"):
        ask.world.move(private, private)
    assert ask.world.truth(ADA).keys() == {shared, private, file}
