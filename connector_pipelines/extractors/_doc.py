"""What does a Word document from before 2007 say? (MS-DOC; for Word 6 and 95, what MS-DOC keeps of their header)

Its text is in pieces, in the order that the piece table gives. Headings would have to be puzzled out of the formatting of
paragraphs, and are not: the text is one section, notes and the like are others.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import pairwise

from connector_pipelines.core.errors import Encrypted, Malformed
from connector_pipelines.core.types import Place, Section
from connector_pipelines.extractors._cfb import CompoundFile

__all__ = ["read_doc"]

_MOST_BYTES = 1024 * 1024 * 1024
_MAGIC = {0xA5EC, 0xA5DC}
_WORD_97 = 193  # nFib from here on; before it, texts are of 8 bits and all tables in the one stream
_ENCRYPTED, _SECOND_TABLE, _COMPLEX = 0x100, 0x200, 0x4
# Where the lengths of the stories stand (MS-DOC, 2.5.5), and what they are: footnotes, headers, macros, comments, endnotes, text boxes.
_STORIES = ("", "Footnotes", "Headers and footers", "Macros", "Comments", "Endnotes", "Text boxes", "Text boxes of headers")
_LENGTHS_97, _LENGTHS_95 = 76, 52
_CLX_97, _CLX_95 = 418, 352
_ANSI_PIECE = 0x40000000
_FIELD_MARK = re.compile("([\x13\x14\x15])")
_SIGNS = str.maketrans({"\x07": " | ", "\x0b": "\n", "\x0c": "\n", "\x0d": "\n", "\x1e": "-", "\x1f": ""})


def read_doc(file: CompoundFile) -> Iterator[Section]:
    """The body, then footnotes, headers, comments, endnotes and text boxes.

    Raises:
        Malformed: It is no such document, or damaged.
        Encrypted: It needs a password.
    """
    entry = file.find("WordDocument")
    if entry is None:
        raise Malformed("not a Word document: it has no text stream")
    data = file.read(entry, _MOST_BYTES)
    try:
        yield from _sections(file, data)
    except struct.error as error:
        raise Malformed("the header of the Word document is cut off") from error


def _sections(file: CompoundFile, data: bytes) -> Iterator[Section]:
    magic, version, flags = struct.unpack_from("<HH6xH", data)
    if magic not in _MAGIC:
        raise Malformed("not a Word document: it does not begin as one")
    if flags & _ENCRYPTED:
        raise Encrypted("the document is protected by a password", advice="save it without one: passwords of office files are not tried")
    lengths = struct.unpack_from("<8i", data, _LENGTHS_97 if version >= _WORD_97 else _LENGTHS_95)
    text, at = _text(file, data, version, flags), 0
    for title, length in zip(_STORIES, lengths, strict=True):
        story = text[at : at + 2 * max(length, 0)].decode("utf-16-le", "replace")
        at += 2 * max(length, 0)
        if title != "Macros":
            yield Section(_readable(story), Place(heading=title or None))


def _text(file: CompoundFile, data: bytes, version: int, flags: int) -> bytes:
    """All stories in UTF-16, little end first: in its units the lengths are given."""
    if version < _WORD_97 and not flags & _COMPLEX:
        first, end = struct.unpack_from("<II", data, 24)
        return _widened(data[first:end])
    table = data
    if version >= _WORD_97:
        entry = file.find("1Table" if flags & _SECOND_TABLE else "0Table")
        if entry is None:
            raise Malformed("the Word document has no table of its pieces")
        table = file.read(entry, _MOST_BYTES)
    start, size = struct.unpack_from("<II", data, _CLX_97 if version >= _WORD_97 else _CLX_95)
    return b"".join(_pieces(data, _piece_table(table[start : start + size]), is_wide=version >= _WORD_97))


def _piece_table(clx: bytes) -> bytes:
    """The table of pieces, after any number of blocks of formatting: MS-DOC, 2.9.38."""
    at = 0
    while at < len(clx) and clx[at] == 1:
        at += 3 + struct.unpack_from("<H", clx, at + 1)[0]
    if at >= len(clx) or clx[at] != 2:
        raise Malformed("the table of pieces of the Word document is damaged")
    (size,) = struct.unpack_from("<I", clx, at + 1)
    return clx[at + 5 : at + 5 + size]


def _pieces(data: bytes, table: bytes, *, is_wide: bool) -> Iterator[bytes]:
    count = max(0, (len(table) - 4) // 12)
    places = struct.unpack_from(f"<{count + 1}I", table) if count else ()
    left = len(data)  # no honest text is longer than what holds it: pieces may be told to repeat
    for index, (start, end) in enumerate(pairwise(places)):
        (where,) = struct.unpack_from("<2xI2x", table, 4 * (count + 1) + 8 * index)
        length = min(max(0, end - start), left)
        left -= length
        if not is_wide or where & _ANSI_PIECE:
            first = (where & ~_ANSI_PIECE) // (2 if is_wide else 1)
            yield _widened(data[first : first + length])
        else:
            yield data[where : where + 2 * length]


def _widened(data: bytes) -> bytes:
    return data.decode("cp1252", "replace").encode("utf-16-le")


def _readable(story: str) -> str:
    # A cell ends with a mark, a row with one more.
    text = "".join(_shown(story)).replace("\x07\x07", "\n").translate(_SIGNS)
    return "\n".join(line.strip(" |") for line in text.split("\n"))


def _shown(story: str) -> Iterator[str]:
    """What is not the code of a field: a field is its code, a mark, and what it shows (MS-DOC, 2.8.25); fields stand in fields."""
    in_code, hidden = list[bool](), 0
    for piece in _FIELD_MARK.split(story):
        if piece == "\x13":
            in_code.append(True)
            hidden += 1
        elif piece == "\x14" and in_code:
            hidden -= in_code[-1]
            in_code[-1] = False
        elif piece == "\x15" and in_code:
            hidden -= in_code.pop()
        elif not hidden and not _FIELD_MARK.fullmatch(piece):
            yield piece
