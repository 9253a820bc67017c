"""Which streams are in a compound file (MS-CFB): the container of .msg, .doc, .ppt, and of what is encrypted in their place?

Read here, not by a library: streams come in pieces, and no chain, tree or count in a hostile file can make it loop or grow.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from connector_pipelines.core.errors import Malformed, ResourceError

__all__ = ["SIGNATURE", "CompoundFile", "Entry"]

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_HEADER = struct.Struct("<8s16xHHHHH6x4xII4xIIIII109I")  # MS-CFB, 2.2
_ENTRY = struct.Struct("<64sHBxIII16x4x16xIQ")  # MS-CFB, 2.6.1
_MOST_ENTRIES = 200_000
_LAST = 0xFFFFFFFA  # from here on, a number is not one of a sector: MS-CFB, 2.1
_PIECE_SECTORS = 512


@dataclass(frozen=True, slots=True)
class Entry:
    """A stream, or a storage with the `children` in it, by lower-case name."""

    name: str
    is_stream: bool
    size: int
    start: int
    children: dict[str, Entry] = field(default_factory=dict)


class CompoundFile:
    """The compound file in `stream`, which must stay open.

    Raises:
        Malformed: It is none, or damaged; so do all methods.
        ResourceError: It has too many entries.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        header = stream.read(512)
        if len(header) < 512 or not header.startswith(SIGNATURE):
            raise Malformed("not a compound file, which this format is kept in")
        values = _HEADER.unpack(header)
        shift, mini_shift, (first_directory, self._cutoff) = values[4], values[5], values[7:9]
        if shift not in {9, 12} or mini_shift != 6:
            raise Malformed("a compound file with sectors of a size that is not allowed")
        self._size, self._mini_size = 1 << shift, 1 << mini_shift
        self._fat = self._read_fat(values[13:], values[11])
        self._mini_fat = array("I", b"".join(self._chain(values[9]))[: len(self._fat) * self._size])
        self.root = self._read_directory(first_directory)
        self._mini_places = self._places(self.root.start)

    def find(self, *path: str) -> Entry | None:
        """The entry at that path below the root, or None."""
        entry: Entry | None = self.root
        for name in path:
            entry = entry.children.get(name.lower()) if entry else None
        return entry

    def blocks(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of a stream, in pieces."""
        left = entry.size
        chain = self._mini_chain(entry.start) if entry.size < self._cutoff else self._chain(entry.start)
        while left > 0:
            block = next(chain, b"")[:left]
            if not block:
                raise Malformed(f"the stream {entry.name!r} ends before its time")
            left -= len(block)
            yield block

    def read(self, entry: Entry, most: int) -> bytes:
        """A stream as a whole.

        Raises:
            ResourceError: It has more than `most` bytes.
        """
        if entry.size > most:
            raise ResourceError(f"the stream {entry.name!r} has {entry.size} bytes", limit=f"stream={most} bytes")
        return b"".join(self.blocks(entry))

    def _read_fat(self, header: tuple[int, ...], first: int) -> array[int]:
        """The table of which sector follows upon which; where its own sectors are stands in the header, and on from there."""
        sectors, seen = [number for number in header if number < _LAST], set[int]()
        while first < _LAST and first not in seen:
            seen.add(first)
            *more, first = array("I", self._sector(first))
            sectors += [number for number in more if number < _LAST]
        if len(sectors) != len(set(sectors)):
            raise Malformed("the table of a compound file has a sector twice")
        return array("I", b"".join(map(self._sector, sectors)))

    def _sector(self, number: int, count: int = 1) -> bytes:
        self._stream.seek((number + 1) * self._size)
        data = self._stream.read(self._size * count)
        if len(data) <= self._size * (count - 1):
            raise Malformed("a compound file is cut off")
        return data.ljust(self._size * count, b"\0")

    def _chain(self, number: int) -> Iterator[bytes]:
        """The sectors from `number` on, those that lie side by side at once."""
        steps = 0
        while number < _LAST:
            first, count = number, 0
            while number == first + count and count < _PIECE_SECTORS:
                if number >= len(self._fat):
                    raise Malformed("a chain of a compound file leads out of it")
                count, number = count + 1, self._fat[number]
            steps += count
            if steps > len(self._fat):
                raise Malformed("a chain of a compound file leads in a circle")
            yield self._sector(first, count)

    def _mini_chain(self, number: int) -> Iterator[bytes]:
        """As `_chain`, of the small sectors, which lie in a stream of the root's."""
        places = self._mini_places
        for _ in range(len(self._mini_fat)):
            if number >= _LAST:
                return
            at = number * self._mini_size
            if number >= len(self._mini_fat) or at // self._size >= len(places):
                raise Malformed("a chain of a compound file leads out of it")
            self._stream.seek((places[at // self._size] + 1) * self._size + at % self._size)
            yield self._stream.read(self._mini_size)
            number = self._mini_fat[number]

    def _places(self, number: int) -> array[int]:
        """The sectors of the stream that holds the small ones."""
        places = array("I")
        while number < len(self._fat) and len(places) <= len(self._fat):
            places.append(number)
            number = self._fat[number]
        return places

    def _read_directory(self, start: int) -> Entry:
        found: list[tuple[Entry, int, int, int]] = []
        for block in self._chain(start):
            if len(found) > _MOST_ENTRIES:
                raise ResourceError(f"a compound file of more than {_MOST_ENTRIES} entries", limit=f"entries={_MOST_ENTRIES}")
            for raw, length, kind, left, right, child, first, size in _ENTRY.iter_unpack(block):
                name = raw[: max(0, min(length, 64) - 2)].decode("utf-16-le", "replace")
                # Version 3 has rubbish in the upper half of the size: MS-CFB, 2.6.3.
                size = size & 0xFFFFFFFF if self._size == 512 else size  # noqa: PLW2901
                found.append((Entry(name, kind == 2, size, first), left, right, child))
        if not found:
            raise Malformed("a compound file without a directory")
        _link(found)
        return found[0][0]


def _link(found: list[tuple[Entry, int, int, int]]) -> None:
    """Put each entry below its storage. Siblings are a tree, which a hostile file bends into a circle or a line: no recursion."""
    seen = {0}
    storages = [0]
    while storages:
        storage, _, _, child = found[storages.pop()]
        todo = [child]
        while todo:
            number = todo.pop()
            if number >= len(found) or number in seen:
                continue
            seen.add(number)
            entry, left, right, inner = found[number]
            storage.children[entry.name.lower()] = entry
            todo += (left, right)
            if not entry.is_stream and inner < len(found):
                storages.append(number)
