"""Bytes of files: whole, in ranges, of a revision, exported, and not at all."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

import docx
import pptx
import pypdf
import pytest
from PIL import Image
from python_calamine import CalamineWorkbook

from connector_pipelines.testing.fake_drive.content import generated
from connector_pipelines.testing.fake_drive.native import DOCX, PDF, PPTX, XLSX
from tests.testing.fake_drive.asking import ADA, BOB, EVE, Asking, Refused


def test_a_file_comes_whole_or_in_a_range(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="a.txt", content=b"0123456789")

    def answer(wanted: str | None) -> tuple[int, bytes, str | None]:
        found = ask.raw(f"files/{file}", alt="media", headers={"range": wanted} if wanted else {})
        return found.status, found.body, found.headers.get("Content-Range")

    assert answer(None) == (200, b"0123456789", None)
    assert answer("bytes=2-4") == (206, b"234", "bytes 2-4/10")
    assert answer("bytes=8-") == (206, b"89", "bytes 8-9/10")
    assert answer("bytes=8-99") == (206, b"89", "bytes 8-9/10")
    assert answer("bytes=-3") == (206, b"789", "bytes 7-9/10")
    assert answer("bytes=10-")[::2] == (416, "bytes */10")


def test_of_an_empty_file_there_is_no_range(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="empty", content=b"")

    assert ask.raw(f"files/{file}", alt="media").body == b""
    assert ask.raw(f"files/{file}", alt="media", headers={"range": "bytes=0-"}).status == 416
    assert ask(f"files/{file}", fields="size,md5Checksum") == {"size": "0", "md5Checksum": hashlib.md5(b"").hexdigest()}


@pytest.mark.parametrize("size", [0, 1, 20_000, 1024**2, 3 * 1024**2 + 17])
def test_made_up_content_has_the_size_and_the_checksums_it_is_told_to_have(ask: Asking, size: int) -> None:
    first, second = ask.world.fill(ask.world.create_folder("Many", owner=ADA), 2, size)

    body = ask.raw(f"files/{first}", alt="media").body

    assert len(body) == size
    shown = ask(f"files/{first}", fields="md5Checksum,sha1Checksum,sha256Checksum,size")
    assert shown == {
        "size": str(size),
        "md5Checksum": hashlib.md5(body).hexdigest(),
        "sha1Checksum": hashlib.sha1(body).hexdigest(),
        "sha256Checksum": hashlib.sha256(body).hexdigest(),
    }
    assert ask.world.content(first) == body
    assert size < 100 or ask.world.content(second) != body
    assert generated("x", 1, size) == generated("x", 1, size)


def test_filling_a_drive_holds_no_bytes(ask: Asking) -> None:
    drive = ask.world.add_drive("Team", [ADA])

    ids = ask.world.fill(drive, 5000, 10 * 1024**3)

    assert len(set(ids)) == 5000
    assert ask(f"files/{ids[-1]}", supportsAllDrives=True, fields="size,name") == {"size": str(10 * 1024**3), "name": "file-004999.txt"}


def test_a_revision_stays_what_it_was(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="a.txt", content=b"one")
    before = ask(f"files/{file}", fields="headRevisionId")["headRevisionId"]
    ask.world.update_content(file, b"two")

    after = ask(f"files/{file}", fields="headRevisionId")["headRevisionId"]

    assert after != before
    assert ask.raw(f"files/{file}/revisions/{before}", alt="media").body == b"one"
    part = ask.raw(f"files/{file}/revisions/{after}", alt="media", headers={"range": "bytes=1-"})
    assert (part.status, part.body) == (206, b"wo")
    assert [each["id"] for each in ask(f"files/{file}/revisions")["revisions"]] == [before, after]
    with pytest.raises(Refused, match="Revision not found"):
        ask(f"files/{file}/revisions/nosuch")
    ask.world.share(file, "user", "reader", BOB)
    assert ask.raw(f"files/{file}", BOB, alt="media").body == b"two"
    with pytest.raises(Refused) as refused:
        ask(f"files/{file}/revisions/{after}", BOB, alt="media")
    assert (refused.value.status, refused.value.reason) == (403, "insufficientFilePermissions")


def refusal(ask: Asking, path: str, user: str = ADA, **params: Any) -> tuple[int, str]:
    answer = ask.raw(path, user, **params)
    error = json.loads(answer.body)["error"]
    return error["code"], error["errors"][0]["reason"]


def test_malware_comes_to_its_owner_alone_and_only_when_acknowledged(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="a.exe", content=b"MZ")
    ask.world.share(file, "user", "writer", BOB)
    ask.world.mark(file, abusive=True)

    assert refusal(ask, f"files/{file}", alt="media") == (403, "cannotDownloadAbusiveFile")
    assert refusal(ask, f"files/{file}", BOB, alt="media", acknowledgeAbuse=True) == (403, "cannotDownloadAbusiveFile")
    assert ask.raw(f"files/{file}", alt="media", acknowledgeAbuse=True).body == b"MZ"


def test_what_may_not_be_downloaded_says_so_before_and_when_asked(ask: Asking) -> None:
    nobody = ask.world.create(owner=ADA, name="a.txt", content=b"1")
    readers = ask.world.create(owner=ADA, name="b.txt", content=b"2")
    document = ask.world.create_native("document", "text", owner=ADA, name="Doc")
    ask.world.mark(nobody, downloadable=False)
    for file in (readers, document):
        ask.world.share(file, "user", "reader", BOB)
        ask.world.mark(file, copy_requires_writer=True)

    def can(file: str, user: str) -> bool:
        return bool(ask(f"files/{file}", user, fields="capabilities/canDownload")["capabilities"]["canDownload"])

    assert [can(nobody, ADA), can(readers, ADA), can(readers, BOB)] == [False, True, False]
    assert refusal(ask, f"files/{nobody}", alt="media") == (403, "cannotDownloadFile")
    assert refusal(ask, f"files/{readers}", BOB, alt="media") == (403, "cannotDownloadFile")
    assert refusal(ask, f"files/{document}/export", BOB, mimeType=PDF) == (403, "cannotExportFile")
    assert ask(f"files/{readers}", BOB, fields="copyRequiresWriterPermission")["copyRequiresWriterPermission"] is True


def test_what_is_reached_by_a_link_needs_the_key_of_the_link(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="a.txt", content=b"1")
    ask.world.share(file, "anyone", "reader")
    assert ask(f"files/{file}", EVE)["name"] == "a.txt"

    key = ask.world.need_resource_key(file)

    assert refusal(ask, f"files/{file}", EVE) == (404, "notFound")
    assert refusal(ask, f"files/{file}", EVE, headers={"x-goog-drive-resource-keys": f"{file}/wrong"}) == (404, "notFound")
    shown = {"x-goog-drive-resource-keys": f"other/0-x, {file}/{key}"}
    assert ask.raw(f"files/{file}", EVE, alt="media", headers=shown).body == b"1"
    assert ask(f"files/{file}", ADA, fields="resourceKey") == {"resourceKey": key}


def test_documents_are_exported_and_not_downloaded(ask: Asking) -> None:
    document = ask.world.create_native("document", ["# Plan", "First (and last)"], owner=ADA, name="Doc")
    sheet = ask.world.create_native("spreadsheet", ["a\tb", "1\t2.5"], owner=ADA, name="Sheet")
    deck = ask.world.create_native("presentation", ["Hello", "Bye"], owner=ADA, name="Deck")
    drawing = ask.world.create_native("drawing", ["A <box>"], owner=ADA, name="Box")

    def export(file: str, mime_type: str) -> io.BytesIO:
        return io.BytesIO(ask.raw(f"files/{file}/export", mimeType=mime_type).body)

    assert refusal(ask, f"files/{document}", alt="media") == (403, "fileNotDownloadable")
    assert [each.text for each in docx.Document(export(document, DOCX)).paragraphs] == ["Plan", "First (and last)"]
    assert CalamineWorkbook.from_filelike(export(sheet, XLSX)).get_sheet_by_index(0).to_python() == [["a", "b"], [1.0, 2.5]]
    assert [slide.shapes.title.text for slide in pptx.Presentation(export(deck, PPTX)).slides] == ["Hello", "Bye"]
    assert "First (and last)" in pypdf.PdfReader(export(document, PDF)).pages[0].extract_text()
    assert Image.open(export(drawing, "image/png")).size == (800, 100)
    assert b"A &lt;box&gt;" in export(drawing, "image/svg+xml").read()
    assert export(document, "text/markdown").read() == b"# Plan\n\nFirst (and last)\n"
    assert export(document, "text/plain").read() == b"\xef\xbb\xbf# Plan\r\nFirst (and last)\r\n"
    assert export(sheet, "text/csv").read() == b"a,b\r\n1,2.5\r\n"
    assert refusal(ask, f"files/{document}/export", mimeType=XLSX) == (400, "badRequest")
    assert refusal(ask, f"files/{document}/export") == (400, "required")


def test_each_export_is_another_file_with_the_same_text(ask: Asking) -> None:
    document = ask.world.create_native("document", "text", owner=ADA, name="Doc")

    first, second = (ask.raw(f"files/{document}/export", mimeType=DOCX).body for _ in range(2))

    assert first != second
    parts = [
        {name: package.read(name) for name in package.namelist()} for package in map(zipfile.ZipFile, map(io.BytesIO, (first, second)))
    ]
    assert parts[0] == parts[1]


def test_documents_have_no_checksum_no_revision_to_pin_and_a_size_that_is_not_that_of_an_export(ask: Asking) -> None:
    document = ask.world.create_native("document", "text", owner=ADA, name="Doc")

    shown = ask(f"files/{document}", fields="*")

    assert not shown.keys() & {"md5Checksum", "sha1Checksum", "sha256Checksum", "headRevisionId"}
    assert shown["exportLinks"].keys() == {DOCX, PDF, "text/plain", "text/markdown", "text/html"}
    assert int(shown["size"]) != len(ask.raw(f"files/{document}/export", mimeType=DOCX).body)


@pytest.mark.parametrize("kind", ["form", "site", "map"])
def test_some_documents_cannot_be_exported_at_all(ask: Asking, kind: str) -> None:
    file = ask.world.create_native(kind, "text", owner=ADA, name="Thing")

    assert refusal(ask, f"files/{file}/export", mimeType=PDF) == (403, "fileNotExportable")
    assert refusal(ask, f"files/{file}/download", method="POST") == (403, "fileNotDownloadable")


def test_an_export_over_ten_megabytes_goes_by_an_operation(ask: Asking) -> None:
    document = ask.world.create_native("document", "text", owner=ADA, name="Doc", padding=10 * 1024**2)
    assert refusal(ask, f"files/{document}/export", mimeType=DOCX) == (403, "exportSizeLimitExceeded")
    ask.world.quirks(operation_forbidden=1)

    begun = ask(f"files/{document}/download", method="POST", mimeType=DOCX)
    path = f"operations/{begun['name']}"

    assert (begun["done"], "response" in begun) == (False, False)
    assert refusal(ask, path) == (403, "forbidden")
    assert refusal(ask, path, BOB) == (403, "insufficientFilePermissions")
    assert ask(path)["done"] is False
    done = ask(path)
    assert done["done"] is True
    assert done["response"]["downloadUri"].startswith("http://drive.test/drive/v3/downloads/")
    where = done["response"]["downloadUri"].removeprefix("http://drive.test/drive/v3/")
    body = ask.raw(where).body
    assert len(body) > 10 * 1024**2
    assert docx.Document(io.BytesIO(body)).paragraphs[0].text == "text"
    assert ask.raw(where, headers={"range": "bytes=0-1"}).body == b"PK"
    assert refusal(ask, where, BOB) == (403, "insufficientFilePermissions")
    assert refusal(ask, "operations/nosuch") == (404, "notFound")


def test_an_operation_may_fail(ask: Asking) -> None:
    document = ask.world.create_native("document", "text", owner=ADA, name="Doc")
    ask.world.quirks(operation_polls=0, operation_fails=True)

    begun = ask(f"files/{document}/download", method="POST")

    assert (begun["done"], begun["error"]["code"], "response" in begun) == (True, 13, False)


def test_a_file_can_be_downloaded_by_an_operation_too(ask: Asking) -> None:
    file = ask.world.create(owner=ADA, name="a.txt", content=b"one")
    ask.world.quirks(operation_polls=0)

    done = ask(f"files/{file}/download", method="POST")

    assert ask.raw(done["response"]["downloadUri"].removeprefix("http://drive.test/drive/v3/")).body == b"one"
    assert refusal(ask, f"files/{file}/download", method="POST", mimeType=PDF) == (400, "badRequest")


def test_a_shortcut_says_what_its_target_was(ask: Asking) -> None:
    target = ask.world.create(owner=ADA, name="a.txt", content=b"1")
    key = ask.world.need_resource_key(target)
    shortcut = ask.world.make_shortcut(target, owner=ADA)
    ask.world.retype(target, "application/pdf")
    ask.world.delete(target)

    shown = ask(f"files/{shortcut}", fields="*")

    assert shown["shortcutDetails"] == {"targetId": target, "targetMimeType": "text/plain", "targetResourceKey": key}
    assert not shown.keys() & {"size", "md5Checksum", "headRevisionId"}
    assert refusal(ask, f"files/{shortcut}", alt="media") == (403, "fileNotDownloadable")
    assert refusal(ask, f"files/{target}") == (404, "notFound")
