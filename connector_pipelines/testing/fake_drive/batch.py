"""The batch endpoint: up to a hundred requests in one, answered each for itself (https://developers.google.com/workspace/drive/api/guides/performance)."""

from __future__ import annotations

import email.parser
import email.policy
from collections.abc import Callable
from dataclasses import replace
from email.message import Message
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, unquote

from connector_pipelines.testing.fake_api.messages import Answer, Request
from connector_pipelines.testing.fake_drive.errors import DriveError

__all__ = ["BATCH_PATH", "answer_batch"]

BATCH_PATH: Final = "/batch/drive/v3"

_MOST: Final = 100
_BOUNDARY: Final = "batch_fakedrive"


def answer_batch(request: Request, answer: Callable[[Request], Answer]) -> Answer:
    """Answers 200 whatever the parts are answered.

    Raises:
        DriveError: 400: no parts, or more than a hundred.
    """
    parts = _parts(request)
    if not parts or len(parts) > _MOST:
        raise DriveError(400, "badRequest", f"A batch has 1 to {_MOST} calls; this one has {len(parts)}.")
    told = b"".join(_part(content_id, answer(inner)) for content_id, inner in parts)
    return Answer(200, told + f"--{_BOUNDARY}--\r\n".encode(), {"Content-Type": f"multipart/mixed; boundary={_BOUNDARY}"})


def _parts(request: Request) -> list[tuple[str, Request]]:
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    if not message.is_multipart():
        return []
    return [(str(part.get("Content-ID", "")), _inner(request, part)) for part in message.get_payload() if isinstance(part, Message)]


def _inner(outer: Request, part: Message[str, str]) -> Request:
    payload = part.get_payload(decode=True)
    head, _, body = (payload if isinstance(payload, bytes) else b"").replace(b"\r\n", b"\n").partition(b"\n\n")
    first, *lines = head.decode().lstrip().split("\n")
    method, _, target = first.strip().partition(" ")
    target = target.removesuffix(" HTTP/1.1").strip()
    path, _, query = target.partition("?")
    named = [line.partition(":") for line in lines if ":" in line]
    headers = {**outer.headers, **{name.strip().lower(): value.strip() for name, _, value in named}}
    params = dict(parse_qsl(query, keep_blank_values=True))
    return replace(outer, method=method, path=unquote(path), target=target, params=params, headers=headers, body=body)


def _part(content_id: str, answer: Answer) -> bytes:
    phrase = HTTPStatus(answer.status).phrase
    inner = {**answer.headers, "Content-Length": str(len(answer.body))}
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in inner.items())]
    answered = content_id[:1] + "response-" + content_id[1:] if content_id else "<response>"
    head = [f"--{_BOUNDARY}", "Content-Type: application/http", f"Content-ID: {answered}", "", *lines, "", ""]
    return "\r\n".join(head).encode() + answer.body + b"\r\n"
