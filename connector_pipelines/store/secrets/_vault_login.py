"""The ways to sign in to Vault: with a token, as an AppRole, as a service account of Kubernetes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, Unauthenticated
from connector_pipelines.store.secrets._vault_faults import vault_faults
from connector_pipelines.telemetry import redact

if TYPE_CHECKING:
    import hvac

    from connector_pipelines.store.secrets._vault_settings import VaultSettings

__all__ = ["CONNECT_S", "READ_S", "Lease", "SignIn"]

CONNECT_S, READ_S = 5.0, 10.0
"""Time limits of every request, in seconds."""

_SIGN_IN = "let us sign in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A token, and for how long.

    Attributes:
        ttl_s: Seconds from now, None where it does not end or we may not know.
        first_s: Its `ttl_s` when it was issued to us.
    """

    token: SecretStr = field(repr=False)
    ttl_s: float | None
    first_s: float | None
    renewable: bool


class SignIn:
    """Makes the client, and gets tokens for it as the settings say."""

    def __init__(self, settings: VaultSettings, resolve: Callable[[str], str]) -> None:
        self._settings, self._resolve = settings, resolve

    def client(self) -> hvac.Client:
        """A client that is nobody yet.

        Raises:
            ConfigurationError: The client is not installed.
        """
        try:
            import hvac
        except ImportError as error:
            raise ConfigurationError(
                "secrets in Vault need a client that is not installed", advice="Run `pip install 'connector-pipelines[vault]'`."
            ) from error
        # An empty token: with None, hvac would take ~/.vault-token.
        return hvac.Client(
            url=self._settings.address,
            token="",
            namespace=self._settings.namespace,
            timeout=(CONNECT_S, READ_S),
            session=_session(self._settings),
        )

    def now(self, client: hvac.Client) -> Lease:
        """A lease from the very beginning.

        Raises:
            Unauthenticated: Who we are was refused.
            ConfigurationError: What it takes is missing, or there is no such way to sign in.
            Unavailable, RateLimited: Vault does not answer.
        """
        ways = {"token": self._by_token, "approle": self._by_approle, "kubernetes": self._by_kubernetes}
        with vault_faults(self._settings.address, _SIGN_IN):
            return ways[self._settings.auth](client)

    def renewed(self, client: hvac.Client, lease: Lease) -> Lease | None:
        """The same token for longer; None where that is refused."""
        from hvac import exceptions

        try:
            with vault_faults(self._settings.address, "renew our token"):
                answer = client.auth.token.renew_self()["auth"]
        except (exceptions.Forbidden, exceptions.InvalidRequest):
            return None
        ttl = _ttl(answer["lease_duration"])
        return Lease(token=lease.token, ttl_s=ttl, first_s=lease.first_s, renewable=bool(answer["renewable"]))

    def _by_token(self, client: hvac.Client) -> Lease:
        from hvac import exceptions

        token = self._token()
        client.token = token.get_secret_value()
        try:
            found = client.auth.token.lookup_self()["data"]
        except exceptions.Forbidden:
            # It may be good, and not allowed to look at itself: the first read tells.
            return Lease(token=token, ttl_s=None, first_s=None, renewable=False)
        ttl = _ttl(found["ttl"])
        return Lease(token=token, ttl_s=ttl, first_s=ttl, renewable=bool(found.get("renewable")))

    def _token(self) -> SecretStr:
        path = self._settings.token_file
        if self._settings.token is None and path is None:
            raise ConfigurationError(
                "there is no token to sign in to Vault with",
                advice="Set VAULT_TOKEN or CONNECTORS_VAULT_TOKEN_FILE, or another CONNECTORS_VAULT_AUTH.",
            )
        token = self._settings.token.get_secret_value() if self._settings.token else self._resolve(f"file:{path}").strip()
        redact(token)
        return SecretStr(token)

    def _by_approle(self, client: hvac.Client) -> Lease:
        if self._settings.role_id is None:
            raise ConfigurationError("there is no role id to sign in to Vault with", advice="Set CONNECTORS_VAULT_ROLE_ID.")
        role_id = self._resolve(self._settings.role_id).strip()
        secret_id = self._resolve(self._settings.secret_id).strip() if self._settings.secret_id else None
        return self._login(
            lambda mount: client.auth.approle.login(role_id, secret_id, use_token=False, mount_point=mount),
            "Make a new secret id (`vault write -f auth/approle/role/NAME/secret-id`), and check CONNECTORS_VAULT_ROLE_ID.",
        )

    def _by_kubernetes(self, client: hvac.Client) -> Lease:
        role, jwt_file = self._settings.role, self._settings.jwt_file or Path()
        if role is None:
            raise ConfigurationError("there is no role to sign in to Vault with", advice="Set CONNECTORS_VAULT_ROLE.")
        # Read each time: Kubernetes replaces it within the hour.
        jwt = self._resolve(f"file:{jwt_file}").strip()
        return self._login(
            lambda mount: client.auth.kubernetes.login(role, jwt, use_token=False, mount_point=mount),
            f"Check that the role {role!r} is bound to this service account and namespace: `vault read auth/kubernetes/role/{role}`.",
        )

    def _login(self, login: Callable[[str], Mapping[str, Any]], advice: str) -> Lease:
        from hvac import exceptions

        mount, how = self._settings.auth_mount, self._settings.auth
        try:
            answer = login(mount)["auth"]
        except exceptions.InvalidPath as error:
            raise ConfigurationError(
                f"Vault at {self._settings.address} has no way to sign in mounted at auth/{mount}",
                advice=f"Enable it (`vault auth enable {how}`), or set CONNECTORS_VAULT_AUTH_MOUNT or VAULT_NAMESPACE.",
            ) from error
        except (exceptions.InvalidRequest, exceptions.Unauthorized, exceptions.Forbidden) as error:
            raise Unauthenticated(
                f"Vault at {self._settings.address} refused our sign-in by {how} at auth/{mount}: {type(error).__name__}",
                # It answers the same where nothing is mounted.
                advice=f"{advice} If {how} is mounted elsewhere, set CONNECTORS_VAULT_AUTH_MOUNT.",
            ) from error
        redact(answer["client_token"], passing=True)
        ttl = _ttl(answer["lease_duration"])
        return Lease(token=SecretStr(answer["client_token"]), ttl_s=ttl, first_s=ttl, renewable=bool(answer["renewable"]))


def _ttl(seconds: object) -> float | None:
    # 0 is a token without an end, such as a root token.
    return float(str(seconds)) or None


def _session(settings: VaultSettings) -> Any:
    import requests

    class Session(requests.Session):
        """Follows a standby to its leader with the token, as Vault means it; but never from TLS to none."""

        def rebuild_auth(self, prepared_request: Any, response: Any) -> None:
            if response.request.url.startswith("https:") and not prepared_request.url.startswith("https:"):
                raise requests.exceptions.InvalidURL("a redirect leads away from TLS")

    session = Session()
    session.max_redirects = 2
    # Not from the environment: a ~/.netrc would add a password, and the rest comes with the settings.
    session.trust_env = False
    proxy = settings.outbound.proxy_for(settings.address)
    if proxy is not None:
        session.proxies = dict.fromkeys(("http", "https"), proxy.get_secret_value())
    trusted = settings.ca_file or settings.outbound.ca_file or settings.outbound.ca_folder
    session.verify = str(trusted) if trusted else True
    return session
