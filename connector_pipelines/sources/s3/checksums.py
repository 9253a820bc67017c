"""Whether the bytes that came are those that were stored, where the S3 says so with the bytes.

Only a checksum of type FULL_OBJECT is of the bytes as they come; one of a multipart upload may be of its parts, and a
server that names no type (rclone) may still give that of a part. The ETag is not asked: it is an MD5 on some servers, for
some objects. CRC32C and CRC64NVME, which the standard library does not have, are left unchecked.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from connector_pipelines.core.errors import Mismatch

__all__ = ["WANTED", "Check"]

WANTED: Final[Mapping[str, str]] = {"x-amz-checksum-mode": "ENABLED"}
"""Headers of a request whose answer should carry a checksum."""


class _Sum(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


_SUMS: Final[Mapping[str, Callable[[], _Sum]]] = {"sha256": hashlib.sha256, "sha1": hashlib.sha1, "crc32": _Crc32}


class Check:
    """Sees the bytes of one object go by, in order."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        """`headers` are those of the answer that carries the object from its first byte on."""
        named = next((name for name in _SUMS if f"x-amz-checksum-{name}" in headers), None)
        is_whole = headers.get("x-amz-checksum-type") == "FULL_OBJECT"
        self._name = named if is_whole else None
        self._expected = _decoded(headers[f"x-amz-checksum-{named}"]) if named else b""
        self._sum = _SUMS[named]() if named and is_whole else None

    def see(self, chunk: bytes) -> None:
        if self._sum is not None:
            self._sum.update(chunk)

    def close(self, key: str) -> None:
        """That was all.

        Raises:
            Mismatch: Other bytes came than were stored.
        """
        if self._sum is not None and self._sum.digest() != self._expected:
            raise Mismatch(f"{key!r} came with other bytes than its {self._name} is of")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
