from __future__ import annotations

import gzip

import pytest

from connector_pipelines.core.protocols import Extractor
from connector_pipelines.extractors._find import find_extractor, supported_media_types
from connector_pipelines.extractors._sniff import sniff
from tests import archives, files, old_formats, packages
from tests.extractors.conftest import MakeFile

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
DOCM = "application/vnd.ms-word.document.macroenabled.12"
PPTM = "application/vnd.ms-powerpoint.presentation.macroenabled.12"
XLSM = "application/vnd.ms-excel.sheet.macroenabled.12"
BYTES = "application/octet-stream"
ODF = "application/vnd.oasis.opendocument."
DOC, PPT, MSG = "application/msword", "application/vnd.ms-powerpoint", "application/vnd.ms-outlook"
MAIL = b"Received: from a by b; Sun, 1 Mar 2026\r\nMessage-ID: <1@b>\r\nFrom: a@example.com\r\nSubject: Axis 7\r\n\r\nIt moved.\r\n"
MAILBOX = b"From a@example.com Sun Mar  1 09:30:00 2026\nSubject: Axis 7\n\nIt moved.\n"
ZIP_OF_PDF = b"PK\x03\x04" + bytes(26) + b"a.pdf%PDF-1.7 as it is, without compression"
FLAT = packages.flat("text", "<text:p>x</text:p>")


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
        ("data.csv", "text/csv", gzip.compress(b"a,b\n", mtime=0), "application/gzip"),
        ("about.md", "text/markdown", b"A PDF begins with %PDF-1.7, and that is all.", "text/markdown"),
        ("book.xls", "application/vnd.ms-excel", b'<?xml version="1.0"?>\n<Workbook><Data>14,2</Data></Workbook>', "application/xml"),
    ],
)
def test_the_bytes_decide_and_name_and_claim_break_ties(make_file: MakeFile, name: str, claimed: str, data: bytes, found: str) -> None:
    assert sniff(make_file(name, data).path, name, claimed) == found


@pytest.mark.parametrize(
    ("name", "claimed"),
    [
        ("report.pdf", "application/pdf"),
        ("report.pdf", BYTES),
        ("report", "application/pdf"),
        ("report.docx", DOCX),
        ("report.docm", DOCM),
        ("report.doc", "application/msword"),
        ("slides.pptx", PPTX),
        ("slides.odp", "application/vnd.oasis.opendocument.presentation"),
        ("photo.jpg", "image/jpeg"),
        ("photo.heic", "image/heic"),
    ],
)
@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"The wall on axis 7 moved 14 mm.\n", "text/plain"),
        ("Die Stütze wurde geprüft.\n".encode("cp1252") * 3, "text/plain"),
        ("The wall moved.\n".encode("utf-16"), "text/plain"),
        (b"station,date,mm\nP1,2025-01-02,14.2\nP2,2025-01-03,14.9\n", "text/csv"),
        (b"\n <!DOCTYPE html>\n<html>Sign in</html>", "text/html"),
    ],
)
def test_plain_text_under_the_name_of_a_binary_format_is_read_as_what_it_is(
    make_file: MakeFile, name: str, claimed: str, data: bytes, found: str
) -> None:
    assert sniff(make_file(name, data).path, name, claimed) == found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \n\n",
        bytes(range(256)),
        "Ünlesbar øæå ßÿþ".encode("cp1252") * 4,
        b"leading words\n" * 100 + b"%PDF-1.7\n1 0 obj\n",
        b"12 0 obj\n<< /Type /Page >>\nendobj\n",
        b"trailer\n<< /Size 8 >>\nstartxref\n1204\n%%EOF\n",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        b"JVBERi0xLjcKJcOkw7zDtsOf\n",
    ],
    ids=["empty", "blank", "binary", "few letters", "late start", "no start", "only the end", "pointer", "base64"],
)
def test_a_damaged_file_stays_what_it_claims_to_be(make_file: MakeFile, data: bytes) -> None:
    assert sniff(make_file("a", data).path, "report.pdf", "application/pdf") == "application/pdf"
    assert sniff(make_file("a", data).path, "report.docx", DOCX) == DOCX
    assert sniff(make_file("a", data).path, "report.pptm", PPTM) == PPTX


