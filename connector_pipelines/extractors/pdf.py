"""What does a PDF say, page by page?

pdfium reads text and metadata: 13 times the pages per CPU second of pypdf, whose import alone takes 0.3 s. pypdf is the second
opinion, for files pdfium cannot open and pages it finds nothing on although they show text.
"""

from __future__ import annotations

import re
import stringprep
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from connector_pipelines.core.errors import Encrypted, Malformed
from connector_pipelines.core.types import Facts, Finding, InputFile, Place, Section
from connector_pipelines.extractors._bounds import bounded
from connector_pipelines.extractors._pypdf import SecondOpinion

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

__all__ = ["Extractor"]

_ABSENT_PAGES = 100
_SECOND_LOOKS = 200
# pdfium marks the hyphen at the end of a line so.
_HYPHEN = re.compile("[\x02\ufffe](?:\r?\n)?")
_DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?")


class Extractor:
    """One section for each page that has text."""

    version: ClassVar[str] = "1"
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {"application/pdf": (".pdf",)}

    def extract(self, file: InputFile) -> Iterator[Finding]:
        yield from bounded(_extract(file), file.max_text_bytes)


@dataclass(slots=True)
class _Tally:
    """What was met while reading; `claimed` is the number of pages the file says it has."""

    claimed: int
    pages: int = 0
    without_text: int = 0
    unreadable: list[int] = field(default_factory=list)


def _extract(file: InputFile) -> Iterator[Finding]:
    second = SecondOpinion(file)
    try:
        document = _open(file)
    except Malformed as error:
        yield from _second_only(second, str(error))
        return
    try:
        tally = _Tally(len(document))
        yield from _pages(document, second, tally)
        if not tally.pages:
            raise Malformed(f"not a readable PDF: none of the {tally.claimed} pages it claims exists")
        yield Facts(title=_metadata(document, "Title"), details=_details(document, tally), warnings=tuple(_warnings(tally)))
    finally:
        document.close()


def _open(file: InputFile) -> PdfDocument:
    import pypdfium2
    import pypdfium2.raw as pdfium

    for password in (None, *file.passwords, *map(_prepared, file.passwords)):
        try:
            return pypdfium2.PdfDocument(file.path, password=password)
        except pypdfium2.PdfiumError as error:
            if error.err_code == pdfium.FPDF_ERR_SECURITY:
                raise Encrypted("encrypted in a way that is not supported", advice="save it without protection") from error
            if error.err_code != pdfium.FPDF_ERR_PASSWORD:
                raise Malformed(_reason(file, error)) from error
    tried = f"none of {len(file.passwords)} passwords opens it" if file.passwords else "it needs a password"
    raise Encrypted(f"the PDF is encrypted and {tried}", advice="name the password in `passwords` of the endpoint")


def _prepared(password: str) -> str:
    """As programs that follow ISO 32000-2, 7.6.4.3.3 write it: in the form of SASLprep (RFC 4013), which pdfium leaves to us."""
    kept = "".join(" " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c))
    return unicodedata.normalize("NFKC", kept)


def _reason(file: InputFile, error: Exception) -> str:
    if not file.path.stat().st_size:
        return "the file is empty"
    return re.sub(r".*\(PDFium: (.*)\)\.", r"pdfium: \1", str(error))


def _second_only(second: SecondOpinion, reason: str) -> Iterator[Finding]:
    try:
        count = second.page_count()
    except Malformed as error:
        raise Malformed(f"not a readable PDF: {reason}; {error}") from error
    tally = _Tally(count)
    for number in range(1, count + 1):
        text = second.text(number)
        tally.pages += 1
        tally.without_text += not text.strip()
        yield Section(text, Place(page=number))
    warnings = (f"damaged: read by repair ({reason})", *_warnings(tally))
    yield Facts(details={"pages": count, "pages_without_text": tally.without_text}, warnings=warnings)


def _pages(document: PdfDocument, second: SecondOpinion, tally: _Tally) -> Iterator[Section]:
    """The pages that exist: the count a file claims may be anything, and a claim of millions must not be a loop of millions."""
    absent = 0
    for number in range(1, tally.claimed + 1):
        text = _page_text(document, number)
        if text is None:
            absent += 1
            if absent > _ABSENT_PAGES:
                break
            continue
        tally.unreadable += range(number - absent, number)
        absent, tally.pages = 0, number
        if not text.strip() and tally.without_text < _SECOND_LOOKS:
            text = second.text_if_shown(number)
        tally.without_text += not text.strip()
        yield Section(text, Place(page=number))


def _page_text(document: PdfDocument, number: int) -> str | None:
    """The text of a page, or None where the page cannot be loaded."""
    import pypdfium2

    try:
        page = _flattened(document, number)
    except (pypdfium2.PdfiumError, IndexError):
        return None
    try:
        text_page = page.get_textpage()
        text: str = text_page.get_text_bounded()  # not get_text_range(): it has what was cropped away, too
        text_page.close()
    except pypdfium2.PdfiumError:
        return ""
    finally:
        page.close()
    return _HYPHEN.sub("", text)


def _flattened(document: PdfDocument, number: int) -> PdfPage:
    """The page, with what its form fields, notes and stamps show made part of it."""
    import pypdfium2.raw as pdfium

    page = document[number - 1]
    if pdfium.FPDFPage_GetAnnotCount(page) <= 0 or pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY) != pdfium.FLATTEN_SUCCESS:
        return page
    page.close()
    return document[number - 1]


def _details(document: PdfDocument, tally: _Tally) -> dict[str, str | int | float | bool]:
    import pypdfium2.raw as pdfium

    details: dict[str, str | int | float | bool] = {"pages": tally.pages, "pages_without_text": tally.without_text}
    details["encrypted"] = pdfium.FPDF_GetSecurityHandlerRevision(document) != -1
    if author := _metadata(document, "Author"):
        details["author"] = author
    if created := _DATE.match(_metadata(document, "CreationDate")):  # ISO 32000-1, 7.9.4
        details["created"] = "-".join(part for part in created.groups() if part)
    return details


def _metadata(document: PdfDocument, key: str) -> str:
    return str(document.get_metadata_value(key) or "").strip()[:1000]


def _warnings(tally: _Tally) -> Iterator[str]:
    if tally.without_text:
        yield f"{tally.without_text} of {tally.pages} pages have no text (scanned?)"
    if tally.unreadable:
        yield f"{len(tally.unreadable)} pages cannot be read: {', '.join(map(str, tally.unreadable[:10]))}"
    if tally.claimed > tally.pages:
        yield f"the file claims {tally.claimed} pages; the last that exists is {tally.pages}"
