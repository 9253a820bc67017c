"""Asks the API: one request of a stream in, one answer read as JSON out, and what a refusal means for what is synced."""

from __future__ import annotations

import copy
import threading
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from connector_pipelines.core.errors import ConfigurationError, Forbidden, NotFound, PermanentError
from connector_pipelines.core.http import Download, Http, HttpOptions
from connector_pipelines.core.protocols import Tools
from connector_pipelines.sources.rest_api import paths
from connector_pipelines.sources.rest_api.config import Config
from connector_pipelines.sources.rest_api.decoding import decode
from connector_pipelines.telemetry import scrub

__all__ = ["Answer", "Api", "Ask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request, before it is one.

    Attributes:
        what: For messages: the stream, or what of it.
        url: Absolute, or below the base.
        params, body: What the description says. They are never changed in place.
        statuses: Refusals that come back as an answer.
    """

    what: str
    url: str = field(repr=False)
    method: str = "GET"
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    statuses: Collection[int] = ()

    def plus(self, name: str, value: Any, place: str) -> Ask:
        """With one parameter more, in the address or in the body."""
        if place == "query":
            return replace(self, params={**self.params, name: value})
        body: dict[str, Any] = copy.deepcopy(dict(self.body or {}))
        try:
            paths.put(body, name, value)
        except ValueError as error:
            raise ConfigurationError(f"{self.what}: {error}", advice="Correct the parameter, or give `request_body` that place.") from error
        return replace(self, body=body)

    def at(self, url: str) -> Ask:
        """The same to another address, which has its parameters in it."""
        return replace(self, url=url, params={})

    def accepting(self, statuses: Collection[int]) -> Ask:
        return replace(self, statuses=statuses)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `url` is where it came from, without its query."""

    status: int
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: Any = field(repr=False)


class Api:
    """The way to the other side, opened on first use. Used by several threads at once."""

    def __init__(self, config: Config, tools: Tools) -> None:
        self._config, self._tools = config, tools
        self._http: Http | None = None
        self._lock = threading.Lock()

    @property
    def host(self) -> str:
        return urlsplit(self._config.base_url).netloc

    def ask(self, ask: Ask) -> Answer:
        """Ask, and read the answer. Raises as `Http.request`, and where the API says in a 200 that it is none."""
        answer = self._open().request(
            ask.method,
            ask.url,
            params=_params(ask.params) or None,
            headers=ask.headers or None,
            json=ask.body if ask.method != "GET" else None,
            # A search by POST changes nothing.
            idempotent=True,
            accept=ask.statuses,
        )
        body = None if answer.status in ask.statuses else decode(answer)
        if self._config.error_field is not None and (fault := paths.find(body, self._config.error_field)):
            raise PermanentError(
                f"{ask.what}: the API answered {answer.status} with an error in {self._config.error_field!r}{_short(fault)}"
            )
        return Answer(answer.status, answer.url, answer.headers, body)

    def ask_first(self, ask: Ask) -> Answer:
        """The first question about something that is to be synced.

        Raises:
            ConfigurationError: It is not there, we may not see it, or the question is not understood.
        """
        try:
            return self.ask(ask)
        except NotFound as error:
            raise ConfigurationError(f"{ask.what} is not there: {error}", advice="Correct its `path`, or `base_url`.") from error
        except Forbidden as error:
            raise ConfigurationError(
                f"{ask.what} may not be read by this account: {error}", advice="Grant the right (scope) it needs, or take the stream out."
            ) from error
        except PermanentError as error:
            if type(error) is not PermanentError:
                raise
            raise ConfigurationError(
                f"{ask.what} was refused: {error}", advice="Compare its parameters with the documentation of the API."
            ) from error

    def download(self, url: str, max_bytes: int | None = None) -> AbstractContextManager[Download]:
        return self._open().download(url, max_bytes=max_bytes)

    def close(self) -> None:
        with self._lock:
            if self._http is not None:
                self._http.close()

    def _open(self) -> Http:
        with self._lock:
            if self._http is None:
                config = self._config
                self._http = self._tools.http(
                    HttpOptions(
                        base_url=config.base_url,
                        fallback_url=config.fallback_url,
                        hosts=config.hosts,
                        headers={"accept": "application/json", **{name.lower(): value for name, value in config.headers.items()}},
                        max_connections=config.max_connections,
                        max_requests_per_second=config.max_requests_per_second,
                        max_body_bytes=config.max_answer_bytes,
                        read_timeout=config.read_timeout,
                        retry_budget=config.retry_budget,
                        allow_private=config.allow_private,
                    )
                )
            return self._http


def _params(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: [str(one) for one in value] if isinstance(value, (list, tuple)) else value for name, value in params.items()}


def _short(fault: Any) -> str:
    """An error's code, where it is one: sentences may repeat what we sent."""
    short = isinstance(fault, str) and len(fault) <= 60 and fault.replace("_", "").replace("-", "").isalnum()
    return f": {fault}" if short and scrub(fault) == fault else ""
