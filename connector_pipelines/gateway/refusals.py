"""Refused calls: counted in memory, written now and then, and told in one line a minute. An attack costs no more than that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

from connector_pipelines.gateway.calls import Reason
from connector_pipelines.store.catalog.inbox import Receiver, Refused
from connector_pipelines.telemetry import get_logger

__all__ = ["Refusals"]

TOLD_EVERY = timedelta(minutes=1)

_log = get_logger(__name__)


class Refusals:
    """The counts are per connector, reason and day (UTC): they cannot become many, whoever calls.

    Args:
        clock: Now, aware, UTC.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._calls: Counter[tuple[str, date, str]] = Counter()
        self._last_at: dict[tuple[str, date, str], datetime] = {}
        self._untold: Counter[tuple[str, str]] = Counter()
        self._told_at: dict[tuple[str, str], datetime] = {}

    def count(self, receiver: Receiver, reason: Reason) -> None:
        """Take note of a refused call."""
        now = self._clock()
        key = (receiver.connector_id, now.date(), reason)
        self._calls[key] += 1
        self._last_at[key] = now
        self.tell("webhook_refused", receiver.connector, reason)

    def tell(self, event: str, connector: str, reason: str) -> None:
        """A line of the log, with how many there were since the last; at most one a minute for each."""
        key, now = (f"{event} {connector}", reason), self._clock()
        self._untold[key] += 1
        if now - self._told_at.get(key, datetime.min.replace(tzinfo=now.tzinfo)) >= TOLD_EVERY:
            self._told_at[key] = now
            _log.warning(event, connector=connector, reason=reason, calls=self._untold.pop(key))

    def take(self) -> list[Refused]:
        """What was counted since the last time."""
        taken, self._calls = self._calls, Counter()
        last_at, self._last_at = self._last_at, {}
        return [
            Refused(connector_id=connector, day=day, reason=reason, calls=calls, last_at=last_at[connector, day, reason])
            for (connector, day, reason), calls in taken.items()
        ]

    def put_back(self, refused: Sequence[Refused]) -> None:
        """What could not be written is counted still."""
        for one in refused:
            key = (one.connector_id, one.day, one.reason)
            self._calls[key] += one.calls
            self._last_at[key] = max(one.last_at, self._last_at.get(key, one.last_at))
