"""Which bytes make a small archive, honest or not?"""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import BinaryIO

__all__ = ["Cipher", "directory_of", "encrypted_zip", "overlapping_zip", "tar", "tar_entry"]


class Cipher:
    """The traditional encryption of zip (APPNOTE.TXT 6.3.10, 6.1)."""

    def __init__(self, password: bytes) -> None:
        self._keys = [0x12345678, 0x23456789, 0x34567890]
        for byte in password:
            self._update(byte)

    def encrypt(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            temporary = self._keys[2] | 2
            out.append(byte ^ (temporary * (temporary ^ 1) >> 8 & 0xFF))
            self._update(byte)
        return bytes(out)

    def _update(self, byte: int) -> None:
        self._keys[0] = self._crc(self._keys[0], byte)
        self._keys[1] = ((self._keys[1] + (self._keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        self._keys[2] = self._crc(self._keys[2], self._keys[1] >> 24)

    @staticmethod
    def _crc(key: int, byte: int) -> int:
        return zlib.crc32(bytes([byte]), key ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def encrypted_zip(entries: Mapping[str, bytes], password: str, *, method: int = 0) -> bytes:
    """Stored entries under a password; 99 as `method` is what WinZip writes for AES."""
    body, directory = bytearray(), bytearray()
    for name, data in entries.items():
        crc = zlib.crc32(data)
        packed = Cipher(password.encode()).encrypt(bytes(11) + bytes([crc >> 24]) + data)
        fields = struct.pack("<HHHHIIIHH", 1, method, 0, 0x5C21, crc, len(packed), len(data), len(name), 0)
        directory += (
            b"PK\1\2"
            + struct.pack("<H", 20)
            + struct.pack("<H", 20)
            + fields
            + struct.pack("<HHHII", 0, 0, 0, 0, len(body))
            + name.encode()
        )
        body += b"PK\3\4" + struct.pack("<H", 20) + fields + name.encode() + packed
    return bytes(body + directory) + _end(len(entries), len(directory), len(body))


def overlapping_zip(unpacked: int, copies: int) -> bytes:
    """One entry that `copies` entries of the directory point at."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", bytes(unpacked))
        start = archive.start_dir
    made = out.getvalue()
    directory = made[start:-22] * copies
    return made[:start] + directory + _end(copies, len(directory), start)


def directory_of(entries: int) -> bytes:
    """An archive that is a directory of so many entries, all of nothing."""
    entry = b"PK\1\2" + bytes(24) + struct.pack("<H", 1) + bytes(16) + b"a"
    return b"PK\3\4" + bytes(27) + entry * entries + _end(min(entries, 0xFFFF), len(entry) * entries, 31)


def tar(entries: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for entry, data in entries:
            archive.addfile(entry, _stream(data))
    return out.getvalue()


def tar_entry(name: str, data: bytes = b"", **others: object) -> tuple[tarfile.TarInfo, bytes]:
    """An entry; other keywords are attributes of `TarInfo`."""
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    for key, value in others.items():
        setattr(entry, key, value)
    return entry, data


def _stream(data: bytes) -> BinaryIO:
    return io.BytesIO(data)


def _end(count: int, size: int, offset: int) -> bytes:
    return b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, size, offset, 0)
