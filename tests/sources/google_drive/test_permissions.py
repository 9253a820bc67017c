"""What each permission of Drive makes of who may see an item."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from connector_pipelines.core.access import Acl
from connector_pipelines.sources.google_drive.permissions import FILE_FIELDS, LIST_FIELDS, acl_of, below_changed, only, with_more

_ANN = {"type": "user", "role": "reader", "emailAddress": "Ann@Example.com"}
_STAFF = {"type": "group", "role": "writer", "emailAddress": "staff@example.com"}
_LINK = {"type": "anyone", "role": "reader", "allowFileDiscovery": False}


def _acl(*readers: str, link: tuple[str, ...] = (), until: dict[str, str] | None = None, complete: bool = True) -> Acl:
    return Acl(readers=frozenset(readers), with_link=frozenset(link), until=until or {}, complete=complete)


@pytest.mark.parametrize("role", ["owner", "organizer", "fileOrganizer", "writer", "commenter", "reader"])
@pytest.mark.parametrize(
    ("permission", "expected"),
    [
        ({"type": "user", "emailAddress": "Ann@Example.com"}, _acl("user:ann@example.com")),
        ({"type": "group", "emailAddress": "Staff@example.com"}, _acl("group:staff@example.com")),
        ({"type": "domain", "domain": "Example.com", "allowFileDiscovery": True}, _acl("domain:example.com")),
        ({"type": "domain", "domain": "example.com", "allowFileDiscovery": False}, _acl(link=("domain:example.com",))),
        ({"type": "domain", "domain": "example.com"}, _acl(link=("domain:example.com",))),
        ({"type": "anyone", "allowFileDiscovery": True}, _acl("anyone")),
        ({"type": "anyone", "allowFileDiscovery": False}, _acl(link=("anyone",))),
        ({"type": "anyone"}, _acl(link=("anyone",))),
    ],
)
def test_every_role_reads_and_only_what_may_be_found_is_found(role: str, permission: dict[str, Any], expected: Acl) -> None:
    assert acl_of([{**permission, "role": role}]) == expected


@pytest.mark.parametrize(
    "permission",
    [
        {**_ANN, "deleted": True},
        {**_STAFF, "deleted": True},
        {**_ANN, "view": "metadata"},
        {**_ANN, "view": "published", "role": "publishedReader"},
        {**_LINK, "view": "published"},
    ],
)
def test_accounts_that_are_deleted_and_views_without_content_read_nothing(permission: dict[str, Any]) -> None:
    assert acl_of([permission]) == _acl()


def test_a_pending_owner_reads_like_anybody_with_that_role() -> None:
    assert acl_of([{**_ANN, "role": "writer", "pendingOwner": True}]) == _acl("user:ann@example.com")


@pytest.mark.parametrize(
    "permission",
    [
        {"type": "user", "role": "reader"},  # an account whose address is not shown
        {"type": "user", "role": "reader", "emailAddress": ""},
        {"type": "domain", "role": "reader"},
        {"type": "audience", "role": "reader", "emailAddress": "x@example.com"},
        {**_ANN, "role": "previewer"},
        {"type": "user", "emailAddress": "ann@example.com"},
        {**_ANN, "view": "summary"},
        {"role": "reader"},
    ],
)
def test_what_is_not_understood_gives_nobody_anything_and_says_that_it_is_not_all(permission: dict[str, Any]) -> None:
    assert acl_of([permission, _STAFF]) == _acl("group:staff@example.com", complete=False)


def test_the_end_of_a_permission_is_told_in_utc() -> None:
    ending = {**_ANN, "expirationTime": "2027-03-01T10:00:00.000+02:00"}
    assert acl_of([ending, _STAFF]) == _acl(
        "user:ann@example.com", "group:staff@example.com", until={"user:ann@example.com": "2027-03-01T08:00:00+00:00"}
    )


@pytest.mark.parametrize(
    ("ends", "until"),
    [
        (["2027-01-01T00:00:00Z", "2027-02-01T00:00:00.500Z"], {"user:ann@example.com": "2027-02-01T00:00:00.500000+00:00"}),
        (["2027-02-01T00:00:00Z", "2027-01-01T00:00:00Z"], {"user:ann@example.com": "2027-02-01T00:00:00+00:00"}),
        (["2027-01-01T00:00:00Z", None], {}),
        ([None, "2027-01-01T00:00:00Z"], {}),
    ],
)
def test_of_two_permissions_of_one_person_the_longer_one_counts(ends: list[str | None], until: dict[str, str]) -> None:
    assert acl_of([{**_ANN, "expirationTime": end} if end else _ANN for end in ends]) == _acl("user:ann@example.com", until=until)


def test_who_may_find_it_is_not_told_again_as_who_may_with_the_link() -> None:
    assert acl_of([_LINK, {**_LINK, "allowFileDiscovery": True}]) == _acl("anyone")


def test_nobody_at_all_is_a_complete_answer() -> None:
    assert acl_of([]) == _acl()


def test_a_refusal_leaves_the_user_who_saw_it_and_never_the_public() -> None:
    assert only("Me@Example.com") == _acl("user:me@example.com", complete=False)


def test_where_an_items_own_permissions_are_refused_those_of_its_folder_stay_certain() -> None:
    folder = _acl("user:ann@example.com", link=("anyone",), until={"user:ann@example.com": "2027-01-01T00:00:00+00:00"})
    assert with_more(folder, "Me@example.com") == _acl(
        "user:ann@example.com", "user:me@example.com", link=("anyone",), until=dict(folder.until), complete=False
    )


def test_that_we_see_it_ends_with_no_permission_of_ours() -> None:
    ending = _acl("user:me@example.com", until={"user:me@example.com": "2027-01-01T00:00:00+00:00"})
    assert with_more(ending, "me@example.com") == only("me@example.com")


@pytest.mark.parametrize(
    ("before", "now", "is_changed"),
    [
        (None, None, False),
        (None, _acl(), True),
        (_acl(), None, True),
        (_acl("anyone"), _acl("anyone"), False),
        (_acl("anyone"), _acl(link=("anyone",)), True),
        (_acl("user:a@b.c"), _acl("user:a@b.c", until={"user:a@b.c": "2027-01-01T00:00:00+00:00"}), True),
        (only("a@b.c"), _acl("user:a@b.c"), True),
    ],
)
def test_any_difference_of_a_folder_reaches_what_lies_below(before: Acl | None, now: Acl | None, is_changed: bool) -> None:
    assert below_changed(before, now) is is_changed


@pytest.mark.parametrize(("schema", "fields"), [("File", FILE_FIELDS), ("PermissionList", LIST_FIELDS)])
def test_every_field_that_is_asked_for_is_in_the_discovery_document(schema: str, fields: str) -> None:
    document = json.loads((files("googleapiclient.discovery_cache.documents") / "drive.v3.json").read_bytes())["schemas"]
    outer, _, inner = fields.rstrip(")").partition(",permissions(")
    assert set(outer.split(",")) | {"permissions"} <= document[schema]["properties"].keys()
    assert set(inner.split(",")) <= document["Permission"]["properties"].keys()
