"""How the sections of a document become chunks: cleaned, packed up to a size, and cut where the text allows it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, groupby

from connector_pipelines.core.types import Chunk, Place, Section, content_hash

__all__ = ["VERSION", "chunk", "clean"]

VERSION = "1"
"""Rises whenever the chunks of the same sections may differ."""

# Postgres refuses NUL, UTF-8 refuses lone surrogates; the other controls and a byte order mark inside a text carry no meaning.
_NOISE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ud800-\udfff]+")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85]")
_BLANK_LINES = re.compile(r"\n(?:[ \t\xa0]*\n){2,}")


def chunk(sections: Sequence[Section], *, max_characters: int = 1000, overlap: int = 100) -> tuple[Chunk, ...]:
    """Chunks of at most `max_characters`, in reading order.

    A chunk stands on one page, slide or sheet and under one heading. Small neighbours there share a chunk, whose rows
    then run from the first to the last of theirs; a section too large for one chunk is cut into several that each
    carry its whole place and share up to `overlap` characters.

    Raises:
        ValueError: `overlap` is not less than `max_characters`.
    """
    from semantic_text_splitter import TextSplitter

    # Not MarkdownSplitter: extractors have cut at headings already, and it misreads the #, * and indents of plain text.
    splitter = TextSplitter(max_characters, overlap)
    ordinals = count()
    return tuple(
        Chunk(ordinal=next(ordinals), text=text, hash=content_hash(text), place=group.place)
        for group in _packed(sections, max_characters)
        for text in ([group.text] if len(group.text) <= max_characters else splitter.chunks(group.text))
    )


def clean(text: str) -> str:
    """`text` in Unicode NFC, with ``\\n`` line ends, at most one blank line in a row, and nothing that UTF-8 or Postgres refuses."""
    # Of what is printed there is nothing to drop, and asking is ten times as fast as looking.
    lines = text if text.replace("\n", "").isprintable() else _LINE_ENDS.sub("\n", _NOISE.sub("", text))
    return _BLANK_LINES.sub("\n\n", unicodedata.normalize("NFC", lines)).strip()


def _packed(sections: Sequence[Section], max_characters: int) -> Iterator[Section]:
    """Sections with small neighbours of one place joined; those too large pass through as they are."""
    cleaned = (replace(s, text=clean(s.text)) for s in sections)
    for (*_, has_rows), neighbours in groupby((s for s in cleaned if s.text), key=_standing):
        separator = "\n" if has_rows else "\n\n"
        held: list[Section] = []
        length = 0
        for section in neighbours:
            if held and length + len(separator) + len(section.text) > max_characters:
                yield _joined(held, separator)
                held, length = [], 0
            length += len(section.text) + (len(separator) if held else 0)
            held.append(section)
        yield _joined(held, separator)


def _standing(section: Section) -> tuple[int | None, int | None, str | None, str | None, bool]:
    place = section.place
    return place.page, place.slide, place.sheet, place.heading, place.first_row is not None


def _joined(sections: Sequence[Section], separator: str) -> Section:
    if len(sections) == 1:
        return sections[0]
    return Section(separator.join(s.text for s in sections), _widened([s.place for s in sections]))


def _widened(places: Sequence[Place]) -> Place:
    firsts = [p.first_row for p in places if p.first_row is not None]
    lasts = [p.last_row if p.last_row is not None else p.first_row for p in places]
    return replace(
        places[0],
        first_row=min(firsts, default=None),
        last_row=max((row for row in lasts if row is not None), default=None),
    )
