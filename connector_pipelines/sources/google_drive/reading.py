"""The bytes of a file: of the version that was listed, or said not to be; never of two versions mixed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Final
from urllib.parse import quote

from connector_pipelines.core.errors import ConnectorError, Forbidden, Malformed, Mismatch, NotFound, Unavailable
from connector_pipelines.core.http import Download
from connector_pipelines.core.types import FileRef
from connector_pipelines.sources.google_drive.client import Drive, Drives, Json, key_headers
from connector_pipelines.sources.google_drive.exports import Exporter
from connector_pipelines.sources.google_drive.faults import Abusive
from connector_pipelines.sources.google_drive.locator import Locator, read_locator

__all__ = ["Reader"]

_VERSION: Final = "headRevisionId,md5Checksum,sha1Checksum,sha256Checksum,size,modifiedTime"
_CHECKSUMS: Final = {"md5": "md5Checksum", "sha1": "sha1Checksum", "sha256": "sha256Checksum"}
# Of a thousand users, most will not see it either.
_OTHERS_ASKED: Final = 3


class Reader:
    """Opens files, for all users. Used by several threads at once.

    Args:
        users: Who else may be asked for a file that the user by whom it was listed does not see any more.
        acknowledge_abuse: Whether files that Google takes for harmful are read where that is allowed.
    """

    def __init__(self, drives: Drives, exporter: Exporter, *, users: Sequence[str] = (), acknowledge_abuse: bool = False) -> None:
        self._drives, self._exporter, self._users, self._acknowledges = drives, exporter, users, acknowledge_abuse

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        """The bytes, as `Source.open` promises.

        Raises:
            Unavailable: It is another file by now, and its next listing says which; or the bytes were spoilt on the way.
        """
        locator = read_locator(ref.locator)
        with ExitStack() as stack:
            drive, chunks = self._found(stack, ref, locator)
            if locator.export is not None:
                yield chunks
                return
            try:
                yield chunks
            except Mismatch as error:
                # Said by whoever took the bytes in, and compared them with the listing.
                raise _spoilt(drive, ref, locator, error) from error

    def _found(self, stack: ExitStack, ref: FileRef, locator: Locator) -> tuple[Drive, Iterator[bytes]]:
        first = self._drives.of(locator.user)
        try:
            return first, self._begun(stack, first, ref, locator)
        except (NotFound, Forbidden) as error:
            refused = error
        for user in [user for user in self._users if user != locator.user][:_OTHERS_ASKED] if locator.user else ():
            drive = self._drives.of(user)
            try:
                return drive, self._begun(stack, drive, ref, locator)
            except (NotFound, Forbidden):
                continue
        raise refused

    def _begun(self, stack: ExitStack, drive: Drive, ref: FileRef, locator: Locator) -> Iterator[bytes]:
        keys = {ref.id: locator.resource_key} if locator.resource_key else {}
        if locator.export is not None:
            return stack.enter_context(self._exporter.open(drive, ref.id, locator.export, keys))
        url = f"files/{quote(ref.id, safe='')}?alt=media&supportsAllDrives=true"
        body = _Body(drive, ref, locator, url)
        try:
            return body.chunks(stack.enter_context(drive.http.download(url, headers=key_headers(keys), again=body.vouch)))
        except Abusive:
            if not self._acknowledges:
                raise
        body = _Body(drive, ref, locator, f"{url}&acknowledgeAbuse=true")
        return body.chunks(stack.enter_context(drive.http.download(body.url, headers=key_headers(keys), again=body.vouch)))


class _Body:
    """The body of one download."""

    def __init__(self, drive: Drive, ref: FileRef, locator: Locator, url: str) -> None:
        self._drive, self._ref, self._locator, self.url = drive, ref, locator, url
        self._is_joined = False

    def vouch(self, received: int) -> str:
        """It was cut after so many bytes: where to go on, if it is still the version that was listed.

        Raises:
            Unavailable: It is another.
        """
        self._is_joined = self._is_joined or received > 0
        self._require_same()
        return self.url

    def chunks(self, download: Download) -> Iterator[bytes]:
        try:
            yield from download
        except (Malformed, Mismatch) as error:
            # Malformed is an encoding of somebody in between: the file has none.
            raise _spoilt(self._drive, self._ref, self._locator, error) from error
        if self._is_joined and self._ref.checksum is None:
            # It may have changed between looking and asking for the rest, and nobody could tell by its bytes.
            self._require_same()

    def _require_same(self) -> None:
        if not _is_same(_now(self._drive, self._ref, self._locator), self._ref, self._locator):
            raise _changed(self._ref)


def _spoilt(drive: Drive, ref: FileRef, locator: Locator, error: ConnectorError) -> ConnectorError:
    if not _is_same(_now(drive, ref, locator), ref, locator):
        return _changed(ref)
    return Unavailable(f"{ref.path!r} came with other bytes than Drive describes: {error}", advice="It is read again.")


def _changed(ref: FileRef) -> Unavailable:
    return Unavailable(f"{ref.path!r} changed since it was listed", advice="The next sync lists what it is now, and reads that.")


def _now(drive: Drive, ref: FileRef, locator: Locator) -> Json:
    keys = {ref.id: locator.resource_key} if locator.resource_key else {}
    return drive.call("files.get", fileId=ref.id, fields=_VERSION, supportsAllDrives=True, resource_keys=keys)


def _is_same(now: Json, ref: FileRef, locator: Locator) -> bool:
    """Whether the bytes are still those that were listed: by their hash, else by their revision, else by their time and size."""
    told = now.get(_CHECKSUMS.get(ref.checksum.algorithm, "")) if ref.checksum else None
    if ref.checksum and told:
        # Uploaded once more, the same bytes are another revision.
        return bool(told.lower() == ref.checksum.hexdigest)
    if locator.revision and now.get("headRevisionId"):
        return bool(now["headRevisionId"] == locator.revision)
    if ref.modified_at is None or not now.get("modifiedTime"):
        return False
    return datetime.fromisoformat(now["modifiedTime"]) == ref.modified_at and now.get("size") == str(ref.size)
