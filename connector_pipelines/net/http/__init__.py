"""HTTP to systems we do not own: one client per connector and system, which signs in, waits, tries again and tells what went wrong."""

from __future__ import annotations

import threading

from connector_pipelines.core.http import Http, HttpOptions
from connector_pipelines.net.protocols import Breaker, Limiter, SignIn

__all__ = ["open_http"]


def open_http(
    options: HttpOptions,
    *,
    name: str,
    sign_in: SignIn | None = None,
    limiter: Limiter | None = None,
    breaker: Breaker | None = None,
    stop: threading.Event | None = None,
) -> Http:
    """A client as `options` say; connects on first use.

    Args:
        name: Of who asks, in counts, logs and errors: the connector's name, say.
        sign_in, limiter, breaker: None for none.
        stop: Ends every wait when set.
    """
    raise NotImplementedError
