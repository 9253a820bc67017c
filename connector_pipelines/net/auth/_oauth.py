"""Signing in by OAuth 2.0: the token of a connector, whatever its grant."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

from connector_pipelines.core.errors import Unauthenticated
from connector_pipelines.core.oauth import AuthorizationCode, JwtBearer, OAuth2Auth
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net.auth._answers import Asker, sign_in_again
from connector_pipelines.net.auth._keeper import Fetcher, TokenKeeper
from connector_pipelines.net.auth._resolver import Resolver
from connector_pipelines.net.auth._signing import bearer_assertion
from connector_pipelines.net.auth._token_endpoint import TokenEndpoint
from connector_pipelines.net.protocols import Token, TokenStore

__all__ = ["OAuth2SignIn"]

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCHEME = "Bearer "


class OAuth2SignIn:
    """A `SignIn` by a token that is kept fresh."""

    certificate = None

    def __init__(self, asker: Asker, store: TokenStore, *, secret: Resolver, outbound: Outbound, stop: threading.Event) -> None:
        endpoint = TokenEndpoint(asker, secret=secret, outbound=outbound, stop=stop)
        self.keeper = TokenKeeper(
            _fetcher(asker, endpoint, secret),
            store,
            connector=asker.connector,
            settings=asker.auth.fingerprint,
            margin_s=asker.auth.refresh_before.total_seconds(),
            stop=stop,
        )

    def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - the same for all of them
        return {"authorization": f"{_SCHEME}{self.keeper.current().access_token.get_secret_value()}"}

    def params(self) -> Mapping[str, str]:
        return {}

    def refused(self, headers: Mapping[str, str]) -> bool:
        sent = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        return self.keeper.anew(sent.removeprefix(_SCHEME))


def _fetcher(asker: Asker, endpoint: TokenEndpoint, secret: Resolver) -> Fetcher:
    if isinstance(asker.auth.grant, AuthorizationCode):
        return _Refresh(asker, endpoint)
    if isinstance(asker.auth.grant, JwtBearer):
        return _Assertion(asker.auth, asker.auth.grant, endpoint, secret)
    return _Credentials(asker.auth, endpoint)


class _Refresh:
    """The token a person signed in for, by its refresh token."""

    def __init__(self, asker: Asker, endpoint: TokenEndpoint) -> None:
        self._asker, self._endpoint = asker, endpoint

    def require(self, token: Token | None) -> None:
        connector = self._asker.connector
        if token is None:
            raise Unauthenticated(
                f"nobody has signed in for {connector!r}, or its sign-in settings have changed since", advice=sign_in_again(connector)
            )
        if token.refresh_token is None:
            raise Unauthenticated(
                f"the sign-in of {connector!r} is over, and the provider gave nothing to renew it by",
                advice=f"{sign_in_again(connector)}; most providers give a refresh token only when asked for it, by a scope such as"
                " `offline_access` or by `authorize_params`",
            )

    def fetch(self, token: Token | None, *, interrupted: bool) -> Token:
        self.require(token)
        refresh = token.refresh_token.get_secret_value() if token and token.refresh_token else ""
        # Without `scope`: that may only narrow what was granted, and some refuse it.
        return self._endpoint.ask("refresh_token", {"refresh_token": refresh}, interrupted=interrupted)


class _Credentials:
    """The application's own token."""

    def __init__(self, auth: OAuth2Auth, endpoint: TokenEndpoint) -> None:
        self._auth, self._endpoint = auth, endpoint

    def require(self, token: Token | None) -> None:
        """Nobody has to sign in."""

    def fetch(self, token: Token | None, *, interrupted: bool) -> Token:  # noqa: ARG002 - nothing that was lost is missed
        fetched = self._endpoint.ask("client_credentials", {"scope": " ".join(self._auth.scopes)})
        return replace(fetched, account=_who(token, fetched, self._endpoint) or self._auth.client_id or "")


class _Assertion:
    """A service account's token, by what its key signs."""

    def __init__(self, auth: OAuth2Auth, grant: JwtBearer, endpoint: TokenEndpoint, secret: Resolver) -> None:
        self._auth, self._grant, self._endpoint, self._secret = auth, grant, endpoint, secret

    def require(self, token: Token | None) -> None:
        """Nobody has to sign in."""

    def fetch(self, token: Token | None, *, interrupted: bool) -> Token:  # noqa: ARG002 - nothing that was lost is missed
        signed = bearer_assertion(self._grant, self._auth.token_url, self._secret)
        fetched = self._endpoint.ask(_JWT_BEARER, {"assertion": signed, "scope": " ".join(self._auth.scopes)})
        return replace(fetched, account=_who(token, fetched, self._endpoint) or self._grant.subject or self._grant.issuer)


def _who(before: Token | None, fetched: Token, endpoint: TokenEndpoint) -> str:
    return fetched.account or (before.account if before else "") or endpoint.who(fetched)
