from __future__ import annotations

import pytest

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.extractors.rtf import Extractor
from tests.extractors.conftest import MakeFile, Read, read

RTF = "application/rtf"


@pytest.fixture
def rtf(make_file: MakeFile):  # type: ignore[no-untyped-def]
    """Read a document of these bytes."""

    def read_it(data: bytes) -> Read:
        return read(Extractor(), make_file("a.rtf", data, RTF))

    return read_it


def test_a_document_is_read_under_its_headings(rtf) -> None:  # type: ignore[no-untyped-def]
    body = rb"{\info{\title Specification}{\author A. Engineer}}Foreword.\par\pard\outlinelevel0 Walls\par\pard\outlinelevel1 Axis 7\par\pard It moved.\par"

    found = rtf(rb"{\rtf1\ansi " + body + b"}")

    assert [(section.place.heading, section.text) for section in found.sections] == [
        (None, "Foreword."),
        ("Walls", "Walls"),
        ("Walls › Axis 7", "Axis 7\nIt moved."),
    ]
    assert (found.facts.title, found.facts.details) == ("Specification", {"author": "A. Engineer"})


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (rb"{\rtf1\ansi\ansicpg1252 St\'fctze}", "Stütze"),
        (rb"{\rtf1\ansi\ansicpg1251 \'d1\'f2\'e5\'ed\'e0}", "Стена"),
        (rb"{\rtf1\ansi{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}}\f0 St\'fctze \f1 \'d1\'f2\'e5\'ed\'e0}", "Stütze Стена"),
        (rb"{\rtf1\ansi\deff1{\fonttbl{\f0 A;}{\f1\fcharset128 B;}}\'93\'fa\'96\'7b\'83A}", "日本ア"),
        (rb"{\rtf1\ansi\uc1 \u26085?\u26412?}", "日本"),
        (rb"{\rtf1\ansi\uc2 \u26085\'93\'fax}", "日x"),
        (rb"{\rtf1\ansi\uc0 \u26085 x}", "日x"),
        (rb"{\rtf1\ansi\uc1 \u-10179?\u-8701?}", "😃"),
        (rb"{\rtf1\mac St\'9ftze}", "Stütze"),
        (rb"{\rtf1\ansi a\~b\_c\-d\{e\}\\}", "a b-cd{e}\\"),
        (b"{\\rtf1\\ansi one\\\ntwo\r\nthree}", "one\ntwothree"),
        (rb"{\rtf1\ansi a\emdash b\lquote c\rquote}", "a—b‘c’"),
    ],
)
def test_characters_are_read_in_every_way_they_are_written(rtf, data: bytes, text: str) -> None:  # type: ignore[no-untyped-def]
    assert rtf(data).text == text


def test_cells_are_set_apart_and_rows_are_lines(rtf) -> None:  # type: ignore[no-untyped-def]
    assert rtf(rb"{\rtf1 \trowd\intbl Part\cell Cover\cell\row \trowd\intbl Wall\par inner\cell 40\cell\row\pard after\par}").text == (
        "Part | Cover\nWall inner | 40\nafter"
    )


def test_headers_notes_and_comments_come_after_the_text(rtf) -> None:  # type: ignore[no-untyped-def]
    found = rtf(
        rb"{\rtf1{\header Project 0815\par}It moved{\footnote 14 mm}.{\*\annotation Check.}\par{\shp{\*\shpinst{\sp{\sn x}{\sv 1}}{\shptxt in a box\par}}}}"
    )

    assert [(section.place.heading, section.text) for section in found.sections] == [
        (None, "It moved.\nin a box"),
        ("Header", "Project 0815"),
        ("Footnotes", "14 mm"),
        ("Comments", "Check."),
    ]


@pytest.mark.parametrize(
    "left_out",
    [
        rb"{\pict\pngblip 89504e470d0a}",
        rb"{\*\unheardof secret {nested} text}",
        rb"{\field{\*\fldinst HYPERLINK x}{\fldrslt }}",
        rb"{\object{\*\objdata 0105}{\result }}",
        rb"{\v hidden}",
        rb"{\deleted gone}",
        rb"{\bin5 }}}}}}",
        rb"{\*\htmltag64 <b>}",
    ],
)
def test_what_is_not_for_the_reader_is_left_out(rtf, left_out: bytes) -> None:  # type: ignore[no-untyped-def]
    assert rtf(rb"{\rtf1 before" + left_out + rb"after}").text == "beforeafter"


def test_html_put_into_rtf_keeps_the_lines_of_its_lists(rtf) -> None:  # type: ignore[no-untyped-def]
    assert rtf(rb"{\rtf1\fromhtml1{\*\htmltag64 <li>}one{\*\htmltag72 </li>}{\*\htmltag64 <li>}two{\*\htmltag72 </li>}}").text.split() == [
        "one",
        "two",
    ]


def test_a_picture_of_many_bytes_costs_little(rtf) -> None:  # type: ignore[no-untyped-def]
    assert rtf(rb"{\rtf1 a{\pict " + (b"0123456789abcdef" * 8 + b"\r\n") * 50_000 + rb"}b}").text == "ab"


def test_groups_nested_without_end_meet_a_limit_and_deep_ones_are_read(rtf) -> None:  # type: ignore[no-untyped-def]
    assert rtf(rb"{\rtf1 " + b"{" * 50_000 + b"deep" + b"}" * 50_000 + b"}").text == "deep"
    with pytest.raises(ResourceError, match="nested"):
        rtf(rb"{\rtf1 " + b"{" * 110_000)


def test_more_brackets_closed_than_opened_end_nothing(rtf) -> None:  # type: ignore[no-untyped-def]
    assert rtf(rb"{\rtf1 one}}}} two}").text == "one two"


@pytest.mark.parametrize("data", [b"", b"plain words", b"{\\rt"])
def test_what_does_not_begin_as_rtf_is_malformed(rtf, data: bytes) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Malformed):
        rtf(data)
