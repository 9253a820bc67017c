"""The settings that say where secrets, and settings themselves, are kept: Vault, AWS, the sealed store, Consul."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from connector_pipelines.core.durations import Duration
from connector_pipelines.core.references import LocalReference

__all__ = ["ConsulSettings", "SecretSettings", "address"]

# 32 bytes in base64 or hex. As the name of a file it would be told in errors.
_KEY = re.compile(r"[A-Za-z0-9+/_-]{43}=|[0-9a-fA-F]{64}")
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def address(value: str) -> str:
    """`http://` or `https://`, host, and where needed port and path; without credentials and the slash at its end."""
    scheme, found, rest = value.partition("://")
    if scheme.lower() not in {"http", "https"} or not found or not rest.strip("/") or any(c in rest for c in "@?# \t"):
        raise ValueError("is not an address; write it like https://vault.example.com:8200, without credentials")
    return f"{scheme.lower()}://{rest.rstrip('/')}"


Address = Annotated[str, AfterValidator(address)]
_File = Annotated[Path | None, AfterValidator(lambda path: None if path is None else path.expanduser().absolute())]


def _no_key(value: object) -> object:
    if isinstance(value, str) and _KEY.fullmatch(value):
        raise ValueError("is a key itself (not shown); name a file that holds it, or set CONNECTORS_SECRET_KEYS to it")
    return value


class ConsulSettings(BaseModel):
    """Where settings are read from that the environment does not have."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, hide_input_in_errors=True)

    consul_prefix: str | None = Field(
        None,
        validation_alias="CONNECTORS_CONSUL_PREFIX",
        pattern=r"^[^\s/?#][^\s?#]*$",
        description="Prefix of keys in Consul KV, such as `connectors/prod`: a key below it that is named like a variable of this table is read"
        " where the environment does not set that variable. Default: Consul is not asked.",
    )
    consul_address: Address = Field(
        "http://127.0.0.1:8500", validation_alias="CONSUL_HTTP_ADDR", description="Consul's HTTP API, `http://…` or `https://…`."
    )
    consul_token: SecretStr | None = Field(
        None, validation_alias="CONSUL_HTTP_TOKEN", description="ACL token with `read` on the prefix. Default: the anonymous one."
    )
    consul_ca: _File = Field(
        None, validation_alias="CONSUL_CACERT", description="PEM file of the authority that signed Consul's certificate."
    )


class SecretSettings(ConsulSettings):
    """Which places of secrets there are, and how we sign in there."""

    secret_keys: SecretStr | None = Field(
        None,
        validation_alias="CONNECTORS_SECRET_KEYS",
        description="Keys that seal secrets and tokens in the database, separated by commas: the first one seals, all of them open."
        " `connectors secrets new-key` makes one. Default: a file below `CONNECTORS_HOME`, where the database is the embedded one.",
    )
    secret_keys_file: Annotated[_File, BeforeValidator(_no_key)] = Field(
        None,
        validation_alias="CONNECTORS_SECRET_KEYS_FILE",
        description="File with the same, a key on each line, instead. Read at every use: a changed key needs no restart.",
    )
    secret_lifetime: Annotated[Duration, Field(le=timedelta(days=1))] = Field(
        timedelta(minutes=5),
        validation_alias="CONNECTORS_SECRET_LIFETIME",
        description="How long a secret from Vault, AWS or the sealed store is used before it is fetched again. `0s`: fetched at every use.",
    )
    secret_grace: Annotated[Duration, Field(le=timedelta(days=7))] = Field(
        timedelta(hours=1),
        validation_alias="CONNECTORS_SECRET_GRACE",
        description="How old a fetched secret may be that is still used, with a warning, while the place it is from does not answer.",
    )
    vault_address: Address | None = Field(
        None, validation_alias="VAULT_ADDR", description="Address of Vault or OpenBao, such as `https://vault.example.com:8200`."
    )
    vault_namespace: str | None = Field(None, validation_alias="VAULT_NAMESPACE", description="Namespace there. Default: the root.")
    vault_ca: _File = Field(None, validation_alias="VAULT_CACERT", description="PEM file of the authority that signed Vault's certificate.")
    vault_auth: Literal["token", "approle", "kubernetes"] = Field(
        "token", validation_alias="CONNECTORS_VAULT_AUTH", description="How to sign in to Vault."
    )
    vault_auth_mount: str | None = Field(
        None,
        validation_alias="CONNECTORS_VAULT_AUTH_MOUNT",
        pattern=r"^[^\s/?#][^\s?#]*$",
        description="Where that way to sign in is mounted. Default: under its own name.",
    )
    vault_token: SecretStr | None = Field(None, validation_alias="VAULT_TOKEN", description="For `token`: the token.")
    vault_token_file: _File = Field(
        None,
        validation_alias="CONNECTORS_VAULT_TOKEN_FILE",
        description="For `token`: file that holds it instead, such as one that Vault Agent keeps up to date. Read anew at each sign-in.",
    )
    vault_role_id: LocalReference | None = Field(
        None, validation_alias="CONNECTORS_VAULT_ROLE_ID", description="For `approle`: reference (`env:NAME`, `file:PATH`) to the role id."
    )
    vault_secret_id: LocalReference | None = Field(
        None,
        validation_alias="CONNECTORS_VAULT_SECRET_ID",
        description="For `approle`: reference to the secret id. Default: none, for a role that binds none.",
    )
    vault_role: str | None = Field(None, validation_alias="CONNECTORS_VAULT_ROLE", description="For `kubernetes`: name of the role.")
    vault_jwt_file: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] = Field(
        _SERVICE_ACCOUNT,
        validation_alias="CONNECTORS_VAULT_JWT_FILE",
        description="For `kubernetes`: file with the token of the service account. Read anew at each sign-in.",
    )
    aws_region: str | None = Field(
        None,
        validation_alias="AWS_REGION",
        pattern=r"^[a-z0-9-]+$",
        description="Region of AWS Secrets Manager, for names. An ARN says its own. Default: `AWS_DEFAULT_REGION`, or what the AWS profile says.",
    )
    aws_secrets_address: Address | None = Field(
        None,
        validation_alias="AWS_ENDPOINT_URL_SECRETS_MANAGER",
        description="Address of Secrets Manager, such as that of a VPC endpoint. Default: AWS in the region.",
    )
