"""Who may see an item, in words that do not depend on where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ANYONE", "Acl"]

ANYONE = "anyone"
"""The principal that everybody is, signed in or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acl:
    """Who may see an item. Whoever is not named may not.

    A principal is ``user:ann@example.com``, ``group:staff@example.com``, ``domain:example.com``, or `ANYONE`; addresses are in lower case.

    Attributes:
        readers: Who finds and opens it.
        with_link: Who opens it given its address, and is not to find it by searching.
        until: When a reader's or a link's permission ends, by principal: ISO 8601, UTC.
        complete: False where the source would not tell all: then only those are named that are certain.
    """

    readers: frozenset[str] = frozenset()
    with_link: frozenset[str] = frozenset()
    until: Mapping[str, str] = field(default_factory=dict, hash=False)
    complete: bool = True

    def as_json(self) -> dict[str, Any]:
        """Sorted, so that equal ones are written equal. What is empty or usual is left out, but for the readers."""
        told: dict[str, Any] = {"readers": sorted(self.readers)}
        if self.with_link:
            told["with_link"] = sorted(self.with_link)
        if self.until:
            told["until"] = dict(sorted(self.until.items()))
        if not self.complete:
            told["complete"] = False
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Acl:
        """What `as_json` wrote."""
        return cls(
            readers=frozenset(told["readers"]),
            with_link=frozenset(told.get("with_link", ())),
            until=dict(told.get("until", {})),
            complete=told.get("complete", True),
        )
