"""The source in memory that tells of changes: its other side takes subscriptions, and calls whoever asked for that.

    service = SERVICES["papers"] = PushService()
    source = Source(Config(service="papers"), plain_tools())

A kind that can be subscribed to can be begun by copying `Source`. Calls carry the subscription's id and secret in headers, the way
Google's do; the first one greets, and is made before the answer to `subscribe`.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar, Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from connector_pipelines.core.errors import ConnectorError, Forbidden, Malformed
from connector_pipelines.core.protocols import Heard, SourceConfig, Subscription, Tools, WebhookAnswer, WebhookRequest
from connector_pipelines.testing import memory_source

__all__ = ["SERVICES", "Config", "Promise", "PushService", "Source"]

LIFE: Final = timedelta(days=7)
_PATIENCE_S: Final = 10.0


class Config(memory_source.Config):
    service: str = Field("", description="Its name in `SERVICES`.")
    resources: tuple[str, ...] = Field(("all",), description="What to hear of.")


@dataclass(frozen=True, slots=True)
class Promise:
    """A subscription as the other side holds it."""

    subscription_id: str
    resource: str
    handle: str
    address: str
    expires_at: datetime
    secret: str = field(repr=False)


class PushService(memory_source.Service):
    """The other side.

    Attributes:
        promises: By id.
        refuses: Raised instead of taking a subscription, or of letting one go.
        dies_after: Raised when a subscription was taken and its greeting sent, before anybody is told.
        longest: What it grants at most.
        calls: Of each call: id of the subscription, state, and the status it was answered with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.promises: dict[str, Promise] = {}
        self.refuses: ConnectorError | None = None
        self.dies_after: BaseException | None = None
        self.longest = LIFE
        self.calls: list[tuple[str, str, int]] = []
        self._number = 0

    def put(self, name: str, body: bytes, at: datetime = memory_source.WRITTEN_AT) -> str:
        file_id = super().put(name, body, at)
        self.tell()
        return file_id

    def promise(self, asked: Promise, now: datetime) -> Promise:
        """Take a subscription; its greeting is here first."""
        if self.refuses:
            raise self.refuses
        made = replace(asked, expires_at=min(asked.expires_at, now + self.longest))
        self.promises[made.subscription_id] = made
        self.call(made, "greeting")
        if self.dies_after:
            raise self.dies_after
        return made

    def let_go(self, subscription: Subscription) -> None:
        """End a subscription, if there is one of that id and handle."""
        if self.refuses:
            raise self.refuses
        found = self.promises.get(subscription.id)
        if found is not None and found.handle == subscription.handle:
            del self.promises[subscription.id]

    def tell(self, resource: str = "all") -> list[int]:
        """Call everybody who asked to hear of it; the statuses."""
        return [self.call(each, "changed") for each in tuple(self.promises.values()) if each.resource == resource]

    def call(self, promise: Promise, state: str, **other: str) -> int:
        """Make one call; `other` headers instead of the right ones, with `_` for `-`. The status."""
        self._number += 1
        headers = {
            "x-memory-id": promise.subscription_id, "x-memory-secret": promise.secret, "x-memory-handle": promise.handle,
            "x-memory-state": state, "x-memory-number": str(self._number), **{name.replace("_", "-"): value for name, value in other.items()},
        }  # fmt: skip
        parts = urlsplit(promise.address)
        connection = http.client.HTTPConnection(parts.netloc, timeout=_PATIENCE_S)
        try:
            connection.request("POST", parts.path, b"", headers)
            status = connection.getresponse().status
        except OSError:
            status = 0
        finally:
            connection.close()
        self.calls.append((promise.subscription_id, state, status))
        return status


SERVICES: Final[dict[str, PushService]] = {}
"""The other sides there are in this process, by name."""


class Source(memory_source.Source):
    config_type: ClassVar[type[SourceConfig]] = Config

    def __init__(self, config: Config, tools: Tools) -> None:
        self._push = SERVICES.setdefault(config.service, PushService())
        super().__init__(config, tools, service=self._push)
        self._resources, self._subscriptions = config.resources, tools.subscriptions

    def resources(self) -> Mapping[str, timedelta]:
        return dict.fromkeys(self._resources, LIFE)

    def subscribe(self, resource: str, *, address: str, subscription_id: str, secret: SecretStr, until: datetime) -> Subscription:
        asked = Promise(subscription_id, resource, f"handle-of-{resource}", address, until, secret.get_secret_value())
        made = self._push.promise(asked, until - LIFE)
        return Subscription(id=subscription_id, resource=resource, handle=made.handle, expires_at=made.expires_at)

    def unsubscribe(self, subscription: Subscription) -> None:
        self._push.let_go(subscription)

    def accept(self, request: WebhookRequest) -> WebhookAnswer:
        said = {name: request.headers.get(f"x-memory-{name}", "") for name in ("id", "secret", "handle", "state", "number")}
        known = self._subscriptions.find(said["id"])
        if known is None or not known.has_secret(said["secret"]) or known.handle not in {None, said["handle"]}:
            raise Forbidden("no subscription of ours, or not its secret")
        if not said["number"].isdecimal():
            raise Malformed("no number")
        if said["state"] == "greeting":
            return WebhookAnswer(heard=(Heard(known.id, said["handle"]),))
        name = f"{known.id}:{said['number']}"
        return WebhookAnswer(notifications=((name, {"resource": known.resource}),), heard=(Heard(known.id, said["handle"], (name,)),))
