"""Settings that are kept in Consul KV: read once in the life of a process, as the environment is."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from connector_pipelines.core.errors import ConfigurationError, Unavailable
from connector_pipelines.settings_secrets import ConsulSettings
from connector_pipelines.telemetry import get_logger

if TYPE_CHECKING:
    import httpx

__all__ = ["consul_values"]

MAX_ANSWER_BYTES = 1024 * 1024
TIME_LIMIT_S = 5.0


def consul_values(consul: ConsulSettings, names: Collection[str]) -> Mapping[str, str]:
    """What is below the prefix, by the name of the key; keys that are not among `names` are left out with a warning.

    Raises:
        ConfigurationError: There is nothing below the prefix, or Consul refuses us.
        Unavailable: Consul does not answer. Not the defaults instead: they would be another installation.
    """
    return _known_below_prefix(consul, frozenset(names))


@cache
def _known_below_prefix(consul: ConsulSettings, names: frozenset[str]) -> Mapping[str, str]:
    found = _below_prefix(consul)
    for name in sorted(found.keys() - names):
        get_logger(__name__).warning(
            "unknown_key_in_consul", key=f"{_prefix(consul)}{name}", fix="name keys like the variables, or remove it"
        )
    return {name: value for name, value in found.items() if name in names}


def _below_prefix(consul: ConsulSettings) -> Mapping[str, str]:
    prefix, at = _prefix(consul), f"Consul at {consul.consul_address}"
    answer = _asked(consul, f"{consul.consul_address}/v1/kv/{quote(prefix)}?recurse=true")
    if answer is None:
        raise ConfigurationError(
            f"{at} has no key below {prefix!r}",
            advice="Correct CONNECTORS_CONSUL_PREFIX, or set a key: `consul kv put " + prefix + "NAME VALUE`.",
        )
    try:
        # A folder is a key that ends in a slash and has no value.
        keys = {str(row["Key"]).removeprefix(prefix): row["Value"] for row in json.loads(answer)}
        return {name: base64.b64decode(value or "").decode().strip() for name, value in keys.items() if name and not name.endswith("/")}
    except (ValueError, KeyError, TypeError):
        pass
    # Out here: those errors carry the answer, and a setting may be a secret.
    raise ConfigurationError(f"{at} does not answer as Consul does, or a value is no text", advice="Check CONSUL_HTTP_ADDR.")


def _asked(consul: ConsulSettings, url: str) -> bytes | None:
    import httpx

    headers = {"X-Consul-Token": consul.consul_token.get_secret_value()} if consul.consul_token else {}
    try:
        with (
            httpx.Client(verify=_verify(consul), timeout=TIME_LIMIT_S, follow_redirects=False) as client,
            client.stream("GET", url, headers=headers) as response,
        ):
            return _body(consul, response)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise Unavailable(
            f"settings are to be read from Consul at {consul.consul_address}, which does not answer: {type(error).__name__}",
            advice="Start Consul, correct CONSUL_HTTP_ADDR or CONSUL_CACERT, or unset CONNECTORS_CONSUL_PREFIX to go without.",
        ) from error


def _body(consul: ConsulSettings, response: httpx.Response) -> bytes | None:
    at = f"Consul at {consul.consul_address}"
    if response.status_code == 404:
        return None
    if response.status_code in {401, 403}:
        raise ConfigurationError(
            f"{at} does not let us read below {_prefix(consul)!r} ({response.status_code})",
            advice=f'Give CONSUL_HTTP_TOKEN a policy with `key_prefix "{_prefix(consul)}" {{ policy = "read" }}`.',
        )
    if response.status_code >= 500 or response.status_code == 429:
        raise Unavailable(
            f"{at} answered {response.status_code}", advice="See whether the cluster has a leader: `consul operator raft list-peers`."
        )
    if response.status_code != 200:
        raise ConfigurationError(f"{at} answered {response.status_code}, expected 200", advice="Check CONSUL_HTTP_ADDR.")
    content = b""
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise ConfigurationError(
                f"{at} has more than {MAX_ANSWER_BYTES} bytes below {_prefix(consul)!r}", advice="Name a prefix of settings alone."
            )
    return content


def _verify(consul: ConsulSettings) -> Any:
    import ssl

    if consul.consul_ca is None:
        return True
    try:
        return ssl.create_default_context(cafile=consul.consul_ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"CONSUL_CACERT: {consul.consul_ca} cannot be read as PEM", advice="Name the authority's certificate."
        ) from error


def _prefix(consul: ConsulSettings) -> str:
    return f"{(consul.consul_prefix or '').rstrip('/')}/"
