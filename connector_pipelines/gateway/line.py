"""A line to the catalog: one connection that is kept, and made anew where it broke."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from connector_pipelines.net.postgres import connect
from connector_pipelines.store.catalog.database import Transaction, scoped

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["Line"]


class Line:
    """Not a pool: that waits half a minute for a server that is away, and a caller of ours is to be told at once.

    Args:
        url: Asked whenever a connection is made: a local server that was killed is started by it, and may be elsewhere then.
    """

    def __init__(self, url: Callable[[], SecretStr]) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connection: Connection[Any] | None = None

    @contextmanager
    def transaction(self, tenant_id: str | None = None) -> Iterator[Transaction]:
        """A transaction for the tenant, or for the operator; one at a time.

        Raises:
            ConnectorError: As `net.postgres.connect`.
        """
        with self._lock:
            connection = self._open()
            try:
                with scoped(connection, tenant_id) as tx:
                    yield tx
            except BaseException:
                self._check(connection)
                raise

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _open(self) -> Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url(), autocommit=True)
            # It rests while nobody calls.
            self._connection.execute("SET idle_session_timeout = 0")
        return self._connection

    def _check(self, connection: Connection[Any]) -> None:
        from psycopg.pq import TransactionStatus

        if connection.closed or connection.info.transaction_status != TransactionStatus.IDLE:
            connection.close()
            self._connection = None
