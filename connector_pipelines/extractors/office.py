"""What does a Word, Excel or PowerPoint file say?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from connector_pipelines.core.errors import Encrypted, Malformed
from connector_pipelines.core.types import Finding, InputFile
from connector_pipelines.extractors._bounds import bounded
from connector_pipelines.extractors._docx import read_document
from connector_pipelines.extractors._office_types import DOCX, ODF, PPTX, XLS, XLSB, XLSX
from connector_pipelines.extractors._pptx import read_slides
from connector_pipelines.extractors._sheets import read_sheets
from connector_pipelines.extractors._zip import check_archive

__all__ = ["Extractor"]

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Extractor:
    """Documents by heading, workbooks by sheet and row (numbered as in the sheet), presentations by slide."""

    version: ClassVar[str] = "2"
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {
        DOCX: (".docx", ".docm"),
        XLSX: (".xlsx", ".xlsm"),
        PPTX: (".pptx", ".pptm"),
        XLSB: (".xlsb",),
        XLS: (".xls",),
        f"{ODF}spreadsheet": (".ods",),
    }

    def extract(self, file: InputFile) -> Iterator[Finding]:
        yield from bounded(_extract(file), file.max_text_bytes)


def _extract(file: InputFile) -> Iterator[Finding]:
    with file.path.open("rb") as stream:
        head = stream.read(len(_OLE))
    if not head:
        raise Malformed("the file is empty")
    if file.media_type != XLS:
        if head == _OLE:
            raise Encrypted("the file is protected by a password", advice="save it without one: passwords of office files are not tried")
        check_archive(file.path, file.max_unpacked_bytes)
    readers = {DOCX: read_document, PPTX: read_slides}
    yield from readers.get(file.media_type, read_sheets)(file)
