"""The change feeds: changes.getStartPageToken and changes.list (https://developers.google.com/workspace/drive/api/guides/manage-changes)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from connector_pipelines.testing.fake_api.messages import Answer
from connector_pipelines.testing.fake_drive.drives import drive_json
from connector_pipelines.testing.fake_drive.errors import bad_parameter, invalid_page_token
from connector_pipelines.testing.fake_drive.feeds import Entry, FeedKey
from connector_pipelines.testing.fake_drive.files import DEFAULT_FILE, check_file_mask, file_json
from connector_pipelines.testing.fake_drive.items import Item
from connector_pipelines.testing.fake_drive.masks import EVERYTHING, Mask, below, cut, invalid, wants
from connector_pipelines.testing.fake_drive.page_tokens import seal, unseal
from connector_pipelines.testing.fake_drive.question import Question, refuse_without
from connector_pipelines.testing.fake_drive.stamps import stamp

__all__ = ["CHANGE_FIELDS", "Changes"]

_START: Final = frozenset({"kind", "startPageToken"})
_KNOWN: Final = frozenset({"kind", "nextPageToken", "newStartPageToken", "changes"})
CHANGE_FIELDS: Final = frozenset(
    ["kind", "type", "changeType", "time", "removed", "fileId", "file", "driveId", "drive", "teamDriveId", "teamDrive"]
)
_DEFAULTCHANGE_FIELDS: Final[Mask] = {
    **dict.fromkeys(CHANGE_FIELDS - {"file", "drive", "teamDrive"}),
    "file": DEFAULT_FILE,
    "drive": {"kind": None, "id": None, "name": None},
}
_DEFAULT: Final[Mask] = {"kind": None, "nextPageToken": None, "newStartPageToken": None, "changes": _DEFAULTCHANGE_FIELDS}


class Changes:
    """Answers under the lock. Counts pages, for those that are empty now and then."""

    def __init__(self) -> None:
        self._pages = 0

    def start_token(self, question: Question) -> Answer:
        key = _feed(question)
        token = _token(question, key, question.state.feeds.end(key))
        return question.chosen({"kind": "drive#startPageToken", "startPageToken": token}, question.mask(EVERYTHING, _START))

    def check_token(self, question: Question) -> FeedKey:
        """The feed the parameters name. Raises `DriveError`: it is not the caller's, or the page token is not good for it."""
        key = _feed(question)
        self._place(question, key)
        return key

    def answer(self, question: Question) -> Answer:
        mask = question.mask(_DEFAULT, _KNOWN)
        inner = below(mask, "changes") if "*" not in mask else EVERYTHING
        _check(inner)
        check_file_mask(below(inner, "file"))
        size = max(1, int(question.page_size(100, 1000) * question.state.quirks.short_pages))
        key = _feed(question)
        place, back, is_after_empty = self._place(question, key)
        entries, end, is_empty = self._page(question, key, place, back, size, is_after_empty=is_after_empty)
        told: dict[str, Any] = {"kind": "drive#changeList"}
        if end < question.state.feeds.end(key) or is_empty:
            told["nextPageToken"] = _token(question, key, end, end - place, is_empty)
        else:
            told["newStartPageToken"] = _token(question, key, end)
        if wants(mask, "changes"):
            told["changes"] = [change for entry in entries for change in _shown(question, key, entry, inner)]
        return question.chosen(told, mask)

    def _page(
        self, question: Question, key: FeedKey, place: int, back: int, size: int, *, is_after_empty: bool
    ) -> tuple[list[Entry], int, bool]:
        feeds, quirks = question.state.feeds, question.state.quirks
        self._pages += 1
        if quirks.empty_page_every and self._pages % quirks.empty_page_every == 0 and not is_after_empty:
            return [], place, True
        repeated: list[Entry] = []
        if quirks.repeat_every and back:
            repeated = feeds.read(key, place - back, back)[quirks.repeat_every - 1 :: quirks.repeat_every][:size]
        entries = feeds.read(key, place, size - len(repeated))
        return repeated + entries, place + len(entries), False

    @staticmethod
    def _place(question: Question, key: FeedKey) -> tuple[int, int, bool]:
        email, kind, name, epoch, place, back, is_after_empty = unseal("changes", refuse_without(question, "pageToken"))
        if email != question.email or (kind, name) != key or epoch != question.state.feeds.epoch(key):
            raise invalid_page_token()
        return place, back, is_after_empty


