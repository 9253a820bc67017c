"""Requests signed as AWS wants it, by botocore's own signer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector_pipelines.core.auth import SigV4Auth
from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.net.auth._resolver import Resolver

__all__ = ["SigV4"]


class SigV4:
    """Signs host, path, query, body and time; a request whose time is more than minutes off is refused by AWS."""

    certificate = None

    def __init__(self, auth: SigV4Auth, secret: Resolver) -> None:
        self._auth, self._secret = auth, secret

    def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        signer, request_type = self._signer()
        request = request_type(method=method, url=url, data=body)
        signer.add_auth(request)
        return {name.lower(): str(value) for name, value in request.headers.items()}

    def params(self) -> Mapping[str, str]:
        return {}

    def refused(self, headers: Mapping[str, str]) -> bool:
        """Worth another try where the access key was replaced since: the header names it."""
        self._secret.refused()
        return f"Credential={self._secret(self._auth.access_key).get_secret_value()}/" not in headers.get("authorization", "")

    def _signer(self) -> tuple[Any, Any]:
        try:
            from botocore.auth import S3SigV4Auth
            from botocore.auth import SigV4Auth as Signer
            from botocore.awsrequest import AWSRequest
            from botocore.credentials import Credentials
        except ImportError as error:
            raise ConfigurationError(
                "signing requests for AWS needs botocore, which is not installed", advice="pip install 'connector-pipelines[aws]'"
            ) from error
        auth = self._auth
        token = self._secret(auth.session_token).get_secret_value() if auth.session_token else None
        keys = Credentials(self._secret(auth.access_key).get_secret_value(), self._secret(auth.secret_key).get_secret_value(), token)
        # S3 alone takes a path as it is, and wants the body's hash in a header.
        return (S3SigV4Auth if auth.service == "s3" else Signer)(keys, auth.service, auth.region), AWSRequest
