"""Signing in to systems we do not own: what a connector's `auth:` says, made into what is added to its requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from connector_pipelines.core.auth import Auth, NoAuth
from connector_pipelines.core.oauth import OAuth2Auth
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net.auth._custom import custom_sign_in
from connector_pipelines.net.auth._memory import MemoryTokens
from connector_pipelines.net.auth._plain import api_key, basic, bearer, certificate
from connector_pipelines.net.auth._resolver import Forget, Resolver, Secret
from connector_pipelines.net.auth._sigv4 import SigV4
from connector_pipelines.net.protocols import SignIn, TokenStore

__all__ = ["make_sign_in"]

_MAKES: Mapping[str, Callable[[Any, Resolver], SignIn]] = {
    "apikey": api_key, "basic": basic, "bearer": bearer, "certificate": certificate, "sigv4": SigV4, "custom": custom_sign_in,
}  # fmt: skip


def make_sign_in(
    auth: Auth,
    *,
    secret: Secret,
    connector: str,
    forget: Forget | None = None,
    tokens: TokenStore | None = None,
    outbound: Outbound | None = None,
    stop: threading.Event | None = None,
) -> SignIn | None:
    """The sign-in that `auth` describes, or None for none. Nothing is fetched yet.

    Args:
        secret: Resolves references, whenever one is needed.
        connector: Its name, for messages and advice.
        forget: Told of references whose secret was refused; None where nothing is kept of them.
        tokens: Where its token is kept; None: in this process alone, so nobody can have signed in.
        outbound: How token endpoints are reached.
        stop: Ends waits when set.

    Raises:
        ConfigurationError: A custom one that is not there, or does not take its settings.
    """
    if isinstance(auth, NoAuth):
        return None
    resolver = Resolver(secret, forget)
    if isinstance(auth, OAuth2Auth):
        # Imported when used: the client for token endpoints costs a tenth of a second, and most processes fetch none.
        from connector_pipelines.net.auth._answers import Asker
        from connector_pipelines.net.auth._oauth import OAuth2SignIn

        store = tokens if tokens is not None else MemoryTokens()
        return OAuth2SignIn(Asker(connector, auth), store, secret=resolver, outbound=outbound or Outbound(), stop=stop or threading.Event())
    return _MAKES[auth.type](auth, resolver)
