"""What goes into an extractor and what comes out of it. Import these from `core.types`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path

__all__ = ["Facts", "Finding", "InputFile", "Ocr", "Part", "Place", "Recognising", "Section", "Shortfall", "Untaken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a document a section stands. All numbers count from 1; absent is None."""

    page: int | None = None
    slide: int | None = None
    sheet: str | None = None
    first_row: int | None = None
    last_row: int | None = None
    heading: str | None = None

    def as_json(self) -> dict[str, str | int]:
        # Not asdict(): it copies deeply, for every section of every document.
        return {name: value for name in _PLACES if (value := getattr(self, name)) is not None}

    def __str__(self) -> str:
        rows = f"rows {self.first_row}–{self.last_row}" if self.first_row is not None else ""
        parts = (f"page {self.page}" if self.page else "", f"slide {self.slide}" if self.slide else "", self.sheet, rows, self.heading)
        return ", ".join(p for p in parts if p)


_PLACES = tuple(one.name for one in fields(Place))


@dataclass(frozen=True, slots=True)
class Section:
    """Smallest citable part of a document."""

    text: str
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an extractor learnt about the document as a whole.

    Attributes:
        title: The document's own title, or None.
        details: Small facts worth showing (author, pages, delimiter, encoding), JSON scalars.
        warnings: What was lost or guessed, one sentence each.
    """

    title: str | None = None
    details: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file inside a file: an attachment of a message, a member of an archive. It becomes a document of its own.

    Attributes:
        name: Inside the file that holds it, ``/``-separated, without a leading slash; may repeat.
        path: Where its bytes were written, a regular file in `InputFile.parts_folder`.
        media_type: What the file that holds it says it is, IANA type; ``application/octet-stream`` where it says nothing.
        modified_at: Aware, UTC, or None.
    """

    name: str
    path: Path
    media_type: str = "application/octet-stream"
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recognising:
    """Text in pictures is about to be recognised: from here `Ocr.time_s` are added, once, to the time the file may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """A limit was met and part of the file left out. The document stands, and the ledger has a row that says what is missing.

    Attributes:
        limit: The limit's name and value, as in `ResourceError`.
    """

    message: str
    advice: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Untaken:
    """Nothing of the file can be read here, and nothing is wrong with it: it counts as skipped. `reason` is a stable code."""

    reason: str


Finding = Section | Facts | Part | Recognising | Shortfall | Untaken
"""What an extractor tells of a file, one at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ocr:
    """How text in pictures is recognised.

    Attributes:
        is_on: False: never. True: where an engine and the data of all `languages` are installed.
        languages: As Tesseract names them, the main one first.
        data_folder: Where the data of languages lies; None: where it usually does.
        resolution_dpi: At which pages are drawn to be recognised.
        max_pages: Pages of one file that are recognised.
        page_time_s: Seconds for one page.
        time_s: Seconds for all pages of one file.
    """

    is_on: bool = True
    languages: tuple[str, ...] = ("eng",)
    data_folder: Path | None = None
    resolution_dpi: int = 300
    max_pages: int = 1000
    page_time_s: float = 30
    time_s: float = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """What an extractor is given: bytes on local disk, read only.

    Attributes:
        passwords: To try, in order, on an encrypted file.
        max_text_bytes: UTF-8 bytes of text after which extraction stops with `ResourceError`.
        max_unpacked_bytes: Bytes an archive (docx, xlsx, pptx, zip …) may unpack to, its parts included.
        parts_folder: An empty folder for the bytes of parts; None where parts are not wanted: say in a warning how many were left out.
        max_parts: Parts one file may have.
        ocr: How text in pictures is recognised.
    """

    path: Path
    name: str
    media_type: str
    passwords: tuple[str, ...] = field(default=(), repr=False)
    max_text_bytes: int = 64 * 1024 * 1024
    max_unpacked_bytes: int = 1024 * 1024 * 1024
    parts_folder: Path | None = None
    max_parts: int = 10_000
    ocr: Ocr = Ocr()
