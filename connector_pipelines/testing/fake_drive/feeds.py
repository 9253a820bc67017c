"""The change feeds: one for each user and one for each shared drive."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Entry", "FeedKey", "Feeds"]

FeedKey = tuple[str, str]
"""(``user``, address) or (``drive``, id)."""


class Entry(NamedTuple):
    """Something to look at again: what a change says of it is how it is when somebody reads, as in the real one.

    Attributes:
        kind: ``file`` or ``drive``.
        drive_id: The shared drive it was in then, or None.
    """

    kind: str
    id: str
    at: int
    drive_id: str | None


class Feeds:
    """Places in a feed count from 0, and a token is good for the epoch it was given in."""

    def __init__(self) -> None:
        self._log: list[Entry] = []
        self._places: dict[FeedKey, array[int]] = {}
        self._epochs: dict[FeedKey, int] = {}

    def add(self, entry: Entry, keys: Iterator[FeedKey] | frozenset[FeedKey]) -> None:
        self._log.append(entry)
        for key in keys:
            self._places.setdefault(key, array("Q")).append(len(self._log) - 1)

    def end(self, key: FeedKey) -> int:
        return len(self._places.get(key, ()))

    def read(self, key: FeedKey, begin: int, count: int) -> list[Entry]:
        return [self._log[place] for place in self._places.get(key, ())[begin : begin + count]]

    def epoch(self, key: FeedKey) -> int:
        return self._epochs.get(key, 0)

    def reject_tokens(self, key: FeedKey) -> None:
        """No token given until now is good any more."""
        self._epochs[key] = self.epoch(key) + 1
