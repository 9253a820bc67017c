"""A stand-in for HashiCorp Vault and OpenBao, for tests: not Vault, but what a client of ours may meet there, over its HTTP API.

It knows the key-value engine of version 2 (versions, deletion, destruction), tokens with leases, sign-in by AppRole and
Kubernetes, policies, namespaces; and being sealed, in standby, out of quota or broken. Time is passed in. Answers have the
shape that the API's documentation describes (https://developer.hashicorp.com/vault/api-docs) and hvac expects. It answers 403
where nothing is mounted, as Vault does (hashicorp/vault, issue 11434 and pull request 13162). Nothing in it is kept safe.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Literal
from uuid import uuid4

from connector_pipelines.testing._loopback import Answer, Call, Loopback

__all__ = ["VaultStandIn"]

State = Literal["active", "sealed", "standby", "performance_standby", "uninitialized", "broken", "limited"]

_HEALTH = {"active": 200, "standby": 429, "performance_standby": 473, "uninitialized": 501, "sealed": 503}
_DENIED = Answer(403, {"errors": ["permission denied"]})
_ABSENT = Answer(404, {"errors": []})


@dataclass(slots=True)
class _Version:
    data: Mapping[str, Any] | None
    deletion_time: str = ""
    destroyed: bool = False


@dataclass(slots=True)
class _Token:
    id: str
    policies: tuple[str, ...]
    ttl_s: float
    ends_at: float | None
    never_after: float | None
    renewable: bool


@dataclass(slots=True, kw_only=True)
class _Role:
    policies: tuple[str, ...]
    ttl_s: float
    max_ttl_s: float
    renewable: bool = True
    role_id: str = ""
    secret_ids: dict[str, int | None] = field(default_factory=dict)
    jwt: str = ""


class VaultStandIn(Loopback):
    """A server on loopback, from `with` to its end.

    Args:
        clock: Seconds; tokens expire by it.
        namespace: The one it answers in, or empty for the root.
        tls: To speak https with.

    Attributes:
        state: What it is in; see `State`.
        leader: Address that a node in standby sends clients to, or empty.
    """

    def __init__(self, clock: Callable[[], float] = time.time, *, namespace: str = "", tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.state: State = "active"
        self.leader = ""
        self._clock, self._namespace = clock, namespace
        self._mounts: dict[str, int] = {"kv": 2}
        self._secrets: dict[str, list[_Version]] = {}
        self._policies: dict[str, tuple[str, ...]] = {"root": ("*",)}
        self._tokens: dict[str, _Token] = {}
        self._roles: dict[tuple[str, str], _Role] = {}

    def mount(self, path: str, *, version: int) -> None:
        """Another key-value engine; `kv/` is there from the beginning."""
        self._mounts[path] = version

    def put(self, path: str, /, **fields: Any) -> int:
        """Write a secret at ``MOUNT/PATH``; its new version."""
        versions = self._secrets.setdefault(path, [])
        versions.append(_Version(fields))
        return len(versions)

    def delete(self, path: str, version: int, *, destroy: bool = False) -> None:
        """Delete a version, or destroy it for good."""
        gone = self._secrets[path][version - 1]
        gone.data, gone.deletion_time, gone.destroyed = None, datetime.now(UTC).isoformat(), destroy

    def policy(self, name: str, *readable: str) -> None:
        """Let who has it read these paths of the API, as ``kv/data/app/*``."""
        self._policies[name] = readable

    def token(self, *policies: str, ttl_s: float = 0, max_ttl_s: float = 0, renewable: bool = True) -> str:
        """A token; 0 seconds is one that never ends. Without the policy `default` it may not look at itself."""
        return self._issue(policies, ttl_s, max_ttl_s, renewable=renewable).id

    def revoke(self, token: str) -> None:
        del self._tokens[token]

    def approle(
        self, mount: str = "approle", *, policies: tuple[str, ...], ttl_s: float, max_ttl_s: float, uses: int | None = None
    ) -> tuple[str, str]:
        """A role; its role id, and a secret id that may be used so often."""
        role = _Role(policies=policies, ttl_s=ttl_s, max_ttl_s=max_ttl_s, role_id=str(uuid4()), secret_ids={})
        secret_id = str(uuid4())
        role.secret_ids[secret_id] = uses
        self._roles[mount, role.role_id] = role
        return role.role_id, secret_id

    def kubernetes(self, role: str, jwt: str, *, policies: tuple[str, ...], ttl_s: float, renewable: bool = True) -> None:
        """A role that the service account with that token may take."""
        self._roles["kubernetes", role] = _Role(policies=policies, ttl_s=ttl_s, max_ttl_s=ttl_s * 10, renewable=renewable, jwt=jwt)

    def answer(self, call: Call) -> Answer:
        path = call.path.removeprefix("/v1/")
        if path == "sys/health":
            return Answer(_HEALTH.get(self.state, 500), {"initialized": True, "sealed": self.state == "sealed"})
        if self.state != "active":
            return self._unable(call)
        if call.headers.get("x-vault-namespace", "").strip("/") != self._namespace:
            return _DENIED
        if path.startswith("auth/") and path.endswith("/login"):
            return self._login(path.removeprefix("auth/").removesuffix("/login"), call.body or {})
        token = self._valid(call.headers.get("x-vault-token", ""))
        return _DENIED if token is None else self._of(token, call, path)

    def _unable(self, call: Call) -> Answer:
        if self.state in {"standby", "performance_standby"}:
            if self.leader:
                return Answer(307, headers={"Location": f"{self.leader}{call.path}"})
            return Answer(500, {"errors": ["local node not active but active cluster node not found"]})
        status, told = {
            "sealed": (503, "Vault is sealed"), "uninitialized": (501, "Vault is not initialized"),
            "limited": (429, "request path: rate limit quota exceeded"), "broken": (500, "internal error"),
        }[self.state]  # fmt: skip
        return Answer(status, {"errors": [told]})

    def _of(self, token: _Token, call: Call, path: str) -> Answer:
        if path == "auth/token/lookup-self":
            return self._lookup(token) if "default" in token.policies or "root" in token.policies else _DENIED
        if path == "auth/token/renew-self":
            return self._renew(token)
        if path.startswith("sys/internal/ui/mounts/"):
            return self._mounted(token, path.removeprefix("sys/internal/ui/mounts/"))
        return self._read(call, path) if self._may(token, path) else _DENIED

    def _issue(self, policies: tuple[str, ...], ttl_s: float, max_ttl_s: float, *, renewable: bool) -> _Token:
        now = self._clock()
        made = _Token(
            f"hvs.{uuid4().hex}",
            policies,
            ttl_s,
            now + ttl_s if ttl_s else None,
            now + max_ttl_s if max_ttl_s else None,
            renewable and ttl_s > 0,
        )
        self._tokens[made.id] = made
        return made

    def _valid(self, given: str) -> _Token | None:
        token = self._tokens.get(given)
        return None if token is None or (token.ends_at is not None and token.ends_at <= self._clock()) else token

    def _may(self, token: _Token, path: str) -> bool:
        return any(fnmatchcase(path, pattern) for name in token.policies for pattern in self._policies.get(name, ()))

    def _lookup(self, token: _Token) -> Answer:
        ttl = 0 if token.ends_at is None else int(token.ends_at - self._clock())
        data = {
            "id": token.id,
            "policies": token.policies,
            "renewable": token.renewable,
            "ttl": ttl,
            "creation_ttl": int(token.ttl_s),
            "type": "service",
        }
        return Answer(200, _envelope(data=data))

    def _renew(self, token: _Token) -> Answer:
        if not token.renewable:
            return Answer(400, {"errors": ["lease is not renewable"]})
        ends_at = self._clock() + token.ttl_s
        token.ends_at = min(ends_at, token.never_after or ends_at)
        return Answer(200, _envelope(auth=self._auth(token)))

    def _auth(self, token: _Token) -> dict[str, Any]:
        left = 0 if token.ends_at is None else int(token.ends_at - self._clock())
        return {
            "client_token": token.id,
            "policies": token.policies,
            "lease_duration": left,
            "renewable": token.renewable,
            "token_type": "service",
        }

    def _login(self, mount: str, body: Mapping[str, Any]) -> Answer:
        role = self._roles.get((mount, str(body.get("role_id") or body.get("role"))))
        if role is None:
            known = any(at == mount for at, _ in self._roles)
            return Answer(400, {"errors": ["invalid role or secret ID"]}) if known else _DENIED
        if role.jwt and body.get("jwt") != role.jwt:
            return _DENIED
        if role.role_id and not _used(role.secret_ids, str(body.get("secret_id"))):
            return Answer(400, {"errors": ["invalid role or secret ID"]})
        return Answer(200, _envelope(auth=self._auth(self._issue(role.policies, role.ttl_s, role.max_ttl_s, renewable=role.renewable))))

    def _mounted(self, token: _Token, path: str) -> Answer:
        mount = next((m for m in sorted(self._mounts, key=len, reverse=True) if f"{path}/".startswith(f"{m}/")), None)
        patterns = [pattern for name in token.policies for pattern in self._policies.get(name, ())]
        if mount is None or not any(p == "*" or p.startswith(f"{mount}/") for p in patterns):
            told = f'preflight capability check returned 403, please ensure client\'s policies grant access to path "{path}/"'
            return Answer(403, {"errors": [told]})
        return Answer(200, _envelope(data={"path": f"{mount}/", "type": "kv", "options": {"version": str(self._mounts[mount])}}))

    def _read(self, call: Call, path: str) -> Answer:
        mount = next((m for m in self._mounts if path.startswith(f"{m}/data/")), None)
        versions = self._secrets.get(f"{mount}/{path.removeprefix(f'{mount}/data/')}", []) if mount else []
        number = int(call.query.get("version", 0)) or len(versions)
        if not 1 <= number <= len(versions):
            return _ABSENT
        found = versions[number - 1]
        metadata = {
            "version": number,
            "created_time": "2026-01-01T00:00:00Z",
            "deletion_time": found.deletion_time,
            "destroyed": found.destroyed,
        }
        gone = found.data is None
        return Answer(404 if gone else 200, _envelope(data={"data": found.data, "metadata": metadata}))


def _used(secret_ids: dict[str, int | None], given: str) -> bool:
    left = secret_ids.get(given, 0)
    if left is not None:
        secret_ids[given] = max(left - 1, 0)
    return left is None or left > 0


def _envelope(*, data: Any = None, auth: Any = None) -> dict[str, Any]:
    return {
        "request_id": str(uuid4()), "lease_id": "", "renewable": False, "lease_duration": 0, "data": data, "wrap_info": None, "warnings": None,
        "auth": auth,
    }  # fmt: skip
