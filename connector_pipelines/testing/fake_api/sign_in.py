"""Who may ask: every way to sign in that a connector knows. Each says the name of the credential that a request shows."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from connector_pipelines.testing.fake_api.messages import Refusal, Request
from connector_pipelines.testing.fake_api.sigv4 import signature_is_right

__all__ = [
    "ApiKeys", "BasicUsers", "BearerTokens", "ClientCertificates", "CustomSignIn", "Introspected", "IntrospectedAt", "SigV4Keys", "SignIn", "SignInModel", "who_asks",
]  # fmt: skip


class SignIn(Protocol):
    """A way to sign in."""

    def who(self, request: Request) -> str | None:
        """Name of the credential, or None where the request shows none of ours."""
        ...

    @property
    def secret_params(self) -> frozenset[str]:
        """Query parameters that hold secrets."""
        ...


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @property
    def secret_params(self) -> frozenset[str]:
        return frozenset()


class ApiKeys(_Model):
    """A key in a header or a parameter. `keys`: name → secret, here and below."""

    type: Literal["api_key"] = "api_key"
    keys: dict[str, str] = Field(repr=False)
    place: Literal["header", "query"] = "header"
    name: str = "X-API-Key"
    prefix: str = Field("", description="A word before the key, as in `Token abc`.")

    @property
    def secret_params(self) -> frozenset[str]:
        return frozenset({self.name} if self.place == "query" else ())

    def who(self, request: Request) -> str | None:
        shown = request.headers.get(self.name.lower()) if self.place == "header" else request.params.get(self.name)
        before = f"{self.prefix} " if self.prefix else ""
        return _named(self.keys, shown.removeprefix(before)) if shown and shown.startswith(before) else None


class BasicUsers(_Model):
    """RFC 7617. `users`: name → password."""

    type: Literal["basic"] = "basic"
    users: dict[str, str] = Field(repr=False)

    def who(self, request: Request) -> str | None:
        try:
            user, _, password = base64.b64decode(_authorization(request, "basic"), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return user if user in self.users and hmac.compare_digest(self.users[user].encode(), password.encode()) else None


class BearerTokens(_Model):
    """RFC 6750, with tokens that do not change."""

    type: Literal["bearer"] = "bearer"
    tokens: dict[str, str] = Field(repr=False)

    def who(self, request: Request) -> str | None:
        return _named(self.tokens, _authorization(request, "bearer"))


class ClientCertificates(_Model):
    """The common names of certificates, which the TLS layer has verified."""

    type: Literal["certificate"] = "certificate"
    names: tuple[str, ...]

    def who(self, request: Request) -> str | None:
        return request.certificate if request.certificate in self.names else None


class SigV4Keys(_Model):
    """AWS Signature Version 4. `keys`: access key → secret key."""

    type: Literal["sigv4"] = "sigv4"
    keys: dict[str, str] = Field(repr=False)
    region: str = "eu-central-1"
    service: str = "execute-api"

    def who(self, request: Request) -> str | None:
        return signature_is_right(request, self.keys, region=self.region, service=self.service, now=datetime.now(UTC))


class IntrospectedAt(_Model):
    """OAuth2 bearer tokens, asked about at their server (RFC 7662), which may be another process."""

    type: Literal["introspected"] = "introspected"
    url: str
    client_id: str = ""
    client_secret: str = Field("", repr=False)

    def who(self, request: Request) -> str | None:
        if not (token := _authorization(request, "bearer")):
            return None
        basic = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        asked = urllib.request.Request(  # noqa: S310 - an address the test gave
            self.url, urllib.parse.urlencode({"token": token}).encode(), {"Authorization": f"Basic {basic}"}
        )
        # Straight to it: a proxy of the environment knows nothing of loopback.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=10) as answer:
            found = json.load(answer)
        return str(found.get("username") or found.get("sub") or found.get("client_id") or "token") if found.get("active") else None


class Introspected:
    """OAuth2 bearer tokens, asked about by a function: token → name of its account, or None."""

    secret_params: frozenset[str] = frozenset()

    def __init__(self, introspect: Callable[[str], str | None]) -> None:
        self._introspect = introspect

    def who(self, request: Request) -> str | None:
        token = _authorization(request, "bearer")
        return self._introspect(token) if token else None


class CustomSignIn:
    """Whatever a function makes of a request's headers and parameters."""

    def __init__(self, who: Callable[[Request], str | None], secret_params: frozenset[str] = frozenset()) -> None:
        self.who = who
        self.secret_params = secret_params


SignInModel = Annotated[ApiKeys | BasicUsers | BearerTokens | ClientCertificates | SigV4Keys | IntrospectedAt, Field(discriminator="type")]


def who_asks(request: Request, ways: Sequence[SignIn]) -> str:
    """Name of the credential; empty where none is needed.

    Raises:
        Refusal: 401.
    """
    if not ways:
        return ""
    for way in ways:
        if (name := way.who(request)) is not None:
            return name
    raise Refusal(401, "unauthenticated", {"WWW-Authenticate": 'Bearer realm="fake", error="invalid_token"'})


def _authorization(request: Request, scheme: str) -> str:
    said, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if said.lower() == scheme else ""


def _named(secrets: dict[str, str], shown: str | None) -> str | None:
    if not shown:
        return None
    return next((name for name, secret in secrets.items() if hmac.compare_digest(secret.encode(), shown.encode())), None)
