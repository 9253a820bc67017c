"""By which subscriptions calls may come, and how often each did. A look at the rows serves all who wait for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from connector_pipelines.core.errors import ConnectorError, Unavailable
from connector_pipelines.core.protocols import Heard, KnownSubscription
from connector_pipelines.store.catalog.subscriptions import HeardRow

__all__ = ["Subscribed"]

FRESH_S = 60.0
"""What is known does not change: a secret is its subscription's for good. Only who is new is not known."""

APART_S = 0.25
"""Between two looks that are asked for by doubts: a flood of doubts costs four looks a second."""

LOOK_UP_S = 3.0
"""Longer than that no caller waits."""

LATE = timedelta(minutes=5)
"""So long after it has expired a subscription is still heard: clocks differ, and calls are made again."""

_Known = Mapping[str, Mapping[str, KnownSubscription]]


class Subscribed:
    """All subscriptions of the installation, by connector. To be used in one event loop, but for `of_connector`, `take` and `put_back`.

    Args:
        load: Reads them from the catalog; blocks.
        clock: Now, aware, UTC.
        now: Seconds, for how old what is known is.

    Attributes:
        looks: How often the rows were read.
    """

    def __init__(self, load: Callable[[], _Known], clock: Callable[[], datetime], now: Callable[[], float]) -> None:
        self._load, self._clock, self._now = load, clock, now
        self.looks = 0
        self._known: _Known = {}
        self._looked_at: float | None = None
        self._not_before = 0.0
        self._under_way: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._heard: dict[str, HeardRow] = {}

    def of_connector(self, connector_id: str) -> _OfConnector:
        """What the connector's source is lent: always as it is known just now."""
        return _OfConnector(lambda: self._known.get(connector_id, {}), self._clock)

    async def refresh(self) -> None:
        """Have them as they were at most a minute ago; older where there is no database: then nothing is taken anyway.

        Raises:
            Unavailable: They were never read, and cannot be now.
        """
        if self._looked_at is not None and self._now() - self._looked_at <= FRESH_S:
            return
        try:
            await self.look_again()
        except ConnectorError:
            if self._looked_at is None:
                raise

    async def look_again(self) -> None:
        """Have them as they were after this was called: what was there before a call came is then known.

        Raises:
            Unavailable: They cannot be read now.
        """
        # One that is under way may have read before. All who come meanwhile share the one after it.
        if self._next is None:
            self._next = asyncio.create_task(self._look_after(self._under_way))
            # Whoever waited may be gone by then.
            self._next.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            async with asyncio.timeout(LOOK_UP_S):
                await asyncio.shield(self._next)
        except TimeoutError as error:
            raise Unavailable("the subscriptions cannot be read from the database") from error

    def count(self, heard: Sequence[Heard]) -> None:
        """Take note that these made themselves heard."""
        for one in heard:
            before = self._heard.get(one.subscription_id)
            self._heard[one.subscription_id] = HeardRow(
                subscription_id=one.subscription_id,
                calls=1 + (before.calls if before else 0),
                at=self._clock(),
                handle=one.handle or (before.handle if before else None),
            )

    def take(self) -> list[HeardRow]:
        """What was counted since the last time."""
        taken, self._heard = self._heard, {}
        return list(taken.values())

    def put_back(self, heard: Sequence[HeardRow]) -> None:
        """What could not be written is counted still."""
        for one in heard:
            later = self._heard.get(one.subscription_id)
            self._heard[one.subscription_id] = HeardRow(
                subscription_id=one.subscription_id,
                calls=one.calls + (later.calls if later else 0),
                at=later.at if later else one.at,
                handle=(later.handle if later else None) or one.handle,
            )

    async def _look_after(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        # By the loop's own time: what is doubted a second time is looked at a little later, however the clocks stand.
        await asyncio.sleep(max(self._not_before - asyncio.get_running_loop().time(), 0))
        # From here on, who comes waits for the next: this one is about to read.
        self._under_way, self._next = self._next, None
        at, self._not_before = self._now(), asyncio.get_running_loop().time() + APART_S
        self._known = await asyncio.to_thread(self._load)
        self._looked_at = at
        self.looks += 1


class _OfConnector:
    def __init__(self, known: Callable[[], Mapping[str, KnownSubscription]], clock: Callable[[], datetime]) -> None:
        self._known, self._clock = known, clock

    def find(self, subscription_id: str) -> KnownSubscription | None:
        found = self._known().get(subscription_id)
        return found if found is not None and self._clock() < found.expires_at + LATE else None
