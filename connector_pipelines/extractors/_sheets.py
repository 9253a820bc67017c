"""Which rows do the sheets of a workbook hold?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING

from connector_pipelines.core.errors import Encrypted, Malformed
from connector_pipelines.core.types import Facts, Finding, InputFile, Place, Section
from connector_pipelines.extractors._profile import describe, look_ahead
from connector_pipelines.extractors._rows import HEAD_ROWS, is_filled, read_head, row_sections

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

__all__ = ["read_sheets"]

_SCHEMA_CHARS = 2000
_Cell = int | float | str | bool | time | date | datetime | timedelta


@dataclass(slots=True)
class _Tally:
    rows: int = 0
    troubles: list[str] = field(default_factory=list)
    schemas: list[str] = field(default_factory=list)


def read_sheets(file: InputFile) -> Iterator[Finding]:
    """Every sheet, hidden ones too, in their order; rows are numbered as the sheet numbers them."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    workbook, tally = _open(file), _Tally()
    sheets = [sheet for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    for sheet in sheets:
        try:
            yield from _sections(_sheet(workbook, sheet.name), sheet.name, tally)
        except Malformed as error:
            tally.troubles.append(f"the sheet {sheet.name} cannot be read: {error}")
    if sheets and len(tally.troubles) == len(sheets):
        raise Malformed(f"no sheet can be read; {tally.troubles[0]}")
    if not tally.rows and not tally.troubles:
        tally.troubles.append("no cell of the workbook has a value, as far as this reader knows the format")
    hidden = sum(sheet.visible != SheetVisibleEnum.Visible for sheet in sheets)
    details: dict[str, str | int] = {"sheets": len(sheets), "hidden_sheets": hidden, "rows": tally.rows}
    if tally.schemas:
        details["schema"] = "; ".join(tally.schemas)[:_SCHEMA_CHARS]
    yield Facts(details=details, warnings=tuple(tally.troubles))


def _open(file: InputFile) -> CalamineWorkbook:
    import python_calamine

    try:
        return python_calamine.load_workbook(file.path)
    except python_calamine.PasswordError as error:
        raise Encrypted("the workbook is protected by a password", advice="save it without one") from error
    except (python_calamine.CalamineError, OSError) as error:
        raise Malformed(f"not a readable workbook: {error}") from error


def _sheet(workbook: CalamineWorkbook, name: str) -> CalamineSheet:
    import python_calamine

    try:
        return workbook.get_sheet_by_name(name)
    except python_calamine.CalamineError as error:
        raise Malformed(str(error)) from error


def _sections(sheet: CalamineSheet, name: str, tally: _Tally) -> Iterator[Section]:
    numbered = ((number, [_text(cell) for cell in row]) for number, row in enumerate(sheet.iter_rows(), 1))
    rows = ((number, row) for number, row in numbered if is_filled(row))
    first = list(islice(rows, HEAD_ROWS))
    head = read_head([row for _, row in first])
    for number, row in first[: head.preamble]:
        yield Section(" ".join(filter(None, row)), Place(sheet=name, first_row=number, last_row=number))
    data = chain(first[head.preamble + (head.header is not None) :], rows)
    table, counted = look_ahead(_counted(data, tally))
    # A sheet without a header is as often a form or a drawing made of cells.
    profile = describe(table, head, sheet=name) if head.header else None
    if profile:
        yield profile.section
        tally.schemas.append(f"{name}: {profile.schema}")
    del table  # with it went the only other hold on the rows
    yield from row_sections(counted, head.header, name)


def _counted(rows: Iterator[tuple[int, list[str]]], tally: _Tally) -> Iterator[tuple[int, list[str]]]:
    for row in rows:
        tally.rows += 1
        yield row


def _text(cell: _Cell) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:.15g}"  # a sheet computes with 15 digits; more are noise such as 0.30000000000000004
    return cell.isoformat(sep=" ") if isinstance(cell, datetime) else str(cell)
