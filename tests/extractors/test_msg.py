from __future__ import annotations

import datetime as dt
import struct
from pathlib import Path

import pytest

from connector_pipelines.core.errors import Malformed
from connector_pipelines.extractors._lzfu import decompress_rtf
from connector_pipelines.extractors.mail import Extractor
from tests.compound import compound
from tests.extractors.conftest import MakeFile, read
from tests.old_formats import msg, properties

MSG = "application/vnd.ms-outlook"
SUBJECT, BODY, HTML, RTF, SENT, NAME, ADDRESS = 0x0037, 0x1000, 0x1013, 0x1009, 0x0039, 0x0C1A, 0x5D01
WHO, WHERE, KIND = 0x3001, 0x39FE, 0x0C15
LONG_NAME, DATA, MIME, CONTENT_ID = 0x3707, 0x3701, 0x370E, 0x3712
SENT_AT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)


def test_a_message_of_outlook_reads_like_any_other(make_file: MakeFile, parts_folder: Path) -> None:
    people = [{WHO: "B. Builder", WHERE: "b@example.com", KIND: 1}, {WHO: "C", WHERE: "c@example.com", KIND: 2}]
    data = msg(
        {SUBJECT: "Axis 7", BODY: "It moved.\r\n", NAME: "Zoë", ADDRESS: "z@example.com", SENT: SENT_AT},
        people,
        [{LONG_NAME: "plan.pdf", DATA: b"%PDF-"}],
    )

    found = read(Extractor(), make_file("a.msg", data, MSG, parts_folder=parts_folder))

    assert found.facts.title == "Axis 7"
    assert found.text.startswith(
        "From: Zoë <z@example.com>\nTo: B. Builder <b@example.com>\nCc: C <c@example.com>\nDate: 2026-03-01 09:30 UTC\nSubject: Axis 7\n"
    )
    assert found.text.endswith("It moved.")
    assert found.named == {"plan.pdf": b"%PDF-"}


def test_a_message_in_a_message_becomes_one_of_the_net(make_file: MakeFile, parts_folder: Path) -> None:
    data = msg({SUBJECT: "outer", BODY: "o"}, inside={SUBJECT: "Größe", BODY: "inner text", NAME: "A", SENT: SENT_AT})
    outer = read(Extractor(), make_file("a.msg", data, MSG, parts_folder=parts_folder))

    inner = read(Extractor(), make_file("b.eml", outer.named["Größe.eml"], "message/rfc822"))

    assert outer.parts[0].media_type == "message/rfc822"
    assert (inner.facts.title, inner.facts.details["date"]) == ("Größe", "2026-03-01T09:30:00+00:00")
    assert inner.text.endswith("inner text")


def test_a_text_is_taken_from_html_or_from_compressed_rtf_where_there_is_no_plain_one(make_file: MakeFile) -> None:
    rtf = rb"{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}It moved.{\*\htmltag72 </p>}}"
    packed = struct.pack("<II4sI", len(rtf) + 12, len(rtf), b"MELA", 0) + rtf

    pages = [msg({SUBJECT: "a", HTML: "<p>Gr\u00f6\u00dfe</p>".encode("cp1252"), 0x3FDE: 1252}), msg({SUBJECT: "a", RTF: packed})]

    texts = [read(Extractor(), make_file("a.msg", data, MSG)).sections[-1].text for data in pages]
    assert texts == ["Größe", "It moved."]


def test_compressed_rtf_gives_the_example_of_its_specification() -> None:
    # MS-OXRTFCP, 3.1.1.1: what is packed, and what it is.
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a00726370673132354232 0af32068656c090020627705b06c647d0a800fa0".replace(" ", "")
    )

    assert decompress_rtf(packed) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


@pytest.mark.parametrize("data", [b"", b"x" * 20, struct.pack("<II4sI", 0, 99, b"????", 0)])
def test_what_is_no_compressed_rtf_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decompress_rtf(data)


def test_small_pictures_of_the_text_are_left_out(make_file: MakeFile, parts_folder: Path) -> None:
    pictures = [
        {LONG_NAME: "logo.png", DATA: bytes(100), MIME: "image/png", CONTENT_ID: "x"},
        {LONG_NAME: "scan.png", DATA: bytes(50_000), CONTENT_ID: "y"},
    ]

    found = read(Extractor(), make_file("a.msg", msg({SUBJECT: "a"}, attachments=pictures), MSG, parts_folder=parts_folder))

    assert list(found.named) == ["scan.png"]
    assert found.facts.details["small_pictures_left_out"] == 1


def test_an_attachment_that_is_only_a_link_is_missed(make_file: MakeFile) -> None:
    found = read(Extractor(), make_file("a.msg", msg({SUBJECT: "a"}, attachments=[{LONG_NAME: "far.docx"}]), MSG))

    assert "far.docx is a link" in found.facts.warnings[0]


def test_messages_nested_without_end_are_read_to_a_limit(make_file: MakeFile, parts_folder: Path) -> None:
    streams, place = properties({SUBJECT: "0"}, header=32), ""
    for depth in range(1, 40):
        attachment = f"{place}__attach_version1.0_#00000000/"
        place = f"{attachment}__substg1.0_3701000D/"
        streams |= properties({0x3705: 5}, header=8, inside=attachment) | properties({SUBJECT: str(depth)}, header=24, inside=place)

    found = read(Extractor(), make_file("a.msg", compound(streams), MSG, parts_folder=parts_folder))

    assert b"Subject: 16" in found.named["1.eml"]
    assert b"Subject: 17" not in found.named["1.eml"]


def test_a_compound_file_of_something_else_is_no_message(make_file: MakeFile) -> None:
    with pytest.raises(Malformed):
        read(Extractor(), make_file("a.msg", compound({"a": b"x"}), MSG))
