"""How the clients of others, on which some sources, sinks and stores sit, are told the way out: `core.outbound.Outbound` in their terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net._tls import trusting

if TYPE_CHECKING:
    from obstore.store import ClientConfig
    from urllib3 import BaseHTTPResponse, PoolManager

__all__ = ["HostPool", "http_proxy_for", "httpx_options", "obstore_options", "urllib3_pool"]


def http_proxy_for(outbound: Outbound, url: str) -> str | None:
    """The proxy for `url`: a secret, for the password in it.

    Raises:
        ConfigurationError: It speaks something else than HTTP.
    """
    found = outbound.proxy_for(url)
    if found is None:
        return None
    scheme = urlsplit(found.get_secret_value()).scheme
    if scheme not in {"http", "https"}:
        raise ConfigurationError(
            f"the way to {urlsplit(url).hostname} leads through a proxy that speaks {scheme}, and only HTTP is spoken here",
            advice="set HTTPS_PROXY and HTTP_PROXY, or put the host into NO_PROXY",
        )
    return found.get_secret_value()


def httpx_options(outbound: Outbound, url: str) -> dict[str, Any]:
    """Arguments of `httpx.Client`, and of what is made of one, that talks to the host of `url` alone."""
    return {"verify": trusting(outbound), "proxy": http_proxy_for(outbound, url), "trust_env": False}


def obstore_options(outbound: Outbound, url: str) -> ClientConfig:
    """Members of obstore's `ClientConfig`. Authorities of ours are trusted beside the system's: it cannot do without those."""
    proxy = http_proxy_for(outbound, url)
    authorities = _pem(outbound)
    options: ClientConfig = {"root_certificate": authorities} if authorities else {}
    if proxy:
        options["proxy_url"] = proxy
        if authorities and proxy.startswith("https://"):
            options["proxy_ca_certificate"] = authorities.decode()
    return options


def urllib3_pool(outbound: Outbound, url: str, **options: Any) -> PoolManager:
    """A pool for the host of `url`. `options` are those of `urllib3.PoolManager`."""
    import urllib3

    proxy = http_proxy_for(outbound, url)
    if proxy is None:
        return urllib3.PoolManager(ssl_context=trusting(outbound), **options)
    return urllib3.ProxyManager(
        _without_user(proxy), proxy_headers=_proxy_headers(proxy), proxy_ssl_context=trusting(outbound), ssl_context=trusting(outbound), **options
    )  # fmt: skip


class HostPool:
    """Connections to one host, by urllib3. Paths are sent as they are, while a pool of many hosts resolves the dots in them.

    Through a proxy this holds for https alone: it is told whole addresses, and urllib3 tidies those.
    """

    def __init__(self, outbound: Outbound, base: str, *, connections: int) -> None:
        parts = urlsplit(base)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._manager = urllib3_pool(outbound, base, maxsize=connections)
        self._pool = self._manager.connection_from_url(self._origin)
        self._tells_all = parts.scheme == "http" and http_proxy_for(outbound, base) is not None

    def urlopen(self, method: str, target: str, *, headers: Mapping[str, Any], **options: Any) -> BaseHTTPResponse:
        """As `urllib3.HTTPConnectionPool.urlopen`; `target` is path and query."""
        url = f"{self._origin}{target}" if self._tells_all else target
        return self._pool.urlopen(method, url, headers=dict(headers), assert_same_host=not self._tells_all, **options)

    def close(self) -> None:
        self._manager.clear()


def _proxy_headers(proxy: str) -> dict[str, str]:
    from urllib3 import make_headers

    parts = urlsplit(proxy)
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    return make_headers(proxy_basic_auth=pair)


def _without_user(proxy: str) -> str:
    parts = urlsplit(proxy)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _pem(outbound: Outbound) -> bytes:
    """All authorities of `outbound` in one text, for clients that take nothing else; empty for the usual ones."""
    files = [outbound.ca_file] if outbound.ca_file else []
    files += sorted(path for path in outbound.ca_folder.glob("*.[0-9]")) if outbound.ca_folder else []
    try:
        return b"\n".join(path.read_bytes() for path in files)
    except OSError as error:
        raise ConfigurationError(
            f"certificate authorities cannot be read: {error.strerror}", advice="check SSL_CERT_FILE, REQUESTS_CA_BUNDLE and SSL_CERT_DIR"
        ) from error
