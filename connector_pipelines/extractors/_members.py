"""Which files does an archive hold? As they come: names as they are written there, bytes as they unpack."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self, TypeAlias

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.core.types import InputFile
from connector_pipelines.extractors._decompress import decompressed
from connector_pipelines.extractors._parts import instant
from connector_pipelines.extractors._unpacked import Unpacked

__all__ = ["Member", "compressed_members", "tar_members"]

_PIECE = 1024 * 1024
_MOST_ENTRIES = 100_000  # of directories, links and the like, too
_TAR_SUFFIXES = {".tgz": ".tar", ".tbz2": ".tar", ".tbz": ".tar", ".txz": ".tar", ".svgz": ".svg", ".emz": ".emf", ".wmz": ".wmf"}
_COMPRESSED = {".gz", ".bz2", ".xz", ".z", ".lzma"}

Blocks: TypeAlias = Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Member:
    """An entry of an archive.

    Attributes:
        name: As written there.
        blocks: Reads it. A tar is read in one pass: before the next member is asked for, or never.
        modified_at: Aware, UTC, or None.
        is_file: False for a link, a device, a file with holes: what is never unpacked.
    """

    name: str
    blocks: Blocks
    modified_at: datetime | None = None
    is_file: bool = True


def compressed_members(file: InputFile) -> Iterator[Member]:
    """Of a single compressed file: those of the tar in it, or the one file that it is, under its name without the suffix."""
    unpacked = Unpacked(file.path.stat().st_size, file.max_unpacked_bytes)
    with file.path.open("rb") as stream:
        head = next(decompressed(stream), b"")
    if is_tar(head):
        with file.path.open("rb") as stream:
            yield from _tar(_Counted(decompressed(stream), unpacked))
    else:
        yield Member(_inner_name(file.name), lambda: _unpacked_blocks(file.path))


def tar_members(file: InputFile) -> Iterator[Member]:
    """Of a tar that is not compressed. Directories are none."""
    unpacked = Unpacked(file.path.stat().st_size, file.max_unpacked_bytes)
    with file.path.open("rb") as stream:
        yield from _tar(_Counted(iter(lambda: stream.read(_PIECE), b""), unpacked))


def is_tar(head: bytes) -> bool:
    """Whether a tar begins so: by the sum over its first header, which old ones without a magic number have as well."""
    try:
        return len(head) >= tarfile.BLOCKSIZE and bool(tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape").name)
    except (tarfile.HeaderError, ValueError):
        return False


def _tar(stream: _Counted) -> Iterator[Member]:
    count = 0
    try:
        # As a stream: nothing inside can make it go back, so none can make it read for ever.
        with tarfile.open(fileobj=io.BufferedReader(stream), mode="r|", tarinfo=_Entry, errors="surrogateescape") as archive:
            for count, entry in enumerate(archive, 1):
                if count > _MOST_ENTRIES:
                    raise ResourceError(f"an archive of more than {_MOST_ENTRIES} entries", limit=f"entries={_MOST_ENTRIES}")
                archive.members = []  # type: ignore[attr-defined]  # or it keeps all of them; public in name, absent from typeshed
                if not entry.isdir():
                    is_file = entry.isreg() and not entry.issparse()
                    yield Member(entry.name, _reader(archive, entry), instant(float(entry.mtime)), is_file)
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError, OSError) as error:
        raise Malformed(f"the archive is damaged after {count} entries: {error}") from error


def _reader(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> Blocks:
    def blocks() -> Iterator[bytes]:
        left = entry.size
        stream = archive.extractfile(entry)
        while stream is not None and left > 0:
            try:
                block = stream.read(min(left, _PIECE))
            except (tarfile.TarError, OSError) as error:
                raise Malformed(f"it ends before its time: {error}") from error
            if not block:
                raise Malformed("it ends before its time")
            left -= len(block)
            yield block

    return blocks


def _unpacked_blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        yield from decompressed(stream)


def _inner_name(name: str) -> str:
    stem, suffix = Path(name).stem, Path(name).suffix.lower()
    return stem + _TAR_SUFFIXES.get(suffix, "") if suffix in _COMPRESSED or suffix in _TAR_SUFFIXES else name


class _Entry(tarfile.TarInfo):
    """A header that is damaged, cut off or missing is said so: tarfile takes it for the end, and what follows would be lost unsaid."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            entry = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # blocks of zeros, as it should end
            raise
        except tarfile.HeaderError as error:
            raise Malformed(f"a header is missing or damaged: {error}") from error
        if entry.size < 0:
            raise Malformed("a header gives a size below zero")
        return entry


class _Counted(io.RawIOBase):
    """A stream over `blocks`, counted: whatever makes tarfile read, makes it stop in time."""

    def __init__(self, blocks: Iterator[bytes], unpacked: Unpacked) -> None:
        self._blocks = blocks
        self._unpacked = unpacked
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]  # typeshed says WriteableBuffer
        if not self._rest:
            block = next(self._blocks, b"")
            self._unpacked.take(len(block))
            self._rest = memoryview(block)
        size = min(len(into), len(self._rest))
        into[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
