"""The bytes of one object: of one version and no other, to their end, however often the connection is cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import urllib3

from connector_pipelines.core.errors import Forbidden, PermanentError, Unavailable
from connector_pipelines.sources.s3.checksums import WANTED, Check
from connector_pipelines.sources.s3.client import Answer, Client

__all__ = ["CHUNK_BYTES", "Reading"]

CHUNK_BYTES: Final = 1024 * 1024

_RESUMES_WITHOUT_PROGRESS: Final = 3


class Reading:
    """Holds a connection from `__init__` on; `close` lets go of it."""

    def __init__(self, client: Client, key: str) -> None:
        self._client, self._key = client, key
        self._answer = client.get(key, headers=WANTED)
        headers = self._answer.headers
        self._check = Check(headers)
        self._pin = _pin(self._answer)
        self._version_id = headers.get("x-amz-version-id")
        self._size = int(headers["Content-Length"]) if headers.get("Content-Length", "").isdecimal() else None

    def chunks(self) -> Iterator[bytes]:
        """At most `CHUNK_BYTES` at a time, as they are stored: a Content-Encoding is not undone.

        Raises:
            Unavailable: The object changed meanwhile and the rest of the old bytes cannot be had, or the S3 went away.
            Mismatch: The bytes are not those that the S3's checksum is of.
        """
        done, tries_left = 0, _RESUMES_WITHOUT_PROGRESS
        while True:
            try:
                for chunk in self._answer.stream(CHUNK_BYTES, decode_content=False):
                    done += len(chunk)
                    self._check.see(chunk)
                    tries_left = _RESUMES_WITHOUT_PROGRESS
                    yield chunk
            except (urllib3.exceptions.HTTPError, OSError) as error:
                tries_left -= 1
                if tries_left < 0:
                    raise Unavailable(f"{self._key!r} was cut off at byte {done} ({type(error).__name__})") from None
            else:
                break
            if done == self._size:
                break
            self._resume(done)
        self._check.close(self._key)

    def close(self) -> None:
        self._answer.close()
        self._answer.release_conn()

    def _resume(self, done: int) -> None:
        etag = self._pin[0]
        if not etag:
            raise Unavailable(f"{self._key!r} was cut off at byte {done}, and without an ETag it cannot be resumed")
        self.close()
        wanted = {"Range": f"bytes={done}-", "If-Match": f'"{etag}"'}
        try:
            self._answer = self._client.get(self._key, headers=wanted)
        except PermanentError as error:
            if self._version_id in {None, "null"}:
                raise self._changed() from error
            self._answer = self._old_version(wanted)
        if _pin(self._answer) != self._pin:
            raise self._changed()
        self._skip_to(done)

    def _old_version(self, wanted: dict[str, str]) -> Answer:
        try:
            return self._client.get(self._key, headers=wanted, version_id=self._version_id)
        except (PermanentError, Forbidden) as error:
            # Expired, or s3:GetObjectVersion is not allowed.
            raise self._changed() from error

    def _skip_to(self, done: int) -> None:
        """rclone answers a range with status 200 and the right bytes; others answer it with all of them."""
        length = self._answer.headers.get("Content-Length")
        starts = self._answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
        if starts == str(done) or (self._size is not None and length == str(self._size - done)):
            return
        if self._answer.status != 200 or starts:
            raise Unavailable(f"{self._key!r} could not be resumed at byte {done}: the S3 gives another range")
        left = done
        try:
            while left and (skipped := self._answer.read(min(left, CHUNK_BYTES), decode_content=False)):
                left -= len(skipped)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(f"{self._key!r} was cut off again before byte {done} ({type(error).__name__})") from None

    def _changed(self) -> Unavailable:
        return Unavailable(f"{self._key!r} changed while it was read")


def _pin(answer: Answer) -> tuple[str, str]:
    """What tells one version from another. The time too: some that serve a file system give every object the same ETag."""
    etag = answer.headers.get("ETag", "")
    return "" if etag.startswith("W/") else etag.strip('"'), answer.headers.get("Last-Modified", "")
