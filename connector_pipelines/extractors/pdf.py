"""What does a PDF say, page by page?

pdfium reads text and metadata: 13 times the pages per CPU second of pypdf, whose import alone takes 0.3 s. pypdf is the second
opinion, for files pdfium cannot open and pages it finds nothing on although they show text. Pages that are pictures are recognised.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from connector_pipelines.core.errors import Malformed
from connector_pipelines.core.types import Facts, Finding, InputFile, Place, Recognising, Section
from connector_pipelines.extractors._mend import with_trailer
from connector_pipelines.extractors._ocr import Recogniser
from connector_pipelines.extractors._pdfium import Page, open_pdf, page_of, pdf_details, pdf_metadata
from connector_pipelines.extractors._pypdf import SecondOpinion
from connector_pipelines.extractors._scans import Scans

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

__all__ = ["Extractor"]

_ABSENT_PAGES = 100
_SECOND_LOOKS = 200
# A page is a scan where pictures cover this share of it and nothing is written, or the larger one and hardly anything: a stamp, a number.
_SHARE_WITHOUT_TEXT = 0.1
_SHARE_WITH_TEXT = 0.5
_HARDLY_ANYTHING = 40
# pdfium marks the hyphen at the end of a line so.
_HYPHEN = re.compile("[\x02\ufffe](?:\r?\n)?")
_TAIL = 2048  # ISO 32000-1, annex H.3.4.4, has readers look at 1,024 bytes


class Extractor:
    """One section for each page that has text."""

    version: ClassVar[str] = "2"
    recognises: ClassVar[bool] = True
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {"application/pdf": (".pdf",)}

    def extract(self, file: InputFile) -> Iterator[Finding]:
        with Recogniser(file.ocr) as recogniser:
            yield from _extract(file, Scans(file.ocr, recogniser))


@dataclass(slots=True)
class _Tally:
    """What was met while reading.

    Attributes:
        claimed: The number of pages the file says it has.
        pages: That number where it may be true; else the last that exists.
        found: Pages that could be loaded.
    """

    claimed: int
    pages: int = 0
    found: int = 0
    without_text: int = 0
    unreadable: list[int] = field(default_factory=list)

    def missing(self, first: int, last: int) -> None:
        self.unreadable += range(first, last + 1)
        self.pages = last


def _extract(file: InputFile, scans: Scans) -> Iterator[Finding]:
    second = SecondOpinion(file)
    try:
        document = _opened(file)
    except Malformed as error:
        yield from _second_only(second, str(error))
        return
    try:
        tally = _Tally(len(document))
        yield from _pages(file, document, second, scans, tally)
        if not tally.found:
            raise Malformed(f"not a readable PDF: none of the {tally.claimed} pages it claims exists")
        details = {"pages": tally.pages, "pages_without_text": tally.without_text, **scans.details(), **pdf_details(document)}
        warnings = (*_damage(file), *_warnings(tally, scans))
        yield Facts(title=pdf_metadata(document, "Title"), details=details, warnings=warnings)
        yield from scans.shortfalls()
    finally:
        document.close()


def _opened(file: InputFile) -> PdfDocument:
    try:
        return open_pdf(file)
    except Malformed:
        data = with_trailer(file)
        if data is None:
            raise
        return open_pdf(file, data)


def _second_only(second: SecondOpinion, reason: str) -> Iterator[Finding]:
    try:
        count = second.page_count()
    except Malformed as error:
        raise Malformed(f"not a readable PDF: {reason}; {error}") from error
    tally = _Tally(count, pages=count)
    for number in range(1, count + 1):
        text = second.text(number)
        tally.without_text += not text.strip()
        yield Section(text, Place(page=number))
    warnings = [f"damaged: read by repair ({reason})"]
    if tally.without_text:
        warnings.append(f"{tally.without_text} of {count} pages have no text")
    yield Facts(details={"pages": count, "pages_without_text": tally.without_text}, warnings=tuple(warnings))


def _pages(file: InputFile, document: PdfDocument, second: SecondOpinion, scans: Scans, tally: _Tally) -> Iterator[Finding]:
    """The pages that exist: the count a file claims may be anything, and a claim of millions must not be a loop of millions."""
    absent = 0
    for number in range(1, tally.claimed + 1):
        with page_of(document, number) as page:
            if page is None:
                absent += 1
                if absent > _ABSENT_PAGES:
                    return
                continue
            tally.missing(number - absent, number - 1)
            absent, tally.pages, tally.found = 0, number, tally.found + 1
            text = yield from _page_text(file, page, number, scans)
            if not text.strip() and tally.without_text < _SECOND_LOOKS and page.may_hide_text():
                text = second.text_if_shown(number)
        tally.without_text += not text.strip()
        yield Section(text, Place(page=number))
    tally.missing(tally.claimed - absent + 1, tally.claimed)


def _page_text(file: InputFile, page: Page, number: int, scans: Scans) -> Generator[Recognising, None, str]:
    text = page.text()
    if "\x02" in text or "\ufffe" in text:
        text = _HYPHEN.sub("", text)
    if len(text) < 2 * _HARDLY_ANYTHING and _is_scan(page, len("".join(text.split()))):
        return (yield from scans.read(number, lambda: page.drawn(file.ocr.resolution_dpi))) or text
    return text.replace("\r\n", "\n").strip("\n")


def _is_scan(page: Page, characters: int) -> bool:
    return characters < _HARDLY_ANYTHING and page.picture_share() >= (_SHARE_WITH_TEXT if characters else _SHARE_WITHOUT_TEXT)


def _damage(file: InputFile) -> Iterator[str]:
    """A file that was cut short opens by repair, which pdfium does not mention."""
    with file.path.open("rb") as stream:
        stream.seek(max(0, file.path.stat().st_size - _TAIL))
        if b"startxref" not in stream.read(_TAIL):
            yield "damaged: the end is missing; what could be found was read, and more may be lost"


def _warnings(tally: _Tally, scans: Scans) -> Iterator[str]:
    if tally.without_text:
        yield f"{tally.without_text} of {tally.pages} pages have no text"
    yield from scans.warnings(tally.pages)
    if tally.unreadable:
        yield f"{len(tally.unreadable)} pages cannot be read: {', '.join(map(str, tally.unreadable[:10]))}"
    if tally.claimed > tally.pages:
        yield f"the file claims {tally.claimed} pages; the last that exists is {tally.pages}"
