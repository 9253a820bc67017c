"""How this process gets out to systems we do not own: through which proxies, and whose certificates it trusts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

__all__ = ["Outbound"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """What a company's network asks of everything that leaves it. The default: no proxy, and the usual authorities.

    Attributes:
        https_proxy, http_proxy: ``http://user:password@proxy:3128`` for addresses of that scheme, or None. Secret for the password.
        no_proxy: Hosts that are reached without: a name covers what ends in ``.name``, ``*`` is all; addresses and networks
            (``10.0.0.0/8``) count as well, and a port behind a colon narrows it down.
        ca_file, ca_folder: PEM bundle, and folder of hashed certificates: trusted instead of the usual authorities. None for those.
    """

    https_proxy: SecretStr | None = None
    http_proxy: SecretStr | None = None
    no_proxy: tuple[str, ...] = ()
    ca_file: Path | None = None
    ca_folder: Path | None = None

    def proxy_for(self, url: str) -> SecretStr | None:
        """The proxy that `url` is reached through, or None."""
        parts = urlsplit(url)
        proxy = self.https_proxy if parts.scheme == "https" else self.http_proxy
        if proxy is None or not parts.hostname:
            return None
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return None if any(_covers(entry, parts.hostname, port) for entry in self.no_proxy) else proxy


def _covers(entry: str, host: str, port: int) -> bool:
    entry = entry.strip().lower()
    if entry == "*":
        return True
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdecimal() and not name.endswith(":") and ("]" in name or ":" not in name):
        if int(wanted) != port:
            return False
        entry = name
    address = _address(host)
    if address is not None:
        return _holds(entry.strip("[]"), address)
    bare = entry.removeprefix("*").removeprefix(".")
    return bool(bare) and (host == bare or host.endswith(f".{bare}"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _holds(entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
