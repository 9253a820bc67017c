"""What do the pool and its workers say to each other? One JSON object a line, in UTF-8."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from connector_pipelines.core import errors
from connector_pipelines.core.errors import ConnectorError, ResourceError
from connector_pipelines.core.types import Facts, Finding, InputFile, Part, Place, Section

__all__ = ["Answer", "Done", "Ready", "Request", "decode_answer", "decode_request", "encode_answer", "encode_request"]


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
    }
    return json.dumps({"file": fields, "memory_bytes": request.memory_bytes}).encode() + b"\n"


def decode_request(line: bytes) -> Request:
    """What `encode_request` was given."""
    message = json.loads(line)
    fields = message["file"]
    path, passwords, folder = Path(fields.pop("path")), tuple(fields.pop("passwords")), fields.pop("parts_folder")
    parts_folder = None if folder is None else Path(folder)
    return Request(InputFile(path=path, passwords=passwords, parts_folder=parts_folder, **fields), message["memory_bytes"])


def encode_answer(answer: Answer) -> bytes:
    """A line, with its end."""
    match answer:
        case Ready():
            message: dict[str, object] = {"type": "ready"}
        case Section(text, place):
            message = {"type": "section", "text": text, "place": place.as_json()}
        case Facts():
            message = {"type": "facts", "title": answer.title, "details": dict(answer.details), "warnings": answer.warnings}
        case Part():
            message = _part_message(answer)
        case Done():
            message = {"type": "done", "media_type": answer.media_type, "extractor": answer.extractor, "version": answer.version}
        case ConnectorError():
            message = _error_message(answer)
    return json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def decode_answer(line: bytes) -> Answer:
    """What `encode_answer` was given; an error of a class unknown here is of its nearest known ancestor."""
    message = json.loads(line)
    kind = message.pop("type")
    if kind == "section":
        return Section(message["text"], Place(**message["place"]))
    if kind == "facts":
        return Facts(title=message["title"], details=message["details"], warnings=tuple(message["warnings"]))
    if kind == "part":
        return _part(**message)
    if kind == "error":
        return _error(**message)
    return Done(**message) if kind == "done" else Ready()


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
