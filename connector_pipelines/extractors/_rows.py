"""How do rows of a table become text that can be found? As `column: value` lines, a few rows to a section.

A row read alone, far from the header, still says what its values are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from connector_pipelines.core.types import Place, Section

__all__ = ["HEAD_ROWS", "Head", "column_name", "is_filled", "is_typed", "read_head", "row_sections"]

HEAD_ROWS = 50
"""How many rows `read_head` wants to see, where there are as many."""

_SECTION_CHARS = 2000
_LONGEST_NAME = 80
_NUMBER = re.compile(r"[(+-]?\s*(?:[$€£¥]|[A-Z]{3}\s)?\s*[+-]?(?:\d[\d'.,\u00a0 ]*|[.,]\d+)(?:[eE][+-]?\d+)?\s*(?:[%€$£]|[A-Z]{3})?\)?")
_INSTANT = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})"
    r"(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:Z|[+-]\d{2}:?\d{2}|[AaPp][Mm])?)?"
    r"|\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:[AaPp][Mm])?"
)
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True, slots=True)
class Head:
    """How a table begins.

    Attributes:
        preamble: How many rows come before the table proper: a title, remarks.
        header: Column names, or None where the first row is data already.
        width: Cells of an ordinary row.
    """

    preamble: int
    header: tuple[str, ...] | None
    width: int


def read_head(rows: Sequence[Sequence[str]]) -> Head:
    """Tell preamble, header and data apart by the first rows of a table."""
    width = Counter(len(row) for row in rows if is_filled(row)).most_common(1)[0][0] if any(map(is_filled, rows)) else 0
    preamble = _preamble(rows, width)
    body = rows[preamble:]
    header = tuple(body[0]) if body and _is_header(body[0], body[1:]) else None
    return Head(preamble, header, max(width, len(header or ())))


def row_sections(rows: Iterable[tuple[int, Sequence[str]]], header: Sequence[str] | None, sheet: str | None = None) -> Iterator[Section]:
    """Group (number, cells) into sections of about 2,000 characters; a row longer than that is cut between cells."""
    texts: list[str] = []
    size, place = 0, Place(sheet=sheet)
    for number, row in rows:
        for text in _pieces(_lines(row, header)):
            if texts and size + len(text) > _SECTION_CHARS:
                yield Section("\n\n".join(texts), place)
                texts, size = [], 0
            place = replace(place, first_row=place.first_row if texts else number, last_row=number)
            texts.append(text)
            size += len(text) + 2
    if texts:
        yield Section("\n\n".join(texts), place)


def column_name(names: Sequence[str], index: int) -> str:
    """What the column at `index`, from 0, is called; `column 1` and so on where it has no name."""
    name = " ".join(names[index].split())[:_LONGEST_NAME] if index < len(names) else ""
    return name or f"column {index + 1}"


def is_filled(row: Sequence[str]) -> bool:
    """Whether any cell says something."""
    return any(cell and not cell.isspace() for cell in row)


def is_typed(cell: str) -> bool:
    """Whether the cell is a number, a date or a time: a value, not a name."""
    cell = cell.strip()
    return bool(cell) and len(cell) < 60 and bool(_NUMBER.fullmatch(cell) or _INSTANT.fullmatch(cell))


def _preamble(rows: Sequence[Sequence[str]], width: int) -> int:
    """Rows at the top with one cell filled at most, where the table has two columns or more."""
    count = 0
    for row in rows[:20]:
        if sum(bool(cell.strip()) for cell in row) > 1 or width < 2:
            break
        count += 1
    full = rows[count:] and sum(bool(cell.strip()) for cell in rows[count]) >= min(width, 2)
    return count if full else 0


def _is_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    names = [cell.strip() for cell in first if cell.strip()]
    years = bool(names) and not is_typed(first[0]) and all(_YEAR.fullmatch(name) for name in names if is_typed(name))
    if not below or not names or any(len(name) > 200 for name in names):
        return False
    if any(map(is_typed, names)) and not years:
        return False
    return len(set(names)) == len(names) or any(is_typed(cell) for row in below for cell in row)


def _lines(row: Sequence[str], header: Sequence[str] | None) -> Iterator[str]:
    names = header or ()
    for index, cell in enumerate(row):
        value = " ".join(cell.split())
        if value:
            yield f"{column_name(names, index)}: {value}"


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    piece: list[str] = []
    size = 0
    for line in lines:
        if piece and size + len(line) > _SECTION_CHARS:
            yield "\n".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += len(line) + 1
    if piece:
        yield "\n".join(piece)
