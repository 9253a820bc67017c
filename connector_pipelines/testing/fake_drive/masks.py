"""The parameter `fields`: which parts of an answer come back (https://developers.google.com/workspace/drive/api/guides/fields-parameter)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from connector_pipelines.testing.fake_drive.errors import DriveError

__all__ = ["EVERYTHING", "Mask", "below", "cut", "invalid", "mask_of", "wants"]

Mask = Mapping[str, "Mask | None"]
"""Names that come back; None below a name, or the name ``*``: all of it."""

EVERYTHING: Final[Mask] = {"*": None}

_TOKEN: Final = re.compile(r"\s*([A-Za-z0-9_*-]+|[(),/])\s*")
_NAME: Final = re.compile(r"[A-Za-z0-9_*-]+")


@lru_cache(maxsize=512)
def mask_of(fields: str) -> Mask:
    """As in ``nextPageToken,files(id,owners/emailAddress)``.

    Raises:
        DriveError: 400: not of that form. Names nothing has are the business of who knows what there is.
    """
    tokens = _tokens(fields)
    mask, place = _list(fields, tokens, 0)
    if place != len(tokens):
        raise invalid(fields)
    return mask


def wants(mask: Mask, name: str) -> bool:
    return name in mask or "*" in mask


def below(mask: Mask, name: str) -> Mask:
    """The mask of what is in `name`."""
    return mask.get(name) or EVERYTHING


def cut(value: Any, mask: Mask) -> Any:
    """Of an object, or of each object of a list, what the mask names."""
    if "*" in mask:
        return value
    if isinstance(value, list):
        return [cut(each, mask) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: each if (inner := mask[name]) is None else cut(each, inner) for name, each in value.items() if name in mask}


def invalid(name: str) -> DriveError:
    return DriveError(400, "invalidParameter", f"Invalid field selection {name}", location="fields")


def _tokens(fields: str) -> list[str]:
    found: list[str] = []
    place = 0
    while place < len(fields):
        match = _TOKEN.match(fields, place)
        if match is None:
            raise invalid(fields)
        found.append(match.group(1))
        place = match.end()
    return found


def _list(fields: str, tokens: list[str], place: int) -> tuple[dict[str, Mask | None], int]:
    mask: dict[str, Mask | None] = {}
    while True:
        place = _one(fields, tokens, place, mask)
        if place >= len(tokens) or tokens[place] != ",":
            return mask, place
        place += 1


def _one(fields: str, tokens: list[str], place: int, mask: dict[str, Mask | None]) -> int:
    if place >= len(tokens) or not _NAME.fullmatch(tokens[place]):
        raise invalid(fields)
    name, place = tokens[place], place + 1
    inner: dict[str, Mask | None] | None = None
    if place < len(tokens) and tokens[place] == "/":
        inner = {}
        place = _one(fields, tokens, place + 1, inner)
    elif place < len(tokens) and tokens[place] == "(":
        inner, place = _list(fields, tokens, place + 1)
        if place >= len(tokens) or tokens[place] != ")":
            raise invalid(fields)
        place += 1
    _merge(mask, name, inner)
    return place


def _merge(mask: dict[str, Mask | None], name: str, inner: dict[str, Mask | None] | None) -> None:
    there = mask.get(name)
    if name not in mask:
        mask[name] = inner
    elif there is None or inner is None:
        mask[name] = None
    else:
        merged = dict(there)
        for key, value in inner.items():
            _merge(merged, key, dict(value) if value is not None else None)
        mask[name] = merged
