"""How is a file extracted without harm to us? In a child process with limits, which is killed when it meets them."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import TracebackType

from connector_pipelines.core.errors import ConnectorError, Malformed, ResourceError, Unavailable
from connector_pipelines.core.types import Facts, InputFile, Part, Recognising, Section, Shortfall, Untaken
from connector_pipelines.extractors._bounds import size_text
from connector_pipelines.extractors._process import Deadline, Died, Flood, Late, WorkerProcess, verdict
from connector_pipelines.extractors._wire import Done, Ready, Request, decode_answer, encode_request

__all__ = ["Extraction", "ExtractionPool", "Limits"]

_FILES_PER_WORKER = 200  # against what parsers leak
_MOST_SECTIONS = 250_000
_SPARE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost: seconds of wall time, bytes of address space."""

    time_s: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Extraction:
    """What came out of a file.

    Attributes:
        media_type: What the bytes turned out to be.
        extractor: Name of the extractor.
        version: Of that extractor.
        parts: The files inside it, in the `parts_folder` of what was asked for.
        shortfalls: Limits that were met where the rest of the document stands.
    """

    media_type: str
    extractor: str
    version: str
    sections: tuple[Section, ...]
    facts: Facts
    parts: tuple[Part, ...] = ()
    shortfalls: tuple[Shortfall, ...] = ()


