"""The table of methods against the discovery document."""

from __future__ import annotations

import re

import pytest

from connector_pipelines.testing.fake_api.messages import Request
from connector_pipelines.testing.fake_drive.methods import SCOPE_PREFIX, call_of, file_of, scopes_of
from tests.testing.fake_drive.schemas import faults_of_answer, methods

PATHS = {
    f"drive.{name}"
    for name in (
        "about.get", "changes.getStartPageToken", "changes.list", "changes.watch", "channels.stop", "comments.list", "drives.create",
        "drives.delete", "drives.get", "drives.list", "drives.update", "files.copy", "files.create", "files.delete", "files.download",
        "files.emptyTrash", "files.export", "files.generateIds", "files.get", "files.list", "files.listLabels", "files.update",
        "files.watch", "operations.get", "permissions.create", "permissions.delete", "permissions.get", "permissions.list",
        "permissions.update", "revisions.get", "revisions.list",
    )
}  # fmt: skip


def asked(method: str, path: str, **params: str) -> Request:
    return Request(method=method, path=path, target=path, base="", params=params, headers={})


def test_each_method_is_known_by_its_path_and_needs_the_scopes_of_the_document() -> None:
    known = {}
    for method in methods():
        if method["id"] in PATHS:
            call = call_of(asked(method["httpMethod"], "/drive/v3/" + re.sub(r"{\w+}", "abc", method["path"])))
            known[f"drive.{call}"] = {SCOPE_PREFIX + scope for scope in scopes_of(call) or ()}

    assert known == {method["id"]: set(method["scopes"]) for method in methods() if method["id"] in PATHS}


@pytest.mark.parametrize(
    ("path", "call", "file_id"),
    [
        ("/drive/v3/files/abc", "files.get media", "abc"),
        ("/drive/v3/files/abc/revisions/1", "revisions.get media", "abc"),
        ("/drive/v3/downloads/abc", "files.download media", ""),
        ("/drive/v3/files/trash/x/y/z", "/drive/v3/files/trash/x/y/z", ""),
        ("/batch/drive/v3", "batch", ""),
        ("/elsewhere", "/elsewhere", ""),
    ],
)
def test_bytes_have_names_of_their_own(path: str, call: str, file_id: str) -> None:
    request = asked("GET", path, alt="media")

    assert (call_of(request), file_of(request)) == (call, file_id)


def test_metadata_scopes_do_not_allow_bytes() -> None:
    assert "drive.metadata.readonly" in (scopes_of("files.get") or ())
    assert "drive.metadata.readonly" not in (scopes_of("files.get media") or ())
    assert scopes_of("/elsewhere") is None


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"files": [{"id": "a", "size": 5}]}, "drive.files.list.files[0].size should be string"),
        ({"files": {}}, "drive.files.list.files should be array"),
        ({"file": []}, "drive.files.list.file is not in the schema"),
        ({"files": [{"createdTime": "2026-01-01T00:00:00"}]}, "createdTime should be date-time"),
        ({"files": [{"version": "x"}]}, "version should be int64"),
        ({"incompleteSearch": 1}, "incompleteSearch should be boolean"),
    ],
)
def test_an_answer_that_is_not_as_the_document_says_is_found_out(answer: object, says: str) -> None:
    (fault,) = faults_of_answer("drive.files.list", answer)

    assert says in fault
