"""How the sink reaches Qdrant: one client, its version checked, its refusals told in our classes."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from json import JSONDecodeError
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from connector_pipelines.core.errors import (
    ConfigurationError,
    ConnectorError,
    PermanentError,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from connector_pipelines.core.protocols import Tools
from connector_pipelines.net.outbound import httpx_options
from connector_pipelines.sinks.qdrant.config import Config

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

__all__ = ["LEAST_VERSION", "Gone", "Server"]

T = TypeVar("T")

LEAST_VERSION = (1, 16)
"""Conditional updates and metadata of collections came with it. An older server takes the condition of an update for nothing, and updates."""

_MAX_CONNECTIONS = 4


class Gone(Unavailable):
    """The collection is not there (any more)."""


class Server:
    """A Qdrant server. Connects on first use; used by several threads at once."""

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        self._name = name
        self._config = config
        self._tools = tools
        self._client: QdrantClient | None = None
        self._lock = threading.Lock()

    @property
    def account(self) -> str:
        parts = urlsplit(self._config.url)
        return f"{parts.hostname}:{parts.port or 6333}{parts.path}"

    def call(self, doing: str, ask: Callable[[QdrantClient], T]) -> T:
        """What `ask` gives. It is asked once more when the connection was lost on the way, so it must be harmless to repeat.

        Raises:
            Gone: The collection is not there.
            Unavailable: No server answers, or it cannot do this just now.
            RateLimited: It asks us to slow down.
            Unauthenticated: The key was refused.
            ConfigurationError: The key does not allow it, or this is no server we can use.
            PermanentError: The server refuses a value.
        """
        client = self._opened()
        try:
            return _asked(doing, ask, client)
        except _Lost:
            pass
        try:
            return _asked(doing, ask, client)
        except _Lost as error:
            raise Unavailable(f"could not {doing}: the connection to {self.account} was lost") from error.__cause__

    def version(self) -> str:
        """Of the server.

        Raises:
            ConfigurationError: It is too old, or no Qdrant.
        """
        return _usable_version(self._opened(), self.account)

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _opened(self) -> QdrantClient:
        with self._lock:
            if self._client is None:
                client = self._connect()
                try:
                    _usable_version(client, self.account)
                except BaseException:
                    client.close()
                    raise
                self._client = client
            return self._client

    def _connect(self) -> QdrantClient:
        try:
            import httpx
            from qdrant_client import QdrantClient
        except ImportError as error:
            raise ConfigurationError(
                f"the sink {self._name!r} needs qdrant-client, which is not installed", advice="pip install 'connector-pipelines[qdrant]'"
            ) from error
        key = self._config.api_key and self._tools.secret(self._config.api_key).get_secret_value()
        # As a header: given as `api_key`, it would switch TLS on or warn on every connection without it. Ours was settled by the settings.
        return QdrantClient(
            url=self._config.url,
            headers={"api-key": key} if key else None,
            timeout=int(self._config.timeout.total_seconds()),
            check_compatibility=False,
            **httpx_options(self._tools.outbound, self._config.url),
            limits=httpx.Limits(max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_CONNECTIONS),
        )


class _Lost(Exception):
    """The connection was cut before an answer came."""


def _asked(doing: str, ask: Callable[[QdrantClient], T], client: QdrantClient) -> T:
    import httpx
    from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    try:
        return ask(client)
    except UnexpectedResponse as error:
        raise _refusal(doing, error.status_code or 0) from error
    except ResourceExhaustedResponse as error:
        raise RateLimited(f"could not {doing}: the server asks to slow down", retry_after_s=error.retry_after_s) from error
    except QdrantException as error:  # a Retry-After that is no number of seconds
        raise RateLimited(f"could not {doing}: the server asks to slow down") from error
    except ResponseHandlingException as error:
        if isinstance(error.source, httpx.TransportError) and not isinstance(error.source, httpx.TimeoutException | httpx.ConnectError):
            raise _Lost from error
        raise _no_answer(doing, error.source) from error
    except (AssertionError, JSONDecodeError, ValidationError) as error:  # how the client says that it cannot read the answer
        raise _no_answer(doing, error) from error


def _no_answer(doing: str, source: Exception) -> Unavailable:
    import httpx

    if isinstance(source, httpx.TimeoutException):
        return Unavailable(f"could not {doing}: no answer in time", advice="see `timeout` of the sink")
    if isinstance(source, httpx.ConnectError):
        return Unavailable(f"could not {doing}: no server answers", advice="is Qdrant running, and `url` its address?")
    return Unavailable(f"could not {doing}: what came was no answer of Qdrant ({type(source).__name__})")


def _refusal(doing: str, status: int) -> ConnectorError:
    said = f"could not {doing}: HTTP {status}"
    if status == 401:
        return Unauthenticated(f"{said}, the key was refused or is missing", advice="see `api_key` of the sink")
    if status == 403:
        return ConfigurationError(f"{said}, the key does not allow it", advice="give the sink a key that may read, write and manage")
    if status == 404:
        return Gone(f"{said}, the collection is not there", advice="the next try makes it again")
    if status == 413:
        return ConfigurationError(
            f"{said}, the request is too large", advice="let the server, and any proxy before it, take requests of 32 MiB"
        )
    if status == 429:
        return RateLimited(f"{said}, the server asks to slow down")
    return _other_refusal(said, status)


def _other_refusal(said: str, status: int) -> ConnectorError:
    if status in {408, 425} or status >= 500:
        return Unavailable(f"{said}, the server cannot do it just now")
    if status < 400:
        return ConfigurationError(f"{said}, a redirect: this is not the address of a Qdrant server", advice="see `url` of the sink")
    return PermanentError(f"{said}, the server refuses what it was sent")


def _usable_version(client: QdrantClient, account: str) -> str:
    try:
        said = _asked("ask for the server's version", lambda c: c.info(), client)
    except _Lost as error:
        raise Unavailable(f"the connection to {account} was lost") from error.__cause__
    except (Gone, PermanentError) as error:
        raise ConfigurationError(f"what answers at {account} is no Qdrant server", advice="see `url` of the sink") from error
    found = re.match(r"(\d+)\.(\d+)", said.version)
    least = ".".join(map(str, LEAST_VERSION))
    if found is None or (int(found[1]), int(found[2])) < LEAST_VERSION:
        raise ConfigurationError(
            f"Qdrant at {account} is {said.version[:40]}, {least} is needed", advice=f"update the server to {least} or later"
        )
    return said.version
