"""Only what `fields` names comes back."""

from __future__ import annotations

from typing import Any

import pytest

from connector_pipelines.testing.fake_drive import changes, drives, files, permissions
from connector_pipelines.testing.fake_drive.masks import cut, mask_of
from tests.testing.fake_drive.asking import ADA, BOB, Asking, Refused
from tests.testing.fake_drive.schemas import discovery_document


@pytest.mark.parametrize(
    ("fields", "mask"),
    [
        ("a", {"a": None}),
        ("a, b ,c", {"a": None, "b": None, "c": None}),
        ("a/b/c,d", {"a": {"b": {"c": None}}, "d": None}),
        ("a(b,c/d,e(f))", {"a": {"b": None, "c": {"d": None}, "e": {"f": None}}}),
        ("a/b,a/c", {"a": {"b": None, "c": None}}),
        ("a/b,a", {"a": None}),
        ("*", {"*": None}),
        ("a(*)", {"a": {"*": None}}),
    ],
)
def test_a_mask_is_read(fields: str, mask: dict[str, Any]) -> None:
    assert mask_of(fields) == mask


@pytest.mark.parametrize("fields", ["", ",", "a,", "a(", "a()", "a(b", "a)b", "a b", "a/", "/a", "a,,b", "a;b"])
def test_what_is_no_mask_is_refused(ask: Asking, fields: str) -> None:
    with pytest.raises(Refused) as refused:
        ask("files", fields=fields)

    assert (refused.value.status, refused.value.reason, refused.value.location) == (400, "invalidParameter", "fields")


@pytest.mark.parametrize(
    ("path", "fields"),
    [("files", "colour"), ("files", "files(colour)"), ("files", "files(permissions(colour))"), ("files", "name"), ("files/root", "files"),
     ("drives", "drives(id),files"), ("about", "me")],
)  # fmt: skip
def test_a_field_that_nothing_has_is_refused(ask: Asking, path: str, fields: str) -> None:
    with pytest.raises(Refused, match="Invalid field selection"):
        ask(path, fields=fields)


def test_lists_and_objects_are_cut_alike() -> None:
    value = {"a": [{"b": 1, "c": 2}, {"c": 3}], "d": {"e": 4, "f": 5}, "g": 6}

    assert cut(value, mask_of("a(b),d/e")) == {"a": [{"b": 1}, {}], "d": {"e": 4}}


def test_without_fields_little_comes_back(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="a.txt", content=b"1")

    assert ask(f"files/{file}").keys() == {"kind", "id", "name", "mimeType"}
    assert ask("files")["files"][0].keys() == {"kind", "id", "name", "mimeType"}
    assert ask(f"files/{file}/permissions")["permissions"][0].keys() == {"kind", "id", "type", "role"}


def test_a_star_brings_all_and_a_nested_mask_its_parts(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="a.txt", content=b"hello")
    ask.world.share(file, "user", "reader", BOB)

    whole = ask("files", fields="*")
    part = ask("files", fields="files(id,permissions(id,type),capabilities/canDownload)")

    assert whole["files"][0]["sha256Checksum"].startswith("2cf24dba")
    assert whole["files"][0]["size"] == "5"
    (found,) = part["files"]
    assert found.keys() == {"id", "permissions", "capabilities"}
    assert found["capabilities"] == {"canDownload": True}
    assert all(each.keys() == {"id", "type"} for each in found["permissions"])
    assert len(found["permissions"]) == 2


def test_the_fields_that_may_be_named_are_those_of_the_discovery_document() -> None:
    schemas = discovery_document()["schemas"]

    assert schemas["File"]["properties"].keys() == files.FILE_FIELDS
    assert schemas["Permission"]["properties"].keys() == permissions.PERMISSION_FIELDS
    assert schemas["User"]["properties"].keys() == permissions.USER_FIELDS
    assert schemas["Change"]["properties"].keys() == changes.CHANGE_FIELDS
    assert schemas["Drive"]["properties"].keys() == drives.DRIVE_FIELDS
    assert schemas["About"]["properties"].keys() == drives.ABOUT_FIELDS