class ExtractionPool:
    """Up to `workers` processes, started when needed and used again and again. Used by several threads at once.

    After a fork it belongs to the parent alone.
    """

    def __init__(self, workers: int, limits: Limits) -> None:
        self._limits = limits
        self._slots = threading.BoundedSemaphore(workers)
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []
        self._all: set[WorkerProcess] = set()
        self._closed = False
        # The one thread that starts workers: it lives as long as they do, see WorkerProcess.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="extraction-starter")

    def __enter__(self) -> ExtractionPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def extract(self, file: InputFile, limits: Limits | None = None) -> Extraction | Untaken | None:
        """Extract `file`, waiting for a free worker first; None where no extractor takes what its bytes are.

        Raises:
            Malformed, Encrypted: As the extractor says; also Malformed where it crashed.
            ResourceError: A limit was met; `limit` says which, as in ``time=120s``.
            TransientError: The worker was killed from outside.
            Unavailable: The pool was closed.
            ConfigurationError: Workers do not start.
        """
        limits = limits or self._limits
        with self._slots:
            worker, deadline = self._take(), Deadline(limits.time_s)
            is_usable = False
            try:
                outcome = _converse(worker, file, limits, deadline)
                is_usable = worker.files < _FILES_PER_WORKER and not isinstance(outcome, ResourceError)
            except Late:
                outcome = ResourceError(f"stopped after {deadline.granted_s:g} seconds", limit=f"time={deadline.granted_s:g}s")
            except Flood:
                outcome = _too_much(file)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                # What is heard is as hostile as the file may be.
                outcome = Malformed(f"the extractor answered out of turn: {type(error).__name__}")
            except Died as died:
                outcome = verdict(worker, died, limits.memory_bytes)
            finally:
                # Whatever else comes out, an interrupt above all, leaves a worker in the middle of a file: not usable.
                self._give_back(worker, is_usable=is_usable)
        if isinstance(outcome, ConnectorError):
            raise self._stopped() if self._closed else outcome
        return outcome

    def close(self) -> None:
        """Kill all workers at once; callers in the middle of a file get `Unavailable`. May be called twice."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            workers = set(self._all)
        for worker in workers:
            worker.kill()
        for worker in idle:
            self._let_go(worker)
        self._starter.shutdown(wait=False)

    def _take(self) -> WorkerProcess:
        while True:
            with self._lock:
                if self._closed:
                    raise self._stopped()
                worker = self._idle.pop() if self._idle else None
                starting = None if worker else self._starter.submit(WorkerProcess)
            if worker and worker.is_alive():
                return worker
            if worker:
                self._let_go(worker)
            elif starting:
                return self._started(_result(starting))

    def _started(self, worker: WorkerProcess) -> WorkerProcess:
        with self._lock:
            self._all.add(worker)
            closed = self._closed
        if closed:
            self._let_go(worker)
            raise self._stopped()
        return worker

    def _give_back(self, worker: WorkerProcess, *, is_usable: bool) -> None:
        with self._lock:
            keep = is_usable and not self._closed
            if keep:
                self._idle.append(worker)
        if not keep:
            self._let_go(worker)

    def _let_go(self, worker: WorkerProcess) -> None:
        worker.close()
        with self._lock:
            self._all.discard(worker)

    @staticmethod
    def _stopped() -> Unavailable:
        return Unavailable("extraction was stopped")


def _result(starting: Future[WorkerProcess]) -> WorkerProcess:
    try:
        return starting.result()
    except OSError as error:
        raise Unavailable(f"no extraction worker can be started: {error}") from error


@dataclass(slots=True)
class _Heard:
    sections: list[Section] = field(default_factory=list)
    facts: list[Facts] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    shortfalls: list[Shortfall] = field(default_factory=list)
    is_recognising: bool = False

    def add(self, finding: Section | Facts | Shortfall) -> None:
        match finding:
            case Section():
                self.sections.append(finding)
            case Facts():
                self.facts.append(finding)
            case Shortfall():
                self.shortfalls.append(finding)

    def recognising(self, deadline: Deadline, file: InputFile) -> None:
        """Grant the time for it, once."""
        if not self.is_recognising and file.ocr.is_on:
            deadline.put_off(file.ocr.time_s)
        self.is_recognising = True

    def all_facts(self) -> Facts:
        title = next((facts.title for facts in reversed(self.facts) if facts.title), None)
        details = {key: value for facts in self.facts for key, value in facts.details.items()}
        return Facts(title=title, details=details, warnings=tuple(warning for facts in self.facts for warning in facts.warnings))


def _converse(worker: WorkerProcess, file: InputFile, limits: Limits, deadline: Deadline) -> Extraction | Untaken | ConnectorError | None:
    """Send the file, hear the worker out. The worker is trusted with our limits only as far as it can be checked."""
    heard, left = _Heard(), file.max_text_bytes * 4 + _SPARE_BYTES
    worker.send(encode_request(Request(file, limits.memory_bytes)), most_bytes=left)
    for line, text in worker.answers(deadline):
        left -= len(line) + len(text)
        if left < 0 or len(heard.sections) > _MOST_SECTIONS:
            return _too_much(file)
        if len(heard.parts) > file.max_parts:
            return ResourceError(f"holds more than {file.max_parts} files", limit=f"parts={file.max_parts}")
        match decode_answer(line, text):
            case Ready():
                worker.is_ready = True
            case Done() as done:
                return _extraction(done, heard)
            case Untaken() | ConnectorError() as outcome:
                return outcome
            case Recognising():
                heard.recognising(deadline, file)
            case Part() as part:
                heard.parts.append(_checked(part, file))
            case finding:
                heard.add(finding)
    return None


def _extraction(done: Done, heard: _Heard) -> Extraction | None:
    if not done.extractor:
        return None
    facts = heard.all_facts()
    if not (heard.sections or heard.parts or heard.shortfalls or facts.warnings):
        facts = replace(facts, warnings=("no text was found in it",))
    return Extraction(
        done.media_type, done.extractor, done.version, tuple(heard.sections), facts, tuple(heard.parts), tuple(heard.shortfalls)
    )


def _checked(part: Part, file: InputFile) -> Part:
    path = None if file.parts_folder is None else file.parts_folder / part.path
    if path is None or path.is_symlink() or not path.is_file():
        raise Malformed(f"the extractor named a file inside it, {part.name[:200]!r}, and did not write it")
    return replace(part, path=path)


def _too_much(file: InputFile) -> ResourceError:
    limit = size_text(file.max_text_bytes)
    return ResourceError(f"more text than {limit}, or more than {_MOST_SECTIONS} sections", limit=f"text={limit}")
