"""Clients under test: with a clock that does not wait, a sign-in whose credentials are known, and records of what was asked of each part."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from connector_pipelines.core.errors import Unavailable
from connector_pipelines.core.http import HttpOptions
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net.http import Counters
from connector_pipelines.net.http._client import HttpClient
from connector_pipelines.net.http._making import made
from connector_pipelines.net.http._tries import Clock
from connector_pipelines.net.protocols import Answered, ClientCertificate

SECRET = "planted-7f3a91c2"


@dataclass
class Time:
    """Passes only when somebody waits. Jitter is the largest there is."""

    now: float = 1000.0
    waits: list[float] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def clock(self) -> Clock:
        return Clock(lambda: self.now, self._wait, lambda longest_s: longest_s)

    def _wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        return self.stop.is_set()


@dataclass
class Signs:
    """A key in a header and one in the query; `anew` says how many more times a refused one is renewed."""

    anew: int = 0
    certificate: ClientCertificate | None = None
    key: str = SECRET
    query: Mapping[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)

    def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        self.asked.append((method, url, body))
        return {"Authorization": f"Key {self.key}"}

    def params(self) -> Mapping[str, str]:
        return self.query

    def refused(self, headers: Mapping[str, str]) -> bool:
        assert headers["Authorization"] == f"Key {self.key}"
        self.anew -= 1
        self.key = f"{SECRET}-{-self.anew}"
        return self.anew >= 0


@dataclass
class Watching:
    """A limiter and a breaker that let everything pass, but for what is in `shut`, and note what they are told."""

    shut: set[str] = field(default_factory=set)
    admitted: list[tuple[tuple[str, ...], float]] = field(default_factory=list)
    learnt: list[Answered] = field(default_factory=list)
    learnt_of: list[str] = field(default_factory=list)
    recorded: list[tuple[str, bool]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def admit(self, buckets: tuple[str, ...], *, within_s: float, stop: threading.Event, at_most: float | None = None) -> None:
        self.admitted.append((buckets, within_s))

    def learn(self, bucket: str, answered: Answered) -> None:
        self.learnt.append(answered)
        self.learnt_of.append(bucket)

    def check(self, circuit: str) -> None:
        if any(circuit.endswith(each) for each in self.shut):
            self.refused.append(circuit)
            raise Unavailable(f"{circuit} is left alone", retry_after_s=5.0)

    def record(self, circuit: str, *, works: bool) -> None:
        self.recorded.append((circuit, works))


@contextmanager
def client(
    url: str,
    *,
    time: Time | None = None,
    outbound: Outbound | None = None,
    allow_private: bool = True,
    sign_in: Signs | None = None,
    watching: Watching | None = None,
    stop: threading.Event | None = None,
    **options: Any,
) -> Iterator[HttpClient]:
    time = time or Time()
    opened = made(
        HttpOptions(base_url=url, allow_private=allow_private, **options),
        name="crm",
        account="crm/1",
        stop=stop or time.stop,
        clock=time.clock(),
        outbound=outbound or Outbound(),
        counters=Counters(),
        sign_in=sign_in,
        limiter=watching,
        breaker=watching,
    )
    try:
        yield opened
    finally:
        opened.close()