def _feed(question: Question) -> FeedKey:
    """The feed the parameters name. Raises `DriveError`: 404: no such shared drive for the caller."""
    if not question.drive_id:
        return ("user", question.email)
    if not question.all_drives:
        raise bad_parameter("supportsAllDrives", "The supportsAllDrives parameter must be true where driveId is given.")
    return ("drive", question.state.drive_of(question.email, question.drive_id).id)


def _token(question: Question, key: FeedKey, place: int, back: int = 0, is_after_empty: bool = False) -> str:
    return seal("changes", question.email, *key, question.state.feeds.epoch(key), place, back, is_after_empty)


def _check(mask: Mask) -> None:
    for name in mask:
        if name not in CHANGE_FIELDS and name != "*":
            raise invalid(name)


def _shown(question: Question, key: FeedKey, entry: Entry, mask: Mask) -> Iterator[dict[str, Any]]:
    """None or one: the caller may not want to know of shared drives, or of what is gone."""
    if key[0] == "user" and entry.drive_id is not None and not (question.drive_items and question.all_drives):
        return
    told = _drive_change(question, entry, mask) if entry.kind == "drive" else _file_change(question, key, entry, mask)
    if told is None or (told["removed"] and not question.flag("includeRemoved", default=True)):
        return
    told |= {"kind": "drive#change", "type": entry.kind, "changeType": entry.kind, "time": stamp(entry.at)}
    yield told if "*" in mask else {name: value for name, value in told.items() if name in mask}


def _file_change(question: Question, key: FeedKey, entry: Entry, mask: Mask) -> dict[str, Any] | None:
    item = question.state.items.get(entry.id)
    told: dict[str, Any] = {"fileId": entry.id, "removed": True}
    if item is None:
        return told
    access = question.state.access
    told["removed"] = access.role(question.email, item, by_link=False, by_domain=False) is None and not _by_domain_in_drive(question, item)
    if key[0] == "drive" and (item.drive is None or item.drive.id != key[1]):
        told["removed"] = True
    if key[0] == "user" and item.drive is not None and not question.drive_items:
        told["removed"] = True
    if not told["removed"] and question.flag("restrictToMyDrive") and not _in_my_drive(question, item):
        return None
    is_kept = question.flag("includeCorpusRemovals") and access.role(question.email, item) is not None
    if (not told["removed"] or is_kept) and wants(mask, "file"):
        told["file"] = file_json(question.viewer, item, below(mask, "file") if "*" not in mask else EVERYTHING)
    return told


def _by_domain_in_drive(question: Question, item: Item) -> bool:
    return item.drive is not None and question.state.access.role(question.email, item, by_link=False) is not None


def _drive_change(question: Question, entry: Entry, mask: Mask) -> dict[str, Any]:
    drive = question.state.drives.get(entry.id)
    if drive is None or not question.state.is_member(question.email, drive):
        return {"driveId": entry.id, "teamDriveId": entry.id, "removed": True}
    inner = below(mask, "drive") if "*" not in mask else EVERYTHING
    return {"driveId": entry.id, "teamDriveId": entry.id, "removed": False, "drive": cut(drive_json(question.viewer, drive), inner)}


def _in_my_drive(question: Question, item: Item) -> bool:
    top: Item | None = item
    while top is not None and top.parent is not None:
        top = top.parent
    return top is not None and top.id == question.viewer.root_id
