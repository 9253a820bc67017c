"""Which properties has an object in a .msg file? (MS-OXMSG; the numbers of properties are in MS-OXPROPS)"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

from connector_pipelines.core.errors import Malformed
from connector_pipelines.extractors._cfb import CompoundFile, Entry
from connector_pipelines.extractors._mail_text import decode_text

__all__ = ["Properties"]

_FIXED = struct.Struct("<HHI8s")  # MS-OXMSG, 2.4.2: type, id, flags, value
_UNICODE, _ANSI, _BINARY, _TIME, _INTEGER, _BOOLEAN = 0x001F, 0x001E, 0x0102, 0x0040, 0x0003, 0x000B
_MESSAGE_CODEPAGE, _INTERNET_CODEPAGE = 0x3FFD, 0x3FDE
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_MOST_TEXT_BYTES = 256 * 1024 * 1024
_MOST_FIXED_BYTES = 1024 * 1024
# Numbers of Windows that Python's codecs go by other names for.
_CODEPAGES = {65001: "utf-8", 20127: "ascii", 28591: "iso-8859-1", 28592: "iso-8859-2", 28595: "iso-8859-5", 28605: "iso-8859-15", 50220: "iso2022_jp",
              20866: "koi8_r", 936: "gb18030", 54936: "gb18030", 51949: "euc_kr", 10000: "mac_roman"}  # fmt: skip


class Properties:
    """Of the message, recipient or attachment kept in the storage `entry`."""

    def __init__(self, file: CompoundFile, entry: Entry, *, header: int, codepage: str = "") -> None:
        """`header` is the length of what comes before the fixed properties: MS-OXMSG, 2.4.1. `codepage` is the message's."""
        self._file = file
        self._entry = entry
        self._fixed = self._read_fixed(header)
        number = self.integer(_MESSAGE_CODEPAGE) or self.integer(_INTERNET_CODEPAGE)
        self.codepage = codepage or (_CODEPAGES.get(number, f"cp{number}") if number else "")

    def text(self, *ids: int) -> str:
        """The first of these properties that is a text and not empty, or empty."""
        for number in ids:
            if data := self._stream(number, _UNICODE):
                return data.decode("utf-16-le", "replace").rstrip("\0")
            if data := self._stream(number, _ANSI):
                return decode_text(data.rstrip(b"\0"), self.codepage)
        return ""

    def binary(self, number: int) -> bytes:
        """A property of bytes, or empty."""
        return self._stream(number, _BINARY)

    def binary_entry(self, number: int) -> Entry | None:
        """Where such a property is kept, so that it can be read in pieces."""
        return self._entry.children.get(f"__substg1.0_{number:04x}{_BINARY:04x}")

    def storage(self, number: int) -> Entry | None:
        """A property that is an object: a message in a message."""
        return self._entry.children.get(f"__substg1.0_{number:04x}000d")

    def integer(self, number: int) -> int:
        """A property of 32 bits, or 0."""
        return int.from_bytes(self._fixed.get((number, _INTEGER), b"")[:4], "little")

    def is_set(self, number: int) -> bool:
        """Whether a property that is true or false is true."""
        return self._fixed.get((number, _BOOLEAN), b"\0")[0] != 0

    def time(self, *ids: int) -> datetime | None:
        """The first of these that is an instant, or None."""
        for number in ids:
            ticks = int.from_bytes(self._fixed.get((number, _TIME), b""), "little")
            try:
                if ticks:
                    return _EPOCH + timedelta(microseconds=ticks // 10)
            except OverflowError:
                continue
        return None

    def _stream(self, number: int, kind: int) -> bytes:
        entry = self._entry.children.get(f"__substg1.0_{number:04x}{kind:04x}")
        try:
            return self._file.read(entry, _MOST_TEXT_BYTES) if entry and entry.is_stream else b""
        except Malformed:
            return b""  # one property is damaged; the others may be in order

    def _read_fixed(self, header: int) -> dict[tuple[int, int], bytes]:
        entry = self._entry.children.get("__properties_version1.0")
        data = self._file.read(entry, _MOST_FIXED_BYTES)[header:] if entry and entry.is_stream else b""
        whole = len(data) // _FIXED.size * _FIXED.size
        return {(number, kind): value for kind, number, _, value in _FIXED.iter_unpack(data[:whole])}
