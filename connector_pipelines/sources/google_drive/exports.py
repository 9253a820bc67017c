"""Exports documents of Google's own: at once up to 10 MB, beyond that by an operation that Drive takes its time for.

https://developers.google.com/workspace/drive/api/guides/manage-downloads and
https://developers.google.com/workspace/drive/api/guides/long-running-operations (read 2026-11).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from urllib.parse import quote

from connector_pipelines.core.errors import (
    ConnectorError,
    Forbidden,
    Malformed,
    Mismatch,
    NotFound,
    PermanentError,
    RateLimited,
    ResourceError,
    Unavailable,
)
from connector_pipelines.core.http import Download
from connector_pipelines.sources.google_drive.client import Drive, Json, key_headers
from connector_pipelines.sources.google_drive.faults import NotExportable, TooLargeToExport, plain_text
from connector_pipelines.sources.google_drive.formats import ExportSettings, setting_of
from connector_pipelines.telemetry import redact

__all__ = ["Exporter"]

_FIRST_LOOK_S: Final = 0.5
_LONGEST_LOOK_S: Final = 20.0
# What in its address leads to an export: a long word with a digit, which no name of a format is.
_OPAQUE: Final = re.compile(r"(?=[A-Za-z_~-]*\d)[A-Za-z0-9_~-]{20,}")
# Drive may refuse an operation to the very user who began it, for a while.
_REFUSALS: Final = 10


class Exporter:
    """Exports, for all users. Used by several threads at once.

    Args:
        clock: Monotonic, in seconds.
    """

    def __init__(self, settings: ExportSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._lock = threading.Lock()
        self._offered: dict[str | None, Mapping[str, Sequence[str]]] = {}

    @contextmanager
    def open(self, drive: Drive, file_id: str, media_type: str, resource_keys: Mapping[str, str]) -> Iterator[Iterator[bytes]]:
        """The bytes of an export. Each export is another: they have no checksum, and one that is cut is made anew another time.

        Raises:
            ResourceError: It has more than `exports.max_bytes`.
            PermanentError: The document has no such export.
            Unavailable: Drive did not get ready in time, or broke off.
        """
        with ExitStack() as stack:
            yield self._chunks(self._begun(stack, drive, file_id, media_type, resource_keys), file_id)

    def _begun(self, stack: ExitStack, drive: Drive, file_id: str, media_type: str, resource_keys: Mapping[str, str]) -> Download:
        headers, most = key_headers(resource_keys), self._settings.max_bytes
        url = f"files/{quote(file_id, safe='')}/export?mimeType={quote(media_type, safe='')}"
        try:
            try:
                download = stack.enter_context(drive.http.download(url, headers=headers, max_bytes=most))
            except TooLargeToExport:
                ready = self._prepared(drive, file_id, media_type, resource_keys)
                # What an operation has made stays as it is.
                download = stack.enter_context(drive.http.download(ready, headers=headers, max_bytes=most, again=lambda _received: ready))
        except NotExportable as error:
            raise self._not_offered(error, drive, file_id, media_type, resource_keys) from error
        except ResourceError as error:
            raise self._too_large(file_id) from error
        if download.headers.get("content-type", "").startswith("text/html") and media_type != "text/html":
            # An export has no checksum that would tell.
            raise Unavailable(
                f"the export of {file_id} came as a page of somebody in between", advice="See what the proxy does with googleapis.com."
            )
        return download

    def _chunks(self, download: Download, file_id: str) -> Iterator[bytes]:
        try:
            yield from download
        except ResourceError as error:
            raise self._too_large(file_id) from error
        except (Malformed, Mismatch) as error:
            # Asked for again before its first byte came, it was another export; or somebody in between encoded it, and badly.
            raise Unavailable(f"the export of {file_id} was cut off: {error}") from error

    def _too_large(self, file_id: str) -> ResourceError:
        limit = self._settings.max_bytes
        return ResourceError(
            f"the export of {file_id} has more than {limit} bytes",
            advice="Raise `exports.max_bytes`, or choose a smaller format, such as txt, for its type.",
            limit=f"exports.max_bytes={limit}",
        )

    def _prepared(self, drive: Drive, file_id: str, media_type: str, resource_keys: Mapping[str, str]) -> str:
        """Where a large export can be fetched, once Drive has made it."""
        operation = drive.call("files.download", fileId=file_id, mimeType=media_type, resource_keys=resource_keys, idempotent=True)
        limit_s, began, pause_s = self._settings.time_limit.total_seconds(), self._clock(), _FIRST_LOOK_S
        while not operation.get("done"):
            if self._clock() - began + pause_s > limit_s:
                raise Unavailable(
                    f"Drive did not prepare the export of {file_id} within {limit_s:.0f} s",
                    advice="It is tried again. If it never gets ready, raise `exports.time_limit` or choose another format for its type.",
                )
            if drive.stop.wait(pause_s):
                raise Unavailable("the run was stopped")
            pause_s = min(pause_s * 1.6, _LONGEST_LOOK_S)
            operation = self._looked_at(drive, _name(operation, file_id))
        return _address(operation, file_id)

    def _looked_at(self, drive: Drive, name: str) -> Json:
        for refusal in range(1, _REFUSALS + 1):
            try:
                return drive.call("operations.get", name=name)
            except Forbidden as error:
                refused = error
            if drive.stop.wait(min(_FIRST_LOOK_S * refusal, _LONGEST_LOOK_S)):
                raise Unavailable("the run was stopped")
        raise Unavailable(f"{refused} ({_REFUSALS} times)") from refused

    def _not_offered(
        self, refused: NotExportable, drive: Drive, file_id: str, media_type: str, resource_keys: Mapping[str, str]
    ) -> ConnectorError:
        """`refused`, with what this account may have of such a document where that is not among it."""
        native = str(
            drive.call("files.get", fileId=file_id, fields="mimeType", supportsAllDrives=True, resource_keys=resource_keys).get("mimeType")
        )
        offered = self._formats(drive).get(native, ())
        if media_type in offered:
            return refused
        kinds = ", ".join(offered) or "nothing"
        setting = setting_of(native)
        advice = f"Set `exports.{setting}` to one of these, or to `skip`." if setting else ""
        return PermanentError(f"{file_id}, {native}, is not exported as {media_type}: Drive offers {kinds}", advice=advice)

    def _formats(self, drive: Drive) -> Mapping[str, Sequence[str]]:
        with self._lock:
            found = self._offered.get(drive.user)
        if found is None:
            found = drive.call("about.get", fields="exportFormats").get("exportFormats") or {}
            with self._lock:
                self._offered[drive.user] = found
        return found


def _name(operation: Json, file_id: str) -> str:
    name = operation.get("name")
    if not isinstance(name, str) or not name:
        raise Malformed(f"the operation that exports {file_id} has no name")
    return name.removeprefix("operations/")


def _address(operation: Json, file_id: str) -> str:
    error: Any = operation.get("error")
    if error:
        raise _failed(error, file_id)
    found = (operation.get("response") or {}).get("downloadUri")
    if not isinstance(found, str) or not found:
        raise Malformed(f"the operation that exports {file_id} is done, and names no address")
    for word in set(_OPAQUE.findall(found)) - {file_id}:
        redact(word, passing=True)
    return found


def _failed(error: Json, file_id: str) -> ConnectorError:
    """As google.rpc.Code counts: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto."""
    code = error.get("code")
    said = f"Drive did not export {file_id} (code {code}): {plain_text(str(error.get('message') or ''))}"
    match code:
        case 3 | 9 | 12:  # invalid argument, failed precondition, unimplemented
            return NotExportable(said)
        case 5:
            return NotFound(said)
        case 7:
            return Forbidden(said)
        case 8:
            return RateLimited(said)
        case _:
            return Unavailable(said)
