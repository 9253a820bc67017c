"""How is one worker process started, listened to and killed?"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import IO

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Malformed, ResourceError, TransientError
from connector_pipelines.extractors._bounds import size_text
from connector_pipelines.extractors._wire import text_bytes

__all__ = ["Deadline", "Died", "Flood", "Late", "WorkerProcess", "verdict"]

_READ_BYTES = 256 * 1024  # more at once, and each block is fetched from the kernel and given back
_PIPE_BYTES = 1024 * 1024  # the most Linux gives without privilege; usual are 64 KiB, a switch between the processes every few pages
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
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
_NO_MEMORY = ("memory allocation of", "bad_alloc", "out of memory", "Cannot allocate memory", "MemoryError")


class Late(Exception):
    """The deadline passed before the worker had said everything."""


class Died(Exception):
    """The worker is gone.

    Args:
        status: Its exit status; negative is the signal that ended it.
        resident_bytes: The most memory it had; 0 where that is not known.
    """

    def __init__(self, status: int, resident_bytes: int = 0) -> None:
        super().__init__(status)
        self.status = status
        self.resident_bytes = resident_bytes


class Flood(Exception):
    """The worker said more at once than it may."""


class Deadline:
    """A time by which to be done, that can be put off."""

    def __init__(self, seconds: float) -> None:
        self.granted_s = seconds
        self._started_at = time.monotonic()

    def put_off(self, seconds: float) -> None:
        self.granted_s += seconds

    def left_s(self) -> float:
        return self._started_at + self.granted_s - time.monotonic()


class WorkerProcess:
    """A child process and the pipes to it. Used by one thread at a time, but for `kill`.

    Must be made in a thread that outlives it: Linux sends the death signal the worker asks for when the *thread*
    that started it ends (prctl(2), PR_SET_PDEATHSIG).
    """

    def __init__(self) -> None:
        self.files = 0
        self.is_ready = False
        self._most_bytes = 0
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
        _widen(self._process.stdout)

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def send(self, line: bytes, most_bytes: int) -> None:
        """Begin a file, at which no single answer has more than `most_bytes`.

        Raises:
            Died: Nobody reads any more.
        """
        self.files += 1
        self._most_bytes = most_bytes
        self._noise.seek(0)
        self._noise.truncate()
        assert self._process.stdin is not None  # noqa: S101 - asked for with PIPE; tells mypy
        try:
            self._process.stdin.write(line)
        except BrokenPipeError as error:
            raise Died(self._process.wait()) from error

    def answers(self, deadline: Deadline) -> Iterator[tuple[bytes, bytes]]:
        """Lines without their ends, each with the text that follows it, as they come. There is no end.

        Raises:
            Late: The deadline has passed.
            Died: The worker ended.
            Flood: One answer is larger than `most_bytes` of the last `send`.
        """
        held, start = b"", 0
        while True:
            end = held.find(b"\n", start)
            line = held[start:end] if end >= 0 else b""
            after = end + 1 + text_bytes(line)
            if end >= 0 and after <= len(held):
                yield line, held[end + 1 : after]
                start = after
            else:
                missing = after - len(held) if end >= 0 else None
                held, start = b"".join([held[start:], *self._blocks(deadline, missing)]), 0

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

    def _died(self) -> Died:
        try:
            _, status, used = os.wait4(self._process.pid, 0)
        except ChildProcessError:  # another thread has just waited for it
            return Died(self._process.wait())
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return Died(self._process.returncode, used.ru_maxrss * _MAXRSS_UNIT)

    def _blocks(self, deadline: Deadline, missing: int | None) -> Iterator[bytes]:
        """What comes, up to `missing` bytes and perhaps more; None: up to an end of line."""
        assert self._process.stdout is not None  # noqa: S101 - asked for with PIPE; tells mypy
        number = self._process.stdout.fileno()
        poll = select.poll()  # not select(): it cannot do descriptors above 1,023
        poll.register(number, select.POLLIN)
        read = 0
        while True:
            left = deadline.left_s()
            if left <= 0 or not poll.poll(left * 1000):
                raise Late
            block = os.read(number, _READ_BYTES)
            if not block:
                raise self._died()
            yield block
            read += len(block)
            if read > self._most_bytes:
                raise Flood
            if b"\n" in block if missing is None else read >= missing:
                return


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
    # pdfium aborts without a word when it gets no memory; the block it did not get is usually twice the last it got.
    gave_up = status in {-signal.SIGABRT, -signal.SIGTRAP, -signal.SIGILL} and died.resident_bytes > memory_bytes / 4
    if gave_up or any(words in noise for words in _NO_MEMORY):
        limit = size_text(memory_bytes)
        return ResourceError(f"needs more than {limit} of memory", limit=f"memory={limit}")
    if status < 0:
        return Malformed(f"the extractor crashed on it (signal {-status})")
    return Malformed(f"the extractor ended on it (status {status})")


def _widen(pipe: IO[bytes] | None) -> None:
    # Linux alone can; and it refuses a user whose pipes hold much already.
    if pipe is not None and (command := getattr(fcntl, "F_SETPIPE_SZ", None)):
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, command, _PIPE_BYTES)
