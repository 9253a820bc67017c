"""How a connector signs in to Google: by the key file of a service account, or as a person who consents once."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Literal

from pydantic import Field

from connector_pipelines.core.durations import Duration
from connector_pipelines.core.oauth import Address, AuthModel, AuthorizationCode, OAuth2Auth, Scope
from connector_pipelines.core.references import SecretReference

__all__ = ["GoogleAuth", "GoogleServiceAccountAuth"]

# Who signed in is then in the answer, for people to see.
_WHO = ("openid", "email")


class GoogleServiceAccountAuth(AuthModel):
    """A service account of Google, by the JSON key file that its console gives to download; nobody is asked."""

    type: Literal["google_service_account"] = "google_service_account"
    key: SecretReference = Field(description="Reference to the text of the JSON key file.")
    scopes: tuple[Scope, ...] = Field((), description="What to ask for. Default: what the kind needs for reading.")
    subject: str | None = Field(
        None,
        min_length=1,
        max_length=320,
        description="Address of the user to act as, where the administrator of the domain allows that (domain-wide delegation)."
        " Default: the service account itself.",
    )
    refresh_before: Duration = Field(
        timedelta(minutes=5),
        ge=timedelta(0),
        description="How long before its end a token is fetched anew; never more than a quarter of its life.",
    )

    @property
    def fingerprint(self) -> str:
        """As `OAuth2Auth.fingerprint`. A key file that was replaced by another account's is noticed when the token ends, within the hour."""
        mine = {"type": self.type, "key": self.key, "subject": self.subject, "scopes": sorted(self.scopes)}
        return hashlib.sha256(json.dumps(mine, sort_keys=True).encode()).hexdigest()[:16]


class GoogleAuth(AuthModel):
    """A person of Google signs in once, in a browser, by `connectors auth NAME`: `oauth2` with what Google needs filled in."""

    type: Literal["google"] = "google"
    client_id: str = Field(min_length=1, max_length=500, description="Of the OAuth client, from Google's console.")
    client_secret: SecretReference = Field(description="Reference to the client's secret.")
    scopes: tuple[Scope, ...] = Field((), description="What to ask for. Default: what the kind needs for reading.")
    redirect_url: Address = Field(
        "http://127.0.0.1/callback",
        description="Where the browser is sent back to. The default is right for a client of the type `Desktop app`, which needs no"
        " address registered; for a web application, one that is registered.",
    )
    authorize_url: Address = Field("https://accounts.google.com/o/oauth2/v2/auth", description="Where a person signs in and consents.")
    token_url: Address = Field("https://oauth2.googleapis.com/token", description="Where tokens are fetched.")

    def in_full(self) -> OAuth2Auth:
        """The same, written out.

        Only `access_type=offline` gives a refresh token, and the second time somebody consents only with `prompt=consent`
        (https://developers.google.com/identity/protocols/oauth2/web-server, read November 2026).
        """
        grant = AuthorizationCode(
            authorize_url=self.authorize_url,
            authorize_params={"access_type": "offline", "prompt": "consent"},
            redirect_url=self.redirect_url,
        )
        return OAuth2Auth(
            grant=grant,
            token_url=self.token_url,
            client_id=self.client_id,
            client_secret=self.client_secret,
            # Both are read here; a secret of Google's is safe in the body, and need not be escaped.
            client_authentication="client_secret_post",
            scopes=tuple(dict.fromkeys((*self.scopes, *_WHO))),
        )
