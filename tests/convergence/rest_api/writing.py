"""What people write into records: fields of every kind, whose types change, and new ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

__all__ = ["Writer"]

_WORDS = (
    "anchor", "beam", "culvert", "drain", "embankment", "fac\u0327ade", "girder", "hoist", "inlet", "joint", "кран", "lintel", "橋", "a\x00b", "null",
)  # fmt: skip
_ODD_NAMES = ("With Space", "a/b~c", "camelCase", "camel_case", "größe", "dot.ted", "1st", "select", "_document_id", "x" * 70)


class Writer:
    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._serial = 0

    def fields(self) -> dict[str, Any]:
        """Of a record, whole: some are not there, some hold nothing."""
        self._serial += 1
        dice = self._dice
        found: dict[str, Any] = {
            "name": f"{self._words(1, 3)} {self._serial}",
            "number": f"N-{self._serial:07}",
            "warehouse": dice.choice(("north", "south", "east-2")),
            "score": self._anything(),
            "amount": dice.choice((dice.randrange(1000), round(dice.random() * 1000, 2), None)),
            "seen_on": dice.choice(("2026-05-17", "2026-05-17T12:30:00.250+02:00", "2999-12-31", "soon", None)),
        }
        optional: dict[str, Callable[[], Any]] = {
            "note": lambda: dice.choice((None, self._words(3, 25), self._words(3, 25), self._words(250, 500))),
            "address": self._address,
            "tags": lambda: [self._words(1, 1) for _ in range(dice.randrange(3))],
            "details": lambda: dice.choice(({}, [], self._address(), self._anything())),
            "huge": lambda: dice.choice((2**63 - 1, 2**63, 10**30 + 7, -(2**63), 1e-7, 1e22, 9007199254740993)),
        }
        found |= {name: make() for name, make in optional.items() if dice.random() < 0.5}
        if dice.random() < 0.15:
            found[dice.choice(_ODD_NAMES)] = self._anything()
        if dice.random() < 0.1:
            found[f"extra_{dice.randrange(12)}"] = self._anything()
        return found

    def text(self) -> bytes:
        """Of a file."""
        self._serial += 1
        return f"number {self._serial} {self._words(1, 30)}".replace("\x00", "").encode()

    def _words(self, least: int, most: int) -> str:
        return " ".join(self._dice.choice(_WORDS) for _ in range(self._dice.randint(least, most)))

    def _anything(self) -> Any:
        dice = self._dice
        return dice.choice(
            (
                dice.randrange(100),
                dice.randrange(100),
                0.25,
                True,
                "3",
                "text",
                None,
                {"a": 1, "b": {"c": None}},
                [1, "x", None],
                "2026-01-02",
                "",
            )
        )

    def _address(self) -> dict[str, Any]:
        dice = self._dice
        return {
            "city": self._words(1, 1),
            "geo": {"lat": dice.randrange(90), "deep": {"deeper": {"deepest": dice.randrange(3)}, "list": [1.5]}},
            "none": None,
        }
