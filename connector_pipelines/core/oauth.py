"""How a connector signs in by OAuth 2.0: whose token, by which grant, and how the client proves itself."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connector_pipelines.core.durations import Duration
from connector_pipelines.core.references import SecretReference

__all__ = [
    "Address", "AuthModel", "AuthorizationCode", "ClientCredentials", "Grant", "JwtBearer", "OAuth2Auth", "Scope", "SigningKey", "is_loopback",
]  # fmt: skip


def is_loopback(host: str | None) -> bool:
    """Whether `host` is this machine by its name or number."""
    if host is None or host.lower() == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
        raise ValueError("should be an address such as https://login.example.com/oauth/token, without a fragment")
    if parts.username is not None or parts.password is not None:
        raise ValueError("should hold no user or password (not shown)")
    _ = parts.port
    return value


Address = Annotated[str, AfterValidator(_address)]
Scope = Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")]


class AuthModel(BaseModel):
    """Base of what stands under `auth:`."""

    # Inputs hidden: a traceback shows pydantic's error too, and what is wrong may be a secret in the wrong place.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SigningKey(AuthModel):
    """A private key that signs who we are."""

    key: SecretReference = Field(description="Reference to the private key in PEM, without a password.")
    algorithm: Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384"] = Field("RS256", description="How it signs.")
    key_id: str | None = Field(None, max_length=200, description="`kid` of the key, where the other side has several.")
    certificate: SecretReference | None = Field(
        None,
        description="Reference to the key's certificate in PEM, whose thumbprint goes with the signature (`x5t`), as Microsoft wants it.",
    )


class AuthorizationCode(AuthModel):
    """A person signs in once, in a browser, by `connectors auth NAME`; from then on the token is refreshed. Always with PKCE (S256)."""

    type: Literal["authorization_code"] = "authorization_code"
    authorize_url: Address = Field(description="Where a person signs in and consents.")
    authorize_params: dict[str, str] = Field(
        default_factory=dict,
        description="Further parameters of that address. Google gives a refresh token for `access_type: offline` and `prompt: consent`.",
    )
    redirect_url: Address = Field(
        "http://127.0.0.1/callback",
        description="Where the browser is sent back to, as it is registered at the other side. On `127.0.0.1` or `localhost` it is"
        " `connectors auth` that answers there, on a free port unless one is given; for any other address, `--paste` takes the code.",
    )


class ClientCredentials(AuthModel):
    """The application signs in as itself; nobody is asked."""

    type: Literal["client_credentials"] = "client_credentials"


class JwtBearer(AuthModel):
    """A service account proves itself by what it signs (RFC 7523); nobody is asked."""

    type: Literal["jwt_bearer"] = "jwt_bearer"
    issuer: str = Field(
        min_length=1, max_length=500, description="`iss`: who signs, usually the client's id or the service account's address."
    )
    subject: str | None = Field(None, max_length=500, description="`sub`: as whom, where that is another.")
    audience: str | None = Field(None, max_length=500, description="`aud`: for whom. Default: `token_url`.")
    claims: dict[str, str | list[str]] = Field(
        default_factory=dict, description="Further claims. Google wants the scopes here, as `scope`, separated by spaces."
    )
    lifetime: Duration = Field(
        timedelta(minutes=5), description="How long what is signed is good for.", ge=timedelta(seconds=30), le=timedelta(hours=1)
    )
    signing: SigningKey = Field(description="What signs.")


Grant = Annotated[AuthorizationCode | ClientCredentials | JwtBearer, Field(discriminator="type")]


class OAuth2Auth(AuthModel):
    """A token that is fetched, kept sealed in the database, and fetched anew before it expires (OAuth 2.0)."""

    type: Literal["oauth2"] = "oauth2"
    grant: Grant = Field(description="Whose the token is, and how it is come by.")
    token_url: Address = Field(description="Where tokens are fetched.")
    client_id: str | None = Field(None, min_length=1, max_length=500, description="The application's id, from where it is registered.")
    client_secret: SecretReference | None = Field(None, description="Reference to the application's secret.")
    client_signing: SigningKey | None = Field(None, description="What signs for the application, with `private_key_jwt`.")
    client_authentication: Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"] | None = Field(
        None,
        description="How the application proves itself at `token_url`: its secret in the `Authorization` header or in the body, a signature,"
        " or not at all. Default: `client_secret_basic` where there is a secret, `private_key_jwt` where there is a key, else `none`.",
    )
    scopes: tuple[Scope, ...] = Field((), description="What to ask for.")
    token_params: dict[str, str] = Field(
        default_factory=dict, description="Further parameters of every request for a token, such as `audience` or `resource`."
    )
    refresh_before: Duration = Field(
        timedelta(minutes=5),
        ge=timedelta(0),
        description="How long before its end a token is fetched anew; never more than a quarter of its life.",
    )
    account_url: Address | None = Field(
        None, description="Asked once after signing in, for who that is. Not needed where the answer has an `id_token`."
    )
    account_field: str = Field(
        "email", max_length=200, description="Field of that answer that names the account; dotted where it is nested."
    )
    allow_http: bool = Field(
        False, description="Whether these addresses may be `http://` beyond this machine. Tokens then travel in clear."
    )

    @model_validator(mode="after")
    def _encrypted(self) -> OAuth2Auth:
        for name, url in self._addresses():
            parts = urlsplit(url)
            if parts.scheme != "https" and not is_loopback(parts.hostname) and not self.allow_http:
                raise ValueError(f"`{name}` should begin with https://, or tokens travel in clear; `allow_http: true` if that is meant")
        return self

    @model_validator(mode="after")
    def _client_can_prove_itself(self) -> OAuth2Auth:
        if self.client_id is None and not isinstance(self.grant, JwtBearer):
            raise ValueError(f"the grant {self.grant.type} needs `client_id`")
        needs_secret, needs_key = self.proof in {"client_secret_basic", "client_secret_post"}, self.proof == "private_key_jwt"
        if needs_secret != (self.client_secret is not None) or needs_key != (self.client_signing is not None):
            wants = (
                "`client_secret`" if needs_secret else "`client_signing`" if needs_key else "neither `client_secret` nor `client_signing`"
            )
            raise ValueError(f"`client_authentication: {self.proof}` goes with {wants}")
        if self.client_id is None and self.proof != "none":
            raise ValueError(f"`client_authentication: {self.proof}` needs `client_id`")
        return self

    @property
    def proof(self) -> Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]:
        """How the client authenticates, the default worked out."""
        if self.client_authentication is not None:
            return self.client_authentication
        if self.client_secret is not None:
            return "client_secret_basic"
        return "private_key_jwt" if self.client_signing is not None else "none"

    @property
    def fingerprint(self) -> str:
        """Differs where a token that was fetched with other settings is not this connector's any more.

        Where secrets are kept, and how the client proves itself, may change under a token.
        """
        grant = self.grant.model_dump(mode="json", exclude={"signing", "lifetime", "redirect_url"})
        mine = self.model_dump(mode="json", include={"token_url", "client_id", "token_params"}) | {
            "grant": grant,
            "scopes": sorted(self.scopes),
        }
        return hashlib.sha256(json.dumps(mine, sort_keys=True).encode()).hexdigest()[:16]

    def _addresses(self) -> Iterator[tuple[str, str]]:
        yield "token_url", self.token_url
        if self.account_url:
            yield "account_url", self.account_url
        if isinstance(self.grant, AuthorizationCode):
            yield "authorize_url", self.grant.authorize_url
            yield "redirect_url", self.grant.redirect_url
