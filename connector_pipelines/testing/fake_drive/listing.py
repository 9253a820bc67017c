"""files.list (https://developers.google.com/workspace/drive/api/reference/rest/v3/files/list)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from connector_pipelines.testing.fake_api.messages import Answer
from connector_pipelines.testing.fake_drive.errors import DriveError, bad_parameter, invalid_page_token
from connector_pipelines.testing.fake_drive.files import DEFAULT_FILE, check_file_mask, file_json
from connector_pipelines.testing.fake_drive.items import Item
from connector_pipelines.testing.fake_drive.masks import EVERYTHING, Mask, below, wants
from connector_pipelines.testing.fake_drive.page_tokens import seal, unseal
from connector_pipelines.testing.fake_drive.query import Query, parse_query
from connector_pipelines.testing.fake_drive.question import Question

__all__ = ["Listings"]

_KNOWN: Final = frozenset({"kind", "nextPageToken", "incompleteSearch", "files"})
_DEFAULT: Final[Mask] = {"kind": None, "nextPageToken": None, "incompleteSearch": None, "files": DEFAULT_FILE}
_BOUND: Final = ("q", "corpora", "driveId", "teamDriveId", "includeItemsFromAllDrives", "supportsAllDrives", "orderBy", "spaces")
_KEPT_ITEMS: Final = 2_000_000
_CORPORA: Final = frozenset({"user", "domain", "drive", "allDrives"})
_SPACES: Final = frozenset({"drive", "appDataFolder", "photos"})
_ORDERS: Final[dict[str, Callable[[Item], Any]]] = {
    "createdTime": lambda item: item.created_at,
    "folder": lambda item: item.children is None,
    "modifiedByMeTime": lambda item: item.modified_at,
    "modifiedTime": lambda item: item.modified_at,
    "name": lambda item: item.name.lower(),
    "name_natural": lambda item: item.name.lower(),
    "quotaBytesUsed": lambda item: item.head.size if item.head else 0,
    "recency": lambda item: item.modified_at,
    "sharedWithMeTime": lambda item: item.created_at,
    "starred": lambda _: 0,
    "viewedByMeTime": lambda _: 0,
}


@dataclass(slots=True)
class _Found:
    """What a listing found when it began, by which its pages go; what is no longer so by then is left out."""

    items: list[Item]
    query: Query
    edits: int


class Listings:
    """Listings under way."""

    def __init__(self) -> None:
        self._found: OrderedDict[int, _Found] = OrderedDict()
        self._began = 0
        self._pages = 0
        self._held = 0

    def answer(self, question: Question) -> Answer:
        """Under the lock."""
        mask = question.mask(_DEFAULT, _KNOWN)
        check_file_mask(below(mask, "files"))
        size = max(1, int(question.page_size(100, 1000) * question.state.quirks.short_pages))
        bound = [question.email, *(question.text(name) for name in _BOUND)]
        token = question.text("pageToken")
        number, place, is_after_empty = self._resumed(question, token, bound) if token else (self._begun(question), 0, False)
        found = self._found[number]
        self._pages += 1
        every = question.state.quirks.empty_page_every
        is_empty = bool(every) and self._pages % every == 0 and place < len(found.items) and not is_after_empty
        end = place if is_empty else place + size
        items = self._still(question, found, found.items[place:end])
        following = seal("files", bound, number, end, is_empty, question.state.list_epoch) if end < len(found.items) else None
        if following and token and question.state.quirks.repeat_token:
            following = token
        return question.answer(_told(question, mask, items, following))

    def _begun(self, question: Question) -> int:
        query = parse_query(question.text("q"))
        found = [item for item in _candidates(question, query) if item.parent is not None and query.test(question.viewer, item)]
        quirks = question.state.quirks
        if quirks.incomplete_listing:
            found = found[::2]
        self._began += 1
        self._found[self._began] = _Found(_ordered(question, found), query, question.state.edits)
        self._held += len(found)
        while len(self._found) > 1 and self._held > _KEPT_ITEMS:
            _, oldest = self._found.popitem(last=False)
            self._held -= len(oldest.items)
        return self._began

    def _resumed(self, question: Question, token: str, bound: list[str]) -> tuple[int, int, bool]:
        was_bound, number, place, is_after_empty, epoch = unseal("files", token)
        if was_bound != bound or epoch != question.state.list_epoch or number not in self._found:
            raise invalid_page_token()
        return number, place, is_after_empty

    @staticmethod
    def _still(question: Question, found: _Found, items: list[Item]) -> list[Item]:
        if found.edits == question.state.edits:
            return items
        known, access, viewer = question.state.items, question.state.access, question.viewer
        return [
            item
            for item in items
            if known.get(item.id) is item and access.role(question.email, item) is not None and found.query.test(viewer, item)
        ]


def _told(question: Question, mask: Mask, items: Iterable[Item], following: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {}
    quirks = question.state.quirks
    if wants(mask, "kind"):
        told["kind"] = "drive#fileList"
    if wants(mask, "nextPageToken") and following:
        told["nextPageToken"] = following
    if wants(mask, "incompleteSearch"):
        told["incompleteSearch"] = quirks.incomplete_listing or (quirks.incomplete_search and question.text("corpora") == "allDrives")
    if wants(mask, "files"):
        inner = below(mask, "files") if "*" not in mask else EVERYTHING
        told["files"] = [file_json(question.viewer, item, inner) for item in items]
    return told


def _candidates(question: Question, query: Query) -> Iterable[Item]:
    corpora = question.text("corpora") or ("drive" if question.drive_id else "user")
    if corpora not in _CORPORA:
        raise bad_parameter("corpora")
    if not set(question.text("spaces", "drive").split(",")) <= _SPACES:
        raise bad_parameter("spaces")
    if "drive" not in question.text("spaces", "drive").split(","):
        return []
    if question.drive_items and not question.all_drives:
        message = "The supportsAllDrives parameter must be true where includeItemsFromAllDrives is."
        raise DriveError(403, "invalid", message, location="supportsAllDrives")
    if (corpora == "drive") != bool(question.drive_id):
        message = "The driveId parameter must be specified if and only if corpora is set to drive."
        raise bad_parameter("driveId", message)
    if corpora in {"drive", "allDrives"} and not question.drive_items:
        message = "The includeItemsFromAllDrives parameter must be set to true when corpora is drive or allDrives."
        raise DriveError(403, "invalid", message, location="includeItemsFromAllDrives")
    if corpora == "drive":
        return _in_drive(question, query)
    if query.parents is not None:
        return [item for item in _children(question, query.parents) if item.drive is None or question.drive_items]
    mine = [item for item in _mine(question, query) if item.drive is None or question.drive_items]
    return [*mine, *_elsewhere(question, corpora, {item.id for item in mine})]


def _in_drive(question: Question, query: Query) -> Iterable[Item]:
    drive = question.state.drive_of(question.email, question.drive_id)
    if query.parents is not None:
        return [item for item in _children(question, query.parents) if item.drive is drive]
    return _visible(question, question.state.of_drive.get(drive.id, {}).values())


def _mine(question: Question, query: Query) -> Iterable[Item]:
    if query.shared_only:
        return [
            item
            for item in question.state.given_to.get(question.email, {}).values()
            if question.state.access.role(question.email, item, by_link=False)
        ]
    return question.state.seen_in_my_drive(question.email).values()


def _elsewhere(question: Question, corpora: str, known: set[str]) -> Iterable[Item]:
    """What the user is no owner of and was given by nobody: whole shared drives, and what the domain may find."""
    state = question.state
    if corpora == "allDrives":
        drives = [drive for drive in state.drives.values() if state.is_member(question.email, drive)]
        for drive in drives[::2] if state.quirks.incomplete_search else drives:
            yield from (item for item in _visible(question, state.of_drive[drive.id].values()) if item.id not in known)
    if corpora == "domain":
        for item in state.items.values():
            if item.id not in known and item.drive is None and any(_is_found(question, item)):
                yield item


def _is_found(question: Question, item: Item) -> Iterable[bool]:
    for held in question.viewer.held(item).values():
        yield held.grant.type == "domain" and held.grant.who == question.viewer.domain and held.grant.allow_file_discovery


def _children(question: Question, parents: Iterable[str]) -> Iterable[Item]:
    for folder_id in sorted(parents):
        try:
            folder, _ = question.state.seen(question.email, folder_id)
        except DriveError:
            # The real one does not repeat the id here.
            raise DriveError(404, "notFound", "File not found: .", location="fileId") from None
        yield from _visible(question, (folder.children or {}).values())


def _visible(question: Question, items: Iterable[Item]) -> Iterable[Item]:
    role, email = question.state.access.role, question.email
    return [item for item in items if role(email, item) is not None]


def _ordered(question: Question, items: list[Item]) -> list[Item]:
    # From the last key to the first: sorting is stable.
    for each in reversed([part.strip() for part in question.text("orderBy").split(",") if part.strip()]):
        name, _, direction = each.partition(" ")
        if name not in _ORDERS or direction not in {"", "desc"}:
            raise bad_parameter("orderBy")
        items = sorted(items, key=_ORDERS[name], reverse=direction == "desc")
    return items
