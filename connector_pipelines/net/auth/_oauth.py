"""Signing in by OAuth 2.0: the token of a connector, whatever its grant."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from connector_pipelines.core.auth import KeepsToken
from connector_pipelines.core.errors import ConfigurationError, Unauthenticated
from connector_pipelines.core.google import GoogleServiceAccountAuth
from connector_pipelines.core.oauth import AuthorizationCode, JwtBearer, OAuth2Auth
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net.auth._answers import Asker, sign_in_again
from connector_pipelines.net.auth._google import grant_of, signing_secret
from connector_pipelines.net.auth._keeper import Fetcher, TokenKeeper
from connector_pipelines.net.auth._key_file import KeyFile, key_file
from connector_pipelines.net.auth._resolver import Resolver, Secret
from connector_pipelines.net.auth._signing import bearer_assertion
from connector_pipelines.net.auth._token_endpoint import TokenEndpoint
from connector_pipelines.net.protocols import Token, TokenStore

__all__ = ["OAuth2SignIn", "cannot_act", "fetcher"]

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCHEME = "Bearer "


class OAuth2SignIn:
    """A `SignIn` by a token that is kept fresh."""

    certificate = None

    def __init__(self, fetcher: Fetcher, auth: KeepsToken, store: TokenStore, *, connector: str, stop: threading.Event) -> None:
        self.keeper = TokenKeeper(
            fetcher,
            store,
            connector=connector,
            settings=auth.fingerprint,
            margin_s=auth.refresh_before.total_seconds(),
            stop=stop,
        )

    def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - the same for all of them
        return {"authorization": f"{_SCHEME}{self.keeper.current().access_token.get_secret_value()}"}

    def params(self) -> Mapping[str, str]:
        return {}

    def refused(self, headers: Mapping[str, str]) -> bool:
        sent = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
        return self.keeper.anew(sent.removeprefix(_SCHEME))


def fetcher(
    connector: str, auth: KeepsToken, subject: str | None, *, secret: Resolver, outbound: Outbound, stop: threading.Event
) -> Fetcher:
    """How a token comes about by what `auth` says.

    Args:
        subject: As whom, where one client of the connector acts for one user of many.

    Raises:
        ConfigurationError: It can act for nobody.
    """
    endpoint = partial(TokenEndpoint, outbound=outbound, stop=stop)
    if isinstance(auth, GoogleServiceAccountAuth):
        return _KeyFileAssertion(connector, auth, subject, endpoint, secret)
    if isinstance(auth.grant, JwtBearer):
        grant = auth.grant if subject is None else auth.grant.model_copy(update={"subject": subject})
        mine = auth.model_copy(update={"grant": grant})
        return _Assertion(mine, grant, endpoint(Asker(connector, mine, subject), secret=secret), secret)
    if subject is not None:
        raise cannot_act(connector, subject, f"{auth.type} ({auth.grant.type})")
    asker = Asker(connector, auth)
    if isinstance(auth.grant, AuthorizationCode):
        return _Refresh(asker, endpoint(asker, secret=secret))
    return _Credentials(auth, endpoint(asker, secret=secret))


def cannot_act(connector: str, subject: str, way: str) -> ConfigurationError:
    """For a user who is named although nobody but oneself can be signed in."""
    return ConfigurationError(
        f"{connector!r} is to act as {subject!r}, and its sign-in, {way}, cannot act for others",
        advice="sign in as a service account that may (for Google: `auth: {type: google_service_account, …}` with domain-wide delegation),"
        " or name no users in the settings",
    )


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

    def __init__(self, auth: OAuth2Auth, grant: JwtBearer, endpoint: TokenEndpoint, secret: Secret) -> None:
        self._auth, self._grant, self._endpoint, self._secret = auth, grant, endpoint, secret

    def require(self, token: Token | None) -> None:
        """Nobody has to sign in."""

    def fetch(self, token: Token | None, *, interrupted: bool) -> Token:  # noqa: ARG002 - nothing that was lost is missed
        signed = bearer_assertion(self._grant, self._auth.token_url, self._secret)
        fetched = self._endpoint.ask(_JWT_BEARER, {"assertion": signed, "scope": " ".join(self._auth.scopes)})
        return replace(fetched, account=_who(token, fetched, self._endpoint) or self._grant.subject or self._grant.issuer)


class _KeyFileAssertion:
    """The same by a key file of Google's, which says by itself who signs, and where tokens are fetched."""

    def __init__(
        self, connector: str, auth: GoogleServiceAccountAuth, subject: str | None, endpoint: Callable[..., TokenEndpoint], secret: Resolver
    ) -> None:
        self._connector, self._auth, self._subject, self._endpoint, self._secret = connector, auth, subject, endpoint, secret

    def require(self, token: Token | None) -> None:
        """Nobody has to sign in."""

    def fetch(self, token: Token | None, *, interrupted: bool) -> Token:
        file = self._file()
        try:
            return self._signed(file).fetch(token, interrupted=interrupted)
        except (Unauthenticated, ConfigurationError):
            # The file may have been replaced since it was read, and the old key deleted.
            self._secret.refused()
            if (now := self._file()) == file:
                raise
        return self._signed(now).fetch(token, interrupted=interrupted)

    def _file(self) -> KeyFile:
        return key_file(self._secret(self._auth.key), self._auth.key)

    def _signed(self, file: KeyFile) -> _Assertion:
        in_full = grant_of(self._auth, file, self._subject)
        assert isinstance(in_full.grant, JwtBearer)  # noqa: S101 - just made
        secret = Resolver(signing_secret(self._secret, self._auth.key))
        asker = Asker(self._connector, in_full, self._subject, file)
        return _Assertion(in_full, in_full.grant, self._endpoint(asker, secret=secret), secret)


def _who(before: Token | None, fetched: Token, endpoint: TokenEndpoint) -> str:
    return fetched.account or (before.account if before else "") or endpoint.who(fetched)
