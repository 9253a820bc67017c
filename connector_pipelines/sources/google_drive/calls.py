"""What is asked of Drive: listings page by page, feeds page by page, many files at once.

https://developers.google.com/workspace/drive/api/reference/rest/v3/files/list, …/changes/list, …/drives/list, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector_pipelines.core.errors import Forbidden, NotFound, PermanentError, Unavailable
from connector_pipelines.sources.google_drive.batching import Ask, Json
from connector_pipelines.sources.google_drive.client import Drive
from connector_pipelines.sources.google_drive.faults import PageTokenRejected
from connector_pipelines.sources.google_drive.permissions import FILE_FIELDS

__all__ = [
    "FILE", "FOLDER", "SHORTCUT", "Corpus", "Entries", "Listed", "about_me", "drives", "entries", "files", "get", "get_many", "parent_of",
    "quoted", "start_token",
]  # fmt: skip

FOLDER: Final = "application/vnd.google-apps.folder"
SHORTCUT: Final = "application/vnd.google-apps.shortcut"

FILE: Final = (
    "id,name,mimeType,trashed,size,md5Checksum,sha1Checksum,sha256Checksum,headRevisionId,modifiedTime,createdTime,webViewLink,resourceKey,"
    f"shortcutDetails,owners(emailAddress),ownedByMe,sharedWithMeTime,capabilities(canListChildren),{FILE_FIELDS}"
)
"""`fields` of a file: all that is made of it."""

# nextPageToken has to be named, or a listing ends after its first page.
_LIST: Final = f"nextPageToken,incompleteSearch,files({FILE})"
_CHANGES: Final = f"nextPageToken,newStartPageToken,changes(changeType,removed,fileId,driveId,file({FILE}))"
_RESTARTS: Final = 3
_MOST_DRIVES: Final = 100


@dataclass(frozen=True, slots=True)
class Corpus:
    """Where to look: in one shared drive, or, where that is None, among all that the user was given or owns."""

    drive_id: str | None = None

    @property
    def params(self) -> dict[str, Any]:
        where = {"corpora": "drive", "driveId": self.drive_id} if self.drive_id else {"corpora": "user"}
        return {**where, "supportsAllDrives": True, "includeItemsFromAllDrives": True}


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a listing. `token` is of the next one; None on the last. `incomplete`: Drive says that results are missing."""

    items: list[Json]
    token: str | None
    incomplete: bool


@dataclass(frozen=True, slots=True)
class Entries:
    """A page of a feed: what to look at again. `token` is the place after it."""

    entries: list[Json]
    token: str
    is_last: bool


def page(drive: Drive, corpus: Corpus, query: str, size: int, token: str | None = None) -> Listed:
    """One page of what `query` finds."""
    answer = drive.call("files.list", q=query, pageSize=size, pageToken=token, fields=_LIST, **corpus.params)
    following = answer.get("nextPageToken") or None
    if following is not None and following == token:
        raise Unavailable("Drive gives the same page of its listing again and again")
    return Listed(answer.get("files", []), following, bool(answer.get("incompleteSearch")))


def files(drive: Drive, corpus: Corpus, query: str, size: int) -> Iterator[Listed]:
    """Every page of what `query` finds. Where a place in it is refused, it begins anew: what came before comes again."""
    for _ in range(_RESTARTS):
        try:
            yield from _pages(drive, corpus, query, size)
        except PageTokenRejected:
            continue
        return
    raise Unavailable(f"Drive refused the places of its own listing {_RESTARTS} times")


def entries(drive: Drive, corpus: Corpus, token: str, size: int) -> Iterator[Entries]:
    """The pages of a feed from `token` on; of a shared drive, or of the user.

    Raises:
        PageTokenRejected: `token` is no place in it any more.
    """
    seen = {token}
    is_last = False
    while not is_last:
        answer = drive.call(
            "changes.list", pageToken=token, pageSize=size, fields=_CHANGES, driveId=corpus.drive_id, supportsAllDrives=True,
            # What left a drive for another place that we see is told with that place.
            includeItemsFromAllDrives=True, includeCorpusRemovals=True, includeRemoved=True,
        )  # fmt: skip
        is_last = "nextPageToken" not in answer
        token = answer.get("newStartPageToken", "") if is_last else answer["nextPageToken"]
        if not token or (token in seen and not is_last):
            raise Unavailable("Drive gives the same page of its change feed again and again, or none that follows")
        seen.add(token)
        yield Entries(answer.get("changes", []), token, is_last)


