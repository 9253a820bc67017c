"""The methods of Drive v3: which one a request calls, and which scopes allow it.

As in the discovery document (https://www.googleapis.com/discovery/v1/apis/drive/v3/rest, revision 20261106); a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connector_pipelines.testing.fake_api.messages import Request

__all__ = ["API", "BATCH", "SCOPE_PREFIX", "SIGN_IN_CALLS", "call_of", "file_of", "scopes_of"]

API: Final = "/drive/v3/"
BATCH: Final = "/batch/drive/v3"
SIGN_IN_CALLS: Final = frozenset({"auth", "revoke", "token"})
"""Names of what is no method, and where nobody has signed in yet."""
SCOPE_PREFIX: Final = "https://www.googleapis.com/auth/"

_ALL: Final = frozenset({
    "drive", "drive.appdata", "drive.file", "drive.meet.readonly", "drive.metadata", "drive.metadata.readonly", "drive.photos.readonly",
    "drive.readonly",
})  # fmt: skip
_METADATA: Final = frozenset({"drive.metadata", "drive.metadata.readonly"})
_CONTENT: Final = frozenset({"drive", "drive.file", "drive.meet.readonly", "drive.readonly"})
_WRITE: Final = frozenset({"drive", "drive.appdata", "drive.file"})
_SHARE: Final = frozenset({"drive", "drive.file"})

_METHODS: Final[Mapping[tuple[str, ...], tuple[str, frozenset[str]]]] = {
    ("GET", "about"): ("about.get", _ALL - {"drive.meet.readonly"}),
    ("GET", "changes"): ("changes.list", _ALL),
    ("GET", "changes", "startPageToken"): ("changes.getStartPageToken", _ALL),
    ("POST", "changes", "watch"): ("changes.watch", _ALL),
    ("POST", "channels", "stop"): ("channels.stop", _ALL),
    ("GET", "drives"): ("drives.list", frozenset({"drive", "drive.readonly"})),
    ("GET", "drives", "*"): ("drives.get", frozenset({"drive", "drive.readonly"})),
    ("POST", "drives"): ("drives.create", frozenset({"drive"})),
    ("DELETE", "drives", "*"): ("drives.delete", frozenset({"drive"})),
    ("PATCH", "drives", "*"): ("drives.update", frozenset({"drive"})),
    ("GET", "files"): ("files.list", _ALL),
    ("POST", "files"): ("files.create", _WRITE),
    ("DELETE", "files", "trash"): ("files.emptyTrash", frozenset({"drive"})),
    ("GET", "files", "generateIds"): ("files.generateIds", _WRITE),
    ("GET", "files", "*"): ("files.get", _ALL),
    ("PATCH", "files", "*"): ("files.update", (_WRITE | {"drive.metadata", "drive.scripts"})),
    ("DELETE", "files", "*"): ("files.delete", _WRITE),
    ("POST", "files", "*", "copy"): ("files.copy", _WRITE | {"drive.photos.readonly"}),
    ("POST", "files", "*", "download"): ("files.download", frozenset({"drive", "drive.file", "drive.readonly"})),
    ("GET", "files", "*", "export"): ("files.export", _CONTENT),
    ("GET", "files", "*", "listLabels"): ("files.listLabels", _ALL - {"drive.appdata", "drive.photos.readonly"}),
    ("POST", "files", "*", "watch"): ("files.watch", _ALL),
    ("GET", "files", "*", "comments"): ("comments.list", _CONTENT),
    ("GET", "files", "*", "permissions"): ("permissions.list", _ALL - {"drive.appdata"}),
    ("POST", "files", "*", "permissions"): ("permissions.create", _SHARE),
    ("GET", "files", "*", "permissions", "*"): ("permissions.get", _ALL - {"drive.appdata"}),
    ("DELETE", "files", "*", "permissions", "*"): ("permissions.delete", _SHARE),
    ("PATCH", "files", "*", "permissions", "*"): ("permissions.update", _SHARE),
    ("GET", "files", "*", "revisions"): ("revisions.list", _ALL),
    ("GET", "files", "*", "revisions", "*"): ("revisions.get", _ALL),
    # Where a `downloadUri` leads, in this fake; the discovery document has no word of it.
    ("GET", "downloads", "*"): ("files.download media", frozenset({"drive", "drive.file", "drive.readonly"})),
    ("GET", "operations", "*"): ("operations.get", _CONTENT),
}
_WORDS: Final = frozenset({key[2] for key in _METHODS if len(key) > 2})
_MEDIA: Final = " media"


def call_of(request: Request) -> str:
    """The method's name, such as `files.list`, with " media" where bytes are asked for; `batch`; or the path where it is none of Drive."""
    if not request.path.startswith(API):
        return "batch" if request.path == BATCH else request.path
    parts = request.path[len(API) :].split("/")
    known = _METHODS.get((request.method, *(part if at % 2 == 0 or part in _WORDS else "*" for at, part in enumerate(parts))))
    if known is None:
        return request.path
    is_media = request.params.get("alt") == "media" and request.method == "GET" and not known[0].endswith(_MEDIA)
    return known[0] + _MEDIA if is_media else known[0]


def file_of(request: Request) -> str:
    """Id of the file that a path names, or empty."""
    parts = request.path.removeprefix(API).split("/", 2)
    return parts[1] if len(parts) > 1 and parts[0] == "files" and parts[1] not in _WORDS else ""


def scopes_of(call: str) -> frozenset[str] | None:
    """Those of which one is needed, without their prefix; None where the method is not one of Drive.

    The discovery document has no list for bytes: those that allow metadata only do not allow them.
    """
    found = _SCOPES.get(call.removesuffix(_MEDIA))
    return found - _METADATA if found and call.endswith(_MEDIA) else found


_SCOPES: Final[Mapping[str, frozenset[str]]] = {name.removesuffix(_MEDIA): scopes for name, scopes in _METHODS.values()}
