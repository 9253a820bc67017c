"""What a connector says to a system behind HTTP, and what comes back. The house does the talking: see `Tools.http`.

Sign-in, limits, pauses, retries, redirects, proxies, certificates, counting and masking are the house's. A connector names a
method and an address, and gets an answer or one of the five classes of error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from connector_pipelines.core.errors import ConnectorError, Malformed, RateLimited

__all__ = ["Download", "Http", "HttpOptions", "HttpResponse", "Params"]

Params = Mapping[str, str | int | float | bool | Sequence[str]]
"""Query parameters. A list repeats its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A whole answer.

    Attributes:
        url: Where it came from in the end, without its query: that may hold a secret, also one that the other side put there.
        headers: Names in lower case; of a repeated one the values are joined by ``, ``.
        content: The body, decoded from its transfer and content encodings.
    """

    status: int
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            Malformed: It is none; the message says what it is instead (its media type and length), and never shows it.
        """
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            kind = self.headers.get("content-type", "no media type")
        # Out here: the error of `json` carries the body.
        raise Malformed(
            f"{self.url} answered {self.status} with {len(self.content)} bytes of {kind}, expected JSON",
            advice="check the address: a sign-in page and a proxy answer in HTML",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """How a connector wants to talk.

    Attributes:
        base_url: What relative addresses start from, and the host that gets our credentials. ``https://host/v3/``.
        fallback_url: Where requests go while nothing works at `base_url`, or None.
        subject: As whom requests are made, where the sign-in can act for others (a service account with delegation). None: as itself.
        buckets: Limits and pauses count per bucket, over all processes of the installation; a request waits for all of them.
            None named: the connector's own. A provider that limits an application and each of its users gets a client per user with
            two of them, the widest first; an empty name is the connector's own. A throttled answer pauses the last one, unless the
            `RateLimited` of `refine` names another.
        hosts: Further hosts that get our credentials, as ``files.example.com``; what redirects to others goes without.
        headers: Sent with every request.
        max_requests_per_second: Of the narrowest bucket, all processes of the installation together. None: as the other side allows, which
            is learnt.
        max_connections: At once, by this client.
        max_body_bytes: Of an answer that is read whole.
        connect_timeout, read_timeout, total_timeout: To connect; without a byte; for one answer read whole, retries and waits not counted.
        retry_budget: For one request, how long it is tried again and waited for in all before it fails as transient.
        allow_private: Whether addresses of private networks and this machine may be called.
        refine: Looks at an answer that is no success, before the house does: an error for it, or None. Providers lie. `RateLimited` is as 429
            is: its `retry_after_s` (a time hidden in a text, say) is waited for by all processes of its bucket, and then it is tried again.
            `Unavailable` is as 503 is: tried again, and counted by the breaker. Any other is raised at once; a plain `TransientError` says that
            only what was asked for is to be tried later, as where the quota of one file is spent: nobody else waits for its `retry_after_s`.
    """

    base_url: str
    fallback_url: str | None = None
    subject: str | None = None
    buckets: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    max_requests_per_second: float | None = None
    max_connections: int = 16
    max_body_bytes: int = 64 * 1024**2
    connect_timeout: timedelta = timedelta(seconds=10)
    read_timeout: timedelta = timedelta(seconds=60)
    total_timeout: timedelta = timedelta(minutes=5)
    retry_budget: timedelta = timedelta(minutes=2)
    allow_private: bool = False
    refine: Callable[[HttpResponse], ConnectorError | None] | None = None


class Download(Protocol):
    """An answer whose body is read in pieces. One that is cut is taken up by ``Range``, where its validator allows it or `again` vouches for it."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the first answer; names in lower case."""
        ...

    def __iter__(self) -> Iterator[bytes]:
        """The body in pieces of at most 1 MiB. Raises as `Http.request` does, and `Mismatch` where it changed on the way."""
        ...


class Http(Protocol):
    """A connector's way to one system. Used by several threads at once.

    What is idempotent (GET, HEAD, OPTIONS, PUT, DELETE, and what a call says is) is tried again within the budget on a
    connection that fails, 408, 425, 429, 500, 502, 503 and 504; ``Retry-After`` is never cut short.
    """

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        idempotent: bool | None = None,
        accept: Collection[int] = (),
    ) -> HttpResponse:
        """Ask, and read the answer whole.

        Args:
            url: Absolute, or relative to the base.
            json, content: The body; one of them or none.
            idempotent: Whether it may be tried again. None: as the method says.
            accept: Statuses beside 2xx and 304 that are an answer and no fault.

        Raises:
            RateLimited: Asked to slow down for longer than the budget.
            Unavailable: Not reached, broken off, spoilt on its way, or failing, after all tries.
            Unauthenticated: Who we are was refused (401), also with a token fetched anew.
            Forbidden: Refused (403, 451).
            NotFound: There is none (404, 410).
            PermanentError: Any other refusal (4xx); a redirect without end.
            Malformed: The answer is not HTTP, or encoded in a way that was not asked for.
            ResourceError: The body is larger than `max_body_bytes`.
            ConfigurationError: The address cannot be called: its name is unknown, it is private, its certificate is not trusted.
        """
        ...

    def get(
        self, url: str, *, params: Params | None = None, headers: Mapping[str, str] | None = None, accept: Collection[int] = ()
    ) -> HttpResponse:
        """`request` by GET."""
        ...

    def download(
        self,
        url: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        again: Callable[[int], str] | None = None,
    ) -> AbstractContextManager[Download]:
        """Ask by GET, for a body of any size. On entering, raises as `request` does.

        Args:
            again: Asked after each cut, with the number of bytes that came: the address to go on at, which may be another than `url`
                (pre-signed ones end soon); `params` and `headers` go with it as well. It vouches that the same bytes are there, and
                raises where they are not; so the body is taken up by ``Range`` also where the answer has no validator (media of Google
                Drive: look whether the head revision is still that one, and give `url`). Sizes, and validators that there are, are
                compared all the same. Not asked where nothing is cut.
        """
        ...

    def throttled(self, error: RateLimited) -> None:
        """Pause a bucket as an answer that throttles does. Told, by the thread that asked, of what was throttled inside of an answer: of one
        call of a batch, say, whose answer is 200 as a whole."""
        ...

    def close(self) -> None:
        """Let go of connections. May be called twice."""
        ...
