"""How a connector signs in: the `auth:` of `connectors.yaml`. Secrets are references here, never values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from connector_pipelines.core.google import GoogleAuth, GoogleServiceAccountAuth
from connector_pipelines.core.oauth import AuthModel, OAuth2Auth
from connector_pipelines.core.references import SecretReference

__all__ = [
    "ApiKeyAuth", "Auth", "BasicAuth", "BearerAuth", "CertificateAuth", "CustomAuth", "GoogleAuth", "GoogleServiceAccountAuth", "KeepsToken",
    "NoAuth", "SigV4Auth", "auth_in_full",
]  # fmt: skip

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# The house's own: with these, a request would not be the one that was meant.
_NOT_A_KEY = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "range", "cookie"})


class NoAuth(AuthModel):
    """No sign-in: the folder is simply there."""

    type: Literal["none"] = "none"


class ApiKeyAuth(AuthModel):
    """A key sent with every request."""

    type: Literal["apikey"] = "apikey"
    key: SecretReference = Field(description="Reference to the key.")
    place: Literal["header", "query"] = Field("header", description="Where the key goes.")
    name: str = Field("X-API-Key", min_length=1, max_length=100, description="Name of the header or of the query parameter.")
    prefix: str = Field(
        "",
        max_length=100,
        pattern=r"^[\x21-\x7e]*$",
        description="A word before the key, as in `Token` or `ApiKey`; a space is put between.",
    )

    @model_validator(mode="after")
    def _a_header_can_have_that_name(self) -> ApiKeyAuth:
        if self.place == "header" and (not _HEADER_NAME.fullmatch(self.name) or self.name.lower() in _NOT_A_KEY):
            raise ValueError(f"a header that carries a key cannot be called {self.name!r}")
        return self


class BasicAuth(AuthModel):
    """A user's name and password with every request (RFC 7617)."""

    type: Literal["basic"] = "basic"
    username: str | None = Field(None, max_length=200, pattern=r"^[^:]*$", description="The user's name.")
    username_secret: SecretReference | None = Field(
        None, description="Reference to the name instead, for APIs that take a key as the name of the user."
    )
    password: SecretReference | None = Field(None, description="Reference to the password. Default: empty.")

    @model_validator(mode="after")
    def _one_name(self) -> BasicAuth:
        if (self.username is None) == (self.username_secret is None):
            raise ValueError("give `username` or `username_secret`, one of them")
        return self


class BearerAuth(AuthModel):
    """A token that was made at the other side and is good until somebody withdraws it (a personal access token, say)."""

    type: Literal["bearer"] = "bearer"
    token: SecretReference = Field(description="Reference to the token.")
    prefix: str = Field(
        "Bearer",
        max_length=100,
        pattern=r"^[\x21-\x7e]*$",
        description="The word before it in the `Authorization` header; some have another.",
    )


class CertificateAuth(AuthModel):
    """A client certificate, shown whenever a connection is made (mutual TLS)."""

    type: Literal["certificate"] = "certificate"
    certificate: SecretReference = Field(description="Reference to the certificate in PEM, its chain below it.")
    key: SecretReference | None = Field(
        None, description="Reference to its private key in PEM. Default: in the same text as the certificate."
    )
    password: SecretReference | None = Field(None, description="Reference to the password of the key, where it has one.")


class SigV4Auth(AuthModel):
    """Every request signed as AWS wants it (Signature Version 4). It needs `pip install 'connector-pipelines[aws]'`."""

    type: Literal["sigv4"] = "sigv4"
    access_key: SecretReference = Field(description="Reference to the access key's id.")
    secret_key: SecretReference = Field(description="Reference to the secret access key.")
    session_token: SecretReference | None = Field(None, description="Reference to the session token that goes with temporary keys.")
    region: str = Field(pattern=r"^[a-z0-9-]{2,40}$", description="Region that requests are signed for, as in `eu-central-1`.")
    service: str = Field(
        pattern=r"^[a-z0-9-]{1,40}$", description="Service that requests are signed for: `execute-api` for API Gateway, `es`, `s3`."
    )


class CustomAuth(AuthModel):
    """A way to sign in that another distribution brings, by an entry point of the group `connector_pipelines.auth`."""

    type: Literal["custom"] = "custom"
    kind: str = Field(pattern=r"^[a-z][a-z0-9_]{0,59}$", description="Name of the entry point.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Its own settings; secrets among them are references.")


Auth = Annotated[
    NoAuth
    | ApiKeyAuth
    | BasicAuth
    | BearerAuth
    | CertificateAuth
    | SigV4Auth
    | OAuth2Auth
    | GoogleServiceAccountAuth
    | GoogleAuth
    | CustomAuth,
    Field(discriminator="type"),
]

KeepsToken = OAuth2Auth | GoogleServiceAccountAuth
"""Those that fetch a token and keep it, of what `auth_in_full` gives."""


def auth_in_full(auth: Auth, scopes: Callable[[], tuple[str, ...]]) -> Auth:
    """`auth` with nothing left to be filled in by who knows better: Google's addresses, and the scopes of the kind.

    Args:
        scopes: What the connector's kind needs for reading; only asked where `auth` names none.
    """
    if not isinstance(auth, GoogleAuth | GoogleServiceAccountAuth):
        return auth
    named = auth if auth.scopes else auth.model_copy(update={"scopes": tuple(scopes())})
    return named.in_full() if isinstance(named, GoogleAuth) else named
