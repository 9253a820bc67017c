"""In which encoding is this text file written?

Byte order mark, then strict UTF-8, then UTF-16 without a mark, then the legacy encodings. Of those, detectors mistake
Western text for anything at all, so they are asked only where bytes above 127 stand in runs, as they do in
scripts other than Latin; accents in Latin text stand alone.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from connector_pipelines.core.errors import Malformed

__all__ = ["Encoding", "detect_encoding", "is_binary", "open_text"]

_BLOCK = 1024 * 1024
_SAMPLE = 64 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(rb"[\x00-\x07\x0e-\x1a\x1c-\x1f\x7f]")
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_UNDEFINED_IN_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_NOT_LATIN = ["cp1251", "cp866", "koi8_r", "cp1253", "cp1255", "cp1256", "shift_jis", "gb18030", "euc_kr", "big5"]


@dataclass(frozen=True, slots=True)
class Encoding:
    """`name` is a Python codec; `warning` says what is wrong or guessed, or is empty."""

    name: str
    warning: str = ""


def detect_encoding(path: Path, limit: int) -> Encoding:
    """Find the encoding of the first `limit` bytes of the text file at `path`.

    Raises:
        Malformed: The bytes are not text.
    """
    with path.open("rb") as stream:
        head = stream.read(_SAMPLE)
    marked = _marked(head) or _utf16_unmarked(head)
    if marked:
        return Encoding(marked)
    if is_binary(head):
        raise Malformed("the file holds binary data, not text", advice="check the file's name and type at the source")
    bad = _first_not_utf8(path, limit)
    return _legacy(bad) if bad is not None else Encoding("utf-8")


def is_binary(head: bytes) -> bool:
    """Whether `head`, the first bytes of a file, cannot be text of any encoding."""
    if _marked(head) or _utf16_unmarked(head):
        return False
    # Some U+0000 is let pass: a crash pads the end of a log with them.
    return head.count(0) > len(head) * 0.005 or len(_CONTROL.findall(head)) > len(head) * 0.05


def open_text(path: Path, encoding: Encoding, *, newline: str | None = None) -> TextIO:
    """Open for reading; what the encoding cannot say becomes U+FFFD."""
    return path.open(encoding=encoding.name, errors="replace", newline=newline)


def _marked(head: bytes) -> str:
    return next((name for mark, name in _MARKS if head.startswith(mark)), "")


def _utf16_unmarked(head: bytes) -> str:
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) / 2
    if half >= 4 and odd > half * 0.3 and even < half * 0.05:
        return "utf-16-le"
    if half >= 4 and even > half * 0.3 and odd < half * 0.05:
        return "utf-16-be"
    return ""


def _first_not_utf8(path: Path, limit: int) -> bytes | None:
    """The bytes around the first that are not UTF-8, or None. A character cut off by the end of the file is let pass."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    before = b""
    for block in _blocks(path, limit):
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            both = before + block
            place = len(before) + error.start
            return both[max(0, place - _SAMPLE) : place + _SAMPLE]
        before = block[-_SAMPLE:]
    return None


def _blocks(path: Path, limit: int) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while limit > 0 and (block := stream.read(min(_BLOCK, limit))):
            limit -= len(block)
            yield block


def _legacy(sample: bytes) -> Encoding:
    runs = [len(run) for run in _HIGH_RUN.findall(sample)]
    text = sample.decode("utf-8", "replace")
    bad, good = text.count("\ufffd"), sum(character > "\x7f" for character in text)
    if good - bad > 10 * bad:
        return Encoding("utf-8", "some bytes are not UTF-8 and were replaced")
    name = _not_latin(sample) if sum(runs) / len(runs) >= 2.5 else ""
    if not name:
        name = "latin-1" if _UNDEFINED_IN_CP1252.search(sample) else "cp1252"
    return Encoding(name, f"the file does not say its encoding; it was read as {name}")


def _not_latin(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=_NOT_LATIN).best()
    return best.encoding if best else ""
