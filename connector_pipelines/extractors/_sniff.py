"""Of which media type is this file really? Its bytes decide; name and claim break ties.

Sources are often wrong: they go by suffix, and say `application/vnd.ms-excel` for CSV. Text under the name of a binary
format is read as text; what only looks like text, because the format is damaged, stays what it claims, and its own
extractor says that it is damaged.
"""

from __future__ import annotations

import codecs
import re
import zlib
from pathlib import Path

from connector_pipelines.extractors._cfb import SIGNATURE
from connector_pipelines.extractors._containers import compound_type, zip_type
from connector_pipelines.extractors._csv import sniff_dialect
from connector_pipelines.extractors._encoding import detect_encoding, is_binary
from connector_pipelines.extractors._office_types import DOCX, ODF, PPTX, XLS, XLSB, XLSX
from connector_pipelines.extractors._structured import structured_type

__all__ = ["sniff"]

_HEAD = 64 * 1024
_BYTES = "application/octet-stream"
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
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
    ".pdf": "application/pdf", ".docx": DOCX, ".docm": DOCX, ".xlsx": XLSX, ".xlsm": XLSX, ".pptx": PPTX, ".pptm": PPTX,
    ".xls": XLS, ".xlsb": XLSB, ".ods": f"{ODF}spreadsheet", ".odt": f"{ODF}text", ".odp": f"{ODF}presentation",
    ".odg": f"{ODF}graphics", ".ott": f"{ODF}text-template", ".otp": f"{ODF}presentation-template", ".fodt": f"{ODF}text-flat-xml",
    ".fodp": f"{ODF}presentation-flat-xml", ".fodg": f"{ODF}graphics-flat-xml", ".doc": "application/msword",
    ".ppt": "application/vnd.ms-powerpoint", ".rtf": "application/rtf", ".epub": "application/epub+zip", ".eml": "message/rfc822",
    ".mht": "message/rfc822", ".mhtml": "message/rfc822", ".mbox": "application/mbox", ".msg": "application/vnd.ms-outlook",
    ".zip": "application/zip", ".tar": "application/x-tar", ".xml": "application/xml", ".png": "image/png", ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg", ".tif": "image/tiff", ".tiff": "image/tiff", ".bmp": "image/bmp", ".webp": "image/webp", ".gif": "image/gif",
}  # fmt: skip
# Macros are a part more in the same package; https://www.iana.org/assignments/media-types (read November 2026).
_WITH_MACROS = {
    "application/vnd.ms-word.document.macroenabled.12": DOCX, "application/vnd.ms-excel.sheet.macroenabled.12": XLSX,
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": PPTX,
}  # fmt: skip
# Not every image/: SVG, DXF, X bitmaps and Netpbm may be text by nature.
_NEVER_TEXT = re.compile(
    r"application/(?:pdf|msword|rtf|epub\+zip|vnd\.ms-(?:excel|powerpoint|word|outlook)\b.*|vnd\.(?:openxmlformats-officedocument|oasis\.opendocument)\.(?!.*-flat-xml).*)"
    r"|image/(?:png|jpeg|gif|tiff|webp|bmp|x-ms-bmp|heic|heif|avif|x-icon|vnd\.microsoft\.icon|vnd\.adobe\.photoshop)"
)
_VAGUE = {"", _BYTES, "binary/octet-stream", "application/x-download", "text/plain", XLS, "application/x-empty", "inode/x-empty"}
# What may turn out to be something that text is the form of.
_OPEN = {"", _BYTES, "text/plain", "message/rfc822", "application/mbox", "application/xml", "text/xml"}
_MAIL = {"message/rfc822", "application/mbox"}
_HTML = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
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
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return zip_type(path, expected)
    if head.startswith(SIGNATURE):
        return compound_type(path, expected)
    if magic := _by_magic(head):
        return magic
    return expected if is_binary(head) else _text(path, head, name, named, claimed)


def _by_magic(head: bytes) -> str:
    if head[257:262] == b"ustar":
        return "application/x-tar"
    if head.startswith(b"\x1f\x8b") and _starts_unpacked(head, b"BLENDER"):
        return "application/x-blender"  # which Blender packs whole when told to
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "image/bmp"
    return next((media_type for start, media_type in _MAGIC if head.startswith(start)), "")


def _starts_unpacked(head: bytes, start: bytes) -> bool:
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head, len(start)) == start
    except zlib.error:
        return False


def _expected(named: str, claimed: str) -> str:
    return claimed if claimed not in _VAGUE else named or claimed or _BYTES


def _is_pdf(head: bytes, expected: str) -> bool:
    # Readers accept the mark anywhere in the first 1024 bytes (ISO 32000-1, annex H.3.4.1); so would a text about PDF.
    if head.lstrip().startswith(b"%PDF-"):
        return True
    if head.startswith((b"PK\x03\x04", SIGNATURE)) or _by_magic(head):
        return False  # an archive may hold a PDF near its beginning
    return expected == "application/pdf" or is_binary(head) or bool(_OBJECT.search(head))


def _text(path: Path, head: bytes, name: str, named: str, claimed: str) -> str:
    if _DXF.match(head):
        return "image/vnd.dxf"
    if _HTML.match(head.removeprefix(b"\xef\xbb\xbf")) and named != "text/markdown":
        return "text/html" if claimed != "application/xhtml+xml" else claimed
    expected, structured = _expected(named, claimed), structured_type(head)
    if _NEVER_TEXT.fullmatch(expected):
        return structured or _misnamed(path, head, expected)
    # XML under a suffix nobody here knows is a format of its own.
    is_open = expected in _OPEN and (named or not Path(name).suffix or structured in _MAIL)
    if structured and is_open and not (expected == "message/rfc822" and structured in _MAIL):
        return structured  # of a message the extractor sees whether there are several
    if claimed not in _VAGUE or named:
        return expected
    # A suffix nobody here knows is rather a format of its own than prose, but for a source that says it is text.
    return "text/plain" if claimed == "text/plain" or not Path(name).suffix else claimed or _BYTES


def _misnamed(path: Path, head: bytes, expected: str) -> str:
    """What is in a file of a format that is never text, and is not binary either."""
    if not _is_plainly_text(head) or _PDF_PART.search(head) or _STAND_IN.match(head):
        return expected
    encoding = detect_encoding(path, _HEAD).name
    is_table = expected == XLS or sniff_dialect(head.decode(encoding, "ignore")).delimiter
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
