"""Of which media type is this file really? Its bytes decide; name and claim break ties.

Sources are often wrong: they go by suffix, and say `application/vnd.ms-excel` for CSV. Text under the name of a binary
format is read as text; what only looks like text, because the format is damaged, stays what it claims, and its own
extractor says that it is damaged.
"""

from __future__ import annotations

import codecs
import re
import zipfile
from pathlib import Path

from connector_pipelines.extractors._csv import sniff_dialect
from connector_pipelines.extractors._encoding import detect_encoding, is_binary

__all__ = ["sniff"]

_HEAD = 64 * 1024
_OOXML = "application/vnd.openxmlformats-officedocument."
_DOCX = f"{_OOXML}wordprocessingml.document"
_XLSX = f"{_OOXML}spreadsheetml.sheet"
_PPTX = f"{_OOXML}presentationml.presentation"
_XLSB = "application/vnd.ms-excel.sheet.binary.macroenabled.12"
_XLS = "application/vnd.ms-excel"
_ZIP = "application/zip"
_BYTES = "application/octet-stream"
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"{\\rtf", "application/rtf"),
    (b"ISO-10303-21", "model/step"),
    (b"AC10", "image/vnd.dwg"),
    (b"BLENDER", "application/x-blender"),
)
_SUFFIXES = {
    ".csv": "text/csv", ".tsv": "text/tab-separated-values", ".tab": "text/tab-separated-values", ".md": "text/markdown",
    ".markdown": "text/markdown", ".html": "text/html", ".htm": "text/html", ".xhtml": "application/xhtml+xml", ".txt": "text/plain",
    ".text": "text/plain", ".log": "text/plain", ".json": "application/json", ".yaml": "application/yaml", ".yml": "application/yaml",
    ".pdf": "application/pdf", ".docx": _DOCX, ".docm": _DOCX, ".xlsx": _XLSX, ".xlsm": _XLSX, ".pptx": _PPTX, ".pptm": _PPTX,
    ".xls": _XLS, ".xlsb": _XLSB, ".ods": "application/vnd.oasis.opendocument.spreadsheet",
}  # fmt: skip
_OFFICE = {_DOCX, _XLSX, _PPTX, _XLSB, _XLS, "application/vnd.oasis.opendocument.spreadsheet"}
# Macros are a part more in the same package; https://www.iana.org/assignments/media-types (read November 2026).
_WITH_MACROS = {
    "application/vnd.ms-word.document.macroenabled.12": _DOCX, "application/vnd.ms-excel.sheet.macroenabled.12": _XLSX,
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": _PPTX,
}  # fmt: skip
# Not every image/: SVG, DXF, X bitmaps and Netpbm may be text by nature.
_NEVER_TEXT = re.compile(
    r"application/(?:pdf|msword|vnd\.ms-(?:excel|powerpoint|word)\b.*|vnd\.(?:openxmlformats-officedocument|oasis\.opendocument)\..*)"
    r"|image/(?:png|jpeg|gif|tiff|webp|bmp|x-ms-bmp|heic|heif|avif|x-icon|vnd\.microsoft\.icon|vnd\.adobe\.photoshop)"
)
_VAGUE = {"", _BYTES, "binary/octet-stream", "application/x-download", "text/plain", _XLS, "application/x-empty", "inode/x-empty"}
_HTML = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml\b")
# What only a PDF has, damaged as it may be (ISO 32000-1, 7.3.10, 7.5); then stand-ins for a file: a pointer of Git LFS, PDF and zip in base64.
_OBJECT = re.compile(rb"\b\d+ \d+ obj\b")
_PDF_PART = re.compile(rb"%PDF|%%EOF|\b\d+ \d+ obj\b|\bendobj\b|\bstartxref\b")
_STAND_IN = re.compile(rb"version https://git-lfs|JVBERi0|UEsDB")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_DXF = re.compile(rb"\s*0\r?\nSECTION\r?\n")


