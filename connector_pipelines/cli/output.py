"""How values look to a person, and to a program: tables and plain lines, or JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["ago", "console", "count", "counts", "emit_json", "highlighted", "mark", "one_line", "size", "table", "whole"]

_CONTROL = {n: f"\\x{n:02x}" for n in (*range(32), *range(127, 160))} | {9: " ", 10: " ", 13: " "}
_UNBOUNDED = 2000


@cache
def console(*, stderr: bool = False) -> Console:
    """A console on standard output or error; lines into a pipe are never folded."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True, width=None if stream.isatty() else _UNBOUNDED)


def emit_json(value: object) -> None:
    """Print `value` as JSON: dataclasses as objects, instants in ISO 8601."""
    print(json.dumps(value, default=_jsonable, indent=2, ensure_ascii=False))


def one_line(text: str) -> str:
    """`text` with control characters spelled out: a file's name must not write lines or paint the terminal."""
    return text.translate(_CONTROL)


def size(n: int) -> str:
    """Bytes in the largest unit that leaves a number of at least one: 999 B, 1.5 KB, 12 MB."""
    amount, unit = float(n), "B"
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"


def ago(then: datetime | None, now: datetime | None = None) -> str:
    """How long ago, or in how long: 40 s ago, in 5 min; `never` for None."""
    if then is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    amount = abs(seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if amount >= 2 * length or unit == "s":
            told = f"{amount // length:.0f} {unit}"
            return f"{told} ago" if seconds >= 0 else f"in {told}"
    return "now"


def count(n: int, singular: str, plural: str | None = None) -> str:
    """`1 file`, `2 files`."""
    return f"{n} {singular if n == 1 else plural or singular + 's'}"


def counts(values: Mapping[str, int]) -> str:
    """`3 (malformed 2, encrypted 1)`, the largest first; `0` for none."""
    total = sum(values.values())
    parts = ", ".join(f"{name} {n}" for name, n in sorted(values.items(), key=lambda v: (-v[1], v[0])) if n)
    return f"{total} ({parts})" if parts else str(total)


def whole(parts: Mapping[str, int], total: int) -> bool:
    """Whether the parts add up to the total."""
    return sum(parts.values()) == total


def mark(*, works: bool) -> Text:
    """`ok` or `FAILED`, coloured on a terminal."""
    from rich.text import Text

    return Text("ok", style="green") if works else Text("FAILED", style="bold red")


def table(*headings: str, rows: Sequence[Sequence[str | Text]], numeric: Sequence[str] = ()) -> Table:
    """A table without lines; the columns named in `numeric` are set to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, justify="right" if heading in numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(one_line(cell) if isinstance(cell, str) else cell for cell in row))
    return made


def highlighted(text: str, words: Sequence[str]) -> Text:
    """`text` on one line, with what begins with one of `words` made bold."""
    from rich.text import Text

    shown = Text(one_line(text))
    terms = [re.escape(w) for w in words if w.strip()]
    if terms:
        shown.highlight_regex(re.compile(rf"(?i)(?<!\w)(?:{'|'.join(sorted(terms, key=len, reverse=True))})\w*"), "bold yellow")
    return shown


def _jsonable(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
