"""How the bytes of one file are read: below the root and nowhere else, and never half old, half new."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from stat import S_ISREG
from typing import Final

from connector_pipelines.core.errors import NotFound, Unavailable
from connector_pipelines.sources.local_folder.faults import fault
from connector_pipelines.sources.local_folder.names import name_of
from connector_pipelines.sources.local_folder.walk import is_below

__all__ = ["CHUNK_BYTES", "chunks", "opened"]

CHUNK_BYTES: Final = 1024 * 1024

# O_PATH asks for the right to pass through a folder, not to list it; only Linux has it.
_FOLDER: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A named pipe put where the file was would block without O_NONBLOCK; files do not care.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def opened(root: str, file_id: str, *, follow_symlinks: bool) -> Iterator[int]:
    """A descriptor of the regular file with this id.

    Raises:
        NotFound: There is none below `root`, which is a real path.
        Forbidden: It is refused to us.
        Unavailable: The file system does not answer as it should.
    """
    try:
        descriptor = _open_below(root, _way_to(root, file_id, follow_symlinks=follow_symlinks))
    except OSError as error:
        raise fault(error, f"{file_id!r} cannot be opened") from error
    try:
        if not S_ISREG(os.fstat(descriptor).st_mode):
            raise NotFound(f"{file_id!r} is not a regular file any more")
        yield descriptor
    finally:
        os.close(descriptor)


def chunks(descriptor: int, file_id: str) -> Iterator[bytes]:
    """The bytes, at most `CHUNK_BYTES` at a time.

    Raises:
        Unavailable: The file changed meanwhile, so what was given out is neither the old bytes nor the new;
            or it could not be read to its end.
    """
    before, count = os.fstat(descriptor), 0
    while chunk := _read(descriptor, file_id):
        count += len(chunk)
        if count > before.st_size:
            break  # A log may grow faster than it is read.
        yield chunk
    if count != before.st_size or _state(before) != _state(os.fstat(descriptor)):
        raise Unavailable(f"{file_id!r} changed while it was read")


def _way_to(root: str, file_id: str, *, follow_symlinks: bool) -> list[str]:
    name = name_of(file_id)
    if name is None:
        raise NotFound(f"{file_id!r} is not the id of a file below the folder")
    path = f"{root.rstrip('/')}/{name}"
    if follow_symlinks:
        path = os.path.realpath(path)
    if not is_below(root, path):
        raise NotFound(f"{file_id!r} is a link that leads out of the folder")
    return path[len(root.rstrip("/")) + 1 :].split("/")


def _open_below(root: str, way: list[str]) -> int:
    """Name by name, none of them a link: one put in the place of a folder since it was resolved leads nowhere."""
    # The root itself may be a link.
    folder = os.open(root, _FOLDER & ~os.O_NOFOLLOW)
    try:
        for name in way[:-1]:
            inner = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(way[-1], _FILE, dir_fd=folder)
    finally:
        os.close(folder)


def _read(descriptor: int, file_id: str) -> bytes:
    try:
        return os.read(descriptor, CHUNK_BYTES)
    except OSError as error:
        raise fault(error, f"{file_id!r} cannot be read") from error


def _state(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
