"""Shared drives and the account."""

from __future__ import annotations

import pytest

from tests.testing.fake_drive.asking import ADA, BOB, DRIVES, Asking, Refused


def test_drives_come_in_pages_of_ten_unless_told_and_of_a_hundred_at_most(ask: Asking) -> None:
    for number in range(120):
        ask.world.add_drive(f"Drive {number}", {ADA: "reader"})

    assert [len(page["drives"]) for page in ask.pages("drives")] == [10] * 12
    assert [len(page["drives"]) for page in ask.pages("drives", pageSize=1000)] == [100, 20]
    assert ask("drives", fields="drives(name)").keys() == {"drives"}


def test_all_drives_of_the_domain_are_for_administrators(ask: Asking) -> None:
    ask.world.add_user("root@example.com", admin=True)
    drive = ask.world.add_drive("Team", {ADA: "organizer"})

    assert ask("drives", "root@example.com")["drives"] == []
    assert [each["id"] for each in ask("drives", "root@example.com", useDomainAdminAccess=True)["drives"]] == [drive]
    assert ask(f"drives/{drive}", "root@example.com", useDomainAdminAccess=True)["name"] == "Team"
    assert len(ask(f"files/{drive}/permissions", "root@example.com", useDomainAdminAccess=True, supportsAllDrives=True)["permissions"]) == 1
    with pytest.raises(Refused, match="403"):
        ask("drives", BOB, useDomainAdminAccess=True)


def test_a_drive_is_named_by_drives_and_not_by_files(ask: Asking) -> None:
    drive = ask.world.add_drive("Team", [ADA])

    assert ask(f"drives/{drive}", fields="*")["name"] == "Team"
    assert ask(f"files/{drive}", fields="name,mimeType,parents", supportsAllDrives=True) == {
        "name": "Drive", "mimeType": "application/vnd.google-apps.folder",
    }  # fmt: skip
    assert [each["id"] for each in ask("drives", q="name = 'Team'")["drives"]] == [drive]
    assert ask("drives", q="name contains 'crew'")["drives"] == []
    with pytest.raises(Refused, match="404"):
        ask(f"drives/{drive}", BOB)


def test_a_drive_that_is_gone_takes_all_that_was_in_it_along(ask: Asking) -> None:
    drive = ask.world.add_drive("Team", [ADA])
    file = ask.world.create(parent=drive, name="a.txt", content=b"1")
    ask.world.share(file, "user", "reader", BOB)
    token = ask.token(driveId=drive, supportsAllDrives=True)

    ask.world.remove_drive(drive)

    with pytest.raises(Refused, match="404"):
        ask(f"drives/{drive}")
    with pytest.raises(Refused, match="404"):
        ask(f"files/{file}", supportsAllDrives=True)
    with pytest.raises(Refused, match="404"):
        ask("changes", pageToken=token, driveId=drive, **DRIVES)
    assert ask.names("sharedWithMe", BOB, **DRIVES) == []


def test_what_was_given_to_a_stranger_in_a_drive_makes_no_member(ask: Asking) -> None:
    drive = ask.world.add_drive("Team", [ADA])
    file = ask.world.create(parent=drive, name="a.txt", content=b"1")
    ask.world.share(file, "user", "reader", BOB)

    assert ask("drives", BOB)["drives"] == []
    assert ask.names("sharedWithMe", BOB, **DRIVES) == ["a.txt"]
    assert ask(f"files/{file}", BOB, supportsAllDrives=True, fields="name,driveId") == {"name": "a.txt", "driveId": drive}


def test_the_account_tells_who_it_is_and_only_what_is_asked(ask: Asking) -> None:
    ask.world.create(owner=ADA, name="a.txt", content=b"12345")

    assert ask("about", fields="user(emailAddress,me)") == {"user": {"emailAddress": ADA, "me": True}}
    whole = ask("about", fields="*")
    assert whole["storageQuota"]["usage"] == "5"
    assert "application/pdf" in whole["exportFormats"]["application/vnd.google-apps.document"]
    with pytest.raises(Refused) as refused:
        ask("about")
    assert (refused.value.status, refused.value.reason, refused.value.location) == (400, "required", "fields")


@pytest.mark.parametrize("path", ["", "nothing", "files/a/b", "changes/a", "drives/a/b", "files/a/watch"])
def test_a_path_that_is_not_there_is_not_found(ask: Asking, path: str) -> None:
    assert ask.raw(path).status == 404
    assert ask.raw(path, method="DELETE").status == 404
