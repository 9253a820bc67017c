"""Where do the messages of a mailbox begin and end? (mbox, RFC 4155, in the dialects mboxo and mboxrd)"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["Span", "message_blocks", "messages"]

# A line of a text may begin with "From ", too: one that begins a message has a time of day, and an empty line before it.
_BEGINS = re.compile(rb"From .{0,998}?\d{1,2}:\d\d", re.DOTALL)
_QUOTED = re.compile(rb">+From ")
_LINE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Span:
    """Where a message stands: the first byte after its "From " line, and the first after it."""

    start: int
    end: int


def messages(path: Path) -> Iterator[Span]:
    """Each message in turn, without anything held of it."""
    start, at, after_blank, goes_on = -1, 0, True, False
    with path.open("rb") as stream:
        while line := stream.readline(_LINE_BYTES):
            if after_blank and not goes_on and _BEGINS.match(line):
                if start >= 0:
                    yield Span(start, at)
                start = at + len(line)
            at += len(line)
            after_blank, goes_on = not goes_on and not line.strip(b"\r\n"), not line.endswith(b"\n")
    if start >= 0:
        yield Span(start, at)


def message_blocks(stream: BinaryIO, span: Span) -> Iterator[bytes]:
    """The message, line by line, with the quoting taken off that kept its text from looking like a beginning."""
    stream.seek(span.start)
    left, goes_on = span.end - span.start, False
    while left > 0 and (line := stream.readline(min(left, _LINE_BYTES))):
        left -= len(line)
        yield line[1:] if not goes_on and _QUOTED.match(line) else line
        goes_on = not line.endswith(b"\n")
