"""How processes on one machine take turns: locks that the kernel gives back when their holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

__all__ = ["FileLock"]


class FileLock:
    """An advisory lock, flock(2), on the file at `path`; made if it is not there, never removed.

    A process forked while it is held holds it too. A shared lock stays until both have let go; an exclusive one ends with
    the first that does, so that a child forked in the middle of somebody's turn does not make the turn last.
    """

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        self._path = path
        self._mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._fd: int | None = None

    @property
    def fd(self) -> int:
        """Of the held lock, to hand on to a child process; -1 when it is not held."""
        return -1 if self._fd is None else self._fd

    def acquire(self, *, timeout_s: float) -> bool:
        """Whether the lock is held now; with 0 seconds, without waiting."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        give_up_at = time.monotonic() + timeout_s
        try:
            while not self._try(fd):
                if time.monotonic() >= give_up_at:
                    os.close(fd)
                    return False
                time.sleep(0.01)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return True

    def release(self) -> None:
        """Give it back; nothing happens when it is not held."""
        if self._fd is not None:
            # LOCK_UN takes the lock from forked processes too, closing does not.
            if self._mode == fcntl.LOCK_EX:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
            os.close(self._fd)
            self._fd = None

    def _try(self, fd: int) -> bool:
        try:
            fcntl.flock(fd, self._mode | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
