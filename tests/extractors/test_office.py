from __future__ import annotations

import datetime as dt
import io
import zipfile
from pathlib import Path

import pytest

from connector_pipelines.core.errors import Encrypted, Malformed, ResourceError
from connector_pipelines.core.types import InputFile
from connector_pipelines.extractors.office import Extractor
from tests import files
from tests.extractors.conftest import MakeFile, read

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def test_a_document_is_read_in_the_order_of_its_body_under_its_headings(make_file: MakeFile) -> None:
    blocks = [
        ("Normal", "Foreword."),
        ("Heading 1", "Concrete"),
        ("Normal", "Class C30/37."),
        [["Part", "Cover"], ["Wall", "40 mm"]],
        ("Normal", "After the table."),
        ("Heading 2", "Curing"),
        ("Normal", "Seven days."),
    ]
    file = make_file("spec.docx", files.docx(blocks, title="Specification", header="Project 0815"), DOCX)

    found = read(Extractor(), file)

    assert [(section.place.heading, section.text) for section in found.sections] == [
        (None, "Foreword."),
        ("Concrete", "Concrete\nClass C30/37.\nPart | Cover\nWall | 40 mm\nAfter the table."),
        ("Concrete › Curing", "Curing\nSeven days."),
        ("Header", "Project 0815"),
    ]
    assert found.facts.title == "Specification"
    assert found.facts.details["author"] == "A. Engineer"


def test_text_in_content_controls_and_insertions_is_read_and_deleted_text_is_not(make_file: MakeFile) -> None:
    word = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    body = (
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>controlled</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        "<w:p><w:ins><w:r><w:t>inserted</w:t></w:r></w:ins><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del></w:p>"
    )
    file = make_file("a.docx", _document(f"<w:document {word}><w:body>{body}</w:body></w:document>"), DOCX)

    assert read(Extractor(), file).text == "controlled\ninserted"


def test_sheets_give_rows_with_the_numbers_the_sheet_shows(make_file: MakeFile) -> None:
    sheets = {
        "Earthworks": [["Pos", "Item", "Quantity"], ["1.1", "Excavation", 420.5], [], ["1.2", "Backfill", 300]],
        "Dates": [["What", "When"], ["Start", dt.date(2026, 3, 1)]],
    }
    file = make_file("boq.xlsx", files.xlsx(sheets, hidden=["Dates"]), XLSX)

    found = read(Extractor(), file)

    assert [section.text for section in found.sections] == [
        "Table with 2 rows and 3 columns: Pos (number, 1.1 to 1.2), Item (text, 2 distinct), Quantity (number, 300 to 420.5)",
        "Pos: 1.1\nItem: Excavation\nQuantity: 420.5\n\nPos: 1.2\nItem: Backfill\nQuantity: 300",
        "What: Start\nWhen: 2026-03-01",
    ]
    assert str(found.sections[0].place) == "Earthworks"
    place = found.sections[1].place
    assert (place.sheet, place.first_row, place.last_row) == ("Earthworks", 2, 4)
    schema = "Earthworks: Pos number, Item text, Quantity number"
    assert found.facts.details == {"sheets": 2, "hidden_sheets": 1, "rows": 3, "schema": schema}


def test_each_sheet_that_is_a_table_is_told_and_a_form_is_not(make_file: MakeFile) -> None:
    rows = [["When", "mm", "Remark"], [dt.date(2026, 3, 1), 1.234, "1,5"], [dt.date(2026, 4, 1), 850, "2"], [None, -3, "3"]]

    found = read(Extractor(), make_file("m.xlsx", files.xlsx({"Readings": rows, "Form": [["Yes", "No"], ["No", "Yes"]]}), XLSX))

    assert found.sections[0].text == (
        "Table with 3 rows and 3 columns: When (2026-03-01 to 2026-04-01), mm (number, -3 to 850), Remark (text, 3 distinct)"
    )
    assert found.facts.details["schema"] == "Readings: When date, mm number, Remark text"


