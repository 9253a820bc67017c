"""Which headings, paragraphs, tables and slides are in OpenDocument XML (OpenDocument 1.3, part 3)?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from connector_pipelines.core.types import Facts, Place, Section
from connector_pipelines.extractors._headings import Headings
from connector_pipelines.extractors._xml import Event

__all__ = ["read_body", "read_meta"]

_SECTION_CHARS = 256 * 1024
_SPACES = {"tab": "\t", "line-break": "\n", "soft-page-break": ""}
# Texts that repeat on every page, were deleted, or belong to the program.
_LEFT_OUT = {
    "automatic-styles", "styles", "master-styles", "font-face-decls", "settings", "scripts", "meta", "tracked-changes", "binary-data",
    "sequence-decls", "forms", "event-listeners", "desc", "page-number", "note-citation", "bibliography-source", "table-of-content-source",
    "alphabetical-index-source", "illustration-index-source", "table-index-source", "object-index-source", "user-index-source", "math",
}  # fmt: skip
_NOTES = {"note", "annotation"}
_NOTES_OF_SLIDE = "Notes:"
_META = {"title", "subject", "creator", "initial-creator", "creation-date"}


@dataclass(slots=True)
class _Reading:
    """Where the reader stands.

    Attributes:
        left_out: How many open elements it is inside of whose text is left out; their children count, too.
        aside: Lines of notes, kept until the paragraph they stand in has ended.
    """

    headings: Headings = field(default_factory=Headings)
    slide: int = 0
    title: str = ""
    lines: list[str] = field(default_factory=list)
    line: list[str] = field(default_factory=list)
    held: list[list[str]] = field(default_factory=list)
    asides: list[str] = field(default_factory=list)
    size: int = 0
    left_out: int = 0
    rows: int = 0
    level: int = 0
    is_title: bool = False

    def place(self) -> Place:
        return Place(slide=self.slide, heading=self.title or None) if self.slide else Place(heading=self.headings.path)

    def section(self) -> Section:
        lines = [line for line in self.lines if line.strip()]
        made = Section("\n".join(lines[:-1] if lines[-1:] == [_NOTES_OF_SLIDE] else lines), self.place())
        self.lines, self.size = [], 0
        return made

    def end_line(self) -> str:
        text = "".join(self.line).strip(" \n")
        self.line = []
        self.lines.append(text)
        self.size += len(text)
        if not self.held and self.asides:
            self.lines += self.asides
            self.asides = []
        return text


def read_body(found: Iterable[Event]) -> Iterator[Section]:
    """A section for each heading, or each slide or page, of a content.xml or a flat document."""
    reading = _Reading()
    for event in found:
        if event.kind == "text":
            if not reading.left_out:
                reading.line.append(" ".join(event.value.split("\n")))
        elif event.kind == "start":
            yield from _start(event, reading)
        else:
            yield from _end(event, reading)
    reading.end_line()
    yield reading.section()


def read_meta(found: Iterable[Event]) -> Facts:
    """Title, author and date, of a meta.xml or a flat document."""
    texts: dict[str, str] = {}
    depth, name = 0, ""
    for event in found:
        if event.kind == "start":
            depth += event.name == "meta" or depth > 0
            name = event.name if depth and event.name in _META else ""
        elif event.kind == "end":
            depth -= depth > 0
            name = ""
        elif name:
            texts[name] = (texts.get(name, "") + event.value)[:1000]
    author = texts.get("initial-creator") or texts.get("creator", "")
    details = {"author": author, "created": texts.get("creation-date", "")[:10], "subject": texts.get("subject", "")}
    return Facts(title=texts.get("title"), details={key: value for key, value in details.items() if value.strip()})


def _start(event: Event, reading: _Reading) -> Iterator[Section]:
    name = event.name
    if reading.left_out or name in _LEFT_OUT or (reading.held and name == "date"):
        reading.left_out += 1
        return
    if name in _SPACES:
        reading.line.append(_SPACES[name])
    elif name == "s":
        count = event.attributes.get("c", "1")
        reading.line.append(" " * min(int(count) if count.isdecimal() else 1, 1000))
    elif name in _NOTES:
        reading.held.append(reading.line)
        reading.line = []
    elif name == "h" or (name == "page" and "drawing" in event.namespace) or reading.size > _SECTION_CHARS:
        yield from _new_section(event, reading)
    elif name == "table-row":
        reading.rows += 1
    elif name == "notes" and "presentation" in event.namespace:
        reading.lines.append(_NOTES_OF_SLIDE)
    elif name == "frame":
        reading.is_title = event.attributes.get("class") == "title"


def _new_section(event: Event, reading: _Reading) -> Iterator[Section]:
    if event.name == "h" and (reading.held or reading.rows or reading.slide):
        return  # a heading in a cell, a note or on a slide is none of the document's
    yield reading.section()
    if event.name == "page":
        reading.slide, reading.title = reading.slide + 1, ""
    elif event.name == "h":
        level = event.attributes.get("outline-level", "1")
        reading.level = int(level) if level.isdecimal() and 0 < int(level[:3]) < 100 else 1


def _end(event: Event, reading: _Reading) -> Iterator[Section]:
    name = event.name
    if reading.left_out:
        reading.left_out -= 1
    elif name in _NOTES and reading.held:
        text = " ".join("".join(reading.line).split())
        reading.line = reading.held.pop()
        reading.asides.append(f"{'Note' if name == 'note' else 'Comment'}: {text}")
    elif name == "table-cell":
        if reading.line and reading.line[-1] == " ":
            reading.line.pop()
        reading.line.append(" | ")
    elif name in {"creator", "title"}:
        reading.line.append(": ")
    elif name == "table-row":
        reading.rows = max(0, reading.rows - 1)
        reading.line = ["".join(reading.line).rstrip(" |")]
        _end_paragraph(reading)
    elif name in {"p", "h"}:
        if name == "h" and reading.level:
            reading.headings.enter(reading.level, "".join(reading.line))
            reading.level = 0
        _end_paragraph(reading)
    elif name == "page" and "drawing" in event.namespace:
        yield reading.section()


def _end_paragraph(reading: _Reading) -> None:
    """A paragraph ends a line, but in a cell or a note."""
    if reading.held or reading.rows:
        reading.line.append(" ")
        return
    text = reading.end_line()
    if reading.is_title and text and not reading.title:
        reading.title = " ".join(text.split())[:120]
