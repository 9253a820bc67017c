"""What runs in the child process: one file after another, from standard input to standard output, until told to stop or killed.

Started by `_process` as ``python -m connector_pipelines.extractors._worker PARENT_PID``. Nothing heavy is imported
before a file needs it: a worker is there in a tenth of a second.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from connector_pipelines.core.errors import ConnectorError, Malformed, ResourceError
from connector_pipelines.core.types import Finding, InputFile, Ocr, Recognising, Untaken
from connector_pipelines.extractors._bounds import bounded, size_text
from connector_pipelines.extractors._find import find_extractor
from connector_pipelines.extractors._ocr import engine_version, why_off
from connector_pipelines.extractors._sniff import sniff
from connector_pipelines.extractors._wire import Answer, Done, Ready, decode_request, encode_answer

if TYPE_CHECKING:
    from connector_pipelines.core.protocols import Extractor

__all__ = ["main"]

_NOISE_BYTES = 1024 * 1024  # to any file, where that is only standard error
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h


def main(parent_pid: int) -> None:
    """Answer requests until standard input ends."""
    _protect(parent_pid)
    requests, answers = _protocol()
    _send(answers, Ready())
    for line in requests:
        request = decode_request(line)
        _limit_memory(request.memory_bytes)
        _limit_writing(_NOISE_BYTES if request.file.parts_folder is None else request.file.max_unpacked_bytes)
        try:
            for answer in _extract(request.file):
                answers.write(encode_answer(answer))
                if isinstance(answer, Recognising):
                    answers.flush()  # it asks for time
        except MemoryError:
            _limit_memory(None)
            limit = size_text(request.memory_bytes)
            _send(answers, ResourceError(f"needs more than {limit} of memory", limit=f"memory={limit}"))
            return  # what was allocated so far is not all given back
        except ConnectorError as error:
            answers.write(encode_answer(error))
        except Exception as error:  # noqa: BLE001 - the outermost edge: parsers answer damaged files with any error there is
            answers.write(encode_answer(Malformed(f"the extractor failed on it: {type(error).__name__}: {str(error)[:200]}")))
        answers.flush()


def _extract(file: InputFile) -> Iterator[Answer]:
    media_type = sniff(file.path, file.name, file.media_type)
    found = find_extractor(media_type)
    if found is None:
        yield Done(media_type)
        return
    items: Iterator[Finding] = found.type().extract(replace(file, media_type=media_type))
    for item in bounded(items, file.max_text_bytes):
        yield item
        if isinstance(item, Untaken):
            return
    yield Done(media_type, found.name, _version(found.type, file.ocr))


def _version(extractor: type[Extractor], ocr: Ocr) -> str:
    """With what recognises text for it, without which the same bytes give less."""
    if not getattr(extractor, "recognises", False):
        return extractor.version
    engine = "none" if why_off(ocr) else f"{engine_version()} {'+'.join(ocr.languages)}"
    return f"{extractor.version}, ocr {engine}"


def _protect(parent_pid: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to act on
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent_pid:
        raise SystemExit(1)  # it died before it could be watched


def _protocol() -> tuple[BinaryIO, BinaryIO]:
    """The two ends, out of reach of anything that reads standard input or prints: C libraries do."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=64 * 1024)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    # Descriptor 2 stays: there the last words of a dying library are looked for. Python's own chatter may not fill it up.
    sys.stderr = sys.stdout
    return requests, answers


def _limit_memory(size: int | None) -> None:
    if sys.platform != "linux":
        return  # macOS knows the limit and does not keep it
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = hard if size is None or (hard != resource.RLIM_INFINITY and hard < size) else size
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _limit_writing(size: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard))


def _send(answers: BinaryIO, answer: Answer) -> None:
    answers.write(encode_answer(answer))
    answers.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
