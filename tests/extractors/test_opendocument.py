from __future__ import annotations

import pytest

from connector_pipelines.core.errors import Encrypted, Malformed, ResourceError
from connector_pipelines.extractors.opendocument import Extractor
from tests import files
from tests.extractors.conftest import MakeFile, read
from tests.packages import flat, odf, package

ODF = "application/vnd.oasis.opendocument."


def test_a_text_is_read_under_its_headings(make_file: MakeFile) -> None:
    body = (
        '<text:p>Foreword.</text:p><text:h text:outline-level="1">Walls</text:h><text:p>Class<text:tab/>C30<text:s text:c="2"/>37<text:line-break/>wet</text:p>'
        '<text:h text:outline-level="2">Axis 7</text:h><text:list><text:list-item><text:p>moved</text:p></text:list-item></text:list>'
    )

    found = read(Extractor(), make_file("a.odt", odf("text", body, title="Specification"), f"{ODF}text"))

    assert [(section.place.heading, section.text) for section in found.sections] == [
        (None, "Foreword."),
        ("Walls", "Walls\nClass\tC30  37\nwet"),
        ("Walls › Axis 7", "Axis 7\nmoved"),
    ]
    assert (found.facts.title, found.facts.details) == ("Specification", {"author": "A. Engineer"})


def test_tables_notes_and_comments_stand_where_they_belong_and_deleted_text_does_not(make_file: MakeFile) -> None:
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    body = (
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        f"<table:table><table:table-row>{cell.format('Part')}{cell.format('Cover')}</table:table-row>"
        f"<table:table-row>{cell.format('Wall')}{cell.format('40</text:p><text:p>mm')}</table:table-row></table:table>"
        "<text:p>It moved<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>14 mm</text:p></text:note-body></text:note>"
        " again<office:annotation><dc:creator>A. E.</dc:creator><dc:date>2026-03-01</dc:date><text:p>Check.</text:p></office:annotation>.</text:p>"
    )

    text = read(Extractor(), make_file("a.odt", odf("text", body), f"{ODF}text")).text

    assert text == "Part | Cover\nWall | 40 mm\nIt moved again.\nNote: 14 mm\nComment: A. E.: Check."


def test_slides_are_counted_titled_and_carry_their_notes(make_file: MakeFile) -> None:
    page = (
        '<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>{0}</text:p></draw:text-box></draw:frame>'
        "<draw:frame><draw:text-box><text:p>on {0}</text:p></draw:text-box></draw:frame>"
        "<presentation:notes><draw:frame><draw:text-box><text:p>{1}</text:p></draw:text-box></draw:frame></presentation:notes></draw:page>"
    )
    data = odf("presentation", page.format("Axis 7", "say slowly") + page.format("Axis 8", ""))

    found = read(Extractor(), make_file("a.odp", data, f"{ODF}presentation"))

    assert [(str(section.place), section.text) for section in found.sections] == [
        ("slide 1, Axis 7", "Axis 7\non Axis 7\nNotes:\nsay slowly"),
        ("slide 2, Axis 8", "Axis 8\non Axis 8"),
    ]


def test_a_flat_document_reads_like_a_packed_one(make_file: MakeFile) -> None:
    found = read(Extractor(), make_file("a.fodt", flat("text", "<text:p>It moved.</text:p>", title="Report"), f"{ODF}text-flat-xml"))

    assert (found.text, found.facts.title) == ("It moved.", "Report")


@pytest.mark.parametrize(
    "data",
    [
        odf("text", "", manifest="<manifest><file-entry><encryption-data/></file-entry></manifest>"),
        package(f"{ODF}text", {"encrypted-package": b"x"}),
    ],
    ids=["entries", "package"],
)
def test_a_document_under_a_password_is_encrypted(make_file: MakeFile, data: bytes) -> None:
    with pytest.raises(Encrypted):
        read(Extractor(), make_file("a.odt", data, f"{ODF}text"))


@pytest.mark.parametrize(
    "data", [b"", b"PK\3\4 no", package(f"{ODF}text", {"a": "b"}), package(f"{ODF}text", {"content.xml": "<a><b></a>"})]
)
def test_a_damaged_document_is_malformed(make_file: MakeFile, data: bytes) -> None:
    with pytest.raises(Malformed):
        read(Extractor(), make_file("a.odt", data, f"{ODF}text"))


def test_a_bomb_and_nesting_without_end_meet_a_limit(make_file: MakeFile) -> None:
    bomb = files.zipped({"mimetype": f"{ODF}text".encode(), "content.xml": bytes(64 * 1024 * 1024)})
    deep = package(f"{ODF}text", {"content.xml": "<a>" * 100_000})

    for data in (bomb, deep):
        with pytest.raises(ResourceError):
            read(Extractor(), make_file("a.odt", data, f"{ODF}text"))
