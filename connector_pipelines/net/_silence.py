"""How a Postgres connection notices that nobody answers any more, although nothing was ever closed.

A server that is stopped or swapped out, and a proxy that hangs, keep the TCP connection alive: the kernel answers for them, and
a statement would be waited for without end. No fixed time limit fits, since making an index may take an hour. So after a
minute without a byte the server is asked on a second connection whether it still works for the first.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.waiting import READY_NONE

__all__ = ["WatchfulConnection"]

RV = TypeVar("RV")

SILENCE_S = 60.0
ANSWER_S = 10.0
"""For the second connection, to connect and once more to answer."""

_AT_WORK = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state = 'active'"


class WatchfulConnection(psycopg.Connection[Any]):
    """A connection whose statements end with an `OperationalError` when its server no longer works on them.

    Attributes:
        url: Where to ask. Without one, silence alone is enough.
    """

    url: str | None = None
    silence_s: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        return super().wait(self._watched(gen), interval, timeout)

    def _watched(self, gen: PQGen[RV]) -> Generator[Any, Any, RV]:
        heard_at = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready != READY_NONE:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > (self.silence_s or SILENCE_S):
                    self._require_work()
                    heard_at = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as ended:
            found: RV = ended.value
            return found

    def _require_work(self) -> None:
        if self.url is not None and _works_for(self.pgconn.backend_pid, self.url):
            return
        # Or the rollback that follows would wait as long again.
        self.pgconn.finish()
        raise psycopg.OperationalError("the server fell silent in the middle of a statement")


def _works_for(backend_pid: int, url: str) -> bool:
    try:
        with WatchfulConnection.connect(url, autocommit=True, connect_timeout=int(ANSWER_S)) as second:
            second.silence_s = ANSWER_S
            row = second.execute(_AT_WORK, [backend_pid]).fetchone()
    except psycopg.Error:
        return False
    return bool(row and row[0])
