"""What is in an archive? Its document names the files in it; each of them is a part and becomes a document of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from connector_pipelines.core.errors import ConnectorError, Encrypted, Malformed, PermanentError
from connector_pipelines.core.types import Facts, Finding, InputFile, Section
from connector_pipelines.extractors._bounds import size_text
from connector_pipelines.extractors._members import Member, compressed_members, tar_members
from connector_pipelines.extractors._parts import Parts, member_name
from connector_pipelines.extractors._zip_members import zip_members

__all__ = ["Extractor"]

_ZIP = "application/zip"
_TAR = "application/x-tar"
# What operating systems put beside the files: forks of macOS, thumbnails and views of folders.
_JUNK = re.compile(r"(?:.*/)?(?:__MACOSX/.*|\.DS_Store|\._[^/]*|Thumbs\.db|desktop\.ini)", re.IGNORECASE | re.DOTALL)
_MOST_TROUBLES = 20
_SECTION_LINES = 500


class Extractor:
    """The names and sizes of the files inside, and the files as parts."""

    version: ClassVar[str] = "1"
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {
        _ZIP: (".zip",),
        _TAR: (".tar",),
        "application/gzip": (".gz", ".tgz"),
        "application/x-bzip2": (".bz2", ".tbz2"),
        "application/x-xz": (".xz", ".txz"),
    }

    def extract(self, file: InputFile) -> Iterator[Finding]:
        yield from _extract(file)


@dataclass(slots=True)
class _Tally:
    files: int = 0
    size: int = 0
    junk: int = 0
    special: int = 0
    troubles: list[tuple[str, ConnectorError]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def counted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.size += len(block)
            yield block


def _extract(file: InputFile) -> Iterator[Finding]:
    members = {_ZIP: zip_members, _TAR: tar_members}.get(file.media_type, compressed_members)(file)
    parts, tally = Parts(file), _Tally()
    damage = ""
    try:
        for member in members:
            yield from _member(member, parts, tally)
    except Malformed as error:
        if not tally.files:
            raise
        damage = str(error)
    _check_any(tally)
    for start in range(0, len(tally.lines), _SECTION_LINES):
        yield Section("\n".join(tally.lines[start : start + _SECTION_LINES]))
    details: dict[str, str | int | float | bool] = {"files": tally.files}
    if tally.size:
        details["unpacked_bytes"] = tally.size
    if tally.junk:
        details["system_files_left_out"] = tally.junk
    yield Facts(details=details, warnings=tuple(_warnings(tally, damage)))
    yield from parts.remarks()


def _member(member: Member, parts: Parts, tally: _Tally) -> Iterator[Finding]:
    name = member_name(member.name)
    if _JUNK.fullmatch(name):
        tally.junk += 1
        return
    if not member.is_file:
        tally.special += 1
        return
    tally.files += 1
    before, is_written = tally.size, parts.takes()
    try:
        yield from parts.add(name, tally.counted(member.blocks()), modified_at=member.modified_at)
    except PermanentError as error:
        tally.size = before
        tally.troubles.append((name, error))
        tally.lines.append(name)
        return
    tally.lines.append(f"{name} ({size_text(tally.size - before)})" if is_written else name)


def _check_any(tally: _Tally) -> None:
    """An archive of which nothing could be unpacked is no archive that was read."""
    if tally.files and len(tally.troubles) == tally.files:
        name, error = next(((n, e) for n, e in tally.troubles if isinstance(e, Encrypted)), tally.troubles[0])
        raise type(error)(f"none of the {tally.files} files inside can be unpacked; {name}: {error}", advice=error.advice)


def _warnings(tally: _Tally, damage: str) -> Iterator[str]:
    if damage:
        yield f"what follows could not be read: {damage}"
    for name, error in tally.troubles[:_MOST_TROUBLES]:
        yield f"{name} was left out: {error}"
    if len(tally.troubles) > _MOST_TROUBLES:
        yield f"{len(tally.troubles) - _MOST_TROUBLES} more files were left out for such reasons"
    if tally.special:
        yield f"{tally.special} links, devices or files with holes were left out"
