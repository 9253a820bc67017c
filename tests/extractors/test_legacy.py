from __future__ import annotations

import pytest

from connector_pipelines.core.errors import Encrypted, Malformed
from connector_pipelines.extractors.legacy import Extractor
from tests.compound import compound
from tests.extractors.conftest import MakeFile, read
from tests.old_formats import doc, ppt

DOC, PPT = "application/msword", "application/vnd.ms-powerpoint"


def test_a_document_is_its_pieces_in_their_order_and_what_goes_with_it(make_file: MakeFile) -> None:
    data = doc([b"Gr\xf6\xdfe\r", "Setzung — 14 mm 😃\r", "14 mm", "Head"], stories=[5, 4])

    found = read(Extractor(), make_file("a.doc", data, DOC))

    assert [(section.place.heading, section.text) for section in found.sections] == [
        (None, "Größe\nSetzung — 14 mm 😃"),
        ("Footnotes", "14 mm"),
        ("Headers and footers", "Head"),
    ]
    assert (found.facts.title, found.facts.details) == ("Old report", {"author": "A. Engineer"})


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("Part\x07Cover\x07\x07Wall\x0740\x07\x07after\r", "Part | Cover\nWall | 40\nafter"),
        ("see \x13 HYPERLINK x \x14here\x15.\r", "see here."),
        ("see \x13 IF \x13 PAGE \x142\x15 = 2 \x14yes\x15.\r", "see yes."),
        ("a\x1eb\x1fc\x0bd\x0ce\x01\x02\x05\x08", "a-bc\nd\ne"),
        ("\x14\x15 stray marks\r", "stray marks"),
    ],
)
def test_marks_of_word_become_what_a_reader_sees(make_file: MakeFile, written: str, text: str) -> None:
    assert read(Extractor(), make_file("a.doc", doc([written]), DOC)).text.strip() == text


def test_slides_are_read_in_the_order_of_the_outline_with_their_notes(make_file: MakeFile) -> None:
    found = read(Extractor(), make_file("a.ppt", ppt([("Axis 7", "It moved", "say slowly"), ("Größe", "It stood", "")]), PPT))

    assert [(str(section.place), section.text) for section in found.sections] == [
        ("slide 1, Axis 7", "Axis 7\nIt moved\nNotes: say slowly"),
        ("slide 2, Größe", "Größe\nIt stood"),
    ]
    assert found.facts.details["slides"] == 2


@pytest.mark.parametrize(("media_type", "data"), [(DOC, doc(["x"], encrypted=True)), (PPT, ppt([("x", "y", "")], encrypted=True))])
def test_a_file_under_a_password_is_encrypted(make_file: MakeFile, media_type: str, data: bytes) -> None:
    with pytest.raises(Encrypted):
        read(Extractor(), make_file("a", data, media_type))


@pytest.mark.parametrize("media_type", [DOC, PPT])
@pytest.mark.parametrize(
    "data", [b"", b"words", compound({"a": b"x"}), compound({"WordDocument": b"", "PowerPoint Document": b"", "Current User": b""})]
)
def test_what_is_none_is_malformed(make_file: MakeFile, media_type: str, data: bytes) -> None:
    with pytest.raises(Malformed):
        read(Extractor(), make_file("a", data, media_type))
