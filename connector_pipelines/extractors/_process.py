"""How is one worker process started, listened to and killed?"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Malformed, ResourceError, TransientError
from connector_pipelines.extractors._bounds import size_text

__all__ = ["Died", "Late", "WorkerProcess", "verdict"]

_READ_BYTES = 256 * 1024
_NOISE_BYTES = 64 * 1024
_ENVIRONMENT = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # One worker is one core: libraries that start a thread per core would each reserve address space, too.
    "OMP_NUM_THREADS": "1",
    "OMP_THREAD_LIMIT": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    # glibc gives the blocks a page needs back to the kernel after each page and asks for them again: a fifth of a PDF's CPU.
    "MALLOC_TRIM_THRESHOLD_": str(64 * 1024**2),
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2),
}
_NO_MEMORY = ("memory allocation of", "bad_alloc", "out of memory", "Cannot allocate memory", "MemoryError")


class Late(Exception):
    """The deadline passed before the worker had said everything."""


class Died(Exception):
    """The worker is gone.

    Args:
        status: Its exit status; negative is the signal that ended it.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class WorkerProcess:
    """A child process and the pipes to it. Used by one thread at a time, but for `kill`.

    Must be made in a thread that outlives it: Linux sends the death signal the worker asks for when the *thread*
    that started it ends (prctl(2), PR_SET_PDEATHSIG).
    """

    def __init__(self) -> None:
        self.files = 0
        self.is_ready = False
        self._unread = b""
        self._noise = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the process; a pipe would have to be drained
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "connector_pipelines.extractors._worker", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            bufsize=0,
            cwd="/",
            env=_ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def send(self, line: bytes) -> None:
        """Begin a file.

        Raises:
            Died: Nobody reads any more.
        """
        self.files += 1
        self._noise.seek(0)
        self._noise.truncate()
        assert self._process.stdin is not None  # noqa: S101 - asked for with PIPE; tells mypy
        try:
            self._process.stdin.write(line)
        except BrokenPipeError as error:
            raise Died(self._process.wait()) from error

    def lines(self, deadline: float) -> Iterator[bytes]:
        """Lines as they come, with no end of their own.

        Raises:
            Late: `deadline`, of `time.monotonic`, has passed.
            Died: The worker ended.
        """
        while True:
            *whole, self._unread = self._unread.split(b"\n")
            yield from whole
            self._unread = b"".join([self._unread, *self._until_line_end(deadline)])

    def noise(self) -> str:
        """The end of what was printed, by whatever runs there, since the last `send`."""
        size = self._noise.seek(0, os.SEEK_END)
        self._noise.seek(max(0, size - _NOISE_BYTES))
        return self._noise.read(_NOISE_BYTES).decode("utf-8", "replace")

    def kill(self) -> None:
        """End the worker, and what it started, at once. May be called twice, and from any thread."""
        with contextlib.suppress(ProcessLookupError):  # another thread has just waited for it
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """`kill`, and let go of the pipes."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._noise):
            if stream is not None:
                stream.close()

    def _until_line_end(self, deadline: float) -> Iterator[bytes]:
        assert self._process.stdout is not None  # noqa: S101 - asked for with PIPE; tells mypy
        number = self._process.stdout.fileno()
        poll = select.poll()  # not select(): it cannot do descriptors above 1,023
        poll.register(number, select.POLLIN)
        block = b""
        while b"\n" not in block:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise Late
            block = os.read(number, _READ_BYTES)
            if not block:
                raise Died(self._process.wait())
            yield block


def verdict(worker: WorkerProcess, died: Died, memory_bytes: int) -> ConnectorError:
    """What to think of a file at which the worker died."""
    noise, status = worker.noise(), died.status
    if status in {-signal.SIGKILL, -signal.SIGTERM}:
        return TransientError(
            f"the extraction worker was killed from outside (signal {-status})",
            advice="if it happens again, the machine is short of memory: lower the number of workers or `max_memory_bytes`",
        )
    if not worker.is_ready:
        last = noise.strip().rsplit("\n", 1)[-1][:300]
        return ConfigurationError(f"the extraction worker does not start (status {status}): {last}", advice="check the installation")
    if any(words in noise for words in _NO_MEMORY):
        limit = size_text(memory_bytes)
        return ResourceError(f"needs more than {limit} of memory", limit=f"memory={limit}")
    if status < 0:
        return Malformed(f"the extractor crashed on it (signal {-status})")
    return Malformed(f"the extractor ended on it (status {status})")
