"""What the parts of `net` ask of each other, and of whoever keeps what they share with other processes.

`net.http` sends; it asks a `SignIn` who we are, a `Limiter` when, a `Breaker` whether. What they know is shared by all
processes of an installation through the store, which this layer does not know.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

__all__ = ["Answered", "Breaker", "ClientCertificate", "Limiter", "SignIn", "StoredToken", "TokenStore"]


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """PEM text of a certificate (chain) and its key."""

    certificate: SecretStr
    key: SecretStr
    password: SecretStr | None = None


class SignIn(Protocol):
    """Makes requests ours. Used by several threads at once.

    Attributes:
        certificate: Shown when a connection is made, or None.
    """

    @property
    def certificate(self) -> ClientCertificate | None: ...

    def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """Headers to add to this very request; may fetch a token first.

        Raises:
            Unauthenticated: Who we are was refused for good; the advice says what a person does.
            Unavailable: The token could not be fetched just now.
            ConfigurationError: A secret is missing.
        """
        ...

    def params(self) -> Mapping[str, str]:
        """Query parameters to add: secrets, so the address with them is one."""
        ...

    def refused(self, headers: Mapping[str, str]) -> bool:
        """Told that a request with `headers` was answered 401; whether another try makes sense, with a token fetched anew."""
        ...


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer said about limits.

    Attributes:
        throttled: It was 429, or what the provider sends instead.
        retry_after_s: Seconds, or None.
        remaining, reset_s: Of ``RateLimit-*`` headers: requests left, seconds until there are more; None where not told.
    """

    throttled: bool = False
    retry_after_s: float | None = None
    remaining: int | None = None
    reset_s: float | None = None


class Limiter(Protocol):
    """Says when the next request of a bucket may be sent; shared by all processes of an installation."""

    def admit(self, bucket: str, *, within_s: float, stop: threading.Event) -> None:
        """Return when a request may be sent.

        Raises:
            RateLimited: That is further away than `within_s`; `retry_after_s` says how far.
            Unavailable: `stop` was set.
        """
        ...

    def learn(self, bucket: str, answered: Answered) -> None:
        """Take in what an answer said: a pause stops every worker of the bucket."""
        ...


class Breaker(Protocol):
    """Keeps from asking who does not answer; per host and account, shared like the limits."""

    def check(self, circuit: str) -> None:
        """Raises `Unavailable`, with `retry_after_s`, where the circuit is open and this is not the one request that tries it."""
        ...

    def record(self, circuit: str, *, works: bool) -> None:
        """Take in how a request ended; any answer but 5xx works."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken:
    """What a token endpoint gave us.

    Attributes:
        expires_at: Of the access token, aware, UTC; None where it was not said.
        generation: Rises with each that is stored.
        account: Who is signed in, where known.
        failed_at: When fetching one anew failed last, since this one was stored; None if it did not.
    """

    access_token: SecretStr
    refresh_token: SecretStr | None = None
    expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()
    generation: int = 0
    account: str = ""
    failed_at: datetime | None = None
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)


class TokenStore(Protocol):
    """Keeps the token of one connector, sealed; shared by all processes."""

    def read(self) -> StoredToken | None: ...

    def locked(self, *, within_s: float) -> AbstractContextManager[LockedToken]:
        """Hold the connector's token: nobody else stores one meanwhile. Let go when the block ends or the process dies.

        Raises:
            Unavailable: Somebody holds it for longer than `within_s`.
        """
        ...


class LockedToken(Protocol):
    """A connector's token, held."""

    def read(self) -> StoredToken | None:
        """As it is stored now, whatever was read before."""
        ...

    def save(self, token: StoredToken) -> StoredToken:
        """Store it durably, before anybody uses it; with its new generation."""
        ...

    def failed(self, at: datetime) -> None:
        """Note that fetching one anew failed."""
        ...

    def forget(self) -> None: ...
