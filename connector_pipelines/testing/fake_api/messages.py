"""A request and an answer, free of sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Answer", "Refusal", "Request", "json_answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """As it came in. Header names are in lower case; `certificate` is the common name of the client's, or None.

    Attributes:
        target: Path and query as sent, for signatures.
        base: ``http://host:port`` as the client called us.
    """

    method: str
    path: str
    target: str
    base: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out, before any fault befalls it."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """The request ends here, with this answer."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.answer = json_answer({"error": {"code": status, "message": reason, "errors": [{"reason": reason}]}}, status, headers)


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})
