"""What people write, and what they call it."""

from __future__ import annotations

import random

__all__ = ["Writer"]

_WORDS = (
    "anchor", "beam", "culvert", "drain", "embankment", "fac\u0327ade", "girder", "hoist", "inlet", "joint", "кран", "lintel", "橋",
)  # fmt: skip
_ODD_NAMES = (
    "same.txt", "same.txt", "Same.TXT", "Q1/Q2.txt", "..", ".", "", " ", "a\x00b.txt", "~$draft.txt", ".DS_Store", "größe.txt", "名前.txt", "x" * 200 + ".txt",
    "100%.txt", "a'b\"c\\d.txt", "line\nbreak.txt", "[brackets]*?.txt",
)  # fmt: skip


class Writer:
    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._serial = 0

    def name(self) -> str:
        """Mostly one that nothing else has; now and then one that many have, or an odd one."""
        if self._dice.random() < 0.2:
            return self._dice.choice(_ODD_NAMES)
        return f"{self._words(1, 2)} {self._next()}.txt"

    def title(self) -> str:
        """Of a document of Google's own, which has no extension."""
        return f"{self._words(1, 2)} {self._next()}"

    def text(self) -> str:
        """Of a file; now and then a long one, or an empty one, or one that another has."""
        chance = self._dice.random()
        if chance < 0.03:
            return "the same text in many files"
        if chance < 0.05:
            return ""
        return f"number {self._next()} {self._words(250, 400) if chance > 0.97 else self._words(1, 40)}"

    def line(self) -> str:
        return f"number {self._next()} {self._words(1, 8)}"

    def _next(self) -> str:
        self._serial += 1
        return f"N{self._serial:07}"

    def _words(self, least: int, most: int) -> str:
        return " ".join(self._dice.choice(_WORDS) for _ in range(self._dice.randint(least, most)))
