"""Sign-ins that are the same for every request: keys, passwords, tokens made by hand, certificates."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from connector_pipelines.core.auth import ApiKeyAuth, BasicAuth, BearerAuth, CertificateAuth
from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.net.auth._resolver import Resolver
from connector_pipelines.net.protocols import ClientCertificate
from connector_pipelines.telemetry import redact

__all__ = ["PlainSignIn", "api_key", "basic", "bearer", "certificate"]


def _nothing() -> Mapping[str, str]:
    return {}


class PlainSignIn:
    """A `SignIn` that asks for its secrets at every request: one that was replaced counts at once."""

    def __init__(
        self,
        secret: Resolver,
        *,
        headers: Callable[[], Mapping[str, str]] = _nothing,
        params: Callable[[], Mapping[str, str]] = _nothing,
        certificate: Callable[[], ClientCertificate] | None = None,
    ) -> None:
        self._secret, self._headers, self._params, self._certificate = secret, headers, params, certificate

    @property
    def certificate(self) -> ClientCertificate | None:
        return self._certificate() if self._certificate else None

    def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - the same for all of them
        return self._headers()

    def params(self) -> Mapping[str, str]:
        return self._params()

    def refused(self, headers: Mapping[str, str]) -> bool:
        """Worth another try where the secret was replaced since."""
        self._secret.refused()
        sent = {name.lower(): value for name, value in headers.items()}
        return any(sent.get(name.lower(), value) != value for name, value in self._headers().items())


def api_key(auth: ApiKeyAuth, secret: Resolver) -> PlainSignIn:
    def value() -> Mapping[str, str]:
        key = secret(auth.key).get_secret_value()
        if auth.place == "header":
            key = _for_header(key, auth.key)
        return {auth.name: f"{auth.prefix} {key}" if auth.prefix else key}

    return PlainSignIn(secret, headers=value) if auth.place == "header" else PlainSignIn(secret, params=value)


def basic(auth: BasicAuth, secret: Resolver) -> PlainSignIn:
    def value() -> Mapping[str, str]:
        user = auth.username if auth.username_secret is None else secret(auth.username_secret).get_secret_value()
        password = secret(auth.password).get_secret_value() if auth.password else ""
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        redact(encoded)
        return {"authorization": f"Basic {encoded}"}

    return PlainSignIn(secret, headers=value)


def bearer(auth: BearerAuth, secret: Resolver) -> PlainSignIn:
    def value() -> Mapping[str, str]:
        token = _for_header(secret(auth.token).get_secret_value(), auth.token)
        return {"authorization": f"{auth.prefix} {token}".strip()}

    return PlainSignIn(secret, headers=value)


def certificate(auth: CertificateAuth, secret: Resolver) -> PlainSignIn:
    def value() -> ClientCertificate:
        return ClientCertificate(
            certificate=secret(auth.certificate),
            key=secret(auth.key or auth.certificate),
            password=secret(auth.password) if auth.password else None,
        )

    return PlainSignIn(secret, certificate=value)


def _for_header(value: str, reference: str) -> str:
    if not value.isprintable() or not value.isascii():
        raise ConfigurationError(
            f"the secret {reference!r} cannot go into a header: it holds a line break, or a character beyond ASCII",
            advice="store the key alone, without what stood around it",
        )
    return value
