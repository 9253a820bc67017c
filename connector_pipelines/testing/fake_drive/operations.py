"""files.download and operations.get: the long way, for exports of any size (https://developers.google.com/workspace/drive/api/guides/manage-downloads)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from connector_pipelines.testing.fake_api.messages import Answer
from connector_pipelines.testing.fake_drive.errors import DriveError, bad_parameter, not_permitted
from connector_pipelines.testing.fake_drive.items import Item
from connector_pipelines.testing.fake_drive.media import answer_bytes, check_download
from connector_pipelines.testing.fake_drive.native import EXPORTS, export
from connector_pipelines.testing.fake_drive.question import Question

__all__ = ["Operations"]

_LIFE_US = 24 * 3600 * 1_000_000


@dataclass(slots=True)
class _Operation:
    name: str
    email: str
    mime_type: str
    polls_left: int
    forbidden_left: int
    began_at: int
    body: bytes


class Operations:
    """Under way, or done and good for 24 hours of the world's clock."""

    def __init__(self) -> None:
        self._all: dict[str, _Operation] = {}

    def start(self, question: Question, item: Item, role: str) -> Answer:
        """Raises `DriveError`."""
        check_download(question, item, role)
        body, mime_type = _made(question, item)
        quirks = question.state.quirks
        name = _opaque("operation", len(self._all))
        found = _Operation(name, question.email, mime_type, quirks.operation_polls, quirks.operation_forbidden, question.viewer.now, body)
        self._all[name] = found
        return question.answer(_told(question, found, resource_key=item.extras.resource_key))

    def get(self, question: Question, name: str) -> Answer:
        """Raises `DriveError`: 404: none of that name; 403: somebody else's, or just so."""
        found = self._live(question, name)
        if found.forbidden_left:
            found.forbidden_left -= 1
            raise DriveError(403, "forbidden", "The caller does not have permission")
        found.polls_left = max(0, found.polls_left - 1)
        return question.answer(_told(question, found))

    def download(self, question: Question, secret: str) -> Answer:
        """What a `downloadUri` names, for the one who started it."""
        name = next((each for each in self._all if _opaque("download", each) == secret), "")
        found = self._live(question, name)
        return answer_bytes(question.request.headers.get("range"), found.body, found.mime_type)

    def _live(self, question: Question, name: str) -> _Operation:
        found = self._all.get(name)
        if found is None or question.viewer.now - found.began_at > _LIFE_US:
            raise DriveError(404, "notFound", f"Operation not found: {name}.", location="name")
        if found.email != question.email:
            raise not_permitted()
        return found


def _made(question: Question, item: Item) -> tuple[bytes, str]:
    wanted = question.text("mimeType")
    native = item.extras.native
    if native is not None and item.mime_type in EXPORTS:
        wanted = wanted or EXPORTS[item.mime_type][0]
        if wanted not in EXPORTS[item.mime_type]:
            raise bad_parameter("mimeType", "The requested conversion is not supported.", "badRequest")
        return export(native, wanted), wanted
    if item.head is None:
        raise DriveError(403, "fileNotDownloadable", "This file has nothing that could be downloaded.")
    if wanted:
        raise bad_parameter("mimeType", "A MIME type can only be chosen for Docs Editors files.", "badRequest")
    asked = question.text("revisionId") or item.head.id
    for revision in item.revisions or []:
        if revision.id == asked:
            return revision.read(), item.mime_type
    raise DriveError(404, "notFound", f"Revision not found: {asked}.", location="revisionId")


def _told(question: Question, found: _Operation, resource_key: str | None = None) -> dict[str, Any]:
    kind = "type.googleapis.com/google.apps.drive.v3.DownloadFile"
    told: dict[str, Any] = {"name": found.name, "done": found.polls_left == 0, "metadata": {"@type": f"{kind}Metadata"}}
    if resource_key:
        told["metadata"]["resourceKey"] = resource_key
    if told["done"] and question.state.quirks.operation_fails:
        told["error"] = {"code": 13, "message": "Internal error encountered."}
    elif told["done"]:
        uri = f"{question.request.base}/drive/v3/downloads/{_opaque('download', found.name)}"
        told["response"] = {"@type": f"{kind}Response", "downloadUri": uri, "partialDownloadAllowed": True}
    return told


def _opaque(kind: str, what: object) -> str:
    return hashlib.blake2b(f"{kind}/{what}".encode(), digest_size=24, key=b"fake drive").hexdigest()
