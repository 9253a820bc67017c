"""What a sink of kind `qdrant` may set."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from connector_pipelines.core.config import Duration
from connector_pipelines.core.protocols import SinkConfig
from connector_pipelines.core.references import SecretReference

__all__ = ["Config"]

_INSIDE = (".svc", ".cluster.local", ".internal", ".local", ".localhost")


class Config(SinkConfig):
    """Settings of a Qdrant sink. Memory, quantization and replicas are set on the server, which keeps them."""

    url: str = Field(
        description="Where the server's REST interface is, as in `https://qdrant.example.org:6333`; without a port it is 6333. No user or password."
    )
    api_key: SecretReference | None = Field(
        None,
        description="Reference (`env:NAME`, `vault:MOUNT/PATH#FIELD` or another) to a key that may read, write and manage collections. It is sent without TLS only to"
        " loopback and private addresses, names without a dot, and names ending in `.local`, `.internal`, `.svc` or `.cluster.local`.",
    )
    collection: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*$",
        max_length=100,
        description="Name to search under, an alias; the collections behind it begin with it and `--`. Default: `sink_` and the sink's name.",
    )
    model: str = Field(
        "wordllama",
        min_length=1,
        description="Embedding model: `wordllama`, or `fastembed:` and a model's name. When it changes, searches are answered from what the"
        " model before made until everything is filled anew.",
    )
    timeout: Duration = Field(timedelta(minutes=1), description="How long one request may take.")

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url.strip())
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.query or parts.fragment:
            raise ValueError("should be the address of a server, as in https://qdrant.example.org:6333 (not shown)")
        if parts.username is not None or parts.password is not None:
            raise ValueError("should hold no user or password (not shown); a key goes into `api_key`")
        return url.strip().rstrip("/")

    @model_validator(mode="after")
    def _key_is_not_overheard(self) -> Config:
        parts = urlsplit(self.url)
        if self.api_key is not None and parts.scheme == "http" and not _is_inside(parts.hostname or ""):
            raise ValueError(
                f"the key would travel to {parts.hostname} for everybody to read; use https, or an address inside your own network"
            )
        return self

    @field_validator("timeout")
    @classmethod
    def _whole_seconds(cls, timeout: timedelta) -> timedelta:
        if timeout < timedelta(seconds=1):
            raise ValueError("a request takes 1s at least")
        return timeout


def _is_inside(host: str) -> bool:
    """Whether the host can only be in a network of one's own: a container's neighbour, a service of a cluster, a private address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.lower().rstrip(".").endswith(_INSIDE)
    return address.is_loopback or address.is_private or address.is_link_local
