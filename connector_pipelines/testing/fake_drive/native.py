"""Exports of Google's own documents: real files, and other bytes at every export, as the real one's are."""

from __future__ import annotations

import csv
import html
import io
import itertools
import json
import threading
import zipfile
from collections.abc import Callable
from typing import Any, Final

from connector_pipelines.testing.fake_drive.items import NATIVE, Native

__all__ = ["EXPORTS", "export"]

_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
DOCX: Final = _OFFICE + "wordprocessingml.document"
XLSX: Final = _OFFICE + "spreadsheetml.sheet"
PPTX: Final = _OFFICE + "presentationml.presentation"
PDF: Final = "application/pdf"

EXPORTS: Final[dict[str, tuple[str, ...]]] = {
    NATIVE["document"]: (DOCX, PDF, "text/plain", "text/markdown", "text/html"),
    NATIVE["spreadsheet"]: (XLSX, PDF, "text/csv", "text/tab-separated-values"),
    NATIVE["presentation"]: (PPTX, PDF, "text/plain"),
    NATIVE["drawing"]: ("image/png", "image/svg+xml", PDF),
    NATIVE["script"]: ("application/vnd.google-apps.script+json",),
}
"""What each MIME type can be exported as (https://developers.google.com/workspace/drive/api/guides/ref-export-formats, in part)."""

_count = itertools.count(1)
_lock = threading.Lock()


def export(native: Native, mime_type: str) -> bytes:
    """Raises `KeyError`: the document has no such export."""
    with _lock:
        # python-pptx and python-docx share templates between threads; the count makes each export another one.
        number = next(_count)
        if mime_type not in EXPORTS[NATIVE[native.kind]]:
            raise KeyError(mime_type)
        return _MAKERS[mime_type](native, number)


def _docx(native: Native, number: int) -> bytes:
    import docx

    document = docx.Document()
    for block in native.blocks:
        if block.startswith("# "):
            document.add_heading(block[2:], 1)
        else:
            document.add_paragraph(block)
    return _saved(document, native, number)


def _pptx(native: Native, number: int) -> bytes:
    import pptx

    deck = pptx.Presentation()
    for block in native.blocks:
        slide: Any = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = block
    return _saved(deck, native, number)


def _xlsx(native: Native, number: int) -> bytes:
    import xlsxwriter  # type: ignore[import-untyped]

    held = io.BytesIO()
    with xlsxwriter.Workbook(held, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Sheet1")
        for row, block in enumerate(native.blocks):
            sheet.write_row(row, 0, [_cell(each) for each in block.split("\t")])
    return _restamped(held.getvalue(), native.padding, number)


def _saved(document: Any, native: Native, number: int) -> bytes:
    held = io.BytesIO()
    document.save(held)
    return _restamped(held.getvalue(), native.padding, number)


def _restamped(package: bytes, padding: int, number: int) -> bytes:
    """The same parts with another time on each, and bytes that no part refers to."""
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as old, zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as new:
        when = (2026, 1 + number // 40320 % 12, 1 + number // 1440 % 28, number // 60 % 24, number % 60, 0)
        for part in old.infolist():
            new.writestr(zipfile.ZipInfo(part.filename, when), old.read(part), zipfile.ZIP_DEFLATED)
        if padding:
            new.writestr(zipfile.ZipInfo("padding.bin", when), bytes(padding), zipfile.ZIP_STORED)
    return held.getvalue()


def _pdf(native: Native, number: int) -> bytes:
    """One page of Helvetica."""
    lines = "".join(f"({_pdf_text(block)}) Tj T* " for block in native.blocks)
    content = f"BT /F1 11 Tf 14 TL 50 780 Td {lines}ET".encode("latin-1", "replace")
    minutes, hours = number % 60, number // 60 % 24
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        f"<</Producer(Skia/PDF)/CreationDate(D:20260302{hours:02d}{minutes:02d}00Z)/Number {number}>>".encode(),
    ]
    return _pdf_file(objects, native.padding)


def _pdf_file(objects: list[bytes], padding: int) -> bytes:
    out = bytearray(b"%PDF-1.4\n%" + b"x" * padding + b"\n")
    places = []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<</Size %d/Root 1 0 R/Info %d 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, table, len(objects) + 1, len(objects), len(out),
    )  # fmt: skip
    return bytes(out)


def _pdf_text(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _png(native: Native, number: int) -> bytes:
    from PIL import Image, ImageDraw, PngImagePlugin

    picture = Image.new("RGB", (800, 60 + 40 * len(native.blocks)), "white")
    drawing = ImageDraw.Draw(picture)
    for line, block in enumerate(native.blocks):
        drawing.text((20, 20 + 40 * line), block, fill="black", font_size=24)
    told = PngImagePlugin.PngInfo()
    told.add_text("export", f"{number}" + "x" * native.padding)
    held = io.BytesIO()
    picture.save(held, "PNG", pnginfo=told)
    return held.getvalue()


def _svg(native: Native, number: int) -> bytes:
    lines = "".join(f'<text x="20" y="{40 * (line + 1)}">{html.escape(block)}</text>' for line, block in enumerate(native.blocks))
    text = f'<svg xmlns="http://www.w3.org/2000/svg" width="800" height="600"><!-- {number}{"x" * native.padding} -->{lines}</svg>'
    return text.encode()


def _text(native: Native, _: int) -> bytes:
    # With a byte order mark and the line ends of another system, as the real one writes it.
    return b"\xef\xbb\xbf" + "\r\n".join(native.blocks).encode() + b"\r\n" + b" " * native.padding


def _markdown(native: Native, _: int) -> bytes:
    return "\n\n".join(native.blocks).encode() + b"\n" + b" " * native.padding


def _html(native: Native, number: int) -> bytes:
    lines = "".join(f"<p>{html.escape(block)}</p>" for block in native.blocks)
    return f"<html><head><style>.c{number}{{color:#000}}</style></head><body>{lines}{' ' * native.padding}</body></html>".encode()


def _csv(native: Native, _: int) -> bytes:
    held = io.StringIO(newline="")
    csv.writer(held).writerows(block.split("\t") for block in native.blocks)
    return held.getvalue().encode() + b"\r\n" * (native.padding // 2)


def _tsv(native: Native, _: int) -> bytes:
    return "\r\n".join(native.blocks).encode() + b"\r\n" * (native.padding // 2)


def _script(native: Native, _: int) -> bytes:
    source = "\n".join(native.blocks) + " " * native.padding
    return json.dumps({"files": [{"id": "1", "name": "Code", "type": "server_js", "source": source}]}).encode()


def _cell(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


_MAKERS: Final[dict[str, Callable[[Native, int], bytes]]] = {
    DOCX: _docx,
    XLSX: _xlsx,
    PPTX: _pptx,
    PDF: _pdf,
    "text/plain": _text,
    "text/markdown": _markdown,
    "text/html": _html,
    "text/csv": _csv,
    "text/tab-separated-values": _tsv,
    "image/png": _png,
    "image/svg+xml": _svg,
    "application/vnd.google-apps.script+json": _script,
}
