"""Which title and author does a file from before 2007 tell? (MS-OLEPS, 2.21; the numbers are in 3.1)"""

from __future__ import annotations

import struct

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.core.types import Facts
from connector_pipelines.extractors._cfb import CompoundFile
from connector_pipelines.extractors._mail_text import decode_text

__all__ = ["read_summary"]

_MOST_BYTES = 1024 * 1024
_CODEPAGE, _TITLE, _AUTHOR = 1, 2, 4
_INT16, _ANSI, _UNICODE = 2, 30, 31
_LONGEST = 1000


def read_summary(file: CompoundFile) -> Facts:
    """The facts, or none of them where they are not there or damaged: the text is what matters."""
    entry = file.find("\x05SummaryInformation")
    if entry is None or not entry.is_stream:
        return Facts()
    try:
        found = _properties(file.read(entry, _MOST_BYTES))
    except (Malformed, ResourceError, struct.error):
        return Facts()
    author = found.get(_AUTHOR, "").strip()
    return Facts(title=found.get(_TITLE, "").strip() or None, details={"author": author} if author else {})


def _properties(data: bytes) -> dict[int, str]:
    (start,) = struct.unpack_from("<I", data, 44)
    _, count = struct.unpack_from("<II", data, start)
    places = dict(struct.unpack_from("<II", data, start + 8 + 8 * index) for index in range(min(count, 100)))
    codepage = ""
    if _CODEPAGE in places:
        kind, number = struct.unpack_from("<IH", data, start + places[_CODEPAGE])
        codepage = "utf-8" if number == 65001 else f"cp{number}" if kind == _INT16 else ""
    return {key: _text(data, start + places[key], codepage) for key in (_TITLE, _AUTHOR) if key in places}


def _text(data: bytes, at: int, codepage: str) -> str:
    kind, length = struct.unpack_from("<II", data, at)
    if kind == _UNICODE:
        return data[at + 8 : at + 8 + min(length, _LONGEST) * 2].decode("utf-16-le", "replace").partition("\0")[0]
    return decode_text(data[at + 8 : at + 8 + min(length, _LONGEST)].partition(b"\0")[0], codepage) if kind == _ANSI else ""
