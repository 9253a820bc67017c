"""What is looked up is kept for a while, doubted no more often than is good, and outlives a keeper that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Unavailable
from connector_pipelines.gateway.renewed import Renewed


@dataclass(slots=True)
class Keeper:
    now: float = 0.0
    looked_up: list[bool] = field(default_factory=list)
    fault: ConnectorError | None = None

    def look_up(self, key: str, doubted: bool) -> str:
        self.looked_up.append(doubted)
        if self.fault is not None:
            raise self.fault
        return f"{key} {len(self.looked_up)}"

    def run(self, steps: Callable[[Renewed[str, str]], Coroutine[Any, Any, None]]) -> None:
        asyncio.run(steps(Renewed(self.look_up, lifetime_s=60, doubt_s=30, now=lambda: self.now, grace_s=3600)))


def test_many_callers_at_once_lead_to_one_look() -> None:
    keeper = Keeper()

    async def steps(renewed: Renewed[str, str]) -> None:
        assert set(await asyncio.gather(*(renewed.get("a") for _ in range(50)))) == {"a 1"}

    keeper.run(steps)
    assert keeper.looked_up == [False]


def test_a_value_is_looked_up_again_when_it_is_old_or_doubted_for_long_enough() -> None:
    keeper = Keeper()

    async def steps(renewed: Renewed[str, str]) -> None:
        found = [await renewed.get("a")]
        for keeper.now in (29.0, 31.0, 32.0):
            found.append(await renewed.doubt("a"))
        keeper.now = 95.0
        found.append(await renewed.get("a"))
        assert found == ["a 1", "a 1", "a 2", "a 2", "a 3"]

    keeper.run(steps)
    assert keeper.looked_up == [False, True, False]


def test_while_its_keeper_is_away_a_value_is_used_for_an_hour_and_asked_for_now_and_then() -> None:
    keeper = Keeper()

    async def steps(renewed: Renewed[str, str]) -> None:
        await renewed.get("a")
        keeper.fault = Unavailable("away")
        for keeper.now in (100.0, 101.0, 3000.0):
            assert await renewed.get("a") == "a 1"
        keeper.now = 3700.0
        with pytest.raises(Unavailable):
            await renewed.get("a")

    keeper.run(steps)
    assert len(keeper.looked_up) == 4


def test_a_value_that_is_there_no_more_is_not_used_any_longer() -> None:
    keeper = Keeper()

    async def steps(renewed: Renewed[str, str]) -> None:
        await renewed.get("a")
        keeper.now, keeper.fault = 61.0, ConfigurationError("there is no such secret")
        with pytest.raises(ConfigurationError):
            await renewed.get("a")

    keeper.run(steps)