@pytest.mark.parametrize(
    ("name", "claimed", "data", "found"),
    [
        ("letter.zip", "application/zip", files.docx([("Normal", "x")]), DOCX),
        ("book.zip", "application/zip", packages.epub([("a.xhtml", "x")]), "application/epub+zip"),
        ("text.zip", "application/zip", packages.odf("text", ""), f"{ODF}text"),
        ("slides.odt", f"{ODF}text", packages.odf("presentation", ""), f"{ODF}presentation"),
        ("text.docx", DOCX, packages.odf("text", ""), f"{ODF}text"),
        ("files.epub", "application/epub+zip", files.zipped({"a.txt": b"x"}), "application/zip"),
        ("nothing.zip", "application/zip", files.zipped({}), "application/zip"),
        ("cut.odt", f"{ODF}text", packages.odf("text", "x" * 500)[:300], f"{ODF}text"),
        ("letter.doc", DOC, b"{\\rtf1 x}", "application/rtf"),
        ("letter.doc", DOC, old_formats.msg({0x37: "x"}), MSG),
        ("mail.msg", MSG, old_formats.doc(["x"]), DOC),
        ("old", BYTES, old_formats.ppt([("x", "", "")]), PPT),
        ("old.xls", "application/vnd.ms-excel", old_formats.doc(["x"]), DOC),
        ("with.msg", MSG, old_formats.msg({0x37: "x"}, attachments=[{0x3701: old_formats.doc(["x"]), 0x3707: "a.doc"}]), MSG),
        ("cut.msg", MSG, old_formats.msg({0x37: "x"})[:600], MSG),
        ("files.txt", "text/plain", archives.tar([archives.tar_entry("a", b"x")]), "application/x-tar"),
        ("model.blend", BYTES, gzip.compress(b"BLENDER-v250", mtime=0), "application/x-blender"),
        ("model.FCStd", BYTES, files.zipped({"Document.xml": b"<Document/>"}), "application/x-extension-fcstd"),
        ("model.FCStd", "model/x-fcstd", files.zipped({"Document.xml": b"<Document/>"}), "model/x-fcstd"),
        ("program.jar", BYTES, files.zipped({"META-INF/MANIFEST.MF": b""}), "application/java-archive"),
        ("mail.txt", "text/plain", MAIL, "message/rfc822"),
        ("mail", BYTES, MAIL, "message/rfc822"),
        ("mail.doc", DOC, b"MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n\r\n--x", "message/rfc822"),
        ("note.txt", "text/plain", b"From: me\nTo: you\nSubject: lunch\n\nAt noon?", "text/plain"),
        ("note.md", "text/markdown", MAIL, "text/markdown"),
        ("inbox", BYTES, MAILBOX, "application/mbox"),
        ("inbox.mbox", BYTES, MAILBOX, "application/mbox"),
        ("inbox.eml", "message/rfc822", MAILBOX, "message/rfc822"),
        ("story.txt", "text/plain", b"From there on it was 9:30 all day.\nAnd so on.\n", "text/plain"),
        ("feed.xml", "text/xml", b"<?xml version='1.0'?><rss/>", "application/xml"),
        ("feed", BYTES, "<?xml version='1.0'?><rss/>".encode("utf-16"), "application/xml"),
        ("plain.xml", "application/xml", b"<rss/>", "application/xml"),
        ("mesh.dae", BYTES, b"<?xml version='1.0'?><COLLADA/>", BYTES),
        ("page.xml", "application/xml", b"<?xml version='1.0'?>\n<html><body/></html>", "text/html"),
        ("text.xml", "application/xml", FLAT, f"{ODF}text-flat-xml"),
        ("text.fodt", f"{ODF}text-flat-xml", FLAT, f"{ODF}text-flat-xml"),
        ("plan.svg", "image/svg+xml", b"<?xml version='1.0'?><svg/>", "image/svg+xml"),
    ],
)
def test_containers_and_messages_are_known_by_what_is_at_their_root(
    make_file: MakeFile, name: str, claimed: str, data: bytes, found: str
) -> None:
    assert sniff(make_file(name, data).path, name, claimed) == found


def test_drawings_and_pictures_that_are_text_by_nature_stay_what_they_are(make_file: MakeFile) -> None:
    assert sniff(make_file("a", b"<svg/>").path, "plan.svg", "image/svg+xml") == "image/svg+xml"
    assert sniff(make_file("a", b"words").path, "plan.dxf", "image/vnd.dxf") == "image/vnd.dxf"


@pytest.mark.parametrize(("claimed", "plain"), [(DOCM, DOCX), (XLSM, XLSX), (PPTM, PPTX)])
def test_office_files_with_macros_reach_the_extractor_of_those_without(make_file: MakeFile, claimed: str, plain: str) -> None:
    whole = {DOCX: files.docx([("Normal", "x")]), XLSX: files.xlsx({"a": [["x"]]}), PPTX: files.pptx([("x", [], "")])}[plain]

    found = {sniff(make_file("a", data).path, "a", claimed) for data in (whole, whole[:500], files.ole_encrypted(), bytes(200))}

    assert found == {plain}
    assert sniff(make_file("a", whole[:500]).path, "a", claimed.replace("macroenabled", "macroEnabled")) == plain


@pytest.mark.parametrize(
    ("name", "data"), [("x.zip", ZIP_OF_PDF), ("x.tar", archives.tar([archives.tar_entry("a.pdf", files.pdf(["x"]))]))]
)
def test_an_archive_that_begins_with_a_pdf_is_an_archive(make_file: MakeFile, name: str, data: bytes) -> None:
    file = make_file(name, data)

    assert b"%PDF-" in data[:1024]
    assert sniff(file.path, file.name, BYTES) == {"x.zip": "application/zip", "x.tar": "application/x-tar"}[name]


def test_every_supported_type_has_an_extractor_and_a_suffix() -> None:
    supported = supported_media_types()

    assert {"application/pdf", "text/csv", "text/html", "text/markdown", DOCX, PPTX, XLSX} <= set(supported)
    assert all(suffix.startswith(".") for suffixes in supported.values() for suffix in suffixes)
    assert all(find_extractor(media_type) for media_type in supported)


def test_every_extractor_is_what_the_protocol_asks_for() -> None:
    found = {one.name: one.type for media_type in supported_media_types() if (one := find_extractor(media_type))}

    assert set(found) >= {"archive", "epub", "html", "legacy", "mail", "opendocument", "rtf", "xml", "office", "pdf", "tabular", "text"}
    assert all(isinstance(kind(), Extractor) and kind.version for kind in found.values())


def test_no_extractor_takes_an_unknown_type() -> None:
    assert find_extractor("application/x-unheard-of") is None
