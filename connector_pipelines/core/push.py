"""How another system tells us that something changed: calls of a webhook, and the subscriptions by which it is asked to make them.

A source that `AcceptsWebhooks` proves calls in its kind's own way. One that `Subscribes` also asks for them: the house keeps a
subscription open for each resource, replaces it before it ends, and stops it when nobody wants it any more.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from pydantic import SecretStr

__all__ = [
    "AcceptsWebhooks", "Heard", "KnownSubscription", "NoSubscriptions", "Subscribes", "Subscription", "Subscriptions", "WebhookAnswer", "WebhookRequest",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """The other side's promise to call our webhook when a resource changes.

    Attributes:
        id: Ours: a UUID in text form, never used again.
        resource: As `Subscribes.resources` names it.
        handle: The other side's word for it, without which it may not let itself be stopped; None until it is known.
        expires_at: Aware, UTC.
    """

    id: str
    resource: str
    handle: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSubscription(Subscription):
    """A subscription as we remember it: enough to know its secret by, and not the secret.

    Attributes:
        secret_sha256: 32 bytes.
    """

    secret_sha256: bytes = field(repr=False)

    def has_secret(self, given: str) -> bool:
        """Whether `given` is its secret. How long it takes says nothing."""
        return hmac.compare_digest(hashlib.sha256(given.encode(errors="replace")).digest(), self.secret_sha256)


class Subscriptions(Protocol):
    """The subscriptions of a connector that may make themselves heard: those being opened, open, or stopped a short while ago."""

    def find(self, subscription_id: str) -> KnownSubscription | None:
        """The one of that id; None where there is none, or it has expired. From memory: nobody is asked."""
        ...


class NoSubscriptions:
    """For a source that is asked outside the gateway."""

    def find(self, subscription_id: str) -> KnownSubscription | None:  # noqa: ARG002
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """A call of our webhook as it arrived. Names of headers are in lower case; `body` is the raw bytes."""

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Heard:
    """A subscription that made itself heard in a call.

    Attributes:
        subscription_id: Ours.
        handle: The other side's word for it, where the call says it: it may be news, if the answer to `subscribe` was lost.
        delivery_ids: Of the call's notifications, those that it told. None of them: it merely says that it reaches us.
    """

    subscription_id: str
    handle: str | None = None
    delivery_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAnswer:
    """What a source makes of a genuine call.

    Attributes:
        notifications: Delivery id and payload (JSON) of each; none for a handshake.
        body: What the caller waits to be answered, such as the echo of a challenge; plain text.
        heard: Subscriptions by which the call came. What one of them told is owed to its endpoint alone; what none of them told, to
            every endpoint of the connector.
    """

    notifications: tuple[tuple[str, Any], ...] = ()
    body: str = ""
    heard: tuple[Heard, ...] = ()


@runtime_checkable
class AcceptsWebhooks(Protocol):
    """Optional: the kind has its own way to prove that a call of our webhook is genuine."""

    def accept(self, request: WebhookRequest) -> WebhookAnswer:
        """Read a call. Asks nobody: it is answered within milliseconds. What proves it may be found in `Tools.subscriptions`.

        Raises:
            Forbidden: It is not genuine. Told so, the house asks once more, with what it knew before looked up again.
            Malformed: It is genuine, and not what the kind sends.
        """
        ...


@runtime_checkable
class Subscribes(Protocol):
    """Optional, beside `AcceptsWebhooks`: the other side is to be asked for its calls, and asked again before they end."""

    def resources(self) -> Mapping[str, timedelta]:
        """What the endpoint wants to hear of, in names of the source's own that stay the same, each with the longest life the other
        side grants a subscription to it. Asks the other side as little as possible."""
        ...

    def subscribe(self, resource: str, *, address: str, subscription_id: str, secret: SecretStr, until: datetime) -> Subscription:
        """Ask for calls of `address` whenever the resource changes. The first may be made before this returns.

        Args:
            subscription_id: Ours; calls must carry it.
            secret: Calls must carry it, too: 43 characters of A–Z, a–z, 0–9, ``-`` and ``_``, never seen before.
            until: Asked for; what is granted counts.

        Raises:
            TransientError: There may be one now, or not.
            ConnectorError: There is none.
        """
        ...

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ask for no more calls; that there is none any more is not an error. Its `handle` is known."""
        ...
