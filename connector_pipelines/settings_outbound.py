"""Which environment variables say how this process gets out: those that every tool in a company's network reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from connector_pipelines.core.outbound import Outbound

__all__ = ["LOWER_TOO", "OutboundSettings", "proxy_secrets"]

_PROXY_NAMES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
LOWER_TOO = frozenset({*_PROXY_NAMES, "NO_PROXY"})
"""Variables that are also read in lower case, as curl and others do; in capitals they win."""


def _proxy(value: object) -> object:
    if not isinstance(value, str):
        return value
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        # One that speaks SOCKS is refused when something is to go through it: much runs without ever going out.
        usable = (parts.scheme in {"http", "https"} or parts.scheme.startswith("socks")) and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("is not the address of an HTTP proxy; write it like http://user:password@proxy.example.com:3128")
    return url.rstrip("/")


ProxyUrl = Annotated[SecretStr | None, BeforeValidator(_proxy)]


class OutboundSettings(BaseModel):
    """Proxies, and the authorities whose certificates are trusted."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, validate_default=True, hide_input_in_errors=True)

    https_proxy: ProxyUrl = Field(
        None,
        validation_alias="HTTPS_PROXY",
        description="Proxy that addresses with `https://` are reached through, as `http://user:password@proxy.example.com:3128`. Also read in lower case.",
    )
    http_proxy: ProxyUrl = Field(
        None, validation_alias="HTTP_PROXY", description="The same for addresses with `http://`. Also read in lower case."
    )
    all_proxy: ProxyUrl = Field(
        None, validation_alias="ALL_PROXY", description="The same for both, where neither of those is set. Also read in lower case."
    )
    no_proxy: str = Field(
        "",
        validation_alias="NO_PROXY",
        description="Hosts that are reached without a proxy, with commas between them: names (with all below them), addresses, networks such as"
        " `10.0.0.0/8`; `*` for all. Also read in lower case.",
    )
    ca_file: Path | None = Field(
        None,
        validation_alias="SSL_CERT_FILE",
        description="PEM file of the certificate authorities to trust, instead of the usual ones.",
    )
    ca_bundle: Path | None = Field(
        None, validation_alias="REQUESTS_CA_BUNDLE", description="The same, where `SSL_CERT_FILE` is not set. A file."
    )
    ca_folder: Path | None = Field(
        None,
        validation_alias="SSL_CERT_DIR",
        description="Folder of such certificates, named by their hash as `openssl rehash` does. Clients that take a file only do not see it.",
    )

    @property
    def outbound(self) -> Outbound:
        """How every client of this process gets out."""
        return Outbound(
            https_proxy=self.https_proxy or self.all_proxy,
            http_proxy=self.http_proxy or self.all_proxy,
            no_proxy=tuple(re.findall(r"[^\s,]+", self.no_proxy)),
            ca_file=self.ca_file or self.ca_bundle,
            ca_folder=self.ca_folder,
        )


def proxy_secrets(given: Mapping[str, str]) -> Iterator[str]:
    """The passwords in the addresses of proxies, as they are written there and as the proxy knows them."""
    for name in _PROXY_NAMES:
        found = re.match(r"[^:]+://[^/:@]*:(.*)@", given.get(name, ""))
        if found and found[1]:
            yield from {found[1], unquote(found[1])}
