"""What do the headers and texts of a message say, in whatever encoding they claim to be?

The standard library's policy `default` reads headers by a grammar and fails, with errors of any kind, on those that keep to
none; so they are taken raw and decoded here, damaged or not.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from datetime import UTC, datetime
from email.policy import Compat32
from email.utils import parsedate_to_datetime

__all__ = ["RAW", "decode_header", "decode_text", "parse_date"]

# RFC 2047, 2, with a language as RFC 2231, 5 allows it.
_ENCODED_WORD = re.compile(r"=\?([^?*\s]{1,40})(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*)\?=")
_BETWEEN = re.compile(r"(\?=)\s+(?==\?[^?\s]{1,40}\?[bBqQ]\?)")
_LONGEST_HEADER = 64 * 1024
# What mail programs write, and the larger encodings that senders of the smaller really use.
_CHARSETS = {
    "us-ascii": "", "ascii": "", "unknown": "", "unknown-8bit": "", "x-unknown": "", "default": "", "default_charset": "", "iso-8859-1": "cp1252",
    "latin1": "cp1252", "latin-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949", "shift_jis": "cp932", "x-sjis": "cp932", "iso-8859-8-i": "iso-8859-8", "unicode-1-1-utf-7": "utf-7", "utf8mb4": "utf-8",
}  # fmt: skip


class _Raw(Compat32):
    """Headers as they stand there: what is not ASCII as surrogates, which `decode_header` knows, and not as U+FFFD."""

    def header_fetch_parse(self, name: str, value: str) -> str:  # noqa: ARG002 - the policy's own signature
        return value


RAW = _Raw()
"""The policy to parse messages with, whose headers `decode_header` is to read."""


def decode_header(raw: object) -> str:
    """The text of a header or of one of its parameters, on one line; bytes that are not ASCII come as surrogates."""
    text = " ".join(_unsurrogated(str(raw)[:_LONGEST_HEADER]).split())
    if "=?" not in text:
        return text
    words, out, at = list(_ENCODED_WORD.finditer(joined := _BETWEEN.sub(r"\1", text))), list[str](), 0
    held, charset = b"", ""
    for word in words:
        # A character may be cut in two by the end of a word: neighbours of one charset are decoded together.
        if held and (word.start() != at or word[1].lower() != charset):
            out.append(decode_text(held, charset))
            held = b""
        out.append(joined[at : word.start()])
        held, charset, at = held + _word(word[2], word[3]), word[1].lower(), word.end()
    return " ".join("".join([*out, decode_text(held, charset), joined[at:]]).split())


def decode_text(data: bytes, charset: str) -> str:
    """`data` as the charset says, where it is known and right; else as UTF-8, else as Windows does it in the West."""
    charset = charset.strip().lower()
    for name in filter(None, (_CHARSETS.get(charset, charset), "utf-8")):
        try:
            return data.decode(name)
        except (UnicodeError, LookupError, ValueError):
            continue
    try:
        return data.decode(_CHARSETS.get(charset, charset) or "cp1252", "replace")
    except (UnicodeError, LookupError, ValueError):
        return data.decode("cp1252", "replace")


def parse_date(raw: str) -> datetime | None:
    """Aware, UTC, or None where it is no date; RFC 5322, 3.3, or ISO 8601 as some programs write it."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = read(raw.strip()[:100])
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def _unsurrogated(text: str) -> str:
    """Raw 8-bit bytes, which RFC 6532 allows as UTF-8 and programs write as they like."""
    try:
        data = text.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return text
    return decode_text(data, "") if not data.isascii() else text


def _word(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return quopri.decodestring(data, header=True)
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4))
    except (binascii.Error, ValueError):
        return data
