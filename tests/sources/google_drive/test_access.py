"""Who may see what a user lists in a shared drive: who is asked for, who follows a folder, and what a refusal leaves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest

from connector_pipelines.core.access import Acl
from connector_pipelines.core.errors import (
    ConnectorError,
    Forbidden,
    Malformed,
    NotFound,
    PermanentError,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from connector_pipelines.core.types import Folder
from connector_pipelines.sources.google_drive.access import Access
from connector_pipelines.sources.google_drive.client import Ask, Json
from connector_pipelines.sources.google_drive.permissions import only

_ME = "me@example.com"
_DRIVE = "0ADrive"
_FOLDER = "application/vnd.google-apps.folder"


def test_what_has_nothing_of_its_own_has_the_members_of_its_drive_for_one_question() -> None:
    drive = Permissions({_DRIVE: "ann"})
    found = seen(drive).of([file("a"), file("b"), folder("f"), file("c", "f")])
    assert set(found.values()) == {of("ann")}
    assert drive.asked == [[_DRIVE]]


def test_what_has_permissions_of_its_own_is_asked_for_and_is_followed_below() -> None:
    drive = Permissions({_DRIVE: "ann", "f": "ann bob", "a": "ann carl"})
    found = seen(drive).of([file("b", "f"), folder("f", own=True), file("a", own=True)])
    assert found == {"a": of("ann", "carl"), "f": of("ann", "bob"), "b": of("ann", "bob")}
    assert sorted(drive.asked[0]) == ["a", "f"]


def test_a_folder_of_limited_access_has_fewer_and_so_has_what_lies_in_it() -> None:
    drive = Permissions({_DRIVE: "ann bob", "secret": "ann"})
    found = seen(drive).of([folder("secret", limited=True), folder("deep", "secret"), file("a", "deep")])
    assert found == dict.fromkeys(["secret", "deep", "a"], of("ann"))


def test_folders_of_pages_before_are_followed_without_asking_again() -> None:
    drive = Permissions({_DRIVE: "ann", "f": "ann bob"})
    access = seen(drive)
    access.of([folder("f", own=True)])
    assert access.of([file("a", "f"), file("b")]) == {"a": of("ann", "bob"), "b": of("ann")}
    assert drive.asked == [["f"], [_DRIVE]]


def test_folders_of_passes_before_are_followed_as_they_were_recorded() -> None:
    drive = Permissions({})
    recorded = Recorded(Folder("f", _DRIVE, "f", acl=of("ann", "bob")))
    assert seen(drive, recorded).of([file("a", "f")]) == {"a": of("ann", "bob")}
    assert drive.asked == []


def test_what_a_feed_says_of_a_folder_counts_and_not_what_was_recorded() -> None:
    drive = Permissions({"f": "ann"})
    recorded = Recorded(Folder("f", _DRIVE, "f", acl=of("ann", "bob")))
    assert seen(drive, recorded).of([file("a", "f"), folder("f", own=True)])["a"] == of("ann")


def test_members_are_asked_for_anew_in_each_pass_whatever_was_recorded() -> None:
    drive = Permissions({_DRIVE: "ann"})
    recorded = Recorded(Folder(_DRIVE, None, "", acl=of("ann", "bob")))
    access = seen(drive, recorded)
    assert access.of([file("a")])["a"] == of("ann")
    assert access.tops([_DRIVE]) == {_DRIVE: of("ann")}
    assert drive.asked == [[_DRIVE]]


@pytest.mark.parametrize("recorded", [[], [Folder("f", None, "f")]])
def test_what_lies_in_a_folder_whose_access_is_not_known_is_asked_for_itself(recorded: list[Folder]) -> None:
    drive = Permissions({"a": "ann"})
    assert seen(drive, Recorded(*recorded)).of([file("a", "f")]) == {"a": of("ann")}


def test_what_lies_in_no_folder_that_we_see_is_asked_for_itself() -> None:
    drive = Permissions({"a": "ann"})
    assert seen(drive).of([{"id": "a", "driveId": _DRIVE}]) == {"a": of("ann")}


def test_tops_are_asked_for_in_one_request_and_once() -> None:
    drive = Permissions({"x": "ann", "y": "bob"})
    access = seen(drive)
    assert access.tops(["x", "y"]) == {"x": of("ann"), "y": of("bob")}
    assert access.tops(["y"]) == {"y": of("bob")}
    assert drive.asked == [["x", "y"]]


def test_the_folder_of_a_drive_itself_has_its_members() -> None:
    drive = Permissions({_DRIVE: "ann"})
    assert seen(drive).of([{"id": _DRIVE, "driveId": _DRIVE, "mimeType": _FOLDER}, file("a")]) == {_DRIVE: of("ann"), "a": of("ann")}
    assert drive.asked == [[_DRIVE]]


def test_all_pages_of_many_permissions_are_read() -> None:
    people = [f"p{number:03d}" for number in range(250)]
    drive = Permissions({_DRIVE: " ".join(people), "a": "ann"})
    assert seen(drive).of([file("a", own=True), file("b")])["b"] == of(*people)
    assert drive.asked == [["a"], [_DRIVE], [_DRIVE], [_DRIVE]]


@pytest.mark.parametrize("error", [Forbidden("no"), NotFound("no"), PermanentError("400")])
def test_members_that_are_refused_leave_only_us(error: ConnectorError) -> None:
    assert seen(Permissions({_DRIVE: error})).of([file("a"), folder("f"), file("b", "f")]) == dict.fromkeys(["a", "f", "b"], only(_ME))


@pytest.mark.parametrize("error", [Forbidden("no"), NotFound("no"), PermanentError("400")])
def test_permissions_of_its_own_that_are_refused_leave_those_of_its_folder(error: ConnectorError) -> None:
    drive = Permissions({_DRIVE: "ann", "a": error, "b": "ann bob"})
    found = seen(drive).of([file("a", own=True), file("b", own=True)])
    assert found == {"a": Acl(readers=of("ann").readers | only(_ME).readers, complete=False), "b": of("ann", "bob")}


def test_a_folder_of_limited_access_that_is_refused_leaves_only_us_below() -> None:
    drive = Permissions({_DRIVE: "ann", "secret": Forbidden("no")})
    found = seen(drive).of([folder("secret", limited=True, own=True), file("a", "secret")])
    assert found == {"secret": only(_ME), "a": only(_ME)}


def test_a_refusal_of_the_second_page_leaves_nothing_of_the_first() -> None:
    drive = Permissions({_DRIVE: " ".join(f"p{number}" for number in range(150))}, second_page=Forbidden("no"))
    assert seen(drive).of([file("a")]) == {"a": only(_ME)}


@pytest.mark.parametrize("error", [RateLimited("later"), Unauthenticated("who?"), Unavailable("after all tries")])
def test_what_is_no_answer_stops_the_pass_and_takes_nobodys_access(error: ConnectorError) -> None:
    with pytest.raises(type(error)):
        seen(Permissions({_DRIVE: error})).of([file("a")])
    with pytest.raises(type(error)):
        seen(Permissions({_DRIVE: "ann", "a": error})).of([file("a", own=True)])


def test_an_answer_that_cannot_be_read_is_asked_for_again_later() -> None:
    with pytest.raises(Unavailable, match="who may see a: a page of somebody"):
        seen(Permissions({_DRIVE: "ann", "a": Malformed("a page of somebody")})).of([file("a", own=True)])


def test_in_my_drive_what_is_told_counts_and_nothing_is_asked() -> None:
    drive = Permissions({})
    shared = {
        "id": "a",
        "parents": ["f"],
        "permissions": [person("ann"), {"type": "anyone", "role": "reader", "allowFileDiscovery": False}],
    }
    found = seen(drive).of([shared, {"id": "b", "parents": ["f"]}, {"id": "c", "parents": ["f"], "permissions": []}])
    assert found == {"a": Acl(readers=of("ann").readers, with_link=frozenset({"anyone"})), "b": only(_ME), "c": of()}
    assert drive.asked == []


class Permissions:
    """The answers of `permissions.list`: names of people, or an error; 100 on a page."""

    def __init__(self, told: Mapping[str, str | ConnectorError], *, second_page: ConnectorError | None = None) -> None:
        self.asked: list[list[str]] = []
        self._told = told
        self._second_page = second_page

    def batch(self, asks: Sequence[Ask], /) -> Sequence[Json | ConnectorError]:
        self.asked.append([ask.params["fileId"] for ask in asks])
        assert all(ask.method == "permissions.list" and ask.params["supportsAllDrives"] for ask in asks)
        return [self._answer(ask.params["fileId"], int(ask.params["pageToken"] or 0)) for ask in asks]

    def _answer(self, item_id: str, begin: int) -> Json | ConnectorError:
        told = self._told[item_id]
        if begin and self._second_page:
            return self._second_page
        if isinstance(told, ConnectorError):
            return told
        people = told.split()
        more = {"nextPageToken": str(begin + 100)} if begin + 100 < len(people) else {}
        return {"permissions": [person(each) for each in people[begin : begin + 100]], **more}


class Recorded:
    def __init__(self, *folders: Folder) -> None:
        self._folders = {each.id: each for each in folders}

    def known(self, ids: Collection[str]) -> Mapping[str, Folder]:
        return {key: folder for key, folder in self._folders.items() if key in ids}

    def leading_to(self, targets: Collection[str]) -> Mapping[str, Sequence[Folder]]:
        raise NotImplementedError


def seen(drive: Permissions, recorded: Recorded | None = None) -> Access:
    return Access(drive, _ME, recorded or Recorded())


def file(item_id: str, parent: str = _DRIVE, *, own: bool = False) -> Json:
    return {"id": item_id, "mimeType": "text/plain", "driveId": _DRIVE, "parents": [parent], "hasAugmentedPermissions": own}


def folder(item_id: str, parent: str = _DRIVE, *, own: bool = False, limited: bool = False) -> Json:
    return {**file(item_id, parent, own=own), "mimeType": _FOLDER, "inheritedPermissionsDisabled": limited}


def person(name: str) -> dict[str, Any]:
    return {"type": "user", "role": "reader", "emailAddress": f"{name}@example.com"}


def of(*names: str) -> Acl:
    return Acl(readers=frozenset(f"user:{name}@example.com" for name in names))
