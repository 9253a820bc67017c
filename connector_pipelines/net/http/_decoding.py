"""A body, its content encoding undone: bounded while it grows, since a kilobyte may unpack to a gigabyte."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Protocol

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.net.http._wire import Lost

__all__ = ["ACCEPTED", "decoded", "whole"]

ACCEPTED = "gzip, deflate"
"""Of ``Accept-Encoding``: what `decoded` undoes."""

_STEP = 256 * 1024
_GZIP = 16 + zlib.MAX_WBITS


def whole(pieces: Iterable[bytes], encoding: str, *, limit: int, what: str) -> bytes:
    """The decoded body.

    Raises:
        ResourceError: It has more than `limit` bytes.
        Lost: It is not encoded as it says: it was spoilt on its way, as one that ends early is.
        Malformed: It is encoded in a way that was not asked for.
    """
    held = bytearray()
    try:
        for piece in decoded(pieces, encoding, what=what):
            held += piece
            if len(held) > limit:
                raise ResourceError(f"the answer of {what} is larger than {limit} bytes", limit=f"max_body_bytes={limit}")
    except _Spoilt as error:
        raise Lost(str(error), arrived=True) from error
    return bytes(held)


def decoded(pieces: Iterable[bytes], encoding: str, *, what: str) -> Iterator[bytes]:
    """The body as it was before it was encoded, in pieces of at most 1 MiB. Raises `Malformed` where it is not encoded as it says."""
    wanted = encoding.strip().lower()
    if wanted in {"", "identity"}:
        yield from pieces
        return
    if wanted not in {"gzip", "x-gzip", "deflate"}:
        raise Malformed(f"the answer of {what} is encoded as {encoding[:40]!r}, which was not asked for")
    unpack = _Deflate() if wanted == "deflate" else _Gzip()
    try:
        for piece in pieces:
            yield from unpack.feed(piece)
        is_whole = unpack.is_whole
    except zlib.error:
        is_whole = False
    if not is_whole:
        raise _Spoilt(f"the answer of {what} says that it is {wanted}, and is not, or not to its end")


class _Spoilt(Malformed):
    """Not encoded as it says."""


class _Unpacks(Protocol):
    is_whole: bool

    def feed(self, piece: bytes) -> Iterator[bytes]: ...


class _Gzip(_Unpacks):
    """Of one or more members (RFC 1952, 2.2). An empty body is whole."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self.is_whole = True

    def feed(self, piece: bytes) -> Iterator[bytes]:
        left = piece
        while left:
            self.is_whole = False
            if out := self._member.decompress(left, _STEP):
                yield out
            left = self._member.unconsumed_tail
            if self._member.eof:
                left, self.is_whole = self._member.unused_data, True
                self._member = zlib.decompressobj(_GZIP)
                # Some pad what they send.
                left = left.lstrip(b"\0") if left.strip(b"\0") == b"" else left


class _Deflate(_Unpacks):
    """zlib's format as the standard says (RFC 9110, 8.4.1.2), or bare deflate, which some send for it."""

    def __init__(self) -> None:
        self._member: zlib._Decompress | None = None
        self.is_whole = True

    def feed(self, piece: bytes) -> Iterator[bytes]:
        left = piece
        while left and not (self._member and self._member.eof):
            if self._member is None:
                self._member = zlib.decompressobj(zlib.MAX_WBITS if left[0] & 0x0F == 8 else -zlib.MAX_WBITS)
            if out := self._member.decompress(left, _STEP):
                yield out
            left = self._member.unconsumed_tail
            self.is_whole = self._member.eof
