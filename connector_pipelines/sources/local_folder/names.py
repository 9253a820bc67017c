"""How a name on disk, which is bytes, becomes an id and a path, which are text, and back.

Python hands out names with each byte that is not UTF-8 as a lone surrogate (PEP 383), which no database takes.
In an id such a byte is written ``%XX``, and a per cent sign that would read as one is written ``%25``: every name
has one id, and almost always they are equal. A path is for people: there only the bytes are written ``%XX``.
"""

from __future__ import annotations

import os
import re

__all__ = ["id_of", "name_of", "path_of"]

_NOT_TEXT = re.compile("[\udc80-\udcff]")
_ESCAPE = re.compile("%(25|[89A-F][0-9A-F])")
_LIKE_AN_ESCAPE = re.compile("%(?=25|[89A-F][0-9A-F])")


def id_of(name: str) -> str:
    return path_of(_LIKE_AN_ESCAPE.sub("%25", name) if "%" in name else name)


def path_of(name: str) -> str:
    return name if name.isascii() else _NOT_TEXT.sub(lambda found: f"%{ord(found[0]) - 0xDC00:02X}", name)


def name_of(file_id: str) -> str | None:
    """The name below the root that has this id; None for text that is no id of ours, such as a way out of the root."""
    name = _ESCAPE.sub(_unescaped, file_id)
    if "\0" in name or not {"", ".", ".."}.isdisjoint(name.split("/")):
        return None
    try:
        as_listed = os.fsdecode(os.fsencode(name))
    except UnicodeEncodeError:
        return None
    return as_listed if id_of(as_listed) == file_id else None


def _unescaped(found: re.Match[str]) -> str:
    byte = int(found[1], 16)
    return "%" if byte == 0x25 else chr(0xDC00 + byte)