def test_a_workbook_without_a_value_says_so(make_file: MakeFile) -> None:
    found = read(Extractor(), make_file("empty.xlsx", files.xlsx({"Sheet1": []}), XLSX))

    assert found.sections == []
    assert "no cell of the workbook has a value" in found.facts.warnings[0]


def test_slides_give_title_points_groups_and_notes(make_file: MakeFile) -> None:
    slides = [("Progress", ["Wall poured", "group:in a group"], "Say thanks"), ("Next", ["Anchors"], "")]

    found = read(Extractor(), make_file("a.pptx", files.pptx(slides), PPTX))

    assert [(section.place.slide, section.place.heading) for section in found.sections] == [(1, "Progress"), (2, "Next")]
    assert found.sections[0].text == "Progress\nWall poured\nin a group\nNotes: Say thanks"
    assert found.facts.details["slides"] == 2


@pytest.mark.parametrize("media_type", [DOCX, PPTX, XLSX])
def test_a_file_with_a_password_is_encrypted(make_file: MakeFile, media_type: str) -> None:
    with pytest.raises(Encrypted):
        read(Extractor(), make_file("a", files.ole_encrypted(), media_type))


@pytest.mark.parametrize("media_type", sorted(Extractor.media_types))
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 and then nothing", files.zipped({"a.txt": b"no office file"}), b"words"])
def test_what_is_no_office_file_is_malformed(make_file: MakeFile, media_type: str, data: bytes) -> None:
    with pytest.raises(Malformed):
        read(Extractor(), make_file("a", data, media_type))


def test_a_bomb_is_refused_by_what_it_declares(make_file: MakeFile) -> None:
    file = make_file("a.xlsx", files.zip_bomb(20 * 1024**2), XLSX, max_unpacked_bytes=10 * 1024**2)

    with pytest.raises(ResourceError) as raised:
        read(Extractor(), file)

    assert raised.value.limit == "unpacked=10 MiB"


def test_a_bomb_that_lies_about_its_size_is_refused_by_what_comes_out(make_file: MakeFile) -> None:
    file = make_file("a.xlsx", files.zip_bomb(20 * 1024**2, declared=100), XLSX, max_unpacked_bytes=10 * 1024**2)

    with pytest.raises(ResourceError) as raised:
        read(Extractor(), file)

    assert raised.value.limit == "unpacked=10 MiB"


def test_an_archive_packed_too_tightly_is_refused_by_its_ratio(make_file: MakeFile) -> None:
    with pytest.raises(ResourceError) as raised:
        read(Extractor(), make_file("a.xlsx", files.zip_bomb(40 * 1024**2), XLSX))

    assert raised.value.limit == "ratio=250"


def test_an_archive_of_too_many_entries_is_refused(make_file: MakeFile) -> None:
    data = files.zipped({f"part{n}": b"" for n in range(20_001)})

    with pytest.raises(ResourceError) as raised:
        read(Extractor(), make_file("a.docx", data, DOCX))

    assert raised.value.limit == "entries=20000"


def test_entities_neither_fetch_nor_multiply(make_file: MakeFile, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the safe code is 4711")
    lines = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    dtd = f'<!DOCTYPE d [<!ENTITY x SYSTEM "{secret.as_uri()}"><!ENTITY l0 "laugh">{lines}]>'
    word = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    text = "<w:p><w:r><w:t>seen &x; &l9;</w:t></w:r></w:p>"
    file = make_file("a.docx", _document(f"{dtd}<w:document {word}><w:body>{text}</w:body></w:document>"), DOCX)

    found = _text_or_refusal(file)

    assert "4711" not in found
    assert "laugh" not in found


def _text_or_refusal(file: InputFile) -> str:
    try:
        return read(Extractor(), file).text
    except Malformed as error:
        return str(error)


def _document(xml: str) -> bytes:
    """A real document with another main part."""

    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(files.docx([]))) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, xml if name == "word/document.xml" else old.read(name))
    return out.getvalue()
