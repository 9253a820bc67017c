"""Whose webhook a call is for: the rows as they were a few seconds ago."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from connector_pipelines.core.errors import ConnectorError, Unavailable
from connector_pipelines.gateway.renewed import Renewed
from connector_pipelines.store.catalog.inbox import Receiver

__all__ = ["Receivers"]

FRESH_S = 5.0
UNKNOWN_S = 1.0
"""For names nobody knows the rows are read at most this often, by all callers together."""

LOOK_UP_S = 2.0

_Known = Mapping[tuple[str, str], Receiver]


class Receivers:
    """All webhooks of the installation, read at once.

    Args:
        load: Reads them from the catalog; blocks.
    """

    def __init__(self, load: Callable[[], Sequence[Receiver]], now: Callable[[], float]) -> None:
        self._rows: Renewed[None, _Known] = Renewed(lambda _, __: _by_name(load()), lifetime_s=FRESH_S, doubt_s=UNKNOWN_S, now=now)
        self._last: _Known | None = None

    async def find(self, tenant: str, connector: str) -> Receiver | None:
        """The connector of that name; None where there is none that has a webhook.

        Raises:
            Unavailable: The rows were never read, and cannot be now.
        """
        found = (await self._known(doubted=False)).get((tenant, connector))
        return found or (await self._known(doubted=True)).get((tenant, connector))

    async def _known(self, *, doubted: bool) -> _Known:
        try:
            async with asyncio.timeout(LOOK_UP_S):
                self._last = await (self._rows.doubt(None) if doubted else self._rows.get(None))
        except (TimeoutError, ConnectorError) as error:
            # What is known serves until there is a database again: without one nothing is taken anyway.
            if self._last is None:
                raise Unavailable("the connectors cannot be read from the database") from error
        return self._last or {}


def _by_name(rows: Sequence[Receiver]) -> _Known:
    return {(row.tenant, row.connector): row for row in rows}
