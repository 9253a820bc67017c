"""A token that lives no longer than this process: of a connector that is in a file, and in no row yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from connector_pipelines.core.errors import Busy, ConnectorError
from connector_pipelines.net.protocols import LockedToken, Token, TokenFailure, TokenState

__all__ = ["MemoryTokens"]


class MemoryTokens:
    """A `TokenStore`. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._state, self._stored_at, self._failed_at = TokenState(), 0.0, 0.0

    def read(self) -> TokenState:
        now, state = self._clock(), self._state
        left_s = None if state.left_s is None else state.left_s - (now - self._stored_at)
        failure = TokenFailure(state.failure.error, now - self._failed_at) if state.failure else None
        return replace(state, left_s=left_s, failure=failure)

    @contextmanager
    def locked(self, *, within_s: float, stop: threading.Event) -> Iterator[LockedToken]:
        if stop.is_set() or not self._lock.acquire(timeout=within_s):
            raise Busy("another thread is fetching the token", advice="nothing to do; it is the same token")
        try:
            yield self
        finally:
            self._lock.release()

    def asking(self) -> None:
        self._state = replace(self._state, interrupted=True)

    def save(self, token: Token, *, settings: str) -> TokenState:
        self._stored_at = self._clock()
        self._state = TokenState(token=token, generation=self._state.generation + 1, left_s=token.lifetime_s, settings=settings)
        return self._state

    def failed(self, error: ConnectorError) -> None:
        self._failed_at = self._clock()
        refused = error.error_class in {"security", "configuration"}
        self._state = replace(self._state, failure=TokenFailure(error.as_json(), 0.0), interrupted=self._state.interrupted and not refused)

    def forget(self) -> None:
        self._state = TokenState(generation=self._state.generation + 1)
