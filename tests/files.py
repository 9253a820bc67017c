"""Which bytes make a small file of this format? Everything is made here; nothing is copied from anywhere."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence

from tests.compound import compound

__all__ = ["docx", "encrypted_pdf", "ole_encrypted", "pdf", "pptx", "xlsx", "zip_bomb", "zipped"]

Sheet = Sequence[Sequence[object]]


def pdf(pages: Sequence[str], *, title: str = "", author: str = "", claimed: int | None = None, field: str = "") -> bytes:
    """One page for each text, a line for each line; an empty text makes a page that only draws.

    `claimed` is a lie about the count; `field` is what a form field on every page shows.
    """
    kids = " ".join(f"{5 + 2 * index} 0 R" for index in range(len(pages)))
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages) if claimed is None else claimed} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        f"<< /Title ({title}) /Author ({author}) /CreationDate (D:20260301093000Z) >>".encode("latin-1"),
    ]
    for index, text in enumerate(pages):
        content = _content(text)
        bodies.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R %s >>" % (6 + 2 * index, _field(field, 5 + 2 * len(pages)) if field else b"")
        )
        bodies.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    if field:
        shown = _content(field)
        box = b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
        bodies.append(b"<< %s /Length %d >>\nstream\n%s\nendstream" % (box, len(shown), shown))
    return _assembled(bodies)


def encrypted_pdf(pages: Sequence[str], password: str) -> bytes:
    """The same, encrypted with AES-256; an empty password is one every reader tries."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf(pages))))
    writer.encrypt(user_password=password, owner_password="owner only", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def docx(blocks: Iterable[tuple[str, str] | Sheet], *, title: str = "", header: str = "") -> bytes:
    """Blocks are (style, text), as in ("Heading 1", "Walls"), or tables of texts."""
    from docx import Document

    document = Document()
    document.core_properties.title = title
    document.core_properties.author = "A. Engineer"
    if header:
        document.sections[0].header.paragraphs[0].text = header
    for block in blocks:
        if isinstance(block, tuple):
            document.add_paragraph(block[1], style=block[0])
            continue
        table = document.add_table(rows=len(block), cols=len(block[0]))
        for row, values in zip(table.rows, block, strict=True):
            for cell, value in zip(row.cells, values, strict=True):
                cell.text = str(value)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def xlsx(sheets: Mapping[str, Sheet], *, hidden: Sequence[str] = ()) -> bytes:
    """Sheets by name, cells from A1 on; None leaves a cell out."""
    import xlsxwriter

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "default_date_format": "yyyy-mm-dd"})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
        if name in hidden:
            sheet.hide()
    book.close()
    return out.getvalue()


def pptx(slides: Iterable[tuple[str, Sequence[str], str]]) -> bytes:
    """Slides are (title, bullet points, notes); points starting with ``group:`` go into a grouped text box."""
    from pptx import Presentation
    from pptx.util import Cm

    presentation = Presentation()
    for title, points, notes in slides:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = "\n".join(point for point in points if not point.startswith("group:"))
        for point in points:
            if point.startswith("group:"):
                box = slide.shapes.add_group_shape().shapes.add_textbox(Cm(1), Cm(1), Cm(5), Cm(1))
                box.text_frame.text = point.removeprefix("group:")
        if notes:
            slide.notes_slide.notes_text_frame.text = notes
    out = io.BytesIO()
    presentation.save(out)
    return out.getvalue()


def zipped(entries: Mapping[str, bytes]) -> bytes:
    """A zip archive of these entries, deflated."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def zip_bomb(unpacked: int, *, declared: int | None = None) -> bytes:
    """A workbook with one part of `unpacked` zeros; `declared` is a lie about that size in the directory of the archive."""
    made = zipped({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": bytes(unpacked)})
    if declared is None:
        return made
    return made.replace(unpacked.to_bytes(4, "little"), declared.to_bytes(4, "little"))


def ole_encrypted() -> bytes:
    """What a reader sees of an OOXML file with a password: a compound file with these streams (MS-OFFCRYPTO, 2.3.4)."""
    return compound({"EncryptionInfo": bytes(100), "EncryptedPackage": bytes(5000)})


def _field(value: str, appearance: int) -> bytes:
    rect = b"/Rect [0 0 595 842] /F 4"
    return b"/Annots [<< /Subtype /Widget /FT /Tx /T (by) /V (%s) %s /AP << /N %d 0 R >> >>]" % (value.encode(), rect, appearance)


def _content(text: str) -> bytes:
    if not text:
        return b"100 100 200 200 re f"
    escaped = (line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in text.split("\n"))
    shown = "\n".join(f"({line}) Tj T*" for line in escaped)
    return f"BT /F1 11 Tf 14 TL 60 780 Td\n{shown}\nET".encode("cp1252")


def _assembled(bodies: Sequence[bytes]) -> bytes:
    out, places = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 4 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, start)
    return bytes(out)
