"""Where an endpoint's feeds were read to: what its cursor says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connector_pipelines.core.types import Cursor

__all__ = ["Followed", "Place", "read_cursor", "write_cursor"]

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Followed:
    """How far one part was read.

    Attributes:
        root: Id of its outermost folder; None where not even that could be had.
        token: Of its change feed; None where it is to be listed anew.
    """

    root: str | None
    token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far all of it was read.

    Attributes:
        parts: By the key of the part.
        links: Token of the user's own feed, where shortcuts lead out of what the parts' feeds tell; None where none do.
        me: Address of whoever the sign-in is, where that had to be asked for.
        targets: Of shortcuts that lead out of what is synced; and whether each was there.
    """

    parts: Mapping[str, Followed] = field(default_factory=dict)
    links: str | None = None
    me: str | None = None
    targets: Mapping[str, bool] = field(default_factory=dict)


def read_cursor(cursor: Cursor) -> Place | None:
    """What a cursor says; None where it is none of this version: then everything is listed."""
    try:
        told = json.loads(cursor)
        if told["v"] != _VERSION:
            return None
        parts = {key: Followed(_text(root), _text(token)) for key, (root, token) in told["parts"].items()}
        targets = {str(key): True for key in told.get("there", ())} | {str(key): False for key in told.get("away", ())}
        return Place(parts=parts, links=_text(told.get("links")), me=_text(told.get("me")), targets=targets) if parts else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def write_cursor(place: Place) -> Cursor:
    told: dict[str, Any] = {"v": _VERSION, "parts": {key: [each.root, each.token] for key, each in place.parts.items()}}
    if place.links is not None:
        told["links"] = place.links
    if place.me is not None:
        told["me"] = place.me
    for name, is_there in (("there", True), ("away", False)):
        if found := sorted(key for key, known in place.targets.items() if known is is_there):
            told[name] = found
    return Cursor(json.dumps(told, separators=(",", ":")))


def _text(told: Any) -> str | None:
    if told is not None and not isinstance(told, str):
        raise TypeError
    return told
