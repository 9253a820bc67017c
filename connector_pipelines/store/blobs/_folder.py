"""Objects as files in a folder.

Plain files rather than obstore's LocalStore, which is as fast but neither syncs to disk, nor moves a spooled file into its
place instead of writing it twice, nor keeps others from reading. The layout is the same: the key is the path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from connector_pipelines.core.errors import NotFound, Unavailable
from connector_pipelines.store.blobs._backend import CHUNK_BYTES, Span
from connector_pipelines.store.blobs._faults import disk_faults
from connector_pipelines.store.blobs._spool import Spooled, SpoolFile, SpoolFolder

__all__ = ["Folder"]


class Folder:
    """`Backend` in the folder `root`."""

    ask_from_bytes = 0

    def __init__(self, root: Path) -> None:
        self.name = str(root)
        self._root = root
        # On the same file system, so that a file of any size moves into place at once.
        self.spools = SpoolFolder(root / ".spool")

    def prepare(self) -> None:
        with disk_faults(self._root):
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.spools.prepare()

    def size(self, key: str) -> int | None:
        with disk_faults(self._root):
            try:
                return (self._root / key).stat().st_size
            except FileNotFoundError:
                self._require_root()
                return None

    def write(self, key: str, content: Spooled) -> None:
        if content.file is not None:
            self._place(content.file, key)
            return
        with self.spools.file() as spool:
            with disk_faults(self._root):
                spool.file.write(content.memory)
            self._place(spool, key)

    @contextmanager
    def open(self, key: str) -> Iterator[Iterator[bytes]]:
        with self.local_copy(key) as path:
            with disk_faults(self._root):
                file = path.open("rb")
            with file:
                yield self._chunks(key, file.fileno())

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        if self.size(key) is None:
            raise NotFound(f"{key} is not in {self.name}")
        yield self._root / key

    def read(self, key: str, spans: Sequence[Span]) -> list[bytes]:
        with self.local_copy(key) as path, disk_faults(self._root), path.open("rb", buffering=0) as file:
            return [_whole(file.fileno(), position, size) for position, size in spans]

    def delete(self, keys: Sequence[str]) -> None:
        with disk_faults(self._root):
            for key in keys:
                (self._root / key).unlink(missing_ok=True)
            self._require_root()

    def keys(self, prefix: str) -> Iterator[str]:
        with disk_faults(self._root):
            self._require_root()
            for path in (self._root / prefix).glob("??/??/*"):
                yield path.relative_to(self._root).as_posix()

    def link(self, key: str, expires: timedelta, filename: str | None) -> str:  # noqa: ARG002 - a file's address lives as long as the file
        return (self._root / key).resolve().as_uri()

    def _place(self, spool: SpoolFile, key: str) -> None:
        target = self._root / key
        with disk_faults(self._root):
            spool.file.flush()
            os.fsync(spool.file.fileno())
            self._make_folder(target.parent)
            spool.path.replace(target)
            _sync_folder(target.parent)

    def _make_folder(self, folder: Path) -> None:
        if folder == self._root or folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)

    def _chunks(self, key: str, fd: int) -> Iterator[bytes]:
        with disk_faults(self._root / key):
            while chunk := os.read(fd, CHUNK_BYTES):
                yield chunk

    def _require_root(self) -> None:
        """Tell a missing object from a missing disk: what is on a disk that is away is not gone."""
        if not self.spools.path.is_dir():
            raise Unavailable(f"the object store's folder {self._root} is not there just now", advice="see that its disk is mounted")


def _whole(fd: int, position: int, size: int) -> bytes:
    """All of it: one call may give less, and gives 2 GiB at most."""
    pieces = [os.pread(fd, size, position)]
    while pieces[-1] and (got := sum(map(len, pieces))) < size:
        pieces.append(os.pread(fd, size - got, position + got))
    return b"".join(pieces)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
