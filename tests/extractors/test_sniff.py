from __future__ import annotations

import gzip

import pytest

from connector_pipelines.core.protocols import Extractor
from connector_pipelines.extractors._find import find_extractor, supported_media_types
from connector_pipelines.extractors._sniff import sniff
from tests import files
from tests.extractors.conftest import MakeFile

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
BYTES = "application/octet-stream"


@pytest.mark.parametrize(
    ("name", "claimed", "data", "found"),
    [
        ("report.docx", DOCX, files.pdf(["x"]), "application/pdf"),
        ("report.pdf", "application/pdf", files.docx([("Normal", "x")]), DOCX),
        ("report", BYTES, files.xlsx({"a": [["x"]]}), XLSX),
        ("report.bin", "", files.pptx([("x", [], "")]), PPTX),
        ("archive.docx", DOCX, files.zipped({"a.txt": b"x"}), "application/zip"),
        ("secret.xlsx", XLSX, files.ole_encrypted(), XLSX),
        ("secret", BYTES, files.ole_encrypted(), DOCX),
        ("cut.docx", DOCX, files.docx([])[:500], DOCX),
        ("broken.pdf", BYTES, b"\x00\x01\x02" * 50, "application/pdf"),
        ("data.csv", "application/vnd.ms-excel", b"a,b\n1,2\n", "text/csv"),
        ("export.xls", "application/vnd.ms-excel", b"a\tb\n1\t2\n", "text/csv"),
        ("data.csv", "text/plain", b"a,b\n1,2\n", "text/csv"),
        ("data.txt", "text/csv", b"a,b\n1,2\n", "text/csv"),
        ("data.csv", "text/csv", b"<!DOCTYPE html><html>Sign in</html>", "text/html"),
        ("README.md", "text/markdown", b"<html> is a tag", "text/markdown"),
        ("NOTES", BYTES, b"just words", "text/plain"),
        ("empty.txt", "text/plain", b"", "text/plain"),
        ("model.xyz", BYTES, b"some format of its own", BYTES),
        ("model.txt", "text/plain", b"ISO-10303-21;\nHEADER;", "model/step"),
        ("plan.txt", "text/plain", b"  0\r\nSECTION\r\n  2\r\nHEADER\r\n", "image/vnd.dxf"),
        ("photo.pdf", "application/pdf", b"\x89PNG\r\n\x1a\n" + bytes(20), "image/png"),
        ("data.csv", "text/csv", gzip.compress(b"a,b\n"), "application/gzip"),
    ],
)
def test_the_bytes_decide_and_name_and_claim_break_ties(make_file: MakeFile, name: str, claimed: str, data: bytes, found: str) -> None:
    assert sniff(make_file(name, data).path, name, claimed) == found


def test_every_supported_type_has_an_extractor_and_a_suffix() -> None:
    supported = supported_media_types()

    assert {"application/pdf", "text/csv", "text/html", "text/markdown", DOCX, PPTX, XLSX} <= set(supported)
    assert all(suffix.startswith(".") for suffixes in supported.values() for suffix in suffixes)
    assert all(find_extractor(media_type) for media_type in supported)


def test_every_extractor_is_what_the_protocol_asks_for() -> None:
    found = {one.name: one.type for media_type in supported_media_types() if (one := find_extractor(media_type))}

    assert set(found) >= {"html", "office", "pdf", "tabular", "text"}
    assert all(isinstance(kind(), Extractor) and kind.version for kind in found.values())


def test_no_extractor_takes_an_unknown_type() -> None:
    assert find_extractor("application/x-unheard-of") is None
