"""What does a plain text or Markdown file say?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, TextIO

from connector_pipelines.core.types import Facts, Finding, InputFile, Place, Section
from connector_pipelines.extractors._bounds import bounded
from connector_pipelines.extractors._encoding import detect_encoding, open_text
from connector_pipelines.extractors._headings import Headings

__all__ = ["Extractor"]

_BLOCK_CHARS = 256 * 1024  # at most 1 MiB of UTF-8: what stays in memory of a file of any size
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*\n?")  # CommonMark 0.31, 4.2
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*\n?")  # CommonMark 0.31, 4.3
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


class Extractor:
    """Plain text is one section (of 1 MiB at most); Markdown is one for each heading."""

    version: ClassVar[str] = "1"
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {
        "text/plain": (".txt", ".text", ".log"),
        "text/markdown": (".md", ".markdown"),
        "application/json": (".json",),
        "application/yaml": (".yaml", ".yml"),
    }

    def extract(self, file: InputFile) -> Iterator[Finding]:
        yield from bounded(_extract(file), file.max_text_bytes)


def _extract(file: InputFile) -> Iterator[Finding]:
    encoding = detect_encoding(file.path, file.max_text_bytes + 1)
    warnings = (encoding.warning,) if encoding.warning else ()
    yield Facts(details={"encoding": encoding.name}, warnings=warnings)
    with open_text(file.path, encoding) as stream:
        yield from _markdown(stream) if file.media_type == "text/markdown" else _plain(stream)


def _plain(stream: TextIO) -> Iterator[Section]:
    rest = ""
    while block := stream.read(_BLOCK_CHARS - len(rest)):
        text = rest + block
        if len(text) < _BLOCK_CHARS:
            rest = text
            continue
        cut = max(text.rfind("\n"), 0) or max(text.rfind(" "), 0) or len(text)
        yield Section(text[:cut])
        rest = text[cut:]
    yield Section(rest)


def _markdown(stream: TextIO) -> Iterator[Finding]:
    headings, lines, size, fence, titled = Headings(), list[str](), 0, "", False
    while line := stream.readline(_BLOCK_CHARS):
        fence = _fence_after(fence, line)
        found = None if fence else _heading(line, lines)
        if found or size > _BLOCK_CHARS:
            yield Section("".join(lines), Place(heading=headings.path))
            lines, size = [], 0
        if found:
            headings.enter(*found)
            if not titled:
                titled = True
                yield Facts(title=found[1])
        lines.append(line)
        size += len(line)
    yield Section("".join(lines), Place(heading=headings.path))


def _fence_after(fence: str, line: str) -> str:
    """The fence that is open after `line`, or empty: what looks like a heading in code is none."""
    found = _FENCE.match(line)
    if not found:
        return fence
    if not fence:
        return found[1]
    closes = found[1].startswith(fence) and not line.strip(f" \t\n{fence[0]}")
    return "" if closes else fence


def _heading(line: str, before: list[str]) -> tuple[int, str] | None:
    """(level, text) where a heading begins with `line`; the underlined kind takes its text back out of `before`."""
    atx = _ATX.fullmatch(line)
    if atx and atx[2]:
        return len(atx[1]), atx[2]
    under = _SETEXT.fullmatch(line)
    if under and before and _is_paragraph(before):
        return (1 if under[1][0] == "=" else 2), before.pop().strip()
    return None


def _is_paragraph(before: list[str]) -> bool:
    """Whether the last line is a paragraph of one line: `---` after anything longer or else is a rule or a table."""
    last = before[-1].strip()
    alone = len(before) == 1 or not before[-2].strip()
    return bool(last) and alone and last[0] not in "#>|-*+`~=" and not _ATX.fullmatch(before[-1])
