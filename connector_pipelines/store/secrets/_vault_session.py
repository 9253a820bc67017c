"""Who we are to Vault: signs in, renews the token at half of its lease, and signs in anew where that is refused or its end is near."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Unauthenticated
from connector_pipelines.store.secrets._vault_faults import vault_faults
from connector_pipelines.store.secrets._vault_login import Lease, SignIn
from connector_pipelines.telemetry import get_logger

if TYPE_CHECKING:
    import hvac

    from connector_pipelines.store.secrets._vault_settings import VaultSettings

__all__ = ["VaultSession"]

SHORTEST_WAIT_S = 1.0
_NOT_BEFORE_S = 5.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Held:
    """A lease, and when to look after it; both in seconds of the clock, None for never."""

    lease: Lease = field(repr=False)
    look_at: float | None
    ends_at: float | None

    def still_good(self, now: float) -> bool:
        return self.ends_at is None or now < self.ends_at


class VaultSession:
    """One client, used by one thread at a time.

    Args:
        resolve: Gives what the references in `settings` stand for.
        clock: Seconds, never going back.
    """

    def __init__(self, settings: VaultSettings, resolve: Callable[[str], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._sign_in = SignIn(settings, resolve)
        self._lock, self._closing = threading.RLock(), threading.Event()
        self._client: hvac.Client | None = None
        self._held: _Held | None = None
        self._keeper: threading.Thread | None = None

    def call(self, ask: Callable[[Any], _T], doing: str) -> _T:
        """What `ask` gets of a client that is signed in; once more, signed in anew, where our token turned out to be no good.

        Raises:
            hvac.exceptions.Forbidden: The token is good, and may not do this.
            hvac.exceptions.InvalidPath, InvalidRequest: As the server says.
            Unauthenticated: Who we are was refused.
            Unavailable, RateLimited, ConfigurationError: See `vault_faults`.
        """
        from hvac import exceptions

        with self._lock, vault_faults(self._settings.address, doing):
            self.look_after()
            client = self._connected()
            try:
                return ask(client)
            except exceptions.Forbidden:
                if self._is_good(client):
                    raise
            before = client.token
            self._take(self._sign_in.now(client))
            if client.token == before:
                raise Unauthenticated(
                    f"Vault at {self._settings.address} does not accept our token any more",
                    advice="It has expired or was revoked: put a new one into VAULT_TOKEN or its file, or sign in by AppRole or Kubernetes.",
                )
            return ask(client)

    def look_after(self) -> float | None:
        """Sign in, renew, or sign in anew, whichever is due; the seconds until it is to be looked at again, None for never.

        Raises:
            Unauthenticated, Unavailable, RateLimited, ConfigurationError: As `call`, and the token at hand is over.
        """
        with self._lock:
            client, now = self._connected(), self._clock()
            if self._held is None:
                self._take(self._sign_in.now(client))
                self._begin_keeping()
            elif self._held.look_at is not None and now >= self._held.look_at:
                self._renew(client, self._held, now)
            look_at = self._held.look_at if self._held else None
            return None if look_at is None else max(look_at - now, SHORTEST_WAIT_S)

    def close(self) -> None:
        """Stop renewing, and drop the token. It is not revoked: others may use the same one."""
        self._closing.set()
        with self._lock:
            if self._client is not None:
                self._client.adapter.close()
            self._client = self._held = None

    def _connected(self) -> hvac.Client:
        if self._closing.is_set():
            raise ConfigurationError("Vault was asked for a secret after it was closed", advice="This is a fault of connectors itself.")
        if self._client is None:
            self._client = self._sign_in.client()
        return self._client

    def _renew(self, client: hvac.Client, held: _Held, now: float) -> None:
        """Renewed, signed in anew, or as before with a warning; an error only when what we hold is over."""
        try:
            renewed = self._sign_in.renewed(client, held.lease) if held.lease.renewable and held.still_good(now) else None
            if renewed is not None:
                self._take(renewed)
            # Less than half of what it was at first: its maximum is near, and the next renewal will be refused.
            if renewed is None or (renewed.ttl_s is not None and renewed.ttl_s < (held.lease.first_s or 0) / 2):
                self._take(self._sign_in.now(client))
        except ConnectorError as error:
            held = self._held or held
            if not held.still_good(now):
                raise
            get_logger(__name__).warning("vault_sign_in_not_renewed", address=self._settings.address, reason=str(error))
            self._held = replace(held, look_at=_later(held, now))

    def _take(self, lease: Lease) -> None:
        now, client = self._clock(), self._connected()
        client.token = lease.token.get_secret_value()
        ttl = lease.ttl_s
        self._held = _Held(lease, None if ttl is None else now + ttl / 2, None if ttl is None else now + ttl)

    def _is_good(self, client: hvac.Client) -> bool:
        from hvac import exceptions

        try:
            client.auth.token.lookup_self()
        except exceptions.Forbidden:
            return False
        return True

    def _begin_keeping(self) -> None:
        """A token that only fetches would renew is over after a quiet hour; and not every one can be got anew."""
        if self._keeper is None and self._held is not None and self._held.look_at is not None:
            self._keeper = threading.Thread(target=self._keep, name="vault-token", daemon=True)
            self._keeper.start()

    def _keep(self) -> None:
        wait_s: float | None = SHORTEST_WAIT_S
        while wait_s is not None and not self._closing.wait(wait_s):
            try:
                with self._lock:
                    wait_s = None if self._closing.is_set() else self.look_after()
            except ConnectorError as error:
                get_logger(__name__).warning("vault_sign_in_lost", address=self._settings.address, reason=str(error))
                wait_s = 60.0


def _later(held: _Held, now: float) -> float:
    """Half of what is left, and not at once."""
    return now + max(((held.ends_at or now) - now) / 2, _NOT_BEFORE_S)
