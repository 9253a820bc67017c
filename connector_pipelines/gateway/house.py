"""What the gateway works with: the installation's database, secrets and sources, reached in ways that never hold up a call."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from connector_pipelines.core.errors import ConfigurationError, ConnectorError
from connector_pipelines.core.protocols import AcceptsWebhooks, KnownSubscription
from connector_pipelines.embedded.stack import database_url
from connector_pipelines.gateway.calls import Memory
from connector_pipelines.gateway.inbox import Inbox
from connector_pipelines.gateway.line import Line
from connector_pipelines.gateway.proving import Prover
from connector_pipelines.gateway.receivers import Receivers
from connector_pipelines.gateway.refusals import Refusals
from connector_pipelines.gateway.renewed import Renewed
from connector_pipelines.gateway.subscribed import Subscribed
from connector_pipelines.pipeline.session import Services, open_unsigned
from connector_pipelines.store.catalog import inbox, schema, subscriptions
from connector_pipelines.store.catalog.configuration import endpoint
from connector_pipelines.store.catalog.inbox import Arrived, Receiver

__all__ = ["House", "open_house"]

MEMORY_BYTES = 128 * 1024**2
"""Of bodies that are being read or stored, all together."""

COUNTS_EVERY_S = 5.0
READY_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The parts, put together."""

    receivers: Receivers
    prover: Prover
    inbox: Inbox
    subscribed: Subscribed
    refusals: Refusals
    memory: Memory
    ready: Renewed[None, str]
    write_counts: Callable[[], None]

    async def is_ready(self) -> str:
        """Empty where calls can be taken, else why not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_S):
                return await self.ready.get(None)
        return "the database does not answer"

    async def run(self) -> None:
        """Store what comes, and the counts of what was heard and refused, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.inbox.run())
            tasks.create_task(self._write_counts())

    async def _write_counts(self) -> None:
        while True:
            try:
                await asyncio.sleep(COUNTS_EVERY_S)
            finally:
                await asyncio.shield(asyncio.to_thread(self.write_counts))


@contextmanager
def open_house(
    services: Services, clock: Callable[[], datetime] = lambda: datetime.now(UTC), now: Callable[[], float] = time.monotonic
) -> Iterator[House]:
    """The gateway's parts on an installation. Connects on first use.

    Args:
        clock: Now, aware, UTC: for what calls say of time.
        now: Seconds: for how old something is that is kept.
    """
    services = services.acting_for("gateway")
    catalog, refusals = _Catalog(services), Refusals(clock)
    subscribed = Subscribed(catalog.subscriptions, clock, now)
    try:
        yield House(
            receivers=Receivers(catalog.receivers, now),
            prover=Prover(services.secrets, partial(catalog.accepting, subscribed), subscribed, clock, now),
            inbox=Inbox(catalog.store),
            subscribed=subscribed,
            refusals=refusals,
            memory=Memory(MEMORY_BYTES),
            ready=Renewed(catalog.why_not_ready, lifetime_s=1.0, doubt_s=0.0, now=now),
            write_counts=partial(catalog.write, refusals, subscribed),
        )
    finally:
        catalog.close()


class _Catalog:
    """What is asked of the database; all of it blocks. Calls are stored on a line of their own."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._calls, self._rows = (Line(lambda: database_url(services.settings)) for _ in range(2))

    def store(self, arrived: Sequence[Arrived]) -> None:
        with self._calls.transaction(arrived[0].tenant_id) as tx:
            inbox.keep(tx, arrived)

    def receivers(self) -> list[Receiver]:
        with self._rows.transaction() as tx:
            return inbox.receivers(tx)

    def subscriptions(self) -> dict[str, dict[str, KnownSubscription]]:
        with self._rows.transaction() as tx:
            return subscriptions.known_by_connector(tx)

    def accepting(self, subscribed: Subscribed, receiver: Receiver, _: bool) -> AcceptsWebhooks:
        with self._rows.transaction() as tx:
            found = endpoint(tx, receiver.endpoint)
        services = self._services
        tools = replace(services.tools, subscriptions=subscribed.of_connector(receiver.connector_id))
        # The gateway need not be able to sign in: proving a call asks nobody.
        source = open_unsigned(found, replace(services, tools=tools))
        if not isinstance(source, AcceptsWebhooks):
            raise ConfigurationError(
                f"{receiver.kind} has no way of its own to prove calls of a webhook", advice="verify them with `hmac` or `token`"
            )
        return source

    def write(self, refusals: Refusals, subscribed: Subscribed) -> None:
        refused, heard = refusals.take(), subscribed.take()
        try:
            if refused or heard:
                with self._rows.transaction() as tx:
                    inbox.count_refusals(tx, refused)
                    subscriptions.hear(tx, heard)
        except ConnectorError:
            refusals.put_back(refused)
            subscribed.put_back(heard)

    def why_not_ready(self, _: None, __: bool) -> str:
        try:
            with self._rows.transaction() as tx:
                row = tx.execute("SELECT version_num FROM alembic_version").fetchone()
        except ConnectorError as error:
            return str(error)
        found = row and row["version_num"]
        return "" if found == schema.HEAD else f"the database has schema {found}, this version needs {schema.HEAD}"

    def close(self) -> None:
        self._calls.close()
        self._rows.close()