def start_token(drive: Drive, corpus: Corpus) -> str:
    """The place in a feed where it ends now."""
    answer = drive.call("changes.getStartPageToken", driveId=corpus.drive_id, supportsAllDrives=True, fields="startPageToken")
    token: str = answer["startPageToken"]
    return token


def drives(drive: Drive) -> dict[str, str]:
    """Names of the shared drives the user is a member of, by id."""
    found: dict[str, str] = {}
    token: str | None = None
    while True:
        answer = drive.call("drives.list", pageSize=_MOST_DRIVES, pageToken=token, fields="nextPageToken,drives(id,name)")
        found.update((each["id"], each.get("name", "")) for each in answer.get("drives", ()))
        following = answer.get("nextPageToken")
        if not following:
            return found
        if following == token:
            raise Unavailable("Drive gives the same page of its shared drives again and again")
        token = following


def get(drive: Drive, file_id: str, resource_key: str | None = None) -> Json:
    """One file.

    Raises:
        NotFound: There is none, or none for this user: Drive does not tell which.
    """
    keys = {file_id: resource_key} if resource_key else None
    return drive.call("files.get", resource_keys=keys, fileId=file_id, fields=FILE, supportsAllDrives=True)


def get_many(
    drive: Drive, ids: Iterable[str], resource_keys: Mapping[str, str] | None = None, refused: set[str] | None = None
) -> dict[str, Json | None]:
    """Files by id; None for what is not there, or not for this user.

    Args:
        refused: Takes in those that are there for all we know, and of which Drive will not tell.

    Raises:
        ConnectorError: Something else befell one of them: nothing may be taken for gone then. Not of those that `refused` takes in.
    """
    wanted, keys = sorted(set(ids)), resource_keys or {}
    asks = [
        Ask(
            "files.get",
            {"fileId": each, "fields": FILE, "supportsAllDrives": True},
            {each: keys[each]} if each in keys else {},
        )
        for each in wanted
    ]
    found: dict[str, Json | None] = {}
    for file_id, answer in zip(wanted, drive.batch(asks) if asks else (), strict=True):
        if isinstance(answer, (NotFound, Forbidden)):
            found[file_id] = None
        elif isinstance(answer, PermanentError):
            # An answer that is none, or one that we were refused for how we asked, says nothing of the file.
            if refused is None:
                raise Unavailable(f"Drive does not tell whether {file_id} is there: {answer}", advice=answer.advice) from answer
            found[file_id] = None
        elif isinstance(answer, Exception):
            raise answer
        else:
            found[file_id] = answer
        if refused is not None and isinstance(answer, Exception) and not isinstance(answer, NotFound):
            refused.add(file_id)
    return found


def about_me(drive: Drive) -> str:
    """Address of whoever the sign-in is."""
    address: str = drive.call("about.get", fields="user(emailAddress)")["user"]["emailAddress"]
    return address.lower()


def parent_of(item: Json) -> str | None:
    """Id of the folder it lies in; None where this user sees none."""
    parents = item.get("parents")
    return parents[0] if parents else None


def quoted(text: str) -> str:
    """A value of a query (https://developers.google.com/workspace/drive/api/guides/search-files)."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _pages(drive: Drive, corpus: Corpus, query: str, size: int) -> Iterator[Listed]:
    token: str | None = None
    seen: set[str] = set()
    while True:
        listed = page(drive, corpus, query, size, token)
        yield listed
        token = listed.token
        if token is None:
            return
        if token in seen:
            raise Unavailable("Drive gives the same pages of its listing again and again")
        seen.add(token)
