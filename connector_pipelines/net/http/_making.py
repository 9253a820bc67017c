"""How a client is put together."""

from __future__ import annotations

import threading

from connector_pipelines.core.http import HttpOptions
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net.http._addresses import Addresses
from connector_pipelines.net.http._client import HttpClient
from connector_pipelines.net.http._counters import Counters
from connector_pipelines.net.http._exchange import Exchange
from connector_pipelines.net.http._transport import PooledTransport
from connector_pipelines.net.http._tries import Clock
from connector_pipelines.net.http._wire import TransportSettings
from connector_pipelines.net.protocols import Breaker, Limiter, SignIn

__all__ = ["made"]


def made(
    options: HttpOptions,
    *,
    name: str,
    account: str = "",
    stop: threading.Event,
    clock: Clock,
    outbound: Outbound,
    counters: Counters,
    sign_in: SignIn | None = None,
    limiter: Limiter | None = None,
    breaker: Breaker | None = None,
) -> HttpClient:
    """As `net.http.open_http`, by a given clock."""
    settings = TransportSettings(
        outbound=outbound,
        certificate=sign_in.certificate if sign_in else None,
        connections=options.max_connections,
        connect_timeout=options.connect_timeout,
        read_timeout=options.read_timeout,
        allow_private=options.allow_private,
        stop=stop,
    )
    exchange = Exchange(
        options=options,
        addresses=Addresses(options),
        buckets=tuple(bucket or account or name for bucket in options.buckets) or (name,),
        account=account or name,
        sign_in=sign_in,
        limiter=limiter,
        breaker=breaker,
        stop=stop,
    )
    return HttpClient(options, exchange, name=name, transport=PooledTransport(settings), clock=clock, counters=counters)
