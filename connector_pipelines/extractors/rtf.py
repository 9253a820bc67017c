"""What does an RTF document say?"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import ClassVar

from connector_pipelines.core.errors import Malformed
from connector_pipelines.core.types import Facts, Finding, InputFile, Place, Section
from connector_pipelines.extractors._headings import Headings
from connector_pipelines.extractors._rtf import Block, Rtf

__all__ = ["Extractor"]

_SECTION_CHARS = 256 * 1024


class Extractor:
    """One section for each heading; headers, footers, notes and comments after them."""

    version: ClassVar[str] = "1"
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {"application/rtf": (".rtf",)}

    def extract(self, file: InputFile) -> Iterator[Finding]:
        yield from _extract(file)


def _extract(file: InputFile) -> Iterator[Finding]:
    if not file.path.stat().st_size:
        raise Malformed("the file is empty")
    # Mapped, not read: pictures in hex make such files large, and nothing of them is kept.
    with file.path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = Rtf(data)
        yield from _sections(reader.blocks())
        author = reader.info.get("author", "").strip()
        yield Facts(title=reader.info.get("title", "").strip() or None, details={"author": author} if author else {})


def _sections(blocks: Iterator[Block]) -> Iterator[Section]:
    headings, texts, size, asides = Headings(), list[str](), 0, dict[str, list[str]]()
    for block in blocks:
        if block.aside:
            asides.setdefault(block.aside, []).append(block.text)
            continue
        if block.level or size > _SECTION_CHARS:
            yield Section("\n".join(texts), Place(heading=headings.path))
            texts, size = [], 0
        if block.level:
            headings.enter(block.level, block.text)
        texts.append(block.text)
        size += len(block.text)
    yield Section("\n".join(texts), Place(heading=headings.path))
    for title, lines in asides.items():
        yield Section("\n".join(lines), Place(heading=title))