def sniff(path: Path, name: str, claimed: str) -> str:
    """The media type to treat the file at `path` as; `claimed` itself where the bytes say nothing against it."""
    named, claimed = _SUFFIXES.get(Path(name).suffix.lower(), ""), _WITH_MACROS.get(claimed.lower(), claimed)
    expected = _expected(named, claimed)
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    if b"%PDF-" in head[:1024] and _is_pdf(head, expected):
        return "application/pdf"
    if head.startswith(b"PK\x03\x04"):
        return _zipped(path, expected)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _compound(path, expected)
    if magic := next((media_type for start, media_type in _MAGIC if head.startswith(start)), ""):
        return magic
    return expected if is_binary(head) else _text(path, head, name, named, claimed)


def _expected(named: str, claimed: str) -> str:
    return claimed if claimed not in _VAGUE else named or claimed or _BYTES


def _is_pdf(head: bytes, expected: str) -> bool:
    # Readers accept the mark anywhere in the first 1024 bytes (ISO 32000-1, annex H.3.4.1); so would a text about PDF.
    return head.lstrip().startswith(b"%PDF-") or expected == "application/pdf" or is_binary(head) or bool(_OBJECT.search(head))


def _text(path: Path, head: bytes, name: str, named: str, claimed: str) -> str:
    if _DXF.match(head):
        return "image/vnd.dxf"
    if _HTML.match(head.removeprefix(b"\xef\xbb\xbf")) and named != "text/markdown":
        return "text/html" if claimed != "application/xhtml+xml" else claimed
    if _NEVER_TEXT.fullmatch(expected := _expected(named, claimed)):
        return _misnamed(path, head, expected)
    if claimed not in _VAGUE or named:
        return expected
    # A suffix nobody here knows is rather a format of its own than prose, but for a source that says it is text.
    return "text/plain" if claimed == "text/plain" or not Path(name).suffix else claimed or _BYTES


def _misnamed(path: Path, head: bytes, expected: str) -> str:
    """What is in a file of a format that is never text, and is not binary either."""
    if not _is_plainly_text(head) or _PDF_PART.search(head) or _STAND_IN.match(head):
        return expected
    if _XML.match(head):
        return "text/plain"  # office formats of 2003 in one XML file: commas in it delimit nothing
    encoding = detect_encoding(path, _HEAD).name
    is_table = expected == _XLS or sniff_dialect(head.decode(encoding, "ignore")).delimiter
    return "text/csv" if is_table else "text/plain"  # .xls: what many programs "export to Excel"


def _is_plainly_text(head: bytes) -> bool:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    if _CONTROL.search(head) or not head.strip():
        return False
    # In the old encodings of Western languages few letters have an accent; the rubble of a damaged file is full of such bytes.
    return _is_utf8(head) or sum(byte > 0x7F for byte in head) <= len(head) * 0.15


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _zipped(path: Path, expected: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            kind = archive.open("mimetype").read(200).decode("ascii", "replace") if "mimetype" in names else ""
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError):
        return expected if expected in _OFFICE else _ZIP  # damaged: the extractor it was meant for says how
    if kind.startswith("application/"):
        return kind.strip()
    if "[Content_Types].xml" not in names:
        return _ZIP
    binary = "xl/workbook.bin" in names
    for folder, media_type in (("word/", _DOCX), ("xl/", _XLSB if binary else _XLSX), ("ppt/", _PPTX)):
        if any(entry.startswith(folder) for entry in names):
            return media_type
    return _ZIP


def _compound(path: Path, expected: str) -> str:
    """An OLE container: an encrypted OOXML file, or a format from before 2007 (MS-CFB; MS-OFFCRYPTO, 2.3.4)."""
    found = _stream_names(path)
    if "EncryptedPackage" in found:
        return expected if expected in {_DOCX, _XLSX, _PPTX, _XLSB} else _DOCX
    if "Workbook" in found or "Book" in found:
        return _XLS
    if "WordDocument" in found:
        return "application/msword"
    return "application/vnd.ms-powerpoint" if "PowerPoint Document" in found else "application/x-ole-storage"


def _stream_names(path: Path) -> set[str]:
    names = ("EncryptedPackage", "WordDocument", "PowerPoint Document", "Workbook", "Book")
    found, before = set[str](), b""
    with path.open("rb") as stream:
        while block := stream.read(4 * 1024 * 1024):
            window = before + block
            found |= {name for name in names if name.encode("utf-16-le") + b"\0\0" in window}
            before = block[-64:]
    return found
