"""A call of a webhook as it arrived, and how it is read: bounded in bytes and in time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Call", "Memory", "Overloaded", "Reason", "Refusal", "read_body"]

Reason = Literal["unsigned", "forged", "replayed", "ambiguous", "malformed", "too_large", "too_slow"]
"""Why a call was refused: stable, counted, and told to the caller."""

_NUMBER = re.compile(r"[0-9]{1,20}")

BODY_S = 10.0
"""For the whole body: who sends it byte by byte is cut off."""


class Refusal(Exception):
    """The call is not taken. `reason` is all that is said of it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Overloaded(Exception):
    """There is no room for the call just now; its sender makes it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`headers` in order, names in lower case, values as latin-1; `query` as it stands in the address."""

    method: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    query: str = field(repr=False)
    body: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        """The header's value, or None.

        Raises:
            Refusal: It is there twice: a proxy may have looked at the other one.
        """
        found = [value for header, value in self.headers if header == name.lower()]
        if len(found) > 1:
            raise Refusal("ambiguous")
        return found[0] if found else None


class Memory:
    """How many bytes of bodies may be held at once, of all calls together: they are read before anybody is known."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def take(self, size: int) -> None:
        """Raises `Overloaded` where there is no room."""
        if size > self._left:
            raise Overloaded
        self._left -= size

    def give_back(self, size: int) -> None:
        self._left += size


async def read_body(stream: AsyncIterator[bytes], announced: str | None, limit: int, memory: Memory, within_s: float = BODY_S) -> bytes:
    """The whole body. What it takes of `memory` is the caller's to give back, by the length of what is returned.

    Raises:
        Refusal: It is larger than `limit`, or not here in time. No more of it is read.
        Overloaded: Too much is being read already.
    """
    if announced is not None and _NUMBER.fullmatch(announced):
        _bound(int(announced), limit)
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for piece in stream:
                _bound(len(body) + len(piece), limit)
                memory.take(len(piece))
                body += piece
    except BaseException as error:
        memory.give_back(len(body))
        if isinstance(error, TimeoutError):
            raise Refusal("too_slow") from error
        raise
    return bytes(body)


def _bound(size: int, limit: int) -> None:
    if size > limit:
        raise Refusal("too_large")
