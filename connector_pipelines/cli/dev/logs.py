"""Which lines of Dagster's log a person at the terminal should see; all of them stand in the file."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from connector_pipelines.telemetry import scrub

__all__ = ["LogTail", "important", "rotate"]

MAX_LOG_BYTES = 10_000_000
MAX_LINE = 300
MAX_READ_BYTES = 256 * 1024

BURST = 12
BURST_S = 10.0
"""Lines shown in this many seconds; a fault that repeats would push everything else off the terminal."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_IMPORTANT = re.compile(r" - (?:ERROR|CRITICAL) - |^(?:[\w.]+\.)?\w*(?:Error|Exception): ")


def rotate(log: Path) -> None:
    """Put a large log aside, as `dagster.log.1`; one old one is kept."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))


def important(line: str) -> str | None:
    """What of a log line is worth a place on the terminal, on one line without colours or secrets; None for nothing."""
    plain = _COLOUR.sub("", line).strip()
    if not _IMPORTANT.search(plain):
        return None
    plain = scrub("".join(c if c.isprintable() else " " for c in plain))
    return plain if len(plain) <= MAX_LINE else f"{plain[:MAX_LINE]}…"


class LogTail:
    """Reads on from the present end of a log, and says what is important in it."""

    def __init__(self, log: Path, now: Callable[[], float] = time.monotonic) -> None:
        self._log, self._now = log, now
        self._at = log.stat().st_size if log.exists() else 0
        self._rest = b""
        self._shown: list[float] = []

    def new(self) -> Iterator[str]:
        """Yield what came since the last call."""
        for line in self._lines():
            found = important(line)
            if found is not None:
                yield from self._limited(found)

    def _lines(self) -> list[str]:
        if not self._log.exists():
            return []
        with self._log.open("rb") as stream:
            stream.seek(self._at)
            read = stream.read(MAX_READ_BYTES)
        self._at += len(read)
        *lines, self._rest = (self._rest + read).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def _limited(self, line: str) -> Iterator[str]:
        now = self._now()
        self._shown = [t for t in self._shown if now - t < BURST_S]
        if len(self._shown) < BURST:
            yield line
        elif len(self._shown) == BURST:
            yield f"more of these: see {self._log}"
        self._shown = [*self._shown, now][: BURST + 1]
