"""How genuine calls are stored: those that come while one transaction is under way share the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from connector_pipelines.core.errors import ConnectorError, Malformed, Unavailable
from connector_pipelines.gateway.calls import Overloaded
from connector_pipelines.store.catalog.inbox import Arrived

__all__ = ["Inbox"]

MOST_AT_ONCE = 500
MOST_WAITING = 5_000
STORE_S = 5.0
"""A caller waits at most this long. Senders give up after some ten seconds, and learn nothing then."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    arrived: tuple[Arrived, ...]
    stored: asyncio.Future[None]


class Inbox:
    """One writer, for a transaction costs the same for one call as for hundreds.

    Args:
        store: Stores all of them or none; blocks.
    """

    def __init__(self, store: Callable[[Sequence[Arrived]], object]) -> None:
        self._store = store
        self._waiting: list[_Waiting] = []
        self._some = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "inbox")

    async def put(self, arrived: tuple[Arrived, ...]) -> None:
        """Returns when they are stored for good.

        Raises:
            Overloaded: Too many wait already.
            Unavailable: Not within the time a caller has. They may be stored yet: the caller makes the same call again.
            Malformed: The database will not have them.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise Overloaded
        waiting = _Waiting(arrived, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._some.set()
        try:
            async with asyncio.timeout(STORE_S):
                await waiting.stored
        except TimeoutError as error:
            raise Unavailable(f"the database did not store a call within {STORE_S:.0f} s") from error

    async def run(self) -> None:
        """Store what comes, until cancelled; what waits then is stored first."""
        try:
            while True:
                await self._some.wait()
                await self._store_next()
        finally:
            while self._waiting:
                await self._store_next()
            self._thread.shutdown()

    async def _store_next(self) -> None:
        # A caller that has given up is told nothing any more, and calls again.
        batch = [one for one in self._waiting[:MOST_AT_ONCE] if not one.stored.done()]
        del self._waiting[:MOST_AT_ONCE]
        if not self._waiting:
            self._some.clear()
        error = await self._try(batch) if batch else None
        if isinstance(error, ConnectorError) or len(batch) == 1:
            _settle(batch, error)
            return
        if error is None:
            _settle(batch, None)
            return
        # One of them is at fault. The others are not to suffer for it.
        for one in batch:
            _settle([one], await self._try([one]))

    async def _try(self, batch: Sequence[_Waiting]) -> Exception | None:
        arrived = [each for one in batch for each in one.arrived]
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._store, arrived)
        except Exception as error:  # noqa: BLE001 - whatever it is, callers wait for an answer
            return error
        return None


def _settle(batch: Sequence[_Waiting], error: Exception | None) -> None:
    for one in batch:
        if one.stored.done():
            continue
        if error is None:
            one.stored.set_result(None)
        elif isinstance(error, ConnectorError):
            one.stored.set_exception(error)
        else:
            refused = Malformed(f"the database does not take what a call says ({type(error).__name__})")
            refused.__cause__ = error
            one.stored.set_exception(refused)
