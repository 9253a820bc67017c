"""Who may sign in: service accounts with their key files, applications, and people who come and go."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connector_pipelines.testing.fake_drive.methods import SCOPE_PREFIX

__all__ = ["Accounts", "Application", "ServiceAccount", "scope_names"]

_KEY_BITS: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """A robot of a project.

    Attributes:
        delegation: Scopes, without their prefix, for which it may speak for any person of the domain.
        public_key: PEM.
    """

    email: str
    client_id: str
    project: str
    key_id: str
    delegation: frozenset[str]
    public_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An OAuth client of a project."""

    id: str
    secret: str = field(repr=False)
    project: str
    redirects: tuple[str, ...]


class Accounts:
    """All that are not people, by name; the people are in the world.

    Args:
        url: Where the fake is: it stands in the files that are handed out.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.service_accounts: dict[str, ServiceAccount] = {}
        self.applications: dict[str, Application] = {}

    def service_account(self, *, name: str, project: str, delegation: Iterable[str]) -> dict[str, Any]:
        """A new key of the account, as the file that Google's console gives to download."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        email, client_id = f"{name}@{project}.iam.gserviceaccount.com", str(10**20 + secrets.randbelow(10**20))
        account = ServiceAccount(
            email=email, client_id=client_id, project=project, key_id=secrets.token_hex(20),
            delegation=scope_names(delegation), public_key=_public(key),
        )  # fmt: skip
        self.service_accounts[email] = account
        return {
            "type": "service_account",
            "project_id": project,
            "private_key_id": account.key_id,
            "private_key": _private(key),
            "client_email": email,
            "client_id": client_id,
            "auth_uri": f"{self._url}/o/oauth2/v2/auth",
            "token_uri": f"{self._url}/token",
            "auth_provider_x509_cert_url": f"{self._url}/oauth2/v1/certs",
            "client_x509_cert_url": f"{self._url}/robot/v1/metadata/x509/{email.replace('@', '%40')}",
            "universe_domain": "googleapis.com",
        }

    def application(self, *, project: str, redirects: Iterable[str]) -> Application:
        made = Application(
            id=f"{secrets.randbelow(10**12)}-{secrets.token_hex(16)}.apps.googleusercontent.com",
            secret=f"GOCSPX-{secrets.token_urlsafe(21)}", project=project, redirects=tuple(redirects),
        )  # fmt: skip
        self.applications[made.id] = made
        return made


def scope_names(scopes: Iterable[str]) -> frozenset[str]:
    """Scopes without their prefix, with which they may come."""
    return frozenset(scope.removeprefix(SCOPE_PREFIX) for scope in scopes)


def _private(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def _public(key: rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
