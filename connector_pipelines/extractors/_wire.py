"""What do the pool and its workers say to each other? One JSON object a line; the text of a section follows its line, as it is.

Never a pickle: the worker has read a hostile file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from connector_pipelines.core import errors
from connector_pipelines.core.errors import ConnectorError, ResourceError
from connector_pipelines.core.types import Facts, Finding, InputFile, Ocr, Part, Place, Recognising, Section, Shortfall, Untaken

__all__ = ["Answer", "Done", "Ready", "Request", "decode_answer", "decode_request", "encode_answer", "encode_request", "text_bytes"]

_TEXT_AFTER = b'{"text":'


@dataclass(frozen=True, slots=True)
class Request:
    """A file to extract within so many bytes of address space."""

    file: InputFile
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has started."""


@dataclass(frozen=True, slots=True)
class Done:
    """Everything was said. `extractor` is empty where none takes the media type."""

    media_type: str
    extractor: str = ""
    version: str = ""


Answer = Ready | Finding | Done | ConnectorError

_PLAIN: dict[str, type[Ready | Done | Recognising | Shortfall | Untaken]] = {
    "ready": Ready, "done": Done, "recognising": Recognising, "shortfall": Shortfall, "untaken": Untaken,
}  # fmt: skip
_NAMES = {plain: name for name, plain in _PLAIN.items()}


def encode_request(request: Request) -> bytes:
    """A line, with its end. ASCII, so that a path that is not UTF-8 gets through."""
    file = request.file
    fields = {
        "path": str(file.path),
        "name": file.name,
        "media_type": file.media_type,
        "passwords": file.passwords,
        "max_text_bytes": file.max_text_bytes,
        "max_unpacked_bytes": file.max_unpacked_bytes,
        "parts_folder": None if file.parts_folder is None else str(file.parts_folder),
        "max_parts": file.max_parts,
        "ocr": asdict(file.ocr) | {"data_folder": None if file.ocr.data_folder is None else str(file.ocr.data_folder)},
    }
    return json.dumps({"file": fields, "memory_bytes": request.memory_bytes}).encode() + b"\n"


def decode_request(line: bytes) -> Request:
    """What `encode_request` was given."""
    message = json.loads(line)
    fields = message["file"]
    path, passwords, folder = Path(fields.pop("path")), tuple(fields.pop("passwords")), fields.pop("parts_folder")
    parts_folder, ocr = None if folder is None else Path(folder), _ocr(**fields.pop("ocr"))
    return Request(InputFile(path=path, passwords=passwords, parts_folder=parts_folder, ocr=ocr, **fields), message["memory_bytes"])


def encode_answer(answer: Answer) -> bytes:
    """A line, with its end, and the text that follows it."""
    if isinstance(answer, Section):
        text = answer.text.encode("utf-8", "replace")
        return b'%b%d,"place":%b}\n%b' % (_TEXT_AFTER, len(text), json.dumps(answer.place.as_json()).encode(), text)
    return json.dumps(_message(answer), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def text_bytes(line: bytes) -> int:
    """How many bytes of text follow the line of an answer.

    Raises:
        ValueError: The line is none of ours.
    """
    if not line.startswith(_TEXT_AFTER):
        return 0
    digits, _, _ = line[len(_TEXT_AFTER) :].partition(b",")
    if not digits.isdigit():
        raise ValueError("the length of a text is no number")
    return int(digits)


def decode_answer(line: bytes, text: bytes = b"") -> Answer:
    """What `encode_answer` was given; an error of a class unknown here is of its nearest known ancestor.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: The line is none of ours.
    """
    message = json.loads(line)
    if "place" in message:
        return Section(text.decode("utf-8", "replace"), Place(**message["place"]))
    kind = message.pop("type")
    if kind in _PLAIN:
        return _PLAIN[kind](**message)
    if kind == "facts":
        return Facts(title=message["title"], details=message["details"], warnings=tuple(message["warnings"]))
    if kind == "part":
        return _part(**message)
    return _error(**message)


def _ocr(languages: list[str], data_folder: str | None, **others: Any) -> Ocr:
    return Ocr(languages=tuple(languages), data_folder=None if data_folder is None else Path(data_folder), **others)


def _message(answer: Answer) -> dict[str, object]:
    match answer:
        case Facts():
            return {"type": "facts", "title": answer.title, "details": dict(answer.details), "warnings": answer.warnings}
        case Part():
            return _part_message(answer)
        case ConnectorError():
            return _error_message(answer)
        case Section():
            raise TypeError("the text of a section follows its line")
    return {"type": _NAMES[type(answer)], **asdict(answer)}


def _part_message(part: Part) -> dict[str, object]:
    modified_at = None if part.modified_at is None else part.modified_at.isoformat()
    return {"type": "part", "name": part.name, "file": part.path.name, "media_type": part.media_type, "modified_at": modified_at}


def _part(name: str, file: str, media_type: str, modified_at: str | None) -> Part:
    # The name alone: which folder it lies in is the pool's to know, not the worker's to say.
    path = Path(Path(file).name)
    return Part(
        name=name, path=path, media_type=media_type, modified_at=None if modified_at is None else datetime.fromisoformat(modified_at)
    )


def _error_message(error: ConnectorError) -> dict[str, object]:
    known = next(ancestor for ancestor in type(error).__mro__ if ancestor.__module__ == errors.__name__)
    limit = error.limit if isinstance(error, ResourceError) else ""
    return {"type": "error", "name": known.__name__, "text": str(error)[:2000], "advice": error.advice, "limit": limit}


def _error(name: str, text: str, advice: str, limit: str) -> ConnectorError:
    known: type[ConnectorError] = getattr(errors, name)
    if issubclass(known, ResourceError):
        return known(text, advice=advice, limit=limit)
    return known(text, advice=advice)
