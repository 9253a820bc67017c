"""What is in a gzip, bzip2 or xz file? In pieces, none larger than a megabyte, whatever it would swell to."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from connector_pipelines.core.errors import Malformed

__all__ = ["decompressed"]

_PIECE = 1024 * 1024
_XZ_MEMORY = 256 * 1024 * 1024  # xz -9 asks for 64 MiB; the header may ask for 4 GiB
_ERRORS = (zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib's decompressor, with what the other two have."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


def decompressed(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of every stream that follows upon another in `stream`; what follows the last and is none is left out, as gunzip does.

    Raises:
        Malformed: It is packed in no way known here, damaged, or cut off.
    """
    packed, unpacker, is_first = stream.read(_PIECE), None, True
    while packed or (unpacker is not None and not unpacker.needs_input):
        if unpacker is None:
            unpacker = _unpacker(packed)
            if unpacker is None:
                break
        try:
            block = unpacker.decompress(packed, _PIECE)
        except _ERRORS as error:
            raise Malformed(f"the packed data is damaged: {error}") from error
        if block:
            yield block
        packed = b""
        if unpacker.eof:
            packed, unpacker, is_first = unpacker.unused_data, None, False
        if not packed and (unpacker is None or unpacker.needs_input):
            packed = stream.read(_PIECE)
    if unpacker is not None:
        raise Malformed("the packed data is cut off")
    if is_first:
        raise Malformed("the file is empty or packed in an unknown way")


def _unpacker(head: bytes) -> _Decompressor | None:
    if head.startswith(b"\x1f\x8b"):
        return _Gzip()
    if head.startswith(b"BZh"):
        return bz2.BZ2Decompressor()
    if head.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    return None
