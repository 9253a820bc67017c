"""Of which format is this container, zip or compound file? By what lies at its root: what is inside it may hold anything."""

from __future__ import annotations

import zipfile
from pathlib import Path

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.extractors._cfb import CompoundFile
from connector_pipelines.extractors._office_types import DOCX, ODF, PPTX, XLS, XLSB, XLSX
from connector_pipelines.extractors._zip import read_directory

__all__ = ["compound_type", "zip_type"]

_DOC = "application/msword"
_PPT = "application/vnd.ms-powerpoint"
_MSG = "application/vnd.ms-outlook"
_ZIP = "application/zip"
_OLE = "application/x-ole-storage"
_PACKAGED = {DOCX, XLSX, PPTX, XLSB}
_COMPOUND = {*_PACKAGED, XLS, _DOC, _PPT, _MSG}
# Packages that a program keeps its one document in: what lies inside is of no use to a reader by itself.
_OWN = (
    ("GuiDocument.xml", "application/x-extension-fcstd"),
    ("Document.xml", "application/x-extension-fcstd"),
    ("META-INF/MANIFEST.MF", "application/java-archive"),
    ("Index/Document.iwa", "application/vnd.apple.iwork"),
    ("Index.zip", "application/vnd.apple.iwork"),
    ("visio/document.xml", "application/vnd.ms-visio.drawing.main+xml"),
    ("FixedDocumentSequence.fdseq", "application/vnd.ms-xpsdocument"),
    ("3D/3dmodel.model", "model/3mf"),
)
_STREAMS = (
    ("Workbook", XLS),
    ("Book", XLS),
    ("WordDocument", _DOC),
    ("PowerPoint Document", _PPT),
    ("__properties_version1.0", _MSG),
)


def zip_type(path: Path, expected: str) -> str:
    """The media type of a file that begins as a zip archive does; `expected` where it is damaged and was meant to be one."""
    try:
        with read_directory(path) as archive:
            names = set(archive.namelist())
            kind = archive.open("mimetype").read(200).decode("ascii", "replace").strip() if "mimetype" in names else ""
    except ResourceError:
        return _ZIP
    except (Malformed, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError):
        # Damaged: the extractor it was meant for says how.
        return expected if expected in _PACKAGED or expected.startswith((ODF, "application/epub+zip")) else _ZIP
    if kind.startswith("application/"):
        return kind
    if "[Content_Types].xml" in names:
        binary = "xl/workbook.bin" in names
        for folder, media_type in (("word/", DOCX), ("xl/", XLSB if binary else XLSX), ("ppt/", PPTX)):
            if any(entry.startswith(folder) for entry in names):
                return media_type
    return _own_package(names, expected)


def compound_type(path: Path, expected: str) -> str:
    """The media type of a compound file: MS-CFB. One with `EncryptedPackage` is OOXML under a password: MS-OFFCRYPTO, 2.3.4."""
    try:
        with path.open("rb") as stream:
            found = CompoundFile(stream).root.children
    except (Malformed, ResourceError):
        return expected if expected in _COMPOUND else _OLE
    if "encryptedpackage" in found:
        return expected if expected in _PACKAGED else DOCX
    return next((media_type for name, media_type in _STREAMS if name.lower() in found), _OLE)


def _own_package(names: set[str], expected: str) -> str:
    found = next((media_type for name, media_type in _OWN if name in names), "")
    if not found:
        return _ZIP
    is_lie = expected in {_ZIP, "application/octet-stream"} | _COMPOUND or expected.startswith("text/")
    return found if is_lie else expected
