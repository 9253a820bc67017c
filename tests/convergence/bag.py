"""Ids, of which one is drawn by chance."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

__all__ = ["Bag"]


class Bag:
    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._ids: list[str] = []
        self._places: dict[str, int] = {}
        self.add(*ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, one: str) -> bool:
        return one in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def add(self, *ids: str) -> None:
        """Those that are in it already stay once."""
        for one in ids:
            if one not in self._places:
                self._places[one] = len(self._ids)
                self._ids.append(one)

    def draw(self, dice: random.Random) -> str | None:
        return dice.choice(self._ids) if self._ids else None

    def remove(self, one: str) -> None:
        place, last = self._places.pop(one), self._ids.pop()
        if last != one:
            self._ids[place] = last
            self._places[last] = place

    def discard(self, one: str) -> None:
        if one in self:
            self.remove(one)
