"""HTTP/1.1 as text: reading the head of a request, writing the head of an answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, unquote

from connector_pipelines.testing.fake_api.messages import Answer, Request

__all__ = ["BODILESS", "Head", "HeadWriter", "read_head"]

BODILESS: Final = frozenset({204, 304})
_PHRASES: Final[Mapping[int, str]] = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Head:
    """The first part of a request; names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def body_size(self) -> int | None:
        """Bytes that follow, or None where the client does not say beforehand."""
        if "transfer-encoding" in self.headers:
            return None
        length = self.headers.get("content-length", "0")
        return int(length) if length.isdigit() else None

    @property
    def keeps_alive(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"

    def request(self, scheme: str, body: bytes, certificate: str | None) -> Request:
        path, _, query = self.target.partition("?")
        return Request(
            method=self.method,
            path=unquote(path) if "%" in path else path,
            target=self.target,
            base=f"{scheme}://{self.headers.get('host', '')}",
            params=dict(parse_qsl(query, keep_blank_values=True)) if query else {},
            headers=self.headers,
            body=body,
            certificate=certificate,
        )


def read_head(raw: bytes) -> Head:
    """The head without the empty line at its end.

    Raises:
        ValueError: It is no head of HTTP/1.
    """
    first, *lines = raw.decode("latin-1").split("\r\n")
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(f"not HTTP/1: {version!r}")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Head(method, target, headers)


class HeadWriter:
    """Heads of answers, with the time as a clock says it that may be wrong by `skew_s`."""

    def __init__(self) -> None:
        self.skew_s = 0.0
        self._at = 0
        self._date = ""

    def head(self, answer: Answer) -> bytes:
        status = answer.status
        lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Scripted')}\r\nDate: {self._now()}"]
        if status not in BODILESS:
            lines.append(f"Content-Length: {len(answer.body)}")
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines.append("\r\n")
        return "\r\n".join(lines).encode("latin-1")

    def _now(self) -> str:
        at = int(time.time() + self.skew_s)
        if at != self._at:
            self._at, self._date = at, formatdate(at, usegmt=True)
        return self._date
