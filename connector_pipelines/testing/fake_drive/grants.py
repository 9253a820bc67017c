"""Access tokens, refresh tokens and codes that were given out, until they end."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from connector_pipelines.testing.fake_drive.service_time import ServiceTime

__all__ = ["Consent", "Grant", "Grants"]

_CODE_LIFETIME_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token is good for.

    Attributes:
        user: Who is seen to ask.
        client: Who signed in: the service account, or the application.
        scopes: Without their prefix.
        expires_at: Seconds since 1970.
    """

    user: str
    client: str
    project: str
    scopes: frozenset[str]
    expires_at: float = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a code stands for."""

    grant: Grant
    redirect: str
    challenge: tuple[str, str] | None
    offline: bool
    expires_at: float = 0.0


class Grants:
    """Used by several threads at once.

    Attributes:
        lifetime_s: Of access tokens, from now on.
    """

    def __init__(self, time: ServiceTime) -> None:
        self._time = time
        self._lock = threading.Lock()
        self._access: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}
        self._codes: dict[str, Consent] = {}
        self.lifetime_s = 3600.0

    def access(self, grant: Grant) -> str:
        token = f"ya29.{secrets.token_urlsafe(48)}"
        with self._lock:
            self._access[token] = replace(grant, expires_at=self._time.now() + self.lifetime_s)
        return token

    def refresh(self, grant: Grant) -> str:
        token = f"1//{secrets.token_urlsafe(48)}"
        with self._lock:
            self._refresh[token] = grant
        return token

    def code(self, consent: Consent) -> str:
        code = f"4/{secrets.token_urlsafe(48)}"
        with self._lock:
            self._codes[code] = replace(consent, expires_at=self._time.now() + _CODE_LIFETIME_S)
        return code

    def of_access(self, token: str) -> Grant | None:
        """What it is good for, or None where it is not, or not any more."""
        grant = self._access.get(token)
        return grant if grant and self._time.now() < grant.expires_at else None

    def of_refresh(self, token: str) -> Grant | None:
        return self._refresh.get(token)

    def take_code(self, code: str) -> Consent | None:
        """Once."""
        with self._lock:
            consent = self._codes.pop(code, None)
        return consent if consent and self._time.now() < consent.expires_at else None

    def has_consent(self, user: str, client: str) -> bool:
        with self._lock:
            return any((grant.user, grant.client) == (user, client) for grant in self._refresh.values())

    def expire(self) -> None:
        """End every access token; refresh tokens stay."""
        with self._lock:
            self._access.clear()

    def revoke(self, which: Callable[[Grant], bool]) -> None:
        """End tokens of both sorts."""
        with self._lock:
            self._access = {token: grant for token, grant in self._access.items() if not which(grant)}
            self._refresh = {token: grant for token, grant in self._refresh.items() if not which(grant)}
