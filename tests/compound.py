"""Which bytes make a small compound file (MS-CFB)? Written from the specification, apart from the reader under test."""

from __future__ import annotations

import struct
from collections.abc import Mapping

__all__ = ["compound"]

_SECTOR = 512
_MINI = 64
_CUTOFF = 4096
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def compound(streams: Mapping[str, bytes]) -> bytes:
    """Streams by path, ``/`` between storages. At most 109 × 128 sectors, which is 7 MB."""
    names = _tree(streams)
    sectors, mini, chains, mini_chains = bytearray(), bytearray(), list[int](), list[int]()
    starts = {}
    for path, data in streams.items():
        is_small = len(data) < _CUTOFF
        held, known, size = (mini, mini_chains, _MINI) if is_small else (sectors, chains, _SECTOR)
        starts[path] = _append(held, known, data, size)
    root_start = _append(sectors, chains, bytes(mini), _SECTOR)
    mini_fat = struct.pack(f"<{len(mini_chains)}I", *mini_chains)
    mini_fat_start = _append(sectors, chains, mini_fat.ljust(-(-len(mini_fat) // _SECTOR) * _SECTOR, b"\xff"), _SECTOR)
    directory = b"".join(_entry(path, names, streams, starts, root_start, len(mini)) for path in names)
    directory_start = _append(sectors, chains, directory.ljust(-(-len(directory) // _SECTOR) * _SECTOR, b"\0"), _SECTOR)
    fat_count = next(n for n in range(1, 110) if len(chains) + n <= n * 128)
    fat_start = len(chains)
    chains += [_FAT] * fat_count
    fat = struct.pack(f"<{len(chains)}I", *chains).ljust(fat_count * _SECTOR, b"\xff")
    header = struct.pack("<8s16xHHHHH6xIIIIIIIII", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6, 0, fat_count, directory_start, 0,
                         _CUTOFF, mini_fat_start, -(-len(mini_fat) // _SECTOR), _END, 0)  # fmt: skip
    places = [*range(fat_start, fat_start + fat_count)]
    return header + struct.pack("<109I", *places, *[_FREE] * (109 - fat_count)) + sectors + fat


def _tree(streams: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Every path, storages too, with the paths right below it; the root is the empty path and comes first."""
    below: dict[str, list[str]] = {"": []}
    for path in streams:
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            this, parent = "/".join(parts[:depth]), "/".join(parts[: depth - 1])
            if this not in below:
                below[this] = []
                below[parent].append(this)
    return below


def _append(held: bytearray, chain: list[int], data: bytes, size: int) -> int:
    if not data:
        return _END
    start, count = len(chain), -(-len(data) // size)
    held += data.ljust(count * size, b"\0")
    chain += [*range(start + 1, start + count), _END]
    return start


def _entry(path: str, below: dict[str, list[str]], streams: Mapping[str, bytes], starts: dict[str, int], root: int, mini: int) -> bytes:
    number = {known: index for index, known in enumerate(below)}
    parent = path.rpartition("/")[0]
    siblings = below[parent] if path else []
    after = siblings[siblings.index(path) + 1 :] if path else []
    right = number[after[0]] if after else _FREE
    child = number[below[path][0]] if below[path] else _FREE
    name = (path.rpartition("/")[2] or "Root Entry").encode("utf-16-le") + b"\0\0"
    kind = 5 if not path else 2 if path in streams else 1
    start, size = (root, mini) if not path else (starts.get(path, 0), len(streams.get(path, b"")))
    return struct.pack("<64sHBBIII16x4x16xIQ", name, len(name), kind, 1, _FREE, right, child, start, size)
