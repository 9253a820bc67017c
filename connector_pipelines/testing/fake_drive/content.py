"""What is in a file: bytes given by a test, or text made from the file's id when somebody asks for it."""

from __future__ import annotations

import hashlib
import random
from functools import cache, lru_cache
from typing import Final

__all__ = ["Revision", "generated"]

_BLOCK_BYTES: Final = 1024**2
_LARGE_BYTES: Final = 1024**2


class Revision:
    """One state of a binary file's content.

    Attributes:
        number: 1 for the first of its file.
        body: The bytes, or None where they are made from the file's id and the number.
        modified_at: Microseconds since 1970.
    """

    __slots__ = ("_sums", "author", "body", "file_id", "modified_at", "number", "size")

    def __init__(self, file_id: str, number: int, body: bytes | None, size: int, modified_at: int, author: str) -> None:  # noqa: PLR0917 - made in one place
        self.file_id = file_id
        self.number = number
        self.body = body
        self.size = size
        self.modified_at = modified_at
        self.author = author
        self._sums: dict[str, str] | None = None

    @property
    def id(self) -> str:
        """As the real ones look: opaque, and different in every file."""
        return f"0B{hashlib.blake2b(f'{self.file_id}/{self.number}'.encode(), digest_size=24).hexdigest()}"

    def read(self) -> bytes:
        return self.body if self.body is not None else generated(self.file_id, self.number, self.size)

    def checksum(self, algorithm: str) -> str:
        """Hexadecimal; counted once."""
        if self._sums is None:
            self._sums = {}
        if algorithm not in self._sums:
            self._sums[algorithm] = hashlib.new(algorithm, self.read(), usedforsecurity=False).hexdigest()
        return self._sums[algorithm]


def generated(file_id: str, number: int, size: int) -> bytes:
    """Exactly `size` bytes of ASCII words, the same at every call and different for every file and revision."""
    return _large(file_id, number, size) if size > _LARGE_BYTES else _made(file_id, number, size)


def _made(file_id: str, number: int, size: int) -> bytes:
    head = f"{file_id} revision {number}\n".encode()
    begin = int.from_bytes(hashlib.blake2b(head, digest_size=4).digest()) % _BLOCK_BYTES
    block = _block()
    missing = size - len(head)
    if missing <= _BLOCK_BYTES - begin:
        return (head + block[begin : begin + missing])[:size]
    rest = missing - (_BLOCK_BYTES - begin)
    return b"".join((head, block[begin:], block * (rest // _BLOCK_BYTES), block[: rest % _BLOCK_BYTES]))


@lru_cache(maxsize=4)
def _large(file_id: str, number: int, size: int) -> bytes:
    # A large file is asked for in ranges, one after the other.
    return _made(file_id, number, size)


@cache
def _block() -> bytes:
    chance = random.Random(20260302)  # noqa: S311 - filler, the same in every process
    syllables = [first + second for first in "bdfgklmnprstv" for second in "aeiou"]
    words = ["".join(chance.choices(syllables, k=chance.randint(1, 4))) for _ in range(4000)]
    text = bytearray()
    while len(text) < _BLOCK_BYTES:
        text += " ".join(chance.choices(words, k=12)).encode() + b".\n"
    return bytes(text[:_BLOCK_BYTES])
