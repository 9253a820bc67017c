"""Where a request goes, and who gets our credentials there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urljoin, urlsplit

from connector_pipelines.core.errors import ConfigurationError, PermanentError
from connector_pipelines.core.http import HttpOptions, Params
from connector_pipelines.telemetry import scrub

__all__ = ["Addresses", "Origin", "origin_of", "redirected", "shown", "with_params", "without_params"]

_PORTS = {"http": 80, "https": 443}
_ABSOLUTE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_HIDES = re.compile(r"[@?#\[]")
# Scheme, host and port.
_START = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\\\s]*", re.IGNORECASE)
# With a path, without a fragment, and nothing in it that has to be encoded.
_CLEAN = re.compile(r"https?://[^/?#\s]+/[A-Za-z0-9!$'()*,;:@/?._~+%&=-]*")
_KEPT = "!$'()*,;:@/?-._~+%&=[]"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a connection leads to."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """Host and port, without the port that goes without saying."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if _PORTS[self.scheme] == self.port else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


class Addresses:
    """The addresses of one client."""

    def __init__(self, options: HttpOptions) -> None:
        self.base = _based(options.base_url, "base_url")
        self.fallback = _based(options.fallback_url, "fallback_url") if options.fallback_url else None
        self._trusted = {origin_of(url) for url in (self.base, self.fallback) if url}
        scheme = urlsplit(self.base).scheme
        # A host that is listed is trusted over TLS; in the clear only where the base itself is.
        self._trusted |= {origin_of(f"{used}://{host}") for host in options.hosts for used in {"https", scheme}}

    def absolute(self, url: str, *, fallback: bool = False) -> str:
        """Where `url` leads: as it is where it names a host, else below the base (never beside it).

        With `fallback`, what is below the base is below the fallback instead.
        """
        base = self.fallback if fallback and self.fallback else self.base
        if _ABSOLUTE.match(url):
            whole = f"{urlsplit(self.base).scheme}:{url}" if url.startswith("//") else url
            origin_of(whole)
            return base + whole[len(self.base) :] if whole.startswith(self.base) else whole
        # "items:batch" is a path, although it looks like a scheme.
        return base.rstrip("/") + url if url.startswith("?") else base + url.lstrip("/")

    def has_alternative(self, url: str) -> bool:
        """Whether `absolute` leads elsewhere for the fallback."""
        return self.fallback is not None and self.absolute(url) != self.absolute(url, fallback=True)

    def trusts(self, url: str) -> bool:
        """Whether our credentials may go there."""
        return origin_of(url) in self._trusted


def origin_of(url: str) -> Origin:
    """Scheme, host and port of an absolute address.

    Raises:
        ConfigurationError: It is none of HTTP.
    """
    found = _START.match(url)
    return _origin(found[0] if found else url)


@lru_cache(maxsize=256)
def _origin(start: str) -> Origin:
    """Of what stands before the path: the same for most requests of a client, and read for each of them several times."""
    parts = _split(start)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme.lower() not in _PORTS or not parts.hostname or port == 0:
        raise ConfigurationError(
            f"{shown(start)!r} is not an address of HTTP", advice="write it like https://api.example.com/v1/ with nothing secret in it"
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            f"the address of {parts.hostname} holds a user or password (not shown)", advice="sign-in goes into the connector's `auth`"
        )
    scheme = parts.scheme.lower()
    return Origin(scheme, parts.hostname.lower().rstrip("."), port or _PORTS[scheme])


def redirected(url: str, location: str) -> str:
    """Where a redirect leads.

    Raises:
        PermanentError: To something that is no address of HTTP, or out of TLS into the clear.
    """
    try:
        target = urljoin(url, _as_text(location.strip()))
        to = origin_of(target)
    except (ConfigurationError, ValueError):
        target = ""
    if not target:
        # Out here: those errors may quote it.
        raise PermanentError(f"{scrub(shown(url))} redirects to what is no address of HTTP")
    if to.scheme == "http" and origin_of(url).scheme == "https":
        raise PermanentError(
            f"{scrub(shown(url))} redirects out of TLS into the clear, to {to.host}: not followed", advice="ask its operator"
        )
    return urlsplit(quote(target, safe=_KEPT + "#"))._replace(fragment="").geturl()


def with_params(url: str, params: Params | None) -> str:
    """`url` with `params` after those that it has."""
    if not params and _CLEAN.fullmatch(url):
        return url
    pairs = [(name, _text(each)) for name, value in (params or {}).items() for each in _values(value)]
    parts = _split(url)
    query = "&".join(part for part in (parts.query, urlencode(pairs, quote_via=quote, safe="")) if part)
    # What a person wrote with spaces or umlauts; what is encoded already stays.
    path, query = quote(parts.path, safe=_KEPT), quote(query, safe=_KEPT)
    return parts._replace(path=path or "/", query=query, fragment="").geturl()


def without_params(url: str, secrets: Mapping[str, str]) -> str:
    """`url` without the pairs of `secrets` that the other side has put into it."""
    parts = urlsplit(url)
    if not secrets or not parts.query:
        return url
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [pair for pair in pairs if pair not in secrets.items()]
    return url if kept == pairs else parts._replace(query=urlencode(kept, quote_via=quote)).geturl()


def shown(url: str) -> str:
    """`url` without what may be secret in it: user, query, fragment."""
    if not _HIDES.search(url):
        return url
    try:
        parts = urlsplit(url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    except ValueError:
        return "an address that cannot be read"


def _based(url: str, name: str) -> str:
    origin_of(url)
    parts = _split(url)
    if parts.query or parts.fragment:
        raise ConfigurationError(f"`{name}` has a query (not shown)", advice="put parameters into the requests or the connector's `auth`")
    return url if url.endswith("/") else f"{url}/"


def _as_text(header: str) -> str:
    """Bytes beyond ASCII are UTF-8, whatever the standard says of headers."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise ConfigurationError("an address cannot be read (not shown)", advice="write it like https://api.example.com/v1/") from None


def _values(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
