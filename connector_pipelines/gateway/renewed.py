"""What is looked up once and kept for a while: looked up again when it is old, or when somebody doubts it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from connector_pipelines.core.errors import TransientError

__all__ = ["Renewed"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    """`asked_at`: when it was last tried to look it up; `at`: when that gave this value."""

    value: V
    at: float
    asked_at: float


class Renewed(Generic[K, V]):
    """Values by key, each looked up by one caller at a time, in a thread.

    Args:
        look_up: Given the key, and whether what is kept was doubted. May block; what it raises is its callers'.
        lifetime_s: After that a value is looked up again by whoever wants it.
        doubt_s: One that is doubted is looked up again only if it is older than that: doubts cost an attacker nothing.
        grace_s: As old as that, a value is used for which looking it up fails for a while.
        now: Seconds, never going back.
    """

    def __init__(
        self, look_up: Callable[[K, bool], V], *, lifetime_s: float, doubt_s: float, now: Callable[[], float], grace_s: float = 0.0
    ) -> None:
        self._look_up, self._now = look_up, now
        self._lifetime_s, self._doubt_s, self._grace_s = lifetime_s, doubt_s, grace_s
        self._kept: dict[K, _Kept[V]] = {}
        self._under_way: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K) -> V:
        """The value as it was at most `lifetime_s` ago."""
        return await self._not_older(key, self._lifetime_s, doubted=False)

    async def doubt(self, key: K) -> V:
        """The value as it was at most `doubt_s` ago."""
        return await self._not_older(key, self._doubt_s, doubted=True)

    async def _not_older(self, key: K, age_s: float, *, doubted: bool) -> V:
        kept = self._kept.get(key)
        if kept is not None and self._now() - kept.asked_at <= age_s:
            return kept.value
        if key not in self._under_way:
            self._under_way[key] = asyncio.create_task(self._renew(key, doubted=doubted))
        # A caller that goes away does not take the others' answer along.
        return await asyncio.shield(self._under_way[key])

    async def _renew(self, key: K, *, doubted: bool) -> V:
        now, before = self._now(), self._kept.get(key)
        try:
            fresh = _Kept(await asyncio.to_thread(self._look_up, key, doubted), now, now)
        except TransientError:
            if before is None or now - before.at > self._grace_s:
                raise
            fresh = _Kept(before.value, before.at, now)
        finally:
            del self._under_way[key]
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[key] = fresh
        return fresh.value
