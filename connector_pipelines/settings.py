"""What the process environment says, typed and checked. The only reader of it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from connector_pipelines.core.config import Duration
from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.oauth import is_loopback
from connector_pipelines.settings_outbound import LOWER_TOO, OutboundSettings, proxy_secrets
from connector_pipelines.settings_secrets import ConsulSettings, SecretSettings
from connector_pipelines.telemetry import LogFormat, redact, scrub

if TYPE_CHECKING:
    from connector_pipelines.store.blobs import S3Settings
    from connector_pipelines.store.sealing import KeySource
    from connector_pipelines.store.secrets import VaultSettings

__all__ = ["LogLevel", "Settings", "environment", "load_settings"]

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_POSTGRES = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://", re.IGNORECASE)
_ENDPOINT = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?")
_MINIO = ("MINIO_ENDPOINT", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY")
# What is wrong with these is told without what they are: it may hold a secret, or be one.
_UNTOLD = {
    "ALL_PROXY", "DATABASE_URL", "HTTPS_PROXY", "HTTP_PROXY", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "CONSUL_HTTP_ADDR", "CONNECTORS_PUBLIC_URL", "CONNECTORS_SECRET_KEYS_FILE", "CONNECTORS_VAULT_ROLE_ID", "CONNECTORS_VAULT_SECRET_ID", "VAULT_ADDR",
    *_MINIO,
}  # fmt: skip


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _absolute_or_none(path: Path | None) -> Path | None:
    return None if path is None else _absolute(path)


def _database_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    # SQLAlchemy's +driver suffix and Heroku's postgres:// are the same database to psycopg, which takes neither.
    if not _POSTGRES.match(value):
        raise ValueError("is not the URL of a Postgres; write it like postgresql://user:password@host:5432/database")
    url = _POSTGRES.sub("postgresql://", value)
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ValueError("has a port that is not a number, or a / ? # in its password that must be percent-encoded") from None
    return url


def _endpoint(value: object) -> object:
    if not isinstance(value, str):
        return value
    bare = re.sub(r"^https?://", "", value, flags=re.IGNORECASE).removesuffix("/")
    if not _ENDPOINT.fullmatch(bare):
        raise ValueError("is not an address; write it like minio.example.com:9000, with or without http:// or https://")
    return bare


def _http_url(value: str) -> str:
    if not re.match(r"https?://[^/\s]+", value):
        raise ValueError("is not an address; write it like http://127.0.0.1:3000")
    return value.rstrip("/")


def _public_url(value: str | None) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("is not an address of ours; write it like https://hooks.example.com")
    if parts.scheme != "https" and not is_loopback(parts.hostname):
        raise ValueError("begins with http://; no system that calls us takes an address without TLS")
    return value.rstrip("/")


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class Settings(SecretSettings, OutboundSettings):
    """Where things are and how much of the machine to use. Built by `load_settings`.

    `minio_endpoint`, `minio_access_key` and `minio_secret_key` are all set, or none is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, validate_default=True, hide_input_in_errors=True)

    home: Annotated[Path, AfterValidator(_absolute)] = Field(
        Path(".connectors"),
        validation_alias="CONNECTORS_HOME",
        description="Folder for what the embedded stack keeps: the database, objects, logs. Relative to the working directory.",
    )
    config_file: Annotated[Path, AfterValidator(_absolute)] = Field(
        Path("connectors.yaml"),
        validation_alias="CONNECTORS_CONFIG",
        description="The file that says what to sync. Relative to the working directory.",
    )
    dagster_home: Annotated[Path, AfterValidator(_absolute)] = Field(
        Path("dagster_home"),
        validation_alias="DAGSTER_HOME",
        description="Folder with Dagster's `dagster.yaml`, and what Dagster keeps there. Relative to the working directory.",
    )
    database_url: Annotated[SecretStr | None, BeforeValidator(_database_url)] = Field(
        None,
        validation_alias="DATABASE_URL",
        description="`postgresql://user:password@host:5432/database`, Postgres 15 or later with pgvector. Default: the embedded Postgres.",
    )
    minio_endpoint: Annotated[str | None, BeforeValidator(_endpoint)] = Field(
        None,
        validation_alias="MINIO_ENDPOINT",
        description="`host:port` of MinIO or another S3, with or without `http://` or `https://`. Default: a folder below `CONNECTORS_HOME`.",
    )
    minio_access_key: str | None = Field(None, validation_alias="MINIO_ACCESS_KEY", description="Goes with `MINIO_ENDPOINT`.")
    minio_secret_key: SecretStr | None = Field(None, validation_alias="MINIO_SECRET_KEY", description="Goes with `MINIO_ENDPOINT`.")
    minio_bucket: str = Field(
        "connectors",
        validation_alias="MINIO_BUCKET",
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="Bucket that objects are kept in. Made if it is not there.",
    )
    minio_secure: bool = Field(
        False,
        validation_alias="MINIO_SECURE",
        description="Whether to use TLS. Default: true when `MINIO_ENDPOINT` begins with `https://`.",
    )
    minio_region: str = Field(
        "us-east-1", validation_alias="MINIO_REGION", min_length=1, description="Region that requests are signed for."
    )
    language_data: Annotated[Path | None, AfterValidator(_absolute_or_none)] = Field(
        None,
        validation_alias="TESSDATA_PREFIX",
        description="Folder with Tesseract's `.traineddata` files, for endpoints that name none. Default: where pip or the system's packages put them.",
    )
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = Field(
        "INFO", validation_alias="CONNECTORS_LOG_LEVEL", description="Least severe event that is written."
    )
    log_format: LogFormat = Field(
        default_factory=lambda: "console" if sys.stderr.isatty() else "json",
        validation_alias="CONNECTORS_LOG_FORMAT",
        description="`console` for people, `json` for machines, one event a line. Default: `console` on a terminal, else `json`.",
    )
    download_threads: int = Field(
        64,
        validation_alias="CONNECTORS_DOWNLOAD_THREADS",
        ge=1,
        le=256,
        description="Files downloaded at the same time by one run, at most: it begins with 16, and goes on to more while that helps.",
    )
    extract_workers: int = Field(
        default_factory=lambda: min(os.cpu_count() or 1, 8),
        validation_alias="CONNECTORS_EXTRACT_WORKERS",
        ge=1,
        le=64,
        description="Processes that extract text at the same time in one run. Default: one per CPU, 8 at most.",
    )
    keep_runs: Annotated[Duration, Field(ge=timedelta(days=1))] = Field(
        timedelta(days=30),
        validation_alias="CONNECTORS_KEEP_RUNS",
        description="How long Dagster's finished runs are kept, with their events and logs. The latest run of every window is always kept.",
    )
    keep_history: Annotated[Duration, Field(ge=timedelta(days=1))] = Field(
        timedelta(days=90),
        validation_alias="CONNECTORS_KEEP_HISTORY",
        description="How long is kept what is over: sync logs, resolved failures, handled webhooks, sent events, files that are gone, unused vectors.",
    )
    keep_audit: Annotated[Duration, Field(ge=timedelta(days=1))] = Field(
        timedelta(days=730), validation_alias="CONNECTORS_KEEP_AUDIT", description="How long the audit log is kept."
    )
    webserver_url: Annotated[str, AfterValidator(_http_url)] = Field(
        "http://127.0.0.1:3000", validation_alias="DAGSTER_WEBSERVER_URL", description="Where the Dagster UI answers."
    )

    public_url: Annotated[str | None, AfterValidator(_public_url)] = Field(
        None,
        validation_alias="CONNECTORS_PUBLIC_URL",
        description="Where other systems reach the gateway, as `https://hooks.example.com`. Default: nowhere, and none is asked to call us.",
    )

    @model_validator(mode="before")
    @classmethod
    def _secure_as_the_scheme_says(cls, given: Any) -> Any:
        if isinstance(given, dict) and str(given.get("MINIO_ENDPOINT", "")).lower().startswith("https://"):
            return {"MINIO_SECURE": True, **given}
        return given

    @property
    def s3(self) -> S3Settings | None:
        """Where objects are kept; None for a folder below `home`."""
        from connector_pipelines.store.blobs import S3Settings

        if not (self.minio_endpoint and self.minio_access_key and self.minio_secret_key):
            return None
        return S3Settings(
            endpoint=self.minio_endpoint,
            access_key=SecretStr(self.minio_access_key),
            secret_key=self.minio_secret_key,
            bucket=self.minio_bucket,
            secure=self.minio_secure,
            region=self.minio_region,
            outbound=self.outbound,
        )

    @property
    def sealing_keys(self) -> KeySource:
        """Where the keys are that seal secrets and tokens in the database; a key of our own is made for a database of our own only."""
        from connector_pipelines.store.sealing import given_keys, keys_below, keys_in, no_keys

        if self.secret_keys is not None:
            return given_keys(self.secret_keys)
        if self.secret_keys_file is not None:
            return keys_in(self.secret_keys_file)
        return keys_below(self.home / "secret.keys") if self.database_url is None else no_keys

    @property
    def vault(self) -> VaultSettings | None:
        """How Vault is reached; None where `VAULT_ADDR` is not set."""
        from connector_pipelines.store.secrets import VaultSettings

        if self.vault_address is None:
            return None
        return VaultSettings(
            address=self.vault_address,
            namespace=self.vault_namespace,
            ca_file=self.vault_ca,
            auth=self.vault_auth,
            auth_mount=self.vault_auth_mount or self.vault_auth,
            token=self.vault_token,
            token_file=self.vault_token_file,
            role_id=self.vault_role_id,
            secret_id=self.vault_secret_id,
            role=self.vault_role,
            jwt_file=self.vault_jwt_file,
            outbound=self.outbound,
        )


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in `environ`, or in the environment of this process. An empty variable counts as unset.

    What is not there is read from Consul, where `CONNECTORS_CONSUL_PREFIX` is set. Secrets are masked in logs from here on.

    Raises:
        ConfigurationError: One for all mistakes, a line each: the variable, what is wrong with it, the fix.
        Unavailable: Consul is to be asked, and does not answer.
    """
    variables = environment() if environ is None else environ
    names = [str(field.validation_alias) for field in Settings.model_fields.values()]
    given = {name: value for name in names if (value := _value(name, variables))}
    given = {**_from_consul(given, names), **given}
    for secret in _secrets(given):
        redact(secret)
    incomplete = list(_missing_together(given))
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        wrong = [_mistake(str(fault["loc"][0]), fault["msg"], given) for fault in error.errors(include_input=False)]
        raise _refused(incomplete + wrong) from error
    if incomplete:
        raise _refused(incomplete)
    return settings


def environment() -> Mapping[str, str]:
    """The environment of this process, for what must pass it on: secret references, child processes."""
    return os.environ


def _value(name: str, variables: Mapping[str, str]) -> str:
    return variables.get(name, "").strip() or (variables.get(name.lower(), "").strip() if name in LOWER_TOO else "")


def _from_consul(given: Mapping[str, str], names: Collection[str]) -> Mapping[str, str]:
    ours = {str(field.validation_alias) for field in ConsulSettings.model_fields.values()}
    if "CONNECTORS_CONSUL_PREFIX" not in given:
        return {}
    from connector_pipelines.settings_consul import consul_values

    redact(given.get("CONSUL_HTTP_TOKEN", ""))
    try:
        consul = ConsulSettings.model_validate({name: value for name, value in given.items() if name in ours})
    except ValidationError as error:
        wrong = [_mistake(str(fault["loc"][0]), fault["msg"], given) for fault in error.errors(include_input=False)]
        raise _refused(wrong) from error
    # Dagster reads its own home from the environment.
    found = consul_values(consul, set(names) - ours - {"DAGSTER_HOME"})
    return {name: value for name, value in found.items() if value}


def _secrets(given: Mapping[str, str]) -> Iterator[str]:
    found = re.match(r"[^:]+://([^/:@]*):(.*)@[^/]*/?([^?]*)", given.get("DATABASE_URL", ""))
    user, password, database = found.groups() if found else ("", "", "")
    # As it is written there, and as the server knows it.
    tokens = {given.get(name, "") for name in ("MINIO_SECRET_KEY", "VAULT_TOKEN", "CONSUL_HTTP_TOKEN")}
    secrets = {*tokens, *re.split(r"[,\s]+", given.get("CONNECTORS_SECRET_KEYS", "")), password, unquote(password), *proxy_secrets(given)}
    # connectors:connectors@host/connectors is no secret, and a word that log lines are full of.
    yield from secrets - {"", given.get("MINIO_ACCESS_KEY", ""), user, database}


def _missing_together(given: Mapping[str, str]) -> Iterator[str]:
    present = [name for name in _MINIO if name in given]
    if present:
        yield from (
            f"{name}: is missing, and {' and '.join(present)} is no use without it; set all three or none"
            for name in _MINIO
            if name not in given
        )


def _mistake(name: str, problem: str, given: Mapping[str, str]) -> str:
    problem = re.sub(r"^(Value error, |Input )", "", problem)
    met = "" if name in _UNTOLD else f", not {given[name]!r}"
    field = next(f for f in Settings.model_fields.values() if f.validation_alias == name)
    return f"{name}: {problem}{met} ({field.description})"


def _refused(mistakes: list[str]) -> ConfigurationError:
    listed = scrub("".join(f"\n  {mistake}" for mistake in sorted(mistakes)))
    return ConfigurationError(
        f"environment variables are wrong:{listed}", advice="Correct the variables named, or unset them for the default."
    )
