"""The one way to a secret: from its reference to its value."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, ConnectorError
from connector_pipelines.core.references import FORMS, is_reference
from connector_pipelines.store.secrets._backend import SecretBackend
from connector_pipelines.store.secrets._cache import Cache
from connector_pipelines.store.secrets._environment import Environment
from connector_pipelines.store.secrets._files import Files
from connector_pipelines.telemetry import redact

__all__ = ["Audit", "Secrets"]

# Named in an error only when it is one of these: what stands before the colon may be the beginning of a password.
_OTHER_SCHEMES = ("azure", "bao", "docker", "gcp", "k8s", "keyring", "openbao")
_KNOWN = f"a secret is given as {', '.join(FORMS.values())}"


class Audit(Protocol):
    """Takes down that a secret was fetched, or was not."""

    def __call__(self, actor: str, reference: str, outcome: str) -> None:
        """`outcome` is `fetched`, or the code of the error. Raises nothing that would keep the secret from who may have it."""
        ...


class Secrets:
    """Resolves secret references.

    Args:
        environ: Where `env:` looks.
        base: Folder that a relative path after `file:` starts from.
        remote: Other places, by scheme; each is made when it is first asked. What they give is kept in `cache`, and each
            fetch is told to `audit`.
        actor: Who the audit says it was.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        base: Path,
        *,
        remote: Mapping[str, Callable[[], SecretBackend]] | None = None,
        cache: Cache | None = None,
        audit: Audit | None = None,
        actor: str = "",
    ) -> None:
        self._local: dict[str, SecretBackend] = {"env": Environment(environ), "file": Files(base)}
        self._remote, self._made = remote or {}, dict[str, SecretBackend]()
        self._cache, self._audit, self._actor = cache or Cache(), audit, actor
        self._lock = threading.Lock()

    def resolve(self, reference: str) -> SecretStr:
        """The secret itself; from here on it is masked in logs.

        A variable or a file is read anew each time, so a secret that was rotated is picked up. Newlines at the end of a
        file are dropped. From elsewhere it is fetched again when its lifetime is over, or after `forget`.

        Raises:
            ConfigurationError: Not a reference, or what it names is missing, empty, too large or unreadable.
            Unauthenticated: The place it is in refused us.
            Unavailable, RateLimited: That does not answer, and what was fetched before is too old.
        """
        scheme, colon, name = reference.partition(":")
        if colon and scheme in self._local:
            return SecretStr(_known(self._local[scheme].fetch(name), reference))
        if not colon or scheme not in self._remote:
            raise _not_a_reference(reference, scheme if colon else "")
        if not is_reference(reference):
            redact(name)
            raise ConfigurationError(
                f"a secret reference begins with {scheme}: and goes on in another way than {FORMS[scheme]} (not shown)",
                advice=f"Write {FORMS[scheme]}, never the secret itself.",
            )
        return SecretStr(self._cache.get(reference, lambda: self._fetched(scheme, reference, name)))

    def forget(self, reference: str) -> None:
        """Fetch it anew when it is resolved next: the other side refused what we had."""
        self._cache.forget(reference)

    def acting_for(self, actor: str) -> Secrets:
        """The same secrets, fetched in the name of `actor`."""
        same = copy.copy(self)
        same._actor = actor  # noqa: SLF001 -- its own class
        return same

    def close(self) -> None:
        """Let go of connections. May be called twice."""
        with self._lock:
            for backend in self._made.values():
                backend.close()
            self._made.clear()

    def _fetched(self, scheme: str, reference: str, name: str) -> str:
        try:
            value = _known(self._backend(scheme).fetch(name), reference)
        except ConnectorError as error:
            self._tell(reference, error.code)
            raise
        self._tell(reference, "fetched")
        return value

    def _backend(self, scheme: str) -> SecretBackend:
        with self._lock:
            if scheme not in self._made:
                self._made[scheme] = self._remote[scheme]()
            return self._made[scheme]

    def _tell(self, reference: str, outcome: str) -> None:
        if self._audit is not None:
            self._audit(self._actor, reference, outcome)


def _known(value: str, reference: str) -> str:
    if not value.strip():
        raise ConfigurationError(f"secret {reference!r} is empty", advice="Give it a value.")
    redact(value)
    return value


def _not_a_reference(reference: str, scheme: str) -> ConfigurationError:
    if scheme in FORMS:
        return ConfigurationError(f"secret {reference!r}: {scheme}: is not set up here", advice="Use env: or file: here.")
    if scheme in _OTHER_SCHEMES:
        listed = ", ".join(f"{known}:" for known in FORMS)
        return ConfigurationError(f"secret {reference!r}: unknown scheme {scheme!r}; known: {listed}", advice="Use one of these.")
    redact(reference)
    return ConfigurationError(
        f"a value stands where a secret reference belongs (not shown); {_KNOWN}",
        advice="Move the secret into one of these places, put the reference in its place, and change the secret if others could read it.",
    )
