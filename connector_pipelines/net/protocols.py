"""What the parts of `net` ask of each other, and of whoever keeps what they share with other processes.

`net.http` sends; it asks a `SignIn` who we are, a `Limiter` when, a `Breaker` whether. What they know is shared by all
processes of an installation through the store, which this layer does not know.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import SecretStr

from connector_pipelines.core.errors import ConnectorError

__all__ = [
    "Answered", "Breaker", "ClientCertificate", "Limiter", "LockedToken", "SignIn", "Token", "TokenFailure", "TokenState", "TokenStore",
]  # fmt: skip


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
        """Told that a request with `headers` was answered 401; whether another try makes sense, with a token fetched anew. Raises as `headers`."""
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
    """Says when the next request of some buckets may be sent; shared by all processes of an installation."""

    def admit(self, buckets: tuple[str, ...], *, within_s: float, stop: threading.Event, at_most: float | None = None) -> None:
        """Return when a request may be sent; in the thread that sends it, and then calls `learn`.

        Args:
            buckets: All of which have to let it through, the widest first.
            at_most: Requests a second of the narrowest that all processes together never exceed; None for no such limit.

        Raises:
            RateLimited: That is further away than `within_s`; `retry_after_s` says how far.
            Unavailable: `stop` was set.
        """
        ...

    def learn(self, bucket: str, answered: Answered) -> None:
        """Take in what an answer said of one of them: a pause stops every worker of that bucket."""
        ...


class Breaker(Protocol):
    """Keeps from asking who does not answer; per host and account, shared like the limits."""

    def check(self, circuit: str) -> None:
        """Raises `Unavailable`, with `retry_after_s`, where the circuit is open and this is not the one request that tries it."""
        ...

    def record(self, circuit: str, *, works: bool) -> None:
        """Take in how a request ended, in the thread that called `check`; any answer but 5xx works. Of a request that was never sent, nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a token endpoint gave us.

    Attributes:
        lifetime_s: Seconds it is good for from when it was given; None where that was not said.
        account: Who is signed in, where known.
        extra: What else the answer said in short texts, such as Salesforce's ``instance_url``.
    """

    access_token: SecretStr
    refresh_token: SecretStr | None = None
    lifetime_s: float | None = None
    scopes: tuple[str, ...] = ()
    account: str = ""
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class TokenFailure:
    """How fetching a token failed last. `error` is as `ConnectorError.as_json`; `ago_s` is by the store's clock."""

    error: Mapping[str, str]
    ago_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenState:
    """What is kept of one connector's token. Spans are by the store's clock, as of the reading: machines' clocks differ.

    Attributes:
        token: None before somebody signed in, or a first one was fetched.
        generation: Rises with each token stored.
        left_s: Seconds until it expires, negative afterwards; None where that was not said.
        settings: `OAuth2Auth.fingerprint` of the settings it was fetched with.
        failure: Since this token was stored; None if there was none.
        interrupted: The next one was asked for, and the answer never stored: who asked was killed, or it did not arrive.
    """

    token: Token | None = None
    generation: int = 0
    left_s: float | None = None
    settings: str = ""
    failure: TokenFailure | None = None
    interrupted: bool = False


class TokenStore(Protocol):
    """Keeps the token of one connector, sealed; shared by all processes."""

    def read(self) -> TokenState: ...

    def locked(self, *, within_s: float, stop: threading.Event) -> AbstractContextManager[LockedToken]:
        """Hold the connector's token: nobody else fetches one meanwhile. Let go when the block ends or the process dies.

        Raises:
            Busy: Somebody holds it for longer than `within_s`, or `stop` was set.
        """
        ...


class LockedToken(Protocol):
    """A connector's token, held."""

    def read(self) -> TokenState:
        """As it is stored now, whatever was read before."""
        ...

    def asking(self) -> None:
        """Note that a token is asked for from here on; a store that cannot be written to says so before the other side has given one."""
        ...

    def save(self, token: Token, *, settings: str) -> TokenState:
        """Store it durably, before anybody uses it; as it is stored then."""
        ...

    def failed(self, error: ConnectorError) -> None:
        """Note that fetching one failed, for all processes."""
        ...

    def forget(self) -> None:
        """Keep nothing."""
        ...
