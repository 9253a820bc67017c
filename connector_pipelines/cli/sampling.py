"""The first records of each stream, for people to look at before anything is brought in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connector_pipelines.core.protocols import DeclaresStreams

__all__ = ["Sample", "samples", "show_sample"]

RECORDS_SHOWN = 3
FIELDS_SHOWN = 8
_WIDEST = 28
_SECRET = re.compile(r"pass(word|wd|phrase)?$|secret|token|api_?key|private_?key|authorization|credential", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The first records of a stream, fields as text, each clipped. `more_fields`: how many are not shown."""

    stream: str
    records: tuple[Mapping[str, str], ...]
    more_fields: int = 0


def samples(source: DeclaresStreams) -> Iterator[Sample]:
    """One for each stream that can be read."""
    from connector_pipelines.core.errors import ConnectorError

    for stream in source.streams():
        try:
            records = [record.fields for record in source.sample(stream.name, RECORDS_SHOWN)]
        except ConnectorError:
            continue  # What does not work is among the abilities.
        known = dict.fromkeys(name for fields in records for name in fields)
        names = [*(key for key in stream.primary_key if key in known), *(name for name in known if name not in stream.primary_key)]
        shown = names[:FIELDS_SHOWN]
        rows = tuple({name: _clipped(name, fields[name]) for name in shown if name in fields} for fields in records)
        yield Sample(stream=stream.name, records=rows, more_fields=len(names) - len(shown))


def show_sample(sample: Sample) -> None:
    from connector_pipelines.cli.output import console, count, table

    out = console()
    if not sample.records:
        out.print(f"    {sample.stream}: no records")
        return
    more = f", and {count(sample.more_fields, 'more field')}" if sample.more_fields else ""
    out.print(f"    {sample.stream}: the first {len(sample.records)}{more}")
    names = list(dict.fromkeys(name for record in sample.records for name in record))
    out.print(table(*names, rows=[[record.get(name, "") for name in names] for record in sample.records]))


def _clipped(name: str, value: Any) -> str:
    from connector_pipelines.telemetry import scrub

    if value is None:
        return ""
    if _SECRET.search(name):
        return "(not shown)"
    text = value if isinstance(value, str) else json.dumps(_masked(value), default=str, ensure_ascii=False)
    # Only what is long enough to be seen is looked at: a record may hold megabytes.
    text = scrub(text[: 10 * _WIDEST])
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: "(not shown)" if _SECRET.search(str(name)) else _masked(inner) for name, inner in value.items()}
    return [_masked(inner) for inner in value[:_WIDEST]] if isinstance(value, list) else value
