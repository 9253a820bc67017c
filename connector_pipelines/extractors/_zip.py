"""May this archive be unpacked? Asked before any parser sees it, of what it says and of what is really inside.

zipfile stops at the size the directory declares, other readers do not: so the bytes are counted, too.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from connector_pipelines.core.errors import Encrypted, Malformed, ResourceError
from connector_pipelines.extractors._bounds import size_text
from connector_pipelines.extractors._unpacked import Unpacked

__all__ = ["check_archive", "read_directory"]

_MOST_ENTRIES = 20_000
_MOST_DIRECTORY_BYTES = 16 * 1024 * 1024  # zipfile makes an object of each entry, which take 46 bytes at least
_PIECE = 1024 * 1024
# APPNOTE.TXT 6.3.10: 4.3.7 signature, then the lengths of name and extra field; 4.3.16 size of the directory; 4.3.14 the same.
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_END = struct.Struct("<4s8xI4x2x")
_END_64 = struct.Struct("<4s36xQ8x")
_END_WITHIN = _END.size + 65535 + 20 + 56 + 4096  # a comment, then the two records of zip64


def check_archive(path: Path, max_unpacked_bytes: int) -> None:
    """Pass if the zip archive at `path` is harmless.

    Raises:
        Malformed: It is damaged, or packed in a way office formats are not.
        Encrypted: Its entries are.
        ResourceError: It holds too many entries, or unpacks to too much.
    """
    with read_directory(path) as archive:
        entries = archive.infolist()
    if len(entries) > _MOST_ENTRIES:
        raise ResourceError(f"an archive of {len(entries)} entries", limit=f"entries={_MOST_ENTRIES}")
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise Encrypted("the entries of the archive are encrypted")
    unpacked = Unpacked(path.stat().st_size, max_unpacked_bytes)
    unpacked.check(sum(entry.file_size for entry in entries))
    with path.open("rb") as stream:
        for entry in entries:
            for size in _unpacked_sizes(stream, entry):
                unpacked.take(size)


def read_directory(path: Path) -> zipfile.ZipFile:
    """The archive, opened.

    Raises:
        Malformed: It is none, or damaged.
        ResourceError: Its directory is too large to be looked through.
    """
    if not path.stat().st_size:
        raise Malformed("the file is empty")
    size = _directory_size(path)
    if size > _MOST_DIRECTORY_BYTES:
        limit = f"directory={size_text(_MOST_DIRECTORY_BYTES)}"
        raise ResourceError(f"an archive whose directory of entries is {size_text(size)}", limit=limit)
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise Malformed(f"not a readable zip archive: {error}") from error


def _directory_size(path: Path) -> int:
    """Bytes of the directory as the end of the file declares them, which is what zipfile reads; 0 where there is no end."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _END_WITHIN))
        tail = stream.read(_END_WITHIN)
    at, at_64 = tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")
    sizes = [0]
    if 0 <= at <= len(tail) - _END.size:
        sizes.append(_END.unpack_from(tail, at)[1])
    if 0 <= at_64 <= len(tail) - _END_64.size:
        sizes.append(_END_64.unpack_from(tail, at_64)[1])
    # 0xFFFFFFFF says: look in the record of zip64. More than the file has is a lie that zipfile finds out.
    return max(size for size in sizes if size <= path.stat().st_size)


def _unpacked_sizes(stream: BinaryIO, entry: zipfile.ZipInfo) -> Iterator[int]:
    if entry.compress_type == zipfile.ZIP_STORED:
        yield entry.compress_size
        return
    if entry.compress_type != zipfile.ZIP_DEFLATED:
        raise Malformed(f"an archive packed by method {entry.compress_type}, which office formats do not use")
    _seek_to_data(stream, entry)
    unpacker, left = zlib.decompressobj(-zlib.MAX_WBITS), entry.compress_size
    try:
        while left > 0 and not unpacker.eof and (packed := stream.read(min(left, _PIECE))):
            left -= len(packed)
            while packed and not unpacker.eof:
                yield len(unpacker.decompress(packed, _PIECE))
                packed = unpacker.unconsumed_tail
    except zlib.error as error:
        raise Malformed(f"an entry of the archive does not unpack: {error}") from error


def _seek_to_data(stream: BinaryIO, entry: zipfile.ZipInfo) -> None:
    stream.seek(max(entry.header_offset, 0))  # zipfile makes it negative where the directory lies about its own place
    header = stream.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
        raise Malformed("the directory of the archive points at no entry")
    _, name, extra = _LOCAL_HEADER.unpack(header)
    stream.seek(name + extra, 1)
