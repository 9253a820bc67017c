"""From a request to an answer: every path below ``/drive/v3/``, and the batch endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from connector_pipelines.testing.fake_api.messages import Answer, Request
from connector_pipelines.testing.fake_drive.batch import BATCH_PATH, answer_batch
from connector_pipelines.testing.fake_drive.changes import Changes
from connector_pipelines.testing.fake_drive.drives import about, get_drive, list_drives
from connector_pipelines.testing.fake_drive.errors import DriveError, not_permitted
from connector_pipelines.testing.fake_drive.feeds import FeedKey
from connector_pipelines.testing.fake_drive.files import DEFAULT_FILE, file_json
from connector_pipelines.testing.fake_drive.items import RANKS, Item
from connector_pipelines.testing.fake_drive.listing import Listings
from connector_pipelines.testing.fake_drive.masks import EVERYTHING, Mask, below, cut, mask_of
from connector_pipelines.testing.fake_drive.media import answer_export, answer_media, readable_revisions
from connector_pipelines.testing.fake_drive.operations import Operations
from connector_pipelines.testing.fake_drive.page_tokens import seal, unseal
from connector_pipelines.testing.fake_drive.permissions import live_permissions
from connector_pipelines.testing.fake_drive.question import Question
from connector_pipelines.testing.fake_drive.revisions import revision_json, revision_of
from connector_pipelines.testing.fake_drive.viewer import Viewer
from connector_pipelines.testing.fake_drive.world import World

__all__ = ["Routes"]

_PREFIX: Final = "/drive/v3/"
_PERMISSION_DEFAULT: Final[Mask] = {"kind": None, "id": None, "type": None, "role": None}
_PERMISSIONS: Final = frozenset({"kind", "nextPageToken", "permissions"})
_REVISIONS: Final = frozenset({"kind", "nextPageToken", "revisions"})


class Routes:
    """Answers for a world. Safe to be called from many threads.

    Attributes:
        inner: Answers each request of a batch; `answer` unless somebody between wants to see them, too.
    """

    def __init__(self, world: World) -> None:
        self._state = world.state
        self._listings = Listings()
        self._changes = Changes()
        self._operations = Operations()
        self.inner: Callable[[Request, str], Answer] = self.answer

    def answer(self, request: Request, user: str) -> Answer:
        """For the user whose token it is; refusals are answers, too."""
        try:
            if request.path == BATCH_PATH and request.method == "POST":
                return answer_batch(request, lambda each: self.inner(each, user))
            return self._answer(request, user)
        except DriveError as error:
            return error.answer

    def check_watch(self, request: Request, user: str) -> FeedKey:
        """For ``changes/watch``: the feed to watch. Raises `DriveError`: the page token is not good for it, or the shared drive is not the user's."""
        with self._state.lock:
            return self._changes.check_token(self._call(request, user))

    def check_seen(self, request: Request, user: str, file_id: str) -> str:
        """For ``files/{id}/watch``: the file's id, if the user sees it. Raises `DriveError`."""
        with self._state.lock:
            return self._call(request, user).item(file_id)[0].id

    def _call(self, request: Request, user: str) -> Question:
        if user not in self._state.users or self._state.users[user].suspended:
            raise DriveError(401, "authError", "Invalid Credentials", location="Authorization", location_type="header")
        return Question(self._state, request, Viewer(self._state, user))

    def _answer(self, request: Request, user: str) -> Answer:
        if not request.path.startswith(_PREFIX):
            raise _no_such_path()
        parts = request.path.removeprefix(_PREFIX).split("/")
        with self._state.lock:
            question = self._call(request, user)
            if request.method == "GET":
                return self._got(question, parts)
            if request.method == "POST" and len(parts) == 3 and parts[0] == "files" and parts[2] == "download":
                return self._operations.start(question, *question.item(parts[1], all_drives=True))
        raise _no_such_path()

    def _got(self, question: Question, parts: list[str]) -> Answer:
        match parts:
            case ["files"]:
                return self._listings.answer(question)
            case ["files", file_id, *rest]:
                return _of_file(question, file_id, rest)
            case ["changes", *rest]:
                return self._changed(question, rest)
            case ["operations", name]:
                return self._operations.get(question, name)
            case ["downloads", secret]:
                return self._operations.download(question, secret)
        return _of_account(question, parts)

    def _changed(self, question: Question, rest: list[str]) -> Answer:
        if rest == ["startPageToken"]:
            return self._changes.start_token(question)
        if rest:
            raise _no_such_path()
        return self._changes.answer(question)


