"""What do the slides of a presentation from before 2007 say? (MS-PPT)

A file is saved by adding to it: only what the last edit's directory names is still part of it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from connector_pipelines.core.errors import Encrypted, Malformed
from connector_pipelines.core.types import Facts, Finding, Place, Section
from connector_pipelines.extractors._cfb import CompoundFile

__all__ = ["read_ppt"]

_MOST_BYTES = 512 * 1024 * 1024
_HEADER = struct.Struct("<HHI")  # MS-PPT, 2.3.1
_ENCRYPTED_TOKEN = 0xF3D1C4DF
_USER_EDIT, _DIRECTORY, _LIST, _PERSIST, _SLIDE = 0x0FF5, 0x1772, 0x0FF0, 0x03F3, 0x03EF
_TEXT_HEADER, _CHARS, _BYTES, _OUTLINE = 0x0F9F, 0x0FA0, 0x0FA8, 0x0F9E
_SLIDES, _NOTES = 0, 2  # instances of the lists
_TITLES, _NOTES_TEXT = {0, 6}, 2
_MOST_EDITS = 10_000
_SIGNS = str.maketrans({"\r": "\n", "\x0b": "\n"})


@dataclass(frozen=True, slots=True)
class _Record:
    kind: int
    instance: int
    start: int
    end: int
    is_container: bool


@dataclass(slots=True)
class _Entry:
    """A slide or a page of notes: where it is, and its texts in the outline, each with its kind."""

    reference: int
    slide_id: int
    outline: list[tuple[int, str]] = field(default_factory=list)


def read_ppt(file: CompoundFile) -> Iterator[Finding]:
    """Each slide with its notes.

    Raises:
        Malformed: It is no such presentation, or damaged.
        Encrypted: It needs a password.
    """
    user, entry = file.find("Current User"), file.find("PowerPoint Document")
    if user is None or entry is None:
        raise Malformed("not a presentation: it has no slides")
    try:
        token, offset = struct.unpack_from("<II", file.read(user, _MOST_BYTES), 12)
        if token == _ENCRYPTED_TOKEN:
            raise Encrypted(
                "the presentation is protected by a password", advice="save it without one: passwords of office files are not tried"
            )
        data = file.read(entry, _MOST_BYTES)
        places, document = _directory(data, offset)
        yield from _slides(data, places, document)
    except struct.error as error:
        raise Malformed("the presentation is cut off") from error


def _slides(data: bytes, places: dict[int, int], document: int) -> Iterator[Finding]:
    lists = _lists(data, places.get(document, -1))
    notes = {entry.slide_id: entry for entry in lists.get(_NOTES, ())}
    count = 0
    for count, entry in enumerate(lists.get(_SLIDES, ()), 1):
        texts = list(_texts(data, places.get(entry.reference, -1), entry.outline))
        title = next((text for kind, text in texts if kind in _TITLES), "")
        note = notes.get(_notes_id(data, places.get(entry.reference, -1)))
        said = [text for _, text in texts]
        if note:
            noted = (text for kind, text in _texts(data, places.get(note.reference, -1), note.outline) if kind == _NOTES_TEXT)
            said += [f"Notes: {text}" for text in noted if text.strip()]
        yield Section("\n".join(text for text in said if text.strip()), Place(slide=count, heading=" ".join(title.split())[:120] or None))
    yield Facts(details={"slides": count})


def _directory(data: bytes, offset: int) -> tuple[dict[int, int], int]:
    """Where the objects are, by number, and the number of the document: MS-PPT, 2.1.2."""
    places: dict[int, int] = {}
    document, seen = -1, set[int]()
    while offset and offset not in seen and len(seen) < _MOST_EDITS:
        seen.add(offset)
        if _record(data, offset).kind != _USER_EDIT:
            raise Malformed("the presentation does not say where its slides are")
        before, directory, number = struct.unpack_from("<8xIII", data, offset + _HEADER.size)
        document = number if document < 0 else document
        record = _record(data, directory)
        if record.kind == _DIRECTORY:
            for found, place in _directory_entries(data, record):
                places.setdefault(found, place)  # the last edit comes first
        offset = before
    return places, document


def _directory_entries(data: bytes, record: _Record) -> Iterator[tuple[int, int]]:
    at = record.start
    while at + 4 <= record.end:
        (head,) = struct.unpack_from("<I", data, at)
        count = min(head >> 20, (record.end - at) // 4 - 1)
        for index, place in enumerate(struct.unpack_from(f"<{count}I", data, at + 4)):
            yield (head & 0xFFFFF) + index, place
        at += 4 + 4 * count


def _lists(data: bytes, place: int) -> dict[int, list[_Entry]]:
    lists: dict[int, list[_Entry]] = {}
    current: list[_Entry] = []
    for record in _walk(data, place):
        if record.kind == _LIST:
            current = lists.setdefault(record.instance, [])
        elif record.kind == _PERSIST:
            reference, slide_id = struct.unpack_from("<I8xI", data, record.start)
            current.append(_Entry(reference, slide_id))
        elif current and record.kind == _TEXT_HEADER:
            current[-1].outline.append((struct.unpack_from("<I", data, record.start)[0], ""))
        elif current and current[-1].outline and record.kind in {_CHARS, _BYTES}:
            current[-1].outline[-1] = (current[-1].outline[-1][0], _text(data, record))
    return lists


def _texts(data: bytes, place: int, outline: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The texts of a slide in the order of its shapes, then those of the outline that no shape shows."""
    kind, shown = -1, set[int]()
    for record in _walk(data, place):
        if record.kind == _TEXT_HEADER:
            (kind,) = struct.unpack_from("<I", data, record.start)
        elif record.kind in {_CHARS, _BYTES}:
            yield kind, _text(data, record)
        elif record.kind == _OUTLINE:
            (index,) = struct.unpack_from("<I", data, record.start)
            if index < len(outline) and index not in shown:
                shown.add(index)
                yield outline[index]
    yield from (text for index, text in enumerate(outline) if index not in shown)


def _notes_id(data: bytes, place: int) -> int:
    slide = next((record for record in _walk(data, place) if record.kind == _SLIDE), None)
    return int(struct.unpack_from("<I", data, slide.start + 16)[0]) if slide else -1


def _walk(data: bytes, place: int) -> Iterator[_Record]:
    """The record at `place` and all within it, in their order. One that claims more than holds it ends where that does."""
    if not 0 <= place <= len(data) - _HEADER.size:
        return
    at, end = place, min(len(data), _record(data, place).end)
    while at + _HEADER.size <= end:
        record = _record(data, at)
        yield record
        at = record.start if record.is_container else record.end


def _record(data: bytes, at: int) -> _Record:
    head, kind, length = _HEADER.unpack_from(data, at)
    start = at + _HEADER.size
    return _Record(kind, head >> 4, start, min(start + length, len(data)), head & 0xF == 0xF)


def _text(data: bytes, record: _Record) -> str:
    raw = data[record.start : record.end]
    return (raw.decode("utf-16-le", "replace") if record.kind == _CHARS else raw.decode("latin-1")).translate(_SIGNS)
