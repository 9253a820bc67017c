"""How do the files inside a file get out? Each under a number of ours: what it is called inside is data, never a path."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache

from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.core.types import Facts, Finding, InputFile, Part, Shortfall
from connector_pipelines.extractors._bounds import clean
from connector_pipelines.extractors._unpacked import Unpacked

__all__ = ["Parts", "file_name", "instant", "member_name", "suffix_of"]

_SEPARATOR = re.compile(r"[/\\]+")
_DRIVE = re.compile(r"[A-Za-z]:")
_LONGEST_NAME = 1000
_LONGEST_FILE_NAME = 200


class Parts:
    """The files inside `file`, counted and written to its `parts_folder`.

    Attributes:
        left_out: How many there are that were not written, because parts are not wanted or there are too many.
    """

    def __init__(self, file: InputFile) -> None:
        self._folder = file.parts_folder
        self._most = file.max_parts
        self._count = 0
        self._unpacked = Unpacked(file.path.stat().st_size, file.max_unpacked_bytes)
        self.left_out = 0

    def add(self, name: str, blocks: Iterable[bytes], media_type: str = "", modified_at: datetime | None = None) -> Iterator[Part]:
        """The part made of `blocks`, which are read as they are written; none where it is not wanted, or one too many.

        Raises:
            ResourceError: There are more bytes in them than `file` may unpack to.
            ConnectorError: What reading `blocks` raises; nothing of that part stays behind.
        """
        if self._folder is None or self._count >= self._most:
            self.left_out += 1
            return
        self._count += 1
        path = self._folder / f"{self._count:06d}"
        try:
            with path.open("xb") as stream:
                for block in blocks:
                    self._unpacked.take(len(block))
                    stream.write(block)
        except ConnectorError:
            path.unlink(missing_ok=True)
            raise
        yield Part(name=name, path=path, media_type=media_type or "application/octet-stream", modified_at=modified_at)

    def takes(self) -> bool:
        """Whether the next one will be written."""
        return self._folder is not None and self._count < self._most

    def remarks(self) -> Iterator[Finding]:
        """What a reader of the document should know: that files inside it were left out."""
        if self.left_out and self._folder is None:
            yield Facts(warnings=(f"{self.left_out} files inside it were not opened",))
        elif self.left_out:
            yield Shortfall(
                message=f"{self.left_out} files inside it were left out: {self._most} are taken out at most",
                advice="raise `extraction.max_parts` of the endpoint",
                limit=f"max_parts={self._most}",
            )


def member_name(raw: str) -> str:
    """`raw`, which may climb, start at a root or a drive, or be cut by controls, as the name of a `Part`; ``unnamed`` for nothing."""
    segments = [" ".join(segment.split()) for segment in _SEPARATOR.split(clean(raw))]
    if segments and _DRIVE.fullmatch(segments[0]):
        del segments[0]
    return "/".join(segment for segment in segments if segment not in {"", ".", ".."})[-_LONGEST_NAME:].lstrip("/") or "unnamed"


def file_name(raw: str, suffix: str = "") -> str:
    """The last part of `raw`, with `suffix` unless it has one; never empty, never with a ``/``."""
    name = member_name(raw).rpartition("/")[2][:_LONGEST_FILE_NAME]
    return name if "." in name else name + suffix


def suffix_of(media_type: str) -> str:
    """The usual suffix of a media type, with its dot, or empty: the same on every machine."""
    return _python_table().get(media_type, "")


def instant(seconds: float) -> datetime | None:
    """A time since 1970 in UTC, or None where no calendar has it, or it is that very moment: nobody said."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (ValueError, OverflowError, OSError):
        return None


@cache
def _python_table() -> dict[str, str]:
    # Python's own table; the functions of the module add what the machine's files say.
    return {media_type: suffixes[0] for media_type, suffixes in mimetypes.MimeTypes().types_map_inv[True].items()}
