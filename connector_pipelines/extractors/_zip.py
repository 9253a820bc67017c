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

__all__ = ["check_archive"]

_MOST_ENTRIES = 20_000
_MOST_RATIO = 250  # deflate reaches 1,032; sheets of a spreadsheet reach 100
_RATIO_FROM = 32 * 1024 * 1024
_PIECE = 1024 * 1024
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # APPNOTE.TXT 6.3.10, 4.3.7: signature, then the lengths of name and extra field


def check_archive(path: Path, max_unpacked_bytes: int) -> None:
    """Pass if the zip archive at `path` is harmless.

    Raises:
        Malformed: It is damaged, or packed in a way office formats are not.
        Encrypted: Its entries are.
        ResourceError: It holds too many entries, or unpacks to too much.
    """
    entries = _entries(path)
    declared = sum(entry.file_size for entry in entries)
    _check_size(declared, path.stat().st_size, max_unpacked_bytes)
    real = 0
    with path.open("rb") as stream:
        for entry in entries:
            for size in _unpacked_sizes(stream, entry):
                real += size
                _check_size(real, path.stat().st_size, max_unpacked_bytes)


def _entries(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise Malformed(f"not a readable zip archive: {error}") from error
    if len(entries) > _MOST_ENTRIES:
        raise ResourceError(f"an archive of {len(entries)} entries", limit=f"entries={_MOST_ENTRIES}")
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise Encrypted("the entries of the archive are encrypted")
    return entries


def _check_size(unpacked: int, packed: int, most: int) -> None:
    if unpacked > most:
        raise ResourceError(f"unpacks to more than {size_text(most)}", limit=f"unpacked={size_text(most)}")
    if unpacked > _RATIO_FROM and unpacked > packed * _MOST_RATIO:
        raise ResourceError(f"unpacks {size_text(packed)} to {size_text(unpacked)}", limit=f"ratio={_MOST_RATIO}")


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
