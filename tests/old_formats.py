"""Which bytes make a small file of Outlook, Word or PowerPoint from before 2007? Written from the specifications."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tests.compound import compound

__all__ = ["doc", "msg", "ppt", "properties"]

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_PROPERTIES = "__properties_version1.0"


def properties(values: Mapping[int, str | bytes | int | datetime], *, header: int, inside: str = "") -> dict[str, bytes]:
    """The streams of an object of MAPI below the path `inside`; numbers are of properties (MS-OXMSG, 2.4)."""
    streams, fixed = dict[str, bytes](), bytearray(header)
    for number, value in values.items():
        if isinstance(value, str):
            streams[f"{inside}__substg1.0_{number:04X}001F"] = value.encode("utf-16-le")
        elif isinstance(value, bytes):
            streams[f"{inside}__substg1.0_{number:04X}0102"] = value
        elif isinstance(value, int):
            fixed += struct.pack("<HHIq", 3, number, 6, value)
        else:
            fixed += struct.pack("<HHIq", 0x40, number, 6, int((value - _EPOCH).total_seconds()) * 10_000_000)
    return {f"{inside}{_PROPERTIES}": bytes(fixed)} | streams


def msg(
    values: Mapping[int, str | bytes | int | datetime],
    recipients: Sequence[Mapping[int, str | bytes | int | datetime]] = (),
    attachments: Sequence[Mapping[int, str | bytes | int | datetime]] = (),
    inside: Mapping[int, str | bytes | int | datetime] | None = None,
) -> bytes:
    """A message of these properties; `inside` is a message attached to it."""
    streams = properties(values, header=32)
    for index, one in enumerate(recipients):
        streams |= properties(one, header=8, inside=f"__recip_version1.0_#{index:08X}/")
    for index, one in enumerate(attachments):
        streams |= properties(one, header=8, inside=f"__attach_version1.0_#{index:08X}/")
    if inside is not None:
        place = f"__attach_version1.0_#{len(attachments):08X}/"
        streams |= properties({0x3705: 5}, header=8, inside=place)
        streams |= properties(inside, header=24, inside=f"{place}__substg1.0_3701000D/")
    return compound(streams)


def doc(pieces: Sequence[str | bytes], *, stories: Sequence[int] = (), encrypted: bool = False) -> bytes:
    """Word 97: pieces of text, wide or of 8 bits; `stories` are the lengths of what follows upon the body (MS-DOC, 2.5.5)."""
    total = sum(map(len, pieces))
    header = bytearray(1024)
    struct.pack_into("<HH6xH", header, 0, 0xA5EC, 193, 0x200 | (0x100 if encrypted else 0))
    struct.pack_into(f"<{1 + len(stories)}i", header, 76, total - sum(stories), *stories)
    places, where, text = [0], list[int](), bytearray()
    for piece in pieces:
        at = len(header) + len(text)
        where.append(at * 2 | 0x40000000 if isinstance(piece, bytes) else at)
        text += piece if isinstance(piece, bytes) else piece.encode("utf-16-le")
        places.append(places[-1] + len(piece))
    table = struct.pack(f"<{len(places)}I", *places) + b"".join(struct.pack("<HIH", 0, place, 0) for place in where)
    clx = b"\x01\x02\x00ab" + b"\x02" + struct.pack("<I", len(table)) + table
    struct.pack_into("<II", header, 418, 16, len(clx))
    return compound(
        {"WordDocument": bytes(header + text), "1Table": bytes(16) + clx, "\x05SummaryInformation": _summary("Old report", "A. Engineer")}
    )


def ppt(slides: Sequence[tuple[str, str, str]], *, encrypted: bool = False) -> bytes:
    """Slides are (title, text of a box, notes); a title stands in the outline, and on the slide a reference to it."""
    stored, places, outline, notes = bytearray(), list[int](), b"", b""
    for index, (title, box, note) in enumerate(slides):
        note_id, number = 900 + index, 2 + 2 * index
        slide_atom = _record(0x03EF, struct.pack("<12xII4x", 0, note_id))
        shapes = _record(0x0F9E, struct.pack("<I", 0)) + _record(0x0F9F, struct.pack("<I", 4)) + _record(0x0FA8, box.encode("latin-1"))
        places.append(len(stored))
        stored += _record(0x03EE, slide_atom + _record(0x040C, shapes, container=True), container=True)
        places.append(len(stored))
        noted = _record(0x0F9F, struct.pack("<I", 2)) + _record(0x0FA0, note.encode("utf-16-le"))
        stored += _record(0x03F0, _record(0x0F9F, struct.pack("<I", 4)) + _record(0x0FA8, b"*") + noted, container=True)
        outline += _record(0x03F3, struct.pack("<IIIII", number, 0, 1, 256 + index, 0))
        outline += _record(0x0F9F, struct.pack("<I", 0)) + _record(0x0FA0, title.encode("utf-16-le"))
        notes += _record(0x03F3, struct.pack("<IIIII", number + 1, 0, 1, note_id, 0))
    document = len(stored)
    lists = _record(0x0FF0, outline, container=True) + _record(0x0FF0, notes, container=True, instance=2)
    stored += _record(0x03E8, lists, container=True)
    directory = len(stored)
    stored += _record(0x1772, struct.pack(f"<I{1 + len(places)}I", (1 + len(places)) << 20 | 1, document, *places))
    edit = len(stored)
    stored += _record(0x0FF5, struct.pack("<IHBBIIIIHH", 0, 0, 0, 3, 0, directory, 1, 9, 0, 0))
    token = 0xF3D1C4DF if encrypted else 0xE391C05F
    user = _record(0x0FF6, struct.pack("<III", 0x14, token, edit) + bytes(8))
    return compound({"PowerPoint Document": bytes(stored), "Current User": user})


def _record(kind: int, data: bytes, *, container: bool = False, instance: int = 0) -> bytes:
    return struct.pack("<HHI", instance << 4 | (0xF if container else 0), kind, len(data)) + data


def _summary(title: str, author: str) -> bytes:
    texts = [title.encode("cp1252") + b"\0", author.encode("cp1252") + b"\0"]
    values = [
        struct.pack("<IH2x", 2, 1252),
        *(struct.pack("<II", 30, len(text)) + text.ljust(-(-len(text) // 4) * 4, b"\0") for text in texts),
    ]
    at, index = 8 + 8 * 3, b""
    for number, value in zip((1, 2, 4), values, strict=True):
        index += struct.pack("<II", number, at)
        at += len(value)
    return struct.pack("<HHI16xI16xI", 0xFFFE, 0, 2, 1, 48) + struct.pack("<II", at, 3) + index + b"".join(values)
