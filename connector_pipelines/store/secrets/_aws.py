"""`aws:NAME` and `aws:NAME#FIELD`: secrets in AWS Secrets Manager, by name or ARN; whole, or one field of a JSON object."""

from __future__ import annotations

import json
import logging
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from connector_pipelines.core.errors import ConfigurationError, Unauthenticated, Unavailable
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.store.secrets._aws_faults import refused
from connector_pipelines.store.secrets._backend import field_of

__all__ = ["AwsSecrets", "AwsSettings"]

CONNECT_S, READ_S, ATTEMPTS = 5, 10, 3
"""Time limits of each request in seconds, and tries of one that failed for a while."""

_ADDRESS = "https://secretsmanager.amazonaws.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSettings:
    """Where Secrets Manager is. Who we are, boto3 finds out: variables, profile, role of the pod or machine.

    Attributes:
        region: Of names; an ARN says its own. None for what the AWS profile says.
        address: Of another endpoint than AWS's own in the region, or None.
    """

    region: str | None = None
    address: str | None = None
    outbound: Outbound = field(default_factory=Outbound, repr=False)


class AwsSecrets:
    """`SecretBackend` by boto3."""

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._clients: dict[str | None, Any] = {}

    def fetch(self, name: str) -> str:
        secret_id, _, asked = name.partition("#")
        text = self._text(secret_id, f"secret 'aws:{name}'")
        if not asked:
            return text
        fields: object = None
        with suppress(ValueError):
            fields = json.loads(text)
        if not isinstance(fields, dict):
            raise ConfigurationError(
                f"secret 'aws:{name}' names a field, and the secret is not a JSON object",
                advice=f"Write aws:{secret_id} for the whole of it.",
            )
        return field_of(fields, asked, f"secret 'aws:{secret_id}'")

    def close(self) -> None:
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _text(self, secret_id: str, what: str) -> str:
        client = self._client(_region(secret_id) or self._settings.region)
        from botocore import exceptions as boto

        try:
            found = client.get_secret_value(SecretId=secret_id)
        except boto.ClientError as error:
            raise refused(error.response, what) from error
        except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError, boto.TokenRetrievalError) as error:
            raise Unauthenticated(
                f"{what}: there are no AWS credentials here ({type(error).__name__})",
                advice="Give this process a role, a profile, or an access key.",
            ) from error
        except (boto.HTTPClientError, boto.ConnectionError) as error:
            raise Unavailable(
                f"{what}: AWS Secrets Manager does not answer ({type(error).__name__})", advice="Check the network and AWS_REGION."
            ) from error
        except boto.BotoCoreError as error:
            raise ConfigurationError(
                f"{what}: AWS Secrets Manager cannot be asked ({type(error).__name__})", advice="Check AWS_REGION."
            ) from error
        return _decoded(found, what)

    def _client(self, region: str | None) -> Any:
        with self._lock:
            if region not in self._clients:
                self._clients[region] = _connected(self._settings, region)
            return self._clients[region]


def _connected(settings: AwsSettings, region: str | None) -> Any:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise ConfigurationError(
            "secrets in AWS need a client that is not installed", advice="Run `pip install 'connector-pipelines[aws]'`."
        ) from error
    # At DEBUG it writes whole answers, before we know which values in them to mask.
    logging.getLogger("botocore.parsers").setLevel(logging.WARNING)
    proxy = settings.outbound.proxy_for(settings.address or _ADDRESS)
    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        # Not None: it would look at the environment by itself.
        proxies={scheme: proxy.get_secret_value() for scheme in ("http", "https")} if proxy else {},
    )
    trusted = settings.outbound.ca_file
    try:
        # A session of its own: the default one is shared by the process, and making a client on it is not safe in threads.
        return boto3.session.Session().client(
            "secretsmanager", region_name=region, endpoint_url=settings.address, config=config, verify=str(trusted) if trusted else None
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"AWS Secrets Manager cannot be asked: {type(error).__name__}", advice="Set AWS_REGION, or write the secret's ARN."
        ) from error


def _region(secret_id: str) -> str | None:
    """Of an ARN: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME."""
    parts = secret_id.split(":")
    return parts[3] or None if len(parts) > 6 and parts[0] == "arn" else None


def _decoded(found: dict[str, Any], what: str) -> str:
    text = found.get("SecretString")
    if isinstance(text, str):
        return text
    with suppress(UnicodeDecodeError):
        return bytes(found.get("SecretBinary") or b"").decode()
    raise ConfigurationError(f"{what} is not UTF-8 text", advice="Store the secret as text.")
