"""Which rows does a delimited text file hold?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import ClassVar

from connector_pipelines.core.types import Facts, Finding, InputFile, Section
from connector_pipelines.extractors._bounds import bounded
from connector_pipelines.extractors._csv import Records, sniff_dialect
from connector_pipelines.extractors._encoding import detect_encoding, open_text
from connector_pipelines.extractors._profile import describe, look_ahead
from connector_pipelines.extractors._rows import HEAD_ROWS, Head, read_head, row_sections

__all__ = ["Extractor"]

_SAMPLE_CHARS = 64 * 1024
_PREFERRED = {"text/tab-separated-values": "\t"}


class Extractor:
    """Rows as `column: value` lines; a row's number counts data rows from 1, blank lines left out."""

    version: ClassVar[str] = "2"
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {"text/csv": (".csv",), "text/tab-separated-values": (".tsv", ".tab")}

    def extract(self, file: InputFile) -> Iterator[Finding]:
        yield from bounded(_extract(file), file.max_text_bytes)


@dataclass(slots=True)
class _Count:
    width: int
    rows: int = 0
    ragged: int = 0

    def take(self, row: Sequence[str]) -> int:
        self.rows += 1
        self.ragged += len(row) != self.width
        return self.rows


def _extract(file: InputFile) -> Iterator[Finding]:
    encoding = detect_encoding(file.path, file.max_text_bytes + 1)
    with open_text(file.path, encoding, newline="") as stream:
        sample = _whole_lines(stream.read(_SAMPLE_CHARS))
    with open_text(file.path, encoding, newline="") as stream:
        records = Records(stream, sniff_dialect(sample, _PREFERRED.get(file.media_type, "")))
        rows = iter(records)
        first = list(islice(rows, HEAD_ROWS))
        head = read_head(first)
        count = _Count(head.width)
        yield Section("\n".join(" ".join(row) for row in first[: head.preamble]))
        data = chain(first[head.preamble + (head.header is not None) :], rows)
        table, numbered = look_ahead((count.take(row), row) for row in data)
        profile = describe(table, head)
        if profile:
            yield profile.section
            yield Facts(details={"schema": profile.schema})
        del table  # with it went the only other hold on the rows
        yield from row_sections(numbered, head.header)
    details = {"encoding": encoding.name, "delimiter": records.dialect.delimiter} | _counted(head, count)
    yield Facts(details=details, warnings=tuple(_warnings(encoding.warning, count, records)))


def _whole_lines(sample: str) -> str:
    cut = sample.rfind("\n") if len(sample) == _SAMPLE_CHARS else -1
    return sample[: cut + 1] or sample


def _counted(head: Head, count: _Count) -> dict[str, str | int | float | bool]:
    known: dict[str, str | int | float | bool] = {"rows": count.rows, "columns": head.width, "header": head.header is not None}
    return known | ({"preamble_rows": head.preamble} if head.preamble else {})


def _warnings(encoding: str, count: _Count, records: Records) -> Iterator[str]:
    if encoding:
        yield encoding
    if count.ragged:
        yield f"{count.ragged} of {count.rows} rows have more or fewer cells than the {count.width} of the table; all were kept"
    if records.stray_quotes:
        yield f"{records.stray_quotes} lines have quotes out of place, which were kept as text"
