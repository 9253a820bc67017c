"""Which media type a file's name claims: the same on every machine, whatever its /etc/mime.types says."""

from __future__ import annotations

import functools
import mimetypes
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["media_type_of"]

_UNKNOWN: Final = "application/octet-stream"
_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT: Final = "application/vnd.oasis.opendocument"

# What the table in Python misses, or says differently from one of its versions to the next. Types are those of
# https://www.iana.org/assignments/media-types (read November 2026) wherever one is registered.
_OURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "7z": "application/x-7z-compressed", "bz2": "application/x-bzip2", "cfg": "text/plain", "conf": "text/plain",
        "csv": "text/csv", "doc": "application/msword", "docm": "application/vnd.ms-word.document.macroenabled.12",
        "docx": f"{_OFFICE}.wordprocessingml.document", "dotx": f"{_OFFICE}.wordprocessingml.template",
        "dwg": "image/vnd.dwg", "dxf": "image/vnd.dxf", "eml": "message/rfc822", "epub": "application/epub+zip",
        "geojson": "application/geo+json", "gz": "application/gzip", "htm": "text/html", "html": "text/html",
        "ini": "text/plain", "ipynb": "application/x-ipynb+json", "js": "text/javascript", "json": "application/json",
        "jsonl": "application/jsonl", "log": "text/plain", "markdown": "text/markdown", "md": "text/markdown",
        "mjs": "text/javascript", "msg": "application/vnd.ms-outlook", "ndjson": "application/x-ndjson",
        "odp": f"{_OPEN_DOCUMENT}.presentation", "ods": f"{_OPEN_DOCUMENT}.spreadsheet", "odt": f"{_OPEN_DOCUMENT}.text",
        "parquet": "application/vnd.apache.parquet", "pdf": "application/pdf", "ppt": "application/vnd.ms-powerpoint",
        "pptm": "application/vnd.ms-powerpoint.presentation.macroenabled.12",
        "pptx": f"{_OFFICE}.presentationml.presentation", "rst": "text/x-rst", "rtf": "application/rtf", "sql": "application/sql",
        "step": "model/step", "stl": "model/stl", "stp": "model/step", "svg": "image/svg+xml", "tab": "text/tab-separated-values",
        "text": "text/plain", "toml": "application/toml", "tsv": "text/tab-separated-values", "txt": "text/plain",
        "wav": "audio/wav", "webp": "image/webp", "xhtml": "application/xhtml+xml", "xls": "application/vnd.ms-excel",
        "xlsb": "application/vnd.ms-excel.sheet.binary.macroenabled.12",
        "xlsm": "application/vnd.ms-excel.sheet.macroenabled.12", "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
        "xml": "application/xml", "xz": "application/x-xz", "yaml": "application/yaml", "yml": "application/yaml",
        "zip": "application/zip", "zst": "application/zstd",
    }
)  # fmt: skip


def media_type_of(name: str) -> str:
    """By the last suffix alone, in any case: ``table.csv.gz`` is gzip. `application/octet-stream` where it says nothing."""
    stem, _, suffix = name.rpartition(".")
    if not stem or stem.endswith("/"):
        return _UNKNOWN
    suffix = suffix.lower()
    return _OURS.get(suffix) or _python_table().get(f".{suffix}", _UNKNOWN)


@functools.cache
def _python_table() -> Mapping[str, str]:
    # The class holds Python's own table; the functions of the module add the machine's files to theirs.
    return mimetypes.MimeTypes().types_map[True]
