"""What does pdfium find in a PDF: its pages, their text, how much of them is a picture?

By the C interface: it is one call where the helpers of pypdfium2 make two, and a page costs a tenth less.
"""

from __future__ import annotations

import ctypes
import re
import stringprep
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from connector_pipelines.core.errors import Encrypted, Malformed
from connector_pipelines.core.types import InputFile
from connector_pipelines.extractors._ocr import Picture

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

__all__ = ["Page", "open_pdf", "page_of", "pdf_details", "pdf_metadata"]

_DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?")  # ISO 32000-1, 7.9.4
_MOST_PIXELS = 25_000_000  # A3 at 300 dpi has 17 million; a page may claim to be 5 km wide
_MOST_SIDE = 30_000  # of what Tesseract takes, 32,767
_MOST_OBJECTS = 2_000
_MOST_DEPTH = 4


class Page:
    """A page that is open."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def text(self) -> str:
        """All text within the page's visible box, form fields, notes and stamps included; lines end in CRLF."""
        import pypdfium2.raw as pdfium

        text_page = pdfium.FPDFText_LoadPage(self._raw)
        if not text_page:
            return ""
        try:
            return _bounded_text(text_page, *self._box())
        finally:
            pdfium.FPDFText_ClosePage(text_page)

    def picture_share(self) -> float:
        """The area of the page's pictures, as a share of the page's; strips of one scan add up."""
        left, top, right, bottom = self._box()
        area = (right - left) * (top - bottom)
        return sum(_overlap(bounds, (left, bottom, right, top)) for bounds in _pictures(self._raw)) / area if area > 0 else 0.0

    def may_hide_text(self) -> bool:
        """Whether letters are drawn, or nothing at all could be understood: not of a page that shows lines and pictures alone."""
        import pypdfium2.raw as pdfium

        items = list(_items(self._raw))
        return not items or any(_has(item, pdfium.FPDF_PAGEOBJ_TEXT, 0) for item in items)

    def drawn(self, dpi: int) -> Picture | None:
        """The page in grey at `dpi`, or less where that would be more than 25 million pixels; None where it has no size."""
        import pypdfium2.raw as pdfium

        width, height = pdfium.FPDF_GetPageWidthF(self._raw), pdfium.FPDF_GetPageHeightF(self._raw)
        if not (width > 0 and height > 0):
            return None
        scale = min(dpi / 72, (_MOST_PIXELS / (width * height)) ** 0.5, _MOST_SIDE / max(width, height))
        across, down = max(1, round(width * scale)), max(1, round(height * scale))
        stride = -(-across // 4) * 4
        pixels = ctypes.create_string_buffer(stride * down)
        bitmap = pdfium.FPDFBitmap_CreateEx(across, down, pdfium.FPDFBitmap_Gray, pixels, stride)
        if not bitmap:
            return None
        try:
            pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, across, down, 0xFFFFFFFF)
            pdfium.FPDF_RenderPageBitmap(bitmap, self._raw, 0, 0, across, down, 0, pdfium.FPDF_ANNOT | pdfium.FPDF_GRAYSCALE)
        finally:
            pdfium.FPDFBitmap_Destroy(bitmap)
        return Picture(pixels.raw, across, down, stride, max(1, round(scale * 72)))

    def _box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        import pypdfium2.raw as pdfium

        box = pdfium.FS_RECTF()
        if not pdfium.FPDF_GetPageBoundingBox(self._raw, box):
            return 0.0, 0.0, 0.0, 0.0
        return box.left, box.top, box.right, box.bottom


def open_pdf(file: InputFile, data: bytes | None = None) -> PdfDocument:
    """The document, by the first password that fits; from `data` where the bytes are not those of the file.

    Raises:
        Malformed: pdfium cannot read it.
        Encrypted: None of the passwords opens it.
    """
    import pypdfium2
    import pypdfium2.raw as pdfium

    for password in (None, *file.passwords, *map(_prepared, file.passwords)):
        try:
            return pypdfium2.PdfDocument(file.path if data is None else data, password=password)
        except pypdfium2.PdfiumError as error:
            if error.err_code == pdfium.FPDF_ERR_SECURITY:
                raise Encrypted("encrypted in a way that is not supported", advice="save it without protection") from error
            if error.err_code != pdfium.FPDF_ERR_PASSWORD:
                raise Malformed(_reason(file, error)) from error
    tried = f"none of {len(file.passwords)} passwords opens it" if file.passwords else "it needs a password"
    raise Encrypted(f"the PDF is encrypted and {tried}", advice="name the password in `passwords` of the endpoint")


