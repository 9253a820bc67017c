"""What sockets, TLS and HTTP libraries raise, told as ours: the same words whichever client met it."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Malformed, Unavailable
from connector_pipelines.net.http._wire import Lost

__all__ = ["broken", "cut", "host_of", "no_free_connection", "not_http", "not_reached", "proxy_refused", "silent", "stopped", "unwritable"]


def host_of(url: str) -> str:
    """Host and port, for messages."""
    return urlsplit(url).netloc.rpartition("@")[2]


def stopped() -> Unavailable:
    return Unavailable("the run was stopped")


def not_reached(host: str, error: BaseException) -> ConnectorError:
    """`error` came while a connection to `host` was made, TLS included."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConfigurationError(
            f"the certificate of {host} is not trusted: {error.verify_message}",
            advice="if your company has authorities of its own, name their bundle in SSL_CERT_FILE or REQUESTS_CA_BUNDLE",
        )
    if isinstance(error, ssl.SSLError):
        return Lost(f"no TLS connection to {host} came about ({error.reason or 'cut off'})", arrived=False)
    if isinstance(error, TimeoutError):
        return Lost(f"{host} was not reached in time", arrived=False)
    return Lost(f"{host} was not reached ({_why(error)})", arrived=False)


def proxy_refused(host: str, status: object) -> ConnectorError:
    """The proxy did not make a tunnel."""
    said = f"the proxy on the way to {host} answered {status}"
    if str(status).startswith("5"):
        return Lost(said, arrived=False)
    return ConfigurationError(said, advice="check HTTPS_PROXY and the user in it, and what the proxy lets through")


def no_free_connection(host: str) -> Lost:
    return Lost(f"no connection to {host} became free in time", arrived=False)


def silent(host: str, why: str) -> Lost:
    return Lost(f"{host} did not answer in time ({why})", arrived=True)


def broken(host: str, error: BaseException, *, stale: bool) -> Lost:
    return Lost(f"the connection to {host} broke ({_why(error)})", arrived=True, stale=stale)


def cut(host: str, *, stale: bool = False) -> Lost:
    return Lost(f"{host} closed the connection before the answer was whole", arrived=True, stale=stale)


def not_http(host: str) -> Malformed:
    return Malformed(f"what {host} answers is not HTTP", advice="check scheme and port of the address")


def unwritable(host: str) -> ConfigurationError:
    return ConfigurationError(
        f"a request to {host} cannot be written: its address, or a header, holds a character that must not be there (not shown)"
    )


def _why(error: BaseException) -> str:
    text = getattr(error, "strerror", None)
    return str(text).lower() if text else type(error).__name__
