"""How Vault is reached, and as whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from connector_pipelines.core.outbound import Outbound

__all__ = ["VaultSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSettings:
    """Of Vault or OpenBao, which speak the same API.

    Attributes:
        address: `http://` or `https://`, without a slash at its end.
        ca_file: PEM; None for `outbound`'s.
        auth_mount: Where the way to sign in is mounted.
        role_id, secret_id: References, `env:` or `file:`.
    """

    address: str
    namespace: str | None = None
    ca_file: Path | None = None
    auth: Literal["token", "approle", "kubernetes"] = "token"
    auth_mount: str = "token"
    token: SecretStr | None = None
    token_file: Path | None = None
    role_id: str | None = None
    secret_id: str | None = None
    role: str | None = None
    jwt_file: Path | None = None
    outbound: Outbound = field(default_factory=Outbound, repr=False)
