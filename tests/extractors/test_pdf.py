from __future__ import annotations

import pytest

from connector_pipelines.core.errors import Encrypted, Malformed, ResourceError
from connector_pipelines.extractors.pdf import Extractor
from tests import files
from tests.extractors.conftest import MakeFile, read

PDF = "application/pdf"


def test_each_page_with_text_is_a_section_that_knows_its_page(make_file: MakeFile) -> None:
    file = make_file("report.pdf", files.pdf(["The wall moved 14 mm", "", "Anchors (row 2) hold"]), PDF)

    found = read(Extractor(), file)

    assert [(section.place.page, section.text) for section in found.sections] == [(1, "The wall moved 14 mm"), (3, "Anchors (row 2) hold")]
    assert found.facts.details["pages"] == 3
    assert found.facts.details["pages_without_text"] == 1
    assert found.facts.warnings == ("1 of 3 pages have no text",)


def test_title_author_and_date_are_facts(make_file: MakeFile) -> None:
    file = make_file("a.pdf", files.pdf(["x"], title="Site report", author="M. Bauer"), PDF)

    facts = read(Extractor(), file).facts

    assert facts.title == "Site report"
    assert facts.details["author"] == "M. Bauer"
    assert facts.details["created"] == "2026-03-01"
    assert facts.details["encrypted"] is False


def test_an_encrypted_file_opens_with_the_password_that_fits(make_file: MakeFile) -> None:
    file = make_file("a.pdf", files.encrypted_pdf(["secret wall"], "geheim"), PDF, passwords=("wrong", "geheim"))

    found = read(Extractor(), file)

    assert found.text == "secret wall"
    assert found.facts.details["encrypted"] is True


def test_an_encrypted_file_with_an_empty_password_just_opens(make_file: MakeFile) -> None:
    file = make_file("a.pdf", files.encrypted_pdf(["open wall"], ""), PDF)

    assert read(Extractor(), file).text == "open wall"


@pytest.mark.parametrize("passwords", [(), ("wrong",)])
def test_an_encrypted_file_that_no_password_opens_says_so(make_file: MakeFile, passwords: tuple[str, ...]) -> None:
    file = make_file("a.pdf", files.encrypted_pdf(["secret wall"], "geheim"), PDF, passwords=passwords)

    with pytest.raises(Encrypted) as raised:
        read(Extractor(), file)

    assert "wrong" not in str(raised.value)


def test_a_password_is_tried_in_its_normal_form_too(make_file: MakeFile) -> None:
    file = make_file("a.pdf", files.encrypted_pdf(["wall"], "IX"), PDF, passwords=("I\u00adX",))

    assert read(Extractor(), file).text == "wall"


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7 and then nothing", b"\x00\x01garbage" * 50])
def test_what_is_no_pdf_is_malformed_for_both_reasons(make_file: MakeFile, data: bytes) -> None:
    with pytest.raises(Malformed, match=r"not a readable PDF: .*; pypdf: ."):
        read(Extractor(), make_file("a.pdf", data, PDF))


def test_a_file_whose_table_of_objects_is_destroyed_is_repaired(make_file: MakeFile) -> None:
    data = files.pdf(["Page one", "Page two"])
    start = data.rindex(b"xref\n0 ")

    found = read(Extractor(), make_file("a.pdf", data[:start] + b"#" * 60 + data[data.index(b"trailer") :], PDF))

    assert [section.text for section in found.sections] == ["Page one", "Page two"]


def test_a_file_pdfium_refuses_is_read_by_the_second_reader_and_says_so(make_file: MakeFile) -> None:
    preface = b"transmitted by the site office\n" * 100  # pdfium looks for the header in the first 1,024 bytes

    found = read(Extractor(), make_file("a.pdf", preface + files.pdf(["Page one", "Page two"]), PDF))

    assert [(section.place.page, section.text) for section in found.sections] == [(1, "Page one"), (2, "Page two")]
    assert found.facts.warnings[0].startswith("damaged: read by repair (pdfium:")


@pytest.mark.parametrize("claimed", [900_000, 10**10])
def test_a_page_count_that_is_a_lie_is_not_believed(make_file: MakeFile, claimed: int) -> None:
    file = make_file("a.pdf", files.pdf(["one", "two"], claimed=claimed), PDF)

    found = read(Extractor(), file)

    assert [section.text for section in found.sections] == ["one", "two"]
    assert found.facts.details["pages"] == 2


def test_pages_that_are_claimed_and_may_have_been_there_are_named(make_file: MakeFile) -> None:
    found = read(Extractor(), make_file("a.pdf", files.pdf(["one", "two"], claimed=5), PDF))

    assert found.facts.details["pages"] == 5
    assert found.facts.warnings == ("3 pages cannot be read: 3, 4, 5",)


def test_a_file_that_was_cut_short_is_read_as_far_as_it_goes_and_says_so(make_file: MakeFile) -> None:
    data = files.pdf(["Page one", "Page two", "Page three"])

    found = read(Extractor(), make_file("a.pdf", data[: data.index(b"Page three")], PDF))

    assert [section.text for section in found.sections] == ["Page one", "Page two"]
    assert found.facts.warnings[0] == "damaged: the end is missing; what could be found was read, and more may be lost"


def test_letters_beyond_the_first_65_thousand_do_not_cut_the_end_of_a_page(make_file: MakeFile) -> None:
    table = b"begincmap 1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfchar <58> <D83CDFD7> endbfchar endcmap"
    data = files.pdf([f"{'X' * 60}\n{'X' * 60}\nthe wall moved"])
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    with_table = font.replace(b">>", b"/ToUnicode 7 0 R >>")
    extra = b"7 0 obj\n<< /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (len(table), table)
    start = data.rindex(b"xref\n0 ")

    found = read(Extractor(), make_file("a.pdf", data[:start].replace(font, with_table) + extra + data[data.index(b"trailer") :], PDF))

    houses = "\U0001f3d7" * 60
    assert found.text == f"{houses}\n{houses}\nthe wall moved"


def test_what_was_filled_into_a_form_is_text_of_its_page(make_file: MakeFile) -> None:
    file = make_file("form.pdf", files.pdf(["Form"], field="Approved by Ruiz"), PDF)

    assert "Approved by Ruiz" in read(Extractor(), file).text


def test_more_text_than_allowed_is_a_resource_error_that_names_the_limit(make_file: MakeFile) -> None:
    file = make_file("a.pdf", files.pdf(["word\n" * 40] * 9), PDF, max_text_bytes=1024)

    with pytest.raises(ResourceError) as raised:
        read(Extractor(), file)

    assert raised.value.limit == "text=1 KiB"
