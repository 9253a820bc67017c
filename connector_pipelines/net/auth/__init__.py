"""Signing in to systems we do not own: what a connector's `auth:` says, made into what is added to its requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from connector_pipelines.core.auth import Auth, KeepsToken, NoAuth, auth_in_full
from connector_pipelines.core.errors import ConfigurationError
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
    subject: str | None = None,
    forget: Forget | None = None,
    tokens: TokenStore | None = None,
    outbound: Outbound | None = None,
    stop: threading.Event | None = None,
) -> SignIn | None:
    """The sign-in that `auth` describes, or None for none. Nothing is fetched yet.

    Args:
        secret: Resolves references, whenever one is needed.
        connector: Its name, for messages and advice.
        subject: As whom, where the sign-in can act for others; None: as itself.
        forget: Told of references whose secret was refused; None where nothing is kept of them.
        tokens: Where the token of this connector and subject is kept; None: in this process alone, so nobody can have signed in.
        outbound: How token endpoints are reached.
        stop: Ends waits when set.

    Raises:
        ConfigurationError: A custom one that is not there, or does not take its settings; one that cannot act for others, and is to.
    """
    auth = auth_in_full(auth, lambda: ())
    resolver, stop = Resolver(secret, forget), stop or threading.Event()
    if isinstance(auth, KeepsToken):
        # Imported when used: the client for token endpoints costs a tenth of a second, and most processes fetch none.
        from connector_pipelines.net.auth._oauth import OAuth2SignIn, fetcher

        found = fetcher(connector, auth, subject, secret=resolver, outbound=outbound or Outbound(), stop=stop)
        return OAuth2SignIn(found, auth, tokens if tokens is not None else MemoryTokens(), connector=connector, stop=stop)
    if subject is not None:
        raise _cannot_act(connector, subject, auth)
    return None if isinstance(auth, NoAuth) else _MAKES[auth.type](auth, resolver)


def _cannot_act(connector: str, subject: str, auth: Auth) -> ConfigurationError:
    from connector_pipelines.net.auth._oauth import cannot_act

    return cannot_act(connector, subject, auth.type)
