"""Where bytes wait until they are known whole: hashed, counted and checked, in memory while few, in a file of ours when many."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from connector_pipelines.core.errors import Mismatch, ResourceError
from connector_pipelines.core.types import Checksum
from connector_pipelines.store.blobs._faults import disk_faults

__all__ = ["Expected", "SpoolFile", "SpoolFolder", "Spooled"]

_MEMORY_BYTES = 8 * 1024**2
_ALL_MEMORY_BYTES = 64 * 1024**2
"""Of everything that a process takes in at once."""


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """A file of ours open for writing; gone when its context ends, unless it was moved away before."""

    path: Path
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class Spooled:
    """Bytes that arrived whole: in `file`, flushed, or else in `memory`. `sha256` is lower-case hexadecimal."""

    sha256: str
    size: int
    memory: bytearray
    file: SpoolFile | None


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of the bytes before they come; None is not known."""

    size: int | None = None
    checksum: Checksum | None = None
    max_bytes: int | None = None

    def check_so_far(self, size: int) -> None:
        """Raises when `size` bytes, with more to come perhaps, are too many."""
        if self.max_bytes is not None and size > self.max_bytes:
            raise ResourceError(f"the file has {size} bytes or more, {self.max_bytes} are allowed", limit=f"max_bytes={self.max_bytes}")
        if self.size is not None and size > self.size:
            raise Mismatch(f"the source said {self.size} bytes, {size} or more came")

    def check(self, size: int, hexdigest: str) -> None:
        """Raises when the whole is not what was described; `hexdigest` is by the algorithm of `checksum`."""
        if self.size is not None and size != self.size:
            raise Mismatch(f"the source said {self.size} bytes, {size} came")
        if self.checksum is not None and hexdigest != self.checksum.hexdigest.lower():
            raise Mismatch(f"the source said {self.checksum.algorithm} {self.checksum.hexdigest}, the bytes have {hexdigest}")


class SpoolFolder:
    """A folder shared by processes of one user. Each file is locked by its process while that lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.memory = _Memory(_ALL_MEMORY_BYTES)

    def prepare(self) -> None:
        """Make the folder, and remove what killed processes left in it."""
        with disk_faults(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.path.lstat()
            if found.st_uid != os.geteuid() or found.st_mode & 0o022:
                # In a temporary folder, anybody may have made it first.
                raise PermissionError(errno.EPERM, "it belongs to, or is open to, another user", str(self.path))
            for path in self.path.iterdir():
                with suppress(FileNotFoundError), _opened(path) as fd:
                    if _lock(fd):
                        _remove(path)

    @contextmanager
    def file(self) -> Iterator[SpoolFile]:
        with disk_faults(self.path):
            path, file = self._new()
        try:
            yield SpoolFile(path, file)
        finally:
            # Closing flushes; what a full disk would not take was told when it was written.
            with suppress(OSError):
                file.close()
            path.unlink(missing_ok=True)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder, gone with all that is in it when the context ends."""
        with disk_faults(self.path):
            path, fd = self._new_folder()
        try:
            yield path
        finally:
            with suppress(OSError):
                shutil.rmtree(path)
            os.close(fd)

    @contextmanager
    def receive(self, chunks: Iterable[bytes], expected: Expected) -> Iterator[Spooled]:
        """Take in all of `chunks`, whose errors pass as they are.

        Raises:
            Mismatch: The bytes are not as expected.
            ResourceError: There are more than `expected.max_bytes`.
            Unavailable: Our disk did not take them.
        """
        with ExitStack() as stack:
            intake = _Intake(self, expected, stack)
            stack.callback(intake.let_go)
            for chunk in chunks:
                intake.take(chunk)
            yield intake.whole()

    def _new(self) -> tuple[Path, BinaryIO]:
        while True:
            fd, name = tempfile.mkstemp(dir=self.path)
            file = os.fdopen(fd, "r+b")
            # Unlocked for a moment, it may have been taken for a dead process's and removed.
            if _lock(fd) and os.fstat(fd).st_nlink:
                return Path(name), file
            file.close()

    def _new_folder(self) -> tuple[Path, int]:
        while True:
            path = Path(tempfile.mkdtemp(dir=self.path))
            with suppress(FileNotFoundError):
                fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
                # Not by its count of links, which for a folder some file systems do not keep.
                if _lock(fd) and path.is_dir():
                    return path, fd
                os.close(fd)


class _Memory:
    """What threads may hold together."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        with self._lock:
            if self._left < size:
                return False
            self._left -= size
            return True

    def give_back(self, size: int) -> None:
        with self._lock:
            self._left += size


class _Intake:
    def __init__(self, folder: SpoolFolder, expected: Expected, stack: ExitStack) -> None:
        self._folder, self._expected, self._stack = folder, expected, stack
        self._sha256 = hashlib.sha256()
        algorithm = expected.checksum.algorithm if expected.checksum else "sha256"
        self._theirs = self._sha256 if algorithm == "sha256" else hashlib.new(algorithm, usedforsecurity=False)
        self._size = 0
        self._memory = bytearray()
        self._most_in_memory = _MEMORY_BYTES if (expected.size or 0) <= _MEMORY_BYTES else 0
        self._file: SpoolFile | None = None

    def take(self, chunk: bytes) -> None:
        self._size += len(chunk)
        self._expected.check_so_far(self._size)
        self._sha256.update(chunk)
        if self._theirs is not self._sha256:
            self._theirs.update(chunk)
        if self._file is None and self._size <= self._most_in_memory and self._folder.memory.take(len(chunk)):
            self._memory += chunk
        else:
            self._write(chunk)

    def let_go(self) -> None:
        self._folder.memory.give_back(len(self._memory))
        self._memory = bytearray()

    def whole(self) -> Spooled:
        self._expected.check(self._size, self._theirs.hexdigest())
        if self._file is not None:
            with disk_faults(self._folder.path):
                self._file.file.flush()
        return Spooled(self._sha256.hexdigest(), self._size, self._memory, self._file)

    def _write(self, chunk: bytes) -> None:
        if self._file is None:
            self._file = self._stack.enter_context(self._folder.file())
        with disk_faults(self._folder.path):
            if self._memory:
                self._file.file.write(self._memory)
                self.let_go()
            self._file.file.write(chunk)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        yield fd
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        # Its process is dead; one that it started may not be for a moment, and write. What is left goes another time.
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()
