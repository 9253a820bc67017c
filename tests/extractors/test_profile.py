from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

from connector_pipelines.extractors._profile import MOST_CELLS, MOST_CHARS, MOST_ROWS, Profile, describe, look_ahead
from connector_pipelines.extractors._rows import Head


def _profile(header: Sequence[str], *rows: Sequence[str], sheet: str | None = None) -> Profile:
    table, _ = look_ahead(iter(list(enumerate(rows, 1))))
    found = describe(table, Head(0, tuple(header), len(header)), sheet=sheet)
    assert found
    return found


def _column(*values: str, sheet: str | None = None) -> str:
    """What is told of a column of these values, beside one of single letters."""
    told = _profile(["k", "v"], *(["x", value] for value in values), sheet=sheet).section.text
    return told.partition("), v (")[2].removesuffix(")")


def test_a_table_is_told_by_its_size_and_its_columns() -> None:
    rows = [(f"P{n % 14}", f"2025-01-{n % 28 + 1:02}", str(n - 3)) for n in range(1204)]

    found = _profile(["station", "date", "reading_mm"], *rows)

    assert found.schema == "station text, date date, reading_mm number"
    assert found.section.text == (
        "Table with 1,204 rows and 3 columns: station (text, 14 distinct), date (2025-01-01 to 2025-01-28), reading_mm (number, -3 to 1200)"
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["14.0", "-3.5", "9"], "number, -3.5 to 14.0"),
        (["14,0", "-3,5", "9"], "number, -3,5 to 14,0"),
        (["1.234,5", "850,25"], "number, 850,25 to 1.234,5"),
        (["1,234.5", "850.25"], "number, 850.25 to 1,234.5"),
        (["1.234.567", "850"], "number, 850 to 1.234.567"),
        (["1'234.5", "850"], "number, 850 to 1'234.5"),
        ([".5", "+2", "1e-3"], "number, 1e-3 to +2"),
        (["431.204", "431.198"], "number, 431.198 to 431.204"),
        (["7", "7"], "number, 7"),
        (["7", "", "n/a", "-", "9"], "number, 7 to 9"),
        (["", "-"], "empty"),
    ],
)
def test_numbers_are_known_in_either_writing_and_told_as_they_are_written(values: list[str], told: str) -> None:
    assert _column(*values) == told


@pytest.mark.parametrize(
    "values",
    [
        ["1.234", "850"],
        ["1,234", "850"],
        ["1.5", "1,5"],
        ["12", "twelve"],
        ["007", "012"],
        ["555 123 456", "555 123 457"],
        ["12 %", "14 %"],
        ["12345678901234567890", "12345678901234567891"],
        ["1_000", "2_000"],
        ["inf", "2"],
        ["1,2,3", "4,5,6"],
    ],
)
def test_what_may_not_be_a_number_or_not_the_same_one_to_all_is_text(values: list[str]) -> None:
    assert _column(*values) == "text, 2 distinct"


def test_a_column_that_tells_the_decimal_point_tells_it_for_the_others() -> None:
    rows = [["1.234", "0.5"], ["850", "1.5"]]

    assert _profile(["a", "b"], *rows).section.text.endswith("a (number, 1.234 to 850), b (number, 0.5 to 1.5)")
    assert _profile(["a", "b"], *([a, b.replace(".", ",")] for a, b in rows)).section.text.endswith(
        "a (number, 850 to 1.234), b (number, 0,5 to 1,5)"
    )


def test_a_sheet_writes_numbers_with_a_point_and_nothing_else() -> None:
    assert _column("1.234", "850", sheet="Readings") == "number, 1.234 to 850"
    assert _column("1,5", "2,5", sheet="Readings") == "text, 2 distinct"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["2025-11-30", "2025-01-02"], "2025-01-02 to 2025-11-30"),
        (["2025-11-30 00:00:00", "2025-01-02 00:00:00"], "2025-01-02 to 2025-11-30"),
        (["2025-01-02T10:00:00+02:00", "2025-01-02T09:00:00Z"], "2025-01-02T10:00:00+02:00 to 2025-01-02T09:00:00Z"),
        (["03.04.2025", "01.05.2025"], "2025-04-03 to 2025-05-01"),
        (["1.3.2026", "2.3.2026 10:30"], "2026-03-01 to 2026-03-02 10:30:00"),
        (["31/12/2025", "01/02/2025"], "2025-02-01 to 2025-12-31"),
        (["12/31/2025", "01/02/2025"], "2025-01-02 to 2025-12-31"),
        (["01/02/2025", "03/04/2025"], "01/02/2025 to 03/04/2025"),
        (["0001-01-01", "9999-12-31"], "0001-01-01 to 9999-12-31"),
    ],
)
def test_dates_are_known_where_they_can_be_told_apart(values: list[str], told: str) -> None:
    assert _column(*values) == told


@pytest.mark.parametrize(
    "values",
    [
        ["03/04/2025", "04/01/2025"],
        ["2025-13-01", "2025-01-13"],
        ["31.02.2025", "01.02.2025"],
        ["01/02/2025", "01-02-2025"],
        ["2025-01-02", "02.01.2025"],
        ["2025-01-02T10:00:00Z", "2025-01-02T10:00:00"],
        ["01.02.25", "02.02.25"],
        ["2025-01-02", "soon"],
    ],
)
def test_dates_that_could_be_others_or_none_are_text(values: list[str]) -> None:
    assert _column(*values) == "text, 2 distinct"


def test_ragged_rows_and_nameless_columns_are_told_too() -> None:
    found = _profile(["a", "", "c"], ["1"], ["2", "x", "3", "4"], [])

    assert found.schema == "a number, column 2 text, c number"


def test_a_table_of_hundreds_of_columns_is_told_in_a_few_lines() -> None:
    header = [f"a measured value of some importance {n}" for n in range(300)]

    found = _profile(header, ["1"] * 300, ["2"] * 300)

    assert found.schema.endswith("more")
    assert len(found.schema) < 1100
    assert found.section.text.endswith("(number, 1 to 2) and 280 more")
    assert len(found.section.text) < 2000


@pytest.mark.parametrize(
    ("cells", "taken"),
    [(["x", "y"], MOST_ROWS), (["1"] * 1000, MOST_CELLS // 1000), (["z" * 1024**2, "y"], MOST_CHARS // 1024**2)],
    ids=["rows", "cells", "characters"],
)
def test_a_large_table_is_looked_at_as_far_as_memory_allows_and_lost_nowhere(cells: list[str], taken: int) -> None:
    count = taken + 5

    table, rows = look_ahead((number, cells) for number in range(count))

    assert (len(table.rows), table.is_whole) == (taken, False)
    assert [number for number, _ in rows] == list(range(count))
    found = describe(table, Head(0, None, len(cells)))
    assert found
    assert f"more than {taken:,} rows and {len(cells)} columns, in the first {taken:,} of them" in found.section.text


def test_a_table_that_just_fits_is_whole() -> None:
    table, rows = look_ahead((number, ["x", "y"]) for number in range(MOST_ROWS))

    assert table.is_whole
    assert sum(1 for _ in rows) == MOST_ROWS


def test_lists_and_single_rows_are_no_tables_and_do_not_load_pandas() -> None:
    program = (
        "import sys; from connector_pipelines.extractors._profile import Sample, describe; from connector_pipelines.extractors._rows import Head\n"
        "print(describe(Sample([(1, ['a', 'b'])], True), Head(0, None, 2)), describe(Sample([(1, ['a']), (2, ['b'])], True), Head(0, None, 1)))\n"
        "print('pandas' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "None None\nFalse\n"
