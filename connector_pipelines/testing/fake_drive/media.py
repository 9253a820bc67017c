"""Bytes: files.get and revisions.get with alt=media, files.export."""

from __future__ import annotations

import re
from typing import Final

from connector_pipelines.testing.fake_api.messages import Answer
from connector_pipelines.testing.fake_drive.content import Revision
from connector_pipelines.testing.fake_drive.errors import DriveError, bad_parameter, not_permitted
from connector_pipelines.testing.fake_drive.items import RANKS, Item
from connector_pipelines.testing.fake_drive.native import EXPORTS, export
from connector_pipelines.testing.fake_drive.question import Question, refuse_without

__all__ = ["EXPORT_LIMIT", "answer_bytes", "answer_export", "answer_media", "check_download", "readable_revisions"]

EXPORT_LIMIT: Final = 10 * 1024**2
"""Bytes of an export; https://developers.google.com/workspace/drive/api/reference/rest/v3/files/export, "limited to 10 MB"."""

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


def answer_media(question: Question, item: Item, role: str, revision: Revision | None) -> Answer:
    """Raises `DriveError`."""
    if revision is None:
        message = "Only files with binary content can be downloaded. Use Export with Docs Editors files."
        raise DriveError(403, "fileNotDownloadable", message, location="alt")
    check_download(question, item, role)
    return answer_bytes(question.request.headers.get("range"), revision.read(), item.mime_type)


def check_download(question: Question, item: Item, role: str) -> None:
    """Raises `DriveError`: 403: malware nobody acknowledged, or whom it may be acknowledged by; or not for this role."""
    if not question.state.can_download(item, role):
        raise DriveError(403, "cannotDownloadFile", "This file cannot be downloaded by the user.")
    may_acknowledge = item.owner == question.email or (item.drive is not None and RANKS[role] >= RANKS["organizer"])
    if item.extras.abusive and not (may_acknowledge and question.flag("acknowledgeAbuse")):
        message = "This file has been identified as malware or spam and cannot be downloaded."
        raise DriveError(403, "cannotDownloadAbusiveFile", message)


def answer_export(question: Question, item: Item, role: str) -> Answer:
    """Raises `DriveError`."""
    wanted = refuse_without(question, "mimeType")
    native = item.extras.native
    if native is None or item.mime_type not in EXPORTS:
        raise DriveError(403, "fileNotExportable", "Export only supports Docs Editors files.")
    if not question.state.can_download(item, role):
        raise DriveError(403, "cannotExportFile", "This file cannot be exported by the user.")
    if wanted not in EXPORTS[item.mime_type]:
        raise bad_parameter("convertTo", "The requested conversion is not supported.", "badRequest")
    body = export(native, wanted)
    if len(body) > EXPORT_LIMIT:
        raise DriveError(403, "exportSizeLimitExceeded", "This file is too large to be exported.")
    return Answer(200, body, {"Content-Type": wanted})


def answer_bytes(asked: str | None, body: bytes, mime_type: str) -> Answer:
    """Whole, or the one range asked for. Of nothing, every range is refused."""
    if asked is None:
        return Answer(200, body, {"Content-Type": mime_type, "Content-Disposition": "attachment"})
    bounds = _bounds(asked, len(body))
    if bounds is None:
        raise DriveError(
            416, "requestedRangeNotSatisfiable", "Request range not satisfiable", location="Range", location_type="header",
            headers={"Content-Range": f"bytes */{len(body)}"},
        )  # fmt: skip
    begin, end = bounds
    headers = {"Content-Type": mime_type, "Content-Disposition": "attachment", "Content-Range": f"bytes {begin}-{end - 1}/{len(body)}"}
    return Answer(206, body[begin:end], headers)


def readable_revisions(item: Item, role: str) -> list[Revision]:
    """Raises `DriveError`: 403: revisions are for those who may write, the head revision included."""
    if RANKS[role] < RANKS["writer"]:
        raise not_permitted()
    return item.revisions or []


def _bounds(asked: str, size: int) -> tuple[int, int] | None:
    match = _RANGE.fullmatch(asked.strip())
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        begin, end = max(0, size - int(last)), size
        return (begin, end) if int(last) and size else None
    begin, end = int(first), min(size, int(last) + 1 if last else size)
    return (begin, end) if begin < end else None