def _of_account(question: Question, parts: list[str]) -> Answer:
    match parts:
        case ["about"]:
            return about(question)
        case ["drives"]:
            return list_drives(question)
        case ["drives", drive_id]:
            return get_drive(question, drive_id)
    raise _no_such_path()


def _of_file(question: Question, file_id: str, rest: list[str]) -> Answer:
    match rest:
        case []:
            return _file(question, file_id)
        case ["export"]:
            return answer_export(question, *question.item(file_id, all_drives=True))
        case ["permissions", *one]:
            return _permissions(question, file_id, one)
        case ["revisions", *one]:
            return _revisions(question, file_id, one)
    raise _no_such_path()


def _file(question: Question, file_id: str) -> Answer:
    item, role = question.item(file_id)
    if question.text("alt") == "media":
        return answer_media(question, item, role, item.head)
    fields = question.request.params.get("fields")
    return question.answer(file_json(question.viewer, item, DEFAULT_FILE if fields is None else mask_of(fields)))


def _permissions(question: Question, file_id: str, rest: list[str]) -> Answer:
    item, role = _administered(question, file_id) if question.flag("useDomainAdminAccess") else question.item(file_id)
    # Who has access is for those to see who may write, in shared drives too:
    # https://developers.google.com/workspace/drive/api/guides/ref-roles
    if RANKS[role] < RANKS["writer"]:
        raise not_permitted()
    everything = live_permissions(question.viewer, item)
    if rest:
        return _one(question, everything, rest, _PERMISSION_DEFAULT, "Permission")
    return _paged(question, everything, "permissions", 100, _PERMISSIONS, _PERMISSION_DEFAULT)


def _administered(question: Question, file_id: str) -> tuple[Item, str]:
    """An administrator of the domain sees the members of every shared drive; of the drive itself, not of what is in it."""
    if not question.state.users[question.email].admin or file_id not in question.state.drives:
        raise not_permitted()
    return question.state.items[file_id], "organizer"


def _revisions(question: Question, file_id: str, rest: list[str]) -> Answer:
    item, role = question.item(file_id, all_drives=True)
    revisions = readable_revisions(item, role)
    if rest and question.text("alt") == "media":
        return answer_media(question, item, role, revision_of(revisions, rest[0]))
    everything = [revision_json(question.viewer, item, each) for each in revisions]
    if rest:
        return _one(question, everything, rest, EVERYTHING, "Revision")
    return _paged(question, everything, "revisions", 200, _REVISIONS, EVERYTHING)


def _one(question: Question, everything: list[dict[str, Any]], rest: list[str], default: Mask, what: str) -> Answer:
    for each in everything:
        if [each["id"]] == rest:
            return question.answer(cut(each, mask_of(question.text("fields")) if question.text("fields") else default))
    raise DriveError(404, "notFound", f"{what} not found: {'/'.join(rest)}.", location=f"{what.lower()}Id")


def _paged(  # noqa: PLR0917 - what the lists differ by
    question: Question, everything: list[dict[str, Any]], name: str, size: int, known: frozenset[str], default: Mask
) -> Answer:
    mask = question.mask({"kind": None, "nextPageToken": None, name: default}, known)
    size = question.page_size(size, 100 if name == "permissions" else 1000)
    place = unseal(name, question.text("pageToken"))[0] if question.text("pageToken") else 0
    inner = below(mask, name) if "*" not in mask else EVERYTHING
    told = {
        "kind": f"drive#{name.removesuffix('s')}List",
        "nextPageToken": seal(name, place + size) if place + size < len(everything) else None,
        name: [cut(each, inner) for each in everything[place : place + size]],
    }
    return question.chosen(told, mask)


def _no_such_path() -> DriveError:
    return DriveError(404, "notFound", "Not Found")
