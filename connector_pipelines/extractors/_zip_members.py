"""Which files does a zip archive hold, and which of the passwords opens them?"""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

from connector_pipelines.core.errors import Encrypted, Malformed
from connector_pipelines.core.types import InputFile
from connector_pipelines.extractors._members import Member
from connector_pipelines.extractors._parts import instant
from connector_pipelines.extractors._zip import read_directory

__all__ = ["zip_members"]

_PIECE = 1024 * 1024
_LOCAL_HEADER_BYTES = 30
_AES = 99  # https://www.winzip.com/en/support/aes-encryption/ (read November 2026)
_IS_UTF8 = 0x800
_TIMES, _UNICODE_PATH = 0x5455, 0x7075  # APPNOTE.TXT 6.3.10, 4.6.1; Info-ZIP, proginfo/extrafld.txt
_NOT_LATIN = ["cp932", "gb18030", "cp866", "cp949", "big5", "cp1251"]
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, NotImplementedError, RuntimeError, struct.error)


def zip_members(file: InputFile) -> Iterator[Member]:
    """In the order of its directory. Directories are none.

    Raises:
        Malformed: The archive is damaged, or its entries lie upon each other.
    """
    with read_directory(file.path) as archive:
        entries = archive.infolist()
        _check_apart(entries)
        passwords = _Passwords(file.passwords)
        for entry, name in zip(entries, _names(entries), strict=True):
            mode = entry.external_attr >> 16
            is_link = entry.create_system == 3 and stat.S_IFMT(mode) not in {0, stat.S_IFREG}
            if not name.endswith(("/", "\\")):
                yield Member(name, partial(_blocks, archive, entry, passwords), _modified_at(entry), not is_link)


class _Passwords:
    """The passwords to try; the one that worked last comes first."""

    def __init__(self, passwords: Sequence[str]) -> None:
        self._passwords = [password.encode() for password in passwords]

    def __iter__(self) -> Iterator[bytes]:
        return iter(list(self._passwords))

    def prefer(self, password: bytes) -> None:
        self._passwords.sort(key=lambda known: known != password)


def _check_apart(entries: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse entries that share their bytes: so a small file unpacks to more than any ratio (zbsm.zip of David Fifield, 2019)."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise Malformed("entries of the archive lie upon each other, as in one made to do harm")
        end = entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size


def _blocks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, passwords: _Passwords) -> Iterator[bytes]:
    if entry.compress_type == _AES:
        raise Encrypted("it is encrypted with AES, which is not supported", advice="pack it again without a password")
    if not entry.flag_bits & 0x1:
        yield from _read(archive, entry, None)
        return
    password = next((password for password in passwords if _opens(archive, entry, password)), None)
    if password is None:
        raise Encrypted("it is encrypted and none of the passwords opens it", advice="name the password in `passwords` of the endpoint")
    passwords.prefer(password)
    yield from _read(archive, entry, password)


def _opens(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, password: bytes) -> bool:
    """Whether it reads to the end: the check in front passes one wrong password of 256."""
    try:
        with archive.open(entry, pwd=password) as stream:
            return all(True for _ in iter(lambda: stream.read(_PIECE), b""))
    except _DAMAGED:
        return False


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, password: bytes | None) -> Iterator[bytes]:
    try:
        with archive.open(entry, pwd=password) as stream:
            while block := stream.read(_PIECE):
                yield block
    except _DAMAGED as error:
        raise Malformed(f"it does not unpack: {error}") from error


def _names(entries: Sequence[zipfile.ZipInfo]) -> list[str]:
    """The names, read in the encoding they are written in: the format knows UTF-8 and that of DOS, programs use any."""
    raw = [entry.orig_filename.encode("cp437", "replace") for entry in entries if not entry.flag_bits & _IS_UTF8]
    encoding = _encoding(b"\n".join(name for name in raw if not name.isascii()))
    names = []
    for entry in entries:
        name = _unicode_path(entry)
        if not name:
            name = entry.orig_filename
            name = name if entry.flag_bits & _IS_UTF8 else name.encode("cp437", "replace").decode(encoding, "replace")
        names.append(name)
    return names


def _encoding(names: bytes) -> str:
    try:
        names.decode()
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        high = sum(byte > 0x7F for byte in names)
        # As with text files: accents in Latin names stand alone, and detectors mistake them for anything.
        best = from_bytes(names, cp_isolation=_NOT_LATIN).best() if high > len(names) * 0.3 else None
        return best.encoding if best else "cp437"
    return "utf-8"


def _unicode_path(entry: zipfile.ZipInfo) -> str:
    data = _extra(entry, _UNICODE_PATH)
    if len(data) > 5 and data[1:5] == zlib.crc32(entry.orig_filename.encode("cp437", "replace")).to_bytes(4, "little"):
        return data[5:].decode("utf-8", "replace")
    return ""


def _modified_at(entry: zipfile.ZipInfo) -> datetime | None:
    times = _extra(entry, _TIMES)
    if len(times) >= 5 and times[0] & 1:
        return instant(int.from_bytes(times[1:5], "little", signed=True))
    try:
        # DOS knows no time zone: at most a day wrong. 1980-01-01 is what is written where nothing is known.
        return datetime(*entry.date_time, tzinfo=UTC) if entry.date_time[:3] != (1980, 1, 1) else None
    except ValueError:
        return None


def _extra(entry: zipfile.ZipInfo, wanted: int) -> bytes:
    at, extra = 0, entry.extra
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind == wanted:
            return extra[at + 4 : at + 4 + size]
        at += 4 + size
    return b""
