from __future__ import annotations

from itertools import pairwise

import pytest

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.extractors.tabular import Extractor
from tests.extractors.conftest import MakeFile, read

CSV = "text/csv"


def test_rows_become_lines_that_name_their_column(make_file: MakeFile) -> None:
    file = make_file("m.csv", "Datum;Punkt;Wert\n01.03.2026;Stütze 7;14,2\n02.03.2026;;14,9\n".encode("cp1252"), CSV)

    found = read(Extractor(), file)

    assert [section.text for section in found.sections] == [
        "Table with 2 rows and 3 columns: Datum (2026-03-01 to 2026-03-02), Punkt (text, 1 distinct), Wert (number, 14,2 to 14,9)",
        "Datum: 01.03.2026\nPunkt: Stütze 7\nWert: 14,2\n\nDatum: 02.03.2026\nWert: 14,9",
    ]
    assert (found.sections[1].place.first_row, found.sections[1].place.last_row) == (1, 2)
    assert found.facts.details == {
        "encoding": "cp1252", "delimiter": ";", "rows": 2, "columns": 3, "header": True,
        "schema": "Datum date, Punkt text, Wert number",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("data", "delimiter"),
    [
        (b"a,b,c\n1,2,3\n", ","),
        (b"a;b;c\n1,5;2,5;3,5\n1,6;2,6;3,6\n", ";"),
        (b"a\tb\nx, y\t2\nz, w\t3\n", "\t"),
        (b"a|b\n1|2\n", "|"),
        (b"a^b\n1^2\n", "^"),
        (b"name\nWall\nAnchor\n", ""),
        (b"A first line, of prose.\nAnother one\nThis, too, is prose, of course\nand\nso on\n", ""),
    ],
)
def test_the_delimiter_is_found(make_file: MakeFile, data: bytes, delimiter: str) -> None:
    assert read(Extractor(), make_file("m.csv", data, CSV)).facts.details["delimiter"] == delimiter


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (b"id,name\n1,wall\n", True),
        (b"1,wall\n2,anchor\n", False),
        (b"name,kind\nwall,concrete\n", True),
        (b"region,2024,2025\nnorth,1,2\n", True),
        (b"2024-01-01,5\n2024-01-02,6\n", False),
        (b"one,row\n", False),
    ],
)
def test_a_header_is_told_from_data(make_file: MakeFile, data: bytes, header: bool) -> None:
    assert read(Extractor(), make_file("m.csv", data, CSV)).facts.details["header"] is header


def test_ragged_rows_are_all_kept_and_counted(make_file: MakeFile) -> None:
    found = read(Extractor(), make_file("m.csv", b"a,b,c\n1,2,3\n4,5\n6,7,8,9\n10,11,12\n", CSV))

    assert found.facts.details["rows"] == 4
    assert found.facts.warnings == ("2 of 4 rows have more or fewer cells than the 3 of the table; all were kept",)
    assert "column 4: 9" in found.text


def test_quoted_cells_may_hold_delimiters_quotes_and_line_ends(make_file: MakeFile) -> None:
    found = read(Extractor(), make_file("m.csv", b'a,b\n"x, ""y""","two\nlines"\n"z",w\n', CSV))

    assert found.sections[-1].text == 'a: x, "y"\nb: two lines\n\na: z\nb: w'
    assert found.facts.details["rows"] == 2
    assert found.facts.warnings == ()


def test_a_quote_that_never_closes_swallows_no_rows(make_file: MakeFile) -> None:
    rows = b"".join(b"%d,ok\n" % n for n in range(3000))

    found = read(Extractor(), make_file("m.csv", b'id,remark\n9999,"open\n' + rows, CSV))

    assert found.facts.details["rows"] == 3001
    assert "1 lines have quotes out of place" in found.facts.warnings[0]


def test_a_quote_inside_a_cell_joins_no_rows(make_file: MakeFile) -> None:
    found = read(Extractor(), make_file("m.csv", b'id,size\n1,5" pipe\n2,6" pipe\n3,none\n', CSV))

    assert found.facts.details["rows"] == 3
    assert 'size: 5" pipe' in found.text


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_kind_of_line_end_ends_a_row(make_file: MakeFile, end: bytes) -> None:
    assert read(Extractor(), make_file("m.csv", end.join([b"a,b", b"1,2", b"", b"3,4"]), CSV)).facts.details["rows"] == 2


def test_a_title_above_the_table_is_text_and_no_row(make_file: MakeFile) -> None:
    found = read(Extractor(), make_file("m.csv", b"Settlement log,,\npoint,mm,by\nP1,14,Ruiz\nP2,3,Ruiz\n", CSV))

    assert found.sections[0].text.strip() == "Settlement log"
    assert found.sections[0].place.first_row is None
    assert (
        found.sections[1].text == "Table with 2 rows and 3 columns: point (text, 2 distinct), mm (number, 3 to 14), by (text, 1 distinct)"
    )
    assert found.sections[2].text.startswith("point: P1\nmm: 14")
    assert found.facts.details["preamble_rows"] == 1


def test_sections_hold_about_2000_characters_and_know_their_rows(make_file: MakeFile) -> None:
    data = b"id,text\n" + b"".join(b"%d,some words about point %d\n" % (n, n) for n in range(1, 501))

    _, *sections = read(Extractor(), make_file("m.csv", data, CSV)).sections

    assert max(len(section.text) for section in sections) <= 2000
    assert sections[0].place.first_row == 1
    assert sections[-1].place.last_row == 500
    assert all(after.place.first_row == before.place.last_row + 1 for before, after in pairwise(sections))


def test_a_row_of_hundreds_of_columns_is_cut_between_cells(make_file: MakeFile) -> None:
    header = ",".join(f"measure {n}" for n in range(400))
    row = ",".join(str(n) for n in range(400))

    sections = read(Extractor(), make_file("m.csv", f"{header}\n{row}\n".encode(), CSV)).sections

    assert len(sections) > 1
    assert {(section.place.first_row, section.place.last_row) for section in sections} == {(1, 1)}
    assert sections[-1].text.endswith("measure 399: 399")


def test_an_empty_file_has_no_rows(make_file: MakeFile) -> None:
    found = read(Extractor(), make_file("m.csv", b"", CSV))

    assert found.sections == []
    assert found.facts.details["rows"] == 0


def test_binary_bytes_called_csv_are_malformed(make_file: MakeFile) -> None:
    with pytest.raises(Malformed):
        read(Extractor(), make_file("m.csv", bytes(range(256)) * 3, CSV))


def test_an_endless_line_is_a_resource_error(make_file: MakeFile) -> None:
    with pytest.raises(ResourceError, match="line"):
        read(Extractor(), make_file("m.csv", b"a,b\n" + b"x" * (17 * 1024**2), CSV))
