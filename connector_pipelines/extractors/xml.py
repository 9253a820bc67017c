"""What does an XML document say?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import ClassVar

from connector_pipelines.core.errors import Malformed
from connector_pipelines.core.types import Facts, Finding, InputFile, Place, Section
from connector_pipelines.extractors._xml import Event, damage, events

__all__ = ["Extractor"]

_PIECE = 64 * 1024
_LOOKED_AT = 20_000  # events at the start, by which the records of a document are told
_SECTION_CHARS = 2000
_MOST_SECTION_CHARS = 256 * 1024
_LONGEST_LABEL = 80
_NOT_SAID = {"xmlns", "schemaLocation", "noNamespaceSchemaLocation"}


class Extractor:
    """Elements as `name: text` lines, attributes as `name@attribute: value`; the records of a document are its sections."""

    version: ClassVar[str] = "1"
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {
        "application/xml": (".xml",),
        "text/xml": (),
        "application/rss+xml": (".rss",),
        "application/atom+xml": (".atom",),
        "application/gpx+xml": (".gpx",),
        "application/vnd.google-earth.kml+xml": (".kml",),
    }

    def extract(self, file: InputFile) -> Iterator[Finding]:
        yield from _extract(file)


def _extract(file: InputFile) -> Iterator[Finding]:
    if not file.path.stat().st_size:
        raise Malformed("the file is empty")
    # Looked through once before: a parser that mends does not say that it did.
    trouble = damage(_blocks(file))
    read = partial(events, mend=bool(trouble))
    root, depth = _outline(islice(read(_blocks(file)), _LOOKED_AT))
    if root is None:
        raise Malformed(trouble or "there is no element in it")
    writer = _Writer(depth)
    for event in read(_blocks(file)):
        yield from writer.take(event)
    yield from writer.section()
    details: dict[str, str | int] = {"root": root.name, "namespace": root.namespace, "elements": writer.elements}
    warnings = (f"read as far as sense could be made of it: {trouble}",) if trouble else ()
    yield Facts(details={key: value for key, value in details.items() if value}, warnings=warnings)


def _blocks(file: InputFile) -> Iterator[bytes]:
    with file.path.open("rb") as stream:
        while block := stream.read(_PIECE):
            yield block


def _outline(head: Iterable[Event]) -> tuple[Event | None, int]:
    """The root, and how deep the records are: on the highest level on which a name comes again; 2, right below the root, for none."""
    root, depth, names = None, 0, dict[int, Counter[str]]()
    for event in head:
        if event.kind == "start":
            root = root or event
            depth += 1
            names.setdefault(depth, Counter())[event.name] += 1
        elif event.kind == "end":
            depth -= 1
    repeated = (level for level in sorted(names) if level > 1 and max(names[level].values()) > 1)
    return root, next(repeated, 2)


@dataclass(slots=True)
class _Writer:
    """Turns events into lines, and lines into sections, which end where a record at `depth` does.

    Attributes:
        path: The open elements, from the root.
        owner: How deep the element is that `line` is the text of. In `<p>a <b>word</b> more</p>` there is one line, and so there
            is in `<p><b>word</b> more</p>`: what follows a line right after its element belongs to it.
        is_over: That element has ended.
        records: How many records of a name were begun.
    """

    depth: int
    path: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    line: list[str] = field(default_factory=list)
    size: int = 0
    owner: int = 0
    is_over: bool = False
    elements: int = 0
    records: Counter[str] = field(default_factory=Counter)
    first: tuple[str, int] = ("", 0)
    last: tuple[str, int] = ("", 0)

    def take(self, event: Event) -> Iterator[Section]:
        if event.kind == "text":
            self._text(event.value)
        elif event.kind == "start":
            self._start(event)
        else:
            yield from self._end()
        if self.size > _MOST_SECTION_CHARS:
            yield from self.section()

    def section(self) -> Iterator[Section]:
        self._end_line()
        if self.lines:
            yield Section("\n".join(self.lines), Place(heading=self._heading()))
        self.lines, self.size, self.first = [], 0, ("", 0)

    def _start(self, event: Event) -> None:
        self.elements += 1
        self.path.append(event.name[:_LONGEST_LABEL])
        if len(self.path) == self.depth:
            self.records[event.name] += 1
            self.last = event.name, self.records[event.name]
            self.first = self.first if self.first[0] else self.last
        if self.is_over:
            self._end_line()
        for key, value in event.attributes.items():
            if value.strip() and key not in _NOT_SAID:
                self.lines.append(f"{self.path[-1]}@{key[:_LONGEST_LABEL]}: {' '.join(value.split())}")
                self.size += len(value)

    def _text(self, text: str) -> None:
        if not self.line or self.is_over:
            if not text.strip():
                return
            if not (self.is_over and self.owner == len(self.path) + 1):
                self._end_line()
                self.line.append(f"{self.path[-1]}: " if self.path else "")
            self.owner, self.is_over = len(self.path), False
        self.line.append(text)
        self.size += len(text)

    def _end(self) -> Iterator[Section]:
        ended = len(self.path)
        if self.path:
            self.path.pop()
        if self.line and ended <= self.owner:
            self.owner, self.is_over = ended, True
        if ended <= self.depth:
            self._end_line()
            if self.size > _SECTION_CHARS:
                yield from self.section()

    def _end_line(self) -> None:
        text = " ".join("".join(self.line).split())
        self.line, self.is_over = [], False
        if text:
            self.lines.append(text)

    def _heading(self) -> str | None:
        (name, number), (last_name, last) = self.first, self.last
        if not name:
            return None
        return (
            f"{name} {number}"
            if self.first == self.last
            else f"{name} {number} – {last_name if last_name != name else ''} {last}".replace("  ", " ")
        )