@contextmanager
def page_of(document: PdfDocument, number: int) -> Iterator[Page | None]:
    """The page, counted from 1, with what its form fields, notes and stamps show made part of it; None where it cannot be loaded."""
    import pypdfium2.raw as pdfium

    raw = pdfium.FPDF_LoadPage(document, number - 1)
    if raw and pdfium.FPDFPage_GetAnnotCount(raw) > 0 and pdfium.FPDFPage_Flatten(raw, pdfium.FLAT_NORMALDISPLAY) == pdfium.FLATTEN_SUCCESS:
        pdfium.FPDF_ClosePage(raw)
        raw = pdfium.FPDF_LoadPage(document, number - 1)
    try:
        yield Page(raw) if raw else None
    finally:
        if raw:
            pdfium.FPDF_ClosePage(raw)


def pdf_metadata(document: PdfDocument, key: str) -> str:
    """An entry of the document information dictionary, or empty."""
    return str(document.get_metadata_value(key) or "").strip()[:1000]


def pdf_details(document: PdfDocument) -> dict[str, str | int | float | bool]:
    """Author, day of creation, whether it is encrypted."""
    import pypdfium2.raw as pdfium

    details: dict[str, str | int | float | bool] = {"encrypted": pdfium.FPDF_GetSecurityHandlerRevision(document) != -1}
    if author := pdf_metadata(document, "Author"):
        details["author"] = author
    if created := _DATE.match(pdf_metadata(document, "CreationDate")):
        details["created"] = "-".join(part for part in created.groups() if part)
    return details


def _bounded_text(text_page: Any, left: float, top: float, right: float, bottom: float) -> str:
    # Not FPDFText_GetText(): it has what was cropped away, too.
    import pypdfium2.raw as pdfium

    room = 2 * max(0, pdfium.FPDFText_CountChars(text_page)) + 64  # two for what has no single UTF-16 unit
    while True:
        buffer = (ctypes.c_ushort * room)()
        length = pdfium.FPDFText_GetBoundedText(text_page, left, top, right, bottom, buffer, room)
        if length < room:
            return ctypes.string_at(buffer, 2 * max(0, length)).decode("utf-16-le", "ignore").rstrip("\0")
        room *= 2


def _pictures(page: Any) -> Iterator[tuple[float, float, float, float]]:
    """Left, bottom, right, top of the images of a page; a form with an image in it counts as a whole."""
    import pypdfium2.raw as pdfium

    for item in _items(page):
        if _has(item, pdfium.FPDF_PAGEOBJ_IMAGE, 0):
            bounds = [ctypes.c_float() for _ in range(4)]
            if pdfium.FPDFPageObj_GetBounds(item, *bounds):
                left, bottom, right, top = (bound.value for bound in bounds)
                yield left, bottom, right, top


def _items(page: Any) -> Iterator[Any]:
    import pypdfium2.raw as pdfium

    for index in range(min(pdfium.FPDFPage_CountObjects(page), _MOST_OBJECTS)):
        yield pdfium.FPDFPage_GetObject(page, index)


def _has(item: Any, wanted: int, depth: int) -> bool:
    import pypdfium2.raw as pdfium

    kind = pdfium.FPDFPageObj_GetType(item)
    if kind != pdfium.FPDF_PAGEOBJ_FORM or depth == _MOST_DEPTH:
        return bool(kind == wanted)
    inner = min(pdfium.FPDFFormObj_CountObjects(item), _MOST_OBJECTS)
    return any(_has(pdfium.FPDFFormObj_GetObject(item, index), wanted, depth + 1) for index in range(inner))


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def _prepared(password: str) -> str:
    """As programs that follow ISO 32000-2, 7.6.4.3.3 write it: in the form of SASLprep (RFC 4013), which pdfium leaves to us."""
    kept = "".join(" " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c))
    return unicodedata.normalize("NFKC", kept)


def _reason(file: InputFile, error: Exception) -> str:
    if not file.path.stat().st_size:
        return "the file is empty"
    return re.sub(r".*\(PDFium: (.*)\)\.", r"pdfium: \1", str(error))
