"""`vault:MOUNT/PATH#FIELD`: secrets in the key-value engine (version 2) of Vault or OpenBao."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.store.secrets._backend import field_of
from connector_pipelines.store.secrets._vault_session import VaultSession
from connector_pipelines.store.secrets._vault_settings import VaultSettings

__all__ = ["Vault"]

_NAME = re.compile(r"(?P<path>[^?#]+)(?:\?version=(?P<version>\d+))?#(?P<field>.+)")


class Vault:
    """`SecretBackend` over the HTTP API, by hvac. `vault:kv/app?version=3#password` names an older version."""

    def __init__(self, settings: VaultSettings | None, resolve: Callable[[str], str], clock: Callable[[], float] = time.monotonic) -> None:
        if settings is None:
            raise ConfigurationError("a secret is in Vault, and VAULT_ADDR is not set", advice="Set VAULT_ADDR, and how to sign in there.")
        self._settings = settings
        self.session = VaultSession(settings, resolve, clock)
        self._mounts: tuple[str, ...] = ()

    def fetch(self, name: str) -> str:
        asked = _parsed(name)
        mount = self._mount(asked)
        path = asked.path[len(mount) :].strip("/")
        fields = self._fields(asked, mount, path)
        return field_of(fields, asked.field, f"secret {asked.told} in Vault")

    def close(self) -> None:
        self.session.close()

    def _mount(self, asked: _Asked) -> str:
        """Where the engine is mounted that `path` leads to, as the server says: a mount may have slashes itself."""
        from hvac import exceptions

        known = next((mount for mount in self._mounts if asked.path.startswith(f"{mount}/")), None)
        if known is not None:
            return known

        def look(client: Any) -> Any:
            found = client.read(f"sys/internal/ui/mounts/{asked.path}")
            return found and found["data"]

        try:
            found = self.session.call(look, f"find {asked.told}")
        except exceptions.Forbidden:
            # Said too where nothing is mounted, and of policies this look does not understand (hashicorp/vault issues 11434, 6525):
            # the read itself tells.
            return asked.path.partition("/")[0]
        except (exceptions.InvalidRequest, exceptions.Unauthorized) as error:
            raise self._refused(asked, error) from error
        if not found:
            raise self._absent(asked)
        mount, version = str(found["path"]).strip("/"), str((found.get("options") or {}).get("version", "1"))
        if found.get("type") not in {"kv", "generic"} or version != "2":
            raise ConfigurationError(
                f"secret {asked.told}: {mount}/ in Vault is not a key-value engine of version 2",
                advice=f"Keep it in one that is; one of version 1 is lifted by `vault kv enable-versioning {mount}`.",
            )
        self._mounts = (*self._mounts, mount)
        return mount

    def _fields(self, asked: _Asked, mount: str, path: str) -> dict[str, Any]:
        from hvac import exceptions

        def read(client: Any) -> Any:
            kv = client.secrets.kv.v2
            return kv.read_secret_version(path, version=asked.version, mount_point=mount, raise_on_deleted_version=False)["data"]

        try:
            found = self.session.call(read, f"read {asked.told}")
        except exceptions.Forbidden as error:
            raise self._denied(asked, f"{mount}/data/{path}") from error
        except exceptions.InvalidPath as error:
            raise self._absent(asked) from error
        except (exceptions.InvalidRequest, exceptions.Unauthorized) as error:
            raise self._refused(asked, error) from error
        if found["data"] is None:
            raise _deleted(asked, found["metadata"])
        return dict(found["data"])

    def _denied(self, asked: _Asked, path: str) -> ConfigurationError:
        return ConfigurationError(
            f"secret {asked.told}: Vault at {self._settings.address} does not let us read it (403){self._inside()}",
            advice=f'Give our token a policy with `path "{path}" {{ capabilities = ["read"] }}`, and check that the engine is mounted there.',
        )

    def _refused(self, asked: _Asked, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"secret {asked.told}: Vault at {self._settings.address} refused the request ({type(error).__name__})",
            advice=f"Try `vault kv get {asked.path}`.",
        )

    def _absent(self, asked: _Asked) -> ConfigurationError:
        first, _, rest = asked.path.partition("/")
        api_path = rest.startswith("data/")
        advice = f"Leave out the data/ of the API's path: vault:{first}/{rest.removeprefix('data/')}#{asked.field}." if api_path else ""
        return ConfigurationError(
            f"secret {asked.told}: there is none at that path in Vault at {self._settings.address}{self._inside()}",
            advice=advice or f"Look with `vault kv get {asked.path}`, and check VAULT_NAMESPACE.",
        )

    def _inside(self) -> str:
        return f", namespace {self._settings.namespace}" if self._settings.namespace else ""


@dataclass(frozen=True, slots=True)
class _Asked:
    path: str
    version: int | None
    field: str

    @property
    def told(self) -> str:
        version = f"?version={self.version}" if self.version else ""
        return f"'vault:{self.path}{version}#{self.field}'"


def _parsed(name: str) -> _Asked:
    found = _NAME.fullmatch(name)
    if found is None:
        raise ConfigurationError("what follows vault: is not MOUNT/PATH#FIELD (not shown)", advice="Write vault:MOUNT/PATH#FIELD.")
    return _Asked(found["path"].strip("/"), int(found["version"]) if found["version"] else None, found["field"])


def _deleted(asked: _Asked, metadata: dict[str, Any]) -> ConfigurationError:
    version = metadata.get("version")
    if metadata.get("destroyed"):
        return ConfigurationError(
            f"secret {asked.told}: its version {version} in Vault was destroyed", advice="Write it anew, or name another version."
        )
    return ConfigurationError(
        f"secret {asked.told}: its version {version} in Vault was deleted",
        advice=f"Bring it back (`vault kv undelete -versions={version} {asked.path}`), or write a new one.",
    )
