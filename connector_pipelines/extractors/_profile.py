"""What stands in the columns of a table: text, numbers or dates, and from where to where?

Typed by pandas over rows already read. A wrong type is worse than none: a column is a number or a date only when each
of its values is one, in one way of writing; a range is told only where every possible reading of it has the same ends.

It costs, in CPU: 0.35 s once for each worker, to import pandas; then 3 ms for a small table, 7 ms for 1,000 rows of 5
columns (on top of 10 ms for their text), 0.4 s for 50,000 (0.6 s); more rows than that are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING

from connector_pipelines.core.types import Place, Section
from connector_pipelines.extractors._rows import Head, column_name

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Profile", "Sample", "describe", "look_ahead"]

MOST_ROWS = 50_000
MOST_CELLS = 500_000
MOST_CHARS = 16 * 1024 * 1024
"""Together they bound the memory of a sample to some 100 MB, whatever the shape of the table."""

_TYPED_COLUMNS = 50
_TOLD_COLUMNS = 20
_NAME_CHARS = 40
_SCHEMA_CHARS = 1000
_MISSING = {"", "-", "–", "—", "n/a", "na", "#n/a", "nan", "null", "none"}

# Fifteen digits: what a double holds. A leading zero makes an identifier, and blanks between groups may be a phone number.
_WHOLE = r"(?:0|[1-9]\d{{0,14}}|[1-9]\d{{0,2}}(?:[{group}'\u00a0\u202f]\d{{3}}){{1,4}})"
_NUMBER = rf"[+-]?(?:{_WHOLE}(?:[{{point}}]\d+)?|[{{point}}]\d+)(?:[eE][+-]?\d{{{{1,2}}}})?"
_WRITINGS = {point: re.compile(_NUMBER.format(point=point, group=group)) for point, group in ((".", ","), (",", "."))}
_NOT_DIGITS = {".": str.maketrans("", "", ",'\u00a0\u202f"), ",": str.maketrans(",", ".", ".'\u00a0\u202f")}

_TIME = r"(?P<time>(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?)"
_ISO = re.compile(rf"\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]{_TIME}(?P<zone>Z|[+-]\d{{2}}:?\d{{2}})?)?")
_DAY_MONTH = re.compile(rf"(?P<date>\d{{1,2}}(?P<mark>[./-])\d{{1,2}}(?P=mark)\d{{4}})(?:,? {_TIME})?")


@dataclass(frozen=True, slots=True)
class Sample:
    """The first data rows of a table, with their numbers; `is_whole` when there are no more."""

    rows: Sequence[tuple[int, Sequence[str]]]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """`section` stands before the rows; `schema` is its shortest form, such as `station text, date date, mm number`."""

    section: Section
    schema: str


@dataclass(frozen=True, slots=True)
class _Column:
    """`note` is the range, or how many values differ."""

    name: str
    type: str
    note: str = ""


def look_ahead(rows: Iterator[tuple[int, Sequence[str]]]) -> tuple[Sample, Iterator[tuple[int, Sequence[str]]]]:
    """The first rows, and an iterator over all of them that goes on from there."""
    taken = list(_within(islice(rows, MOST_ROWS)))
    after = next(rows, None)
    rest = rows if after is None else chain([after], rows)
    return Sample(taken, after is None), chain(taken, rest)


def describe(table: Sample, head: Head, *, sheet: str | None = None) -> Profile | None:
    """The columns of a table of two rows and two columns at least, else None.

    Args:
        sheet: Of a workbook, whose numbers are all written one way, with a decimal point.
    """
    if len(table.rows) < 2 or head.width < 2:
        return None
    values = _values(table, min(head.width, _TYPED_COLUMNS))
    writings = [_writings(column) for column in values]
    settled = {"."} if sheet else {kinds[0] for kinds in writings if len(kinds) == 1}
    columns = []
    for index, (column, kinds) in enumerate(zip(values, writings, strict=True)):
        # Where one column tells 1.5 from 1,500, the others are written the same way.
        likely = [kind for kind in kinds if kind in settled] if len(settled) == 1 else kinds
        columns.append(_column(column_name(head.header or (), index)[:_NAME_CHARS], column, likely))
    return Profile(Section(_told(table, head.width, columns), Place(sheet=sheet)), _schema(columns, head.width))


def _within(rows: Iterable[tuple[int, Sequence[str]]]) -> Iterator[tuple[int, Sequence[str]]]:
    cells = chars = 0
    for number, row in rows:
        yield number, row
        cells += len(row)
        chars += sum(map(len, row))
        if cells >= MOST_CELLS or chars >= MOST_CHARS:
            return


def _values(table: Sample, width: int) -> list[pd.Series[str]]:
    """Column by column, without the cells that say nothing."""
    import pandas as pd

    columns = zip_longest(*(row[:width] for _, row in table.rows), fillvalue="")
    frame = pd.DataFrame(dict(enumerate(columns)), dtype=object).reindex(columns=range(width), fill_value="")
    stripped = ([cell.strip() for cell in frame[index]] for index in range(width))
    return [pd.Series([cell for cell in cells if cell.lower() not in _MISSING], dtype=object) for cells in stripped]


def _writings(values: pd.Series[str]) -> list[str]:
    """The decimal points with which every value is a number."""
    return [point for point, number in _WRITINGS.items() if len(values) and all(map(number.fullmatch, values))]


def _column(name: str, values: pd.Series[str], writings: Sequence[str]) -> _Column:
    if values.empty:
        return _Column(name, "empty")
    if ends := _one(_number_ends(values, point) for point in writings):
        return _Column(name, "number", _range(*ends))
    if not writings and (dated := _dated(name, values)):
        return dated
    return _Column(name, "text", f"{values.nunique():,} distinct")


def _number_ends(values: pd.Series[str], point: str) -> tuple[str, str]:
    """Least and greatest as they are written."""
    import pandas as pd

    numbers = pd.to_numeric(pd.Series([value.translate(_NOT_DIGITS[point]) for value in values]))
    return values.iloc[int(numbers.argmin())], values.iloc[int(numbers.argmax())]


def _dated(name: str, values: pd.Series[str]) -> _Column | None:
    if all(map(_ISO.fullmatch, values)):
        return _iso_dated(name, values)
    parts = values.str.extract(_DAY_MONTH) if all(map(_DAY_MONTH.fullmatch, values)) else None
    if parts is None or parts["mark"].nunique() > 1:
        return None
    mark = parts["mark"].iloc[0]
    # With dots the day stands first wherever they are in use; the others are American as often as not.
    orders = ("%d{0}%m{0}%Y",) if mark == "." else ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y")
    readings = [found for order in orders if (found := _instants(parts, order.format(mark))) is not None]
    # One reading is told in ISO 8601; several that agree, as it is written.
    written = _as_iso(values, readings[0]) if len(readings) == 1 else values
    ends = _one((written.iloc[int(one.argmin())], written.iloc[int(one.argmax())]) for one in readings)
    return _Column(name, "datetime" if parts["time"].notna().any() else "date", _range(*ends)) if ends else None


def _iso_dated(name: str, values: pd.Series[str]) -> _Column | None:
    import pandas as pd

    zones = values.str.extract(_ISO)["zone"].notna()
    if zones.any() and not zones.all():
        return None
    instants = pd.to_datetime(values, format="ISO8601", errors="coerce", utc=bool(zones.any()))
    if instants.isna().any():
        return None
    # Workbooks keep a date as its midnight.
    is_date = not zones.any() and bool((instants == instants.dt.normalize()).all())
    ends = (values.iloc[int(place)][: 10 if is_date else None] for place in (instants.argmin(), instants.argmax()))
    return _Column(name, "date" if is_date else "datetime", _range(*ends))


def _instants(parts: pd.DataFrame, order: str) -> pd.Series[pd.Timestamp] | None:
    import pandas as pd

    days = pd.to_datetime(parts["date"], format=order, errors="coerce")
    times = parts["time"].fillna("0:00")
    instants = days + pd.to_timedelta(times.where(times.str.count(":") == 2, times + ":00"))
    return None if instants.isna().any() else instants


def _as_iso(values: pd.Series[str], instants: pd.Series[pd.Timestamp]) -> pd.Series[str]:
    # A day without a time is no midnight.
    return instants.dt.strftime("%Y-%m-%d %H:%M:%S").where(values.str.contains(":"), instants.dt.strftime("%Y-%m-%d"))


def _one(ends: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """What all readings agree on."""
    different = set(ends)
    return different.pop() if len(different) == 1 else None


def _range(least: str, greatest: str) -> str:
    return least if least == greatest else f"{least} to {greatest}"


def _told(table: Sample, width: int, columns: Sequence[_Column]) -> str:
    rows = f"{len(table.rows):,}"
    size = (
        f"{rows} rows and {width} columns" if table.is_whole else f"more than {rows} rows and {width} columns, in the first {rows} of them"
    )
    told = [f"{column.name} ({_inside(column)})" for column in columns[:_TOLD_COLUMNS]]
    more = f" and {width - len(told)} more" if width > len(told) else ""
    return f"Table with {size}: {', '.join(told)}{more}"


def _inside(column: _Column) -> str:
    # That 2025-01-02 is a date needs no saying.
    return column.note if column.type in {"date", "datetime"} else ", ".join(filter(None, (column.type, column.note)))


def _schema(columns: Sequence[_Column], width: int) -> str:
    text, shown = "", 0
    for column in columns:
        part = f"{', ' if text else ''}{column.name} {column.type}"
        if len(text) + len(part) > _SCHEMA_CHARS:
            break
        text, shown = text + part, shown + 1
    return f"{text} and {width - shown} more" if width > shown else text
