from __future__ import annotations

from pathlib import Path

import pytest

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.extractors.xml import Extractor
from tests.extractors.conftest import MakeFile, Read, read

XML = "application/xml"


@pytest.fixture
def xml(make_file: MakeFile):  # type: ignore[no-untyped-def]
    """Read a document of this text."""

    def read_it(data: str | bytes) -> Read:
        return read(Extractor(), make_file("a.xml", data.encode() if isinstance(data, str) else data, XML))

    return read_it


def test_elements_and_attributes_are_lines_and_namespaces_are_left_out(xml) -> None:  # type: ignore[no-untyped-def]
    found = xml('<s:survey xmlns:s="urn:s"><s:point id="P7" unit="mm"><s:name>Axis 7</s:name><s:moved>14</s:moved></s:point></s:survey>')

    assert found.text == "point@id: P7\npoint@unit: mm\nname: Axis 7\nmoved: 14"
    assert found.facts.details == {"root": "survey", "namespace": "urn:s", "elements": 4}


def test_text_with_marked_words_in_it_is_one_line(xml) -> None:  # type: ignore[no-untyped-def]
    found = xml("<doc><p>It <b>moved</b> 14 mm.</p><p><b>Then</b> it <i>stood</i>.</p><p>End.</p></doc>")

    assert found.text == "p: It moved 14 mm.\nb: Then it stood.\np: End."


@pytest.mark.parametrize("wrapping", ["{}", "<channel><title>T</title>{}</channel>"])
def test_records_are_cited_by_name_and_number(xml, wrapping: str) -> None:  # type: ignore[no-untyped-def]
    records = "".join(f"<reading><value>{number}</value><remark>{'x' * 500}</remark></reading>" for number in range(1, 13))

    found = xml(f"<log>{wrapping.format(records)}</log>")

    assert str(found.sections[-1].place) == "reading 9 – 12"
    assert "reading 5 – 8" in [str(section.place) for section in found.sections]
    assert all(len(section.text) < 3000 for section in found.sections)
    assert all(f"value: {number}\n" in found.text for number in range(1, 13))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_the_encoding_it_declares_is_the_one_it_is_read_in(xml, encoding: str) -> None:  # type: ignore[no-untyped-def]
    assert xml(f'<?xml version="1.0" encoding="{encoding}"?><a><b>Größe</b></a>'.encode(encoding)).text == "b: Größe"


def test_nothing_outside_is_ever_fetched(xml, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "secret").write_text("SECRET")
    (tmp_path / "secret.dtd").write_text("<!ENTITY inner 'SECRET'>")
    place = (tmp_path / "secret").as_uri()

    for head, use in (
        (f'<!DOCTYPE a [<!ENTITY x SYSTEM "{place}">]>', "&x;"),
        (f'<!DOCTYPE a SYSTEM "{place}.dtd">', "&inner;"),
        (f'<!DOCTYPE a [<!ENTITY % x SYSTEM "{place}.dtd"> %x;]>', "&inner;"),
        ("", f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{place}" parse="text"/>'),
    ):
        found = xml(f"{head}<a><b>seen {use}</b></a>")
        assert "seen" in found.text
        assert "SECRET" not in found.text


def test_entities_of_its_own_are_expanded(xml) -> None:  # type: ignore[no-untyped-def]
    assert xml('<!DOCTYPE a [<!ENTITY firm "Wall &amp; Sons">]><a><b>by &firm;</b></a>').text == "b: by Wall & Sons"


def test_entities_that_swell_meet_a_limit(xml) -> None:  # type: ignore[no-untyped-def]
    levels = "".join(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10))

    with pytest.raises(ResourceError, match="swells"):
        xml(f'<!DOCTYPE a [<!ENTITY l0 "lollollollol">{levels}]><a>&l9;</a>')


def test_elements_nested_without_end_meet_a_limit(xml) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ResourceError, match="nested"):
        xml("<a>" * 100_000 + "</a>" * 100_000)


def test_one_text_of_many_megabytes_is_read_in_pieces(xml) -> None:  # type: ignore[no-untyped-def]
    found = xml("<a><b>" + "word " * 2_500_000 + "</b></a>")

    assert found.text.count("word") == 2_500_000
    assert max(len(section.text) for section in found.sections) < 1024 * 1024


def test_a_damaged_document_is_read_as_far_as_it_goes_and_says_so(xml) -> None:  # type: ignore[no-untyped-def]
    found = xml("<a><b>one</b><b>two & three</b><b>four &nbsp; five</b></a>")

    assert "one" in found.text
    assert "four" in found.text
    assert "not well-formed" in found.facts.warnings[0]


@pytest.mark.parametrize("data", ["", " ", "words", "\0\1\2"])
def test_what_has_no_element_is_malformed(xml, data: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Malformed):
        xml(data)
