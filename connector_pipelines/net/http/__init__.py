"""HTTP to systems we do not own: one client per connector and system, which signs in, waits, tries again and tells what went wrong."""

from __future__ import annotations

import threading

from connector_pipelines.core.http import Http, HttpOptions
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net.http._counters import Counters
from connector_pipelines.net.http._hints import retry_after_s, seconds_until
from connector_pipelines.net.protocols import Breaker, Limiter, SignIn

__all__ = ["Counters", "open_http", "retry_after_s", "seconds_until"]


def open_http(
    options: HttpOptions,
    *,
    name: str,
    account: str = "",
    sign_in: SignIn | None = None,
    limiter: Limiter | None = None,
    breaker: Breaker | None = None,
    stop: threading.Event | None = None,
    outbound: Outbound | None = None,
    counters: Counters | None = None,
) -> Http:
    """A client as `options` say; connects on first use.

    Args:
        name: Of who asks, in counts, logs and errors: the connector's name, say. Of the bucket, where `options` name none.
        account: Whom the breaker's circuits are kept for, beside the host; empty: as `name`.
        sign_in, limiter, breaker: None for none.
        stop: Ends every wait when set.
        outbound: Proxies and authorities; None for neither proxy nor authorities of one's own.
        counters: Where requests are counted, if several clients are to be counted together.

    Raises:
        ConfigurationError: An address in `options` is none.
    """
    # Imported when used: most processes call nobody.
    from connector_pipelines.net.http._making import made
    from connector_pipelines.net.http._tries import real_clock

    stop = stop or threading.Event()
    return made(
        options,
        name=name,
        account=account,
        stop=stop,
        clock=real_clock(stop),
        outbound=outbound or Outbound(),
        counters=counters or Counters(),
        sign_in=sign_in,
        limiter=limiter,
        breaker=breaker,
    )
