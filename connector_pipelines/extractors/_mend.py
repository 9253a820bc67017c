"""Can a PDF that was cut short be opened all the same? Its trailer says where to begin, and it is the first thing lost."""

from __future__ import annotations

import re

from connector_pipelines.core.types import InputFile

__all__ = ["with_trailer"]

_MOST_BYTES = 256 * 1024 * 1024
_CATALOG = re.compile(rb"\b(\d{1,10})\s+(\d{1,5})\s+obj\b(?:(?!endobj).){0,2000}?/Type\s*/Catalog\b", re.DOTALL)


def with_trailer(file: InputFile) -> bytes | None:
    """The bytes of `file` with a trailer that names its last catalog, from which pdfium finds the rest; None where there is none.

    A catalog that was compressed is not found, and what was encrypted cannot be read without the trailer that was lost.
    """
    if file.path.stat().st_size > _MOST_BYTES:
        return None
    data = file.path.read_bytes()
    if b"/Encrypt" in data or not (catalogs := _CATALOG.findall(data)):
        return None
    number, generation = catalogs[-1]
    return data + b"\nendobj\ntrailer\n<< /Root %b %b R >>\nstartxref\n0\n%%%%EOF\n" % (number, generation)
