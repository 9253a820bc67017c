"""Keeps one connector's token fresh: one fetch at a time over all processes, and everybody uses what it brought.

A token is fetched anew shortly before its end, or when it was refused. Whoever wants to do so takes the lock of the store, and
reads again what is stored: it may be another's work, done meanwhile. What a fetch brings is stored before it is used. What
failed is not tried again by anybody for a while; a token that still lasts is used until its end.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from connector_pipelines.core.errors import Busy, ConnectorError, TransientError, Unavailable, with_code
from connector_pipelines.net.protocols import LockedToken, Token, TokenFailure, TokenState, TokenStore
from connector_pipelines.telemetry import get_logger

__all__ = ["Fetcher", "TokenKeeper"]

PAUSE_S = 30.0
"""After a fetch that failed, until anybody tries again."""

LOCK_WAIT_S = 90.0
"""For another's fetch, where there is no token to go on with: longer than one may take."""

_MARGIN_SHARE = 0.25
_OTHERS_TURN_S = 5.0


class Fetcher(Protocol):
    """How a token is come by."""

    def require(self, token: Token | None) -> None:
        """Return if one can be fetched, given the one held; raises `Unauthenticated` where a person has to sign in first."""
        ...

    def fetch(self, token: Token | None, *, interrupted: bool) -> Token:
        """Ask for one. Raises as `TokenEndpoint.ask`."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    """A token as this process has it; instants are of its own monotonic clock, None for never."""

    token: Token
    generation: int
    renew_at: float | None
    ends_at: float | None

    def is_due(self, now: float) -> bool:
        return self.renew_at is not None and now >= self.renew_at

    def lasts(self, now: float) -> bool:
        return self.ends_at is None or now < self.ends_at


class TokenKeeper:
    """The token of one connector, for all threads of this process.

    Args:
        settings: `OAuth2Auth.fingerprint`: a stored token of other settings is not looked at.
        margin_s: How long before its end a token is fetched anew; less where that is more than a quarter of its life.
        stop: Ends a wait when set.
        clock: Monotonic, in seconds.
        chance: From 0 to 1: spreads the processes over the margin.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        store: TokenStore,
        *,
        connector: str,
        settings: str,
        margin_s: float,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._fetcher, self._store, self._settings, self._margin_s = fetcher, store, settings, margin_s
        self._stop, self._clock, self._chance = stop, clock, chance
        self._log = get_logger(__name__).bind(connector=connector)
        self._turn = threading.Lock()
        self._held: _Held | None = None

    def current(self) -> Token:
        """A token to use now.

        Raises:
            ConnectorError: There is none, and none could be fetched; as `Fetcher.fetch`.
        """
        held, now = self._held, self._clock()
        if held and not held.is_due(now):
            return held.token
        lasts = held is not None and held.lasts(now)
        # Who can go on with the old one does not wait for the thread that fetches the new one.
        if not self._turn.acquire(blocking=not lasts):
            assert held is not None  # noqa: S101 - it lasts
            return held.token
        try:
            held = self._held
            return held.token if held and not held.is_due(self._clock()) else self._renewed(None)
        finally:
            self._turn.release()

    def anew(self, refused: str) -> bool:
        """Whether there is another token than the access token that was refused; one is fetched where it is the stored one.

        Raises:
            ConnectorError: As `current`.
        """
        with self._turn:
            if self._held and self._held.token.access_token.get_secret_value() != refused:
                return True
            return self._renewed(refused).access_token.get_secret_value() != refused

    def fetch(self) -> Token:
        """Fetch a token whatever is stored, and whatever failed a moment ago: a person asks for it."""
        with self._turn, self._store.locked(within_s=LOCK_WAIT_S, stop=self._stop) as locked:
            return self._fetched(locked, locked.read())

    def _renewed(self, refused: str | None) -> Token:
        try:
            return self._newest(refused, within_s=0 if self._usable(refused) else LOCK_WAIT_S)
        except ConnectorError as error:
            held = self._usable(refused)
            if held is None:
                raise _told(error) from error
            self._log.warning("token_not_fetched_anew", problem=error.code, detail=str(error), goes_on="with the old one")
            self._postpone(_OTHERS_TURN_S if isinstance(error, Busy) else PAUSE_S)
            return held.token

    def _newest(self, refused: str | None, *, within_s: float) -> Token:
        """What is stored, or else what is fetched; another's fetch is waited for `within_s`."""
        state = self._store.read()
        if found := self._without_asking(state, refused):
            return found
        self._fetcher.require(self._mine(state))
        with self._store.locked(within_s=within_s, stop=self._stop) as locked:
            state = locked.read()
            return self._without_asking(state, refused) or self._fetched(locked, state)

    def _without_asking(self, state: TokenState, refused: str | None) -> Token | None:
        """What to use although it is due, because it is another's, or because asking failed a moment ago; None where to ask."""
        self._take(state)
        held, now = self._held, self._clock()
        is_refused = held is not None and held.token.access_token.get_secret_value() == refused
        if held and not held.is_due(now) and not is_refused:
            return held.token
        if state.failure is None or state.failure.ago_s >= PAUSE_S:
            return None
        left_s = PAUSE_S - state.failure.ago_s
        if held and held.lasts(now) and not is_refused:
            self._postpone(left_s)
            return held.token
        raise _again(state.failure, left_s)

    def _fetched(self, locked: LockedToken, state: TokenState) -> Token:
        before = self._mine(state)
        self._fetcher.require(before)
        locked.asking()
        try:
            token = self._fetcher.fetch(before, interrupted=state.interrupted)
        except ConnectorError as error:
            with suppress(ConnectorError):
                locked.failed(error)
            raise
        self._take(locked.save(_completed(token, before), settings=self._settings))
        if self._held is None:
            raise Unavailable("a token of other sign-in settings was stored meanwhile", retry_after_s=_OTHERS_TURN_S)
        self._log.info("token_fetched", generation=self._held.generation, lifetime_s=token.lifetime_s)
        return self._held.token

    def _mine(self, state: TokenState) -> Token | None:
        return state.token if state.settings == self._settings else None

    def _usable(self, refused: str | None) -> _Held | None:
        held = self._held
        if held is None or not held.lasts(self._clock()) or held.token.access_token.get_secret_value() == refused:
            return None
        return held

    def _take(self, state: TokenState) -> None:
        """Hold what is stored, if it is not what is held already."""
        token = self._mine(state)
        if token is None:
            self._held = None
        elif self._held is None or self._held.generation != state.generation:
            now = self._clock()
            if state.left_s is None:
                self._held = _Held(token, state.generation, None, None)
                return
            margin_s = min(self._margin_s, _MARGIN_SHARE * (token.lifetime_s or 0.0)) * (0.5 + self._chance() / 2)
            self._held = _Held(token, state.generation, now + state.left_s - margin_s, now + state.left_s)

    def _postpone(self, by_s: float) -> None:
        if self._held:
            self._held = replace(self._held, renew_at=self._clock() + by_s * (1 + self._chance() / 4))


def _told(error: ConnectorError) -> ConnectorError:
    if isinstance(error, Busy):
        return Unavailable(f"{error}, and it takes long", advice=error.advice, retry_after_s=PAUSE_S)
    return error


def _completed(token: Token, before: Token | None) -> Token:
    """What an answer leaves out is as it was: RFC 6749, 5.1 and 6."""
    if before is None:
        return token
    return replace(
        token,
        refresh_token=token.refresh_token or before.refresh_token,
        scopes=token.scopes or before.scopes,
        account=token.account or before.account,
        extra={**before.extra, **token.extra},
    )


def _again(failure: TokenFailure, left_s: float) -> ConnectorError:
    """What was raised when it failed, for who comes in the pause after it."""
    error = with_code(failure.error.get("code", ""), failure.error.get("message", "a token could not be fetched"))
    error.advice = failure.error.get("advice", "")
    if isinstance(error, TransientError):
        error.retry_after_s = left_s
    return error
