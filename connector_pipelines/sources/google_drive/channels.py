"""Google's channels: whose feeds are watched, how a channel is opened and stopped, and what a message of one says.

A message says that there is something new in a feed, and not what: it has no body. Nothing is signed; what proves it is the token that
goes with every message of its channel, and is known to nobody else. As in "Notifications for resource changes"
(https://developers.google.com/workspace/drive/api/guides/push, read 2026-11) and the schema `Channel` of Drive's discovery document.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from connector_pipelines.core.errors import ConfigurationError, Forbidden, Malformed, NotFound, PermanentError, Unauthenticated
from connector_pipelines.core.protocols import Heard, Subscription, Subscriptions, WebhookAnswer, WebhookRequest

if TYPE_CHECKING:
    from pydantic import SecretStr

    from connector_pipelines.sources.google_drive.client import Drives

__all__ = ["Feed", "accepted", "stop", "watch", "watched"]

# Of `changes`; it is an hour where none is asked for. A channel cannot be given more time, only be replaced.
_LIFE: Final = timedelta(days=7)
_ME: Final = "me"
# `change`, `sync`; of files `untrash` and others. It is kept, and whatever else stood there would be, too.
_STATE: Final = re.compile(r"[a-z]{1,20}")
# "Unauthorized WebHook callback channel", "WebHook callback must be HTTPS": the first comes with the status of a bad sign-in.
_ABOUT_ADDRESS: Final = "webhook callback"
_ADVICE: Final = (
    "Google calls https:// addresses with a valid certificate only, of a domain that is verified for the project: see that"
    " CONNECTORS_PUBLIC_URL is one, and verify its domain in Google's Search Console."
)


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed of changes as one user reads it: their own, or a shared drive's.

    `user` is an address, or None for whoever the sign-in is.
    """

    user: str | None = None
    drive_id: str | None = None

    @property
    def resource(self) -> str:
        """``user:ann@example.com``, ``user:me``, ``drive:0ABC:me``. It names the user, who alone can stop what they watch."""
        user = self.user or _ME
        return f"drive:{self.drive_id}:{user}" if self.drive_id else f"user:{user}"

    @classmethod
    def of(cls, resource: str) -> Feed:
        """The feed that `resource` names."""
        kind, _, rest = resource.partition(":")
        drive_id, _, user = rest.partition(":") if kind == "drive" else ("", "", rest)
        return cls(None if user == _ME else user, drive_id or None)


def watched(feeds: Iterable[Feed]) -> Mapping[str, timedelta]:
    """What `Subscribes.resources` says of these."""
    return {feed.resource: _LIFE for feed in feeds}


def watch(drives: Drives, resource: str, *, address: str, subscription_id: str, secret: SecretStr, until: datetime) -> Subscription:
    """Open a channel, for `Subscribes.subscribe`. How long it lives is what Google says it does."""
    feed = Feed.of(resource)
    drive = drives.of(feed.user)
    where: dict[str, Any] = {"driveId": feed.drive_id, "supportsAllDrives": True} if feed.drive_id else {}
    start = drive.call("changes.getStartPageToken", **where, fields="startPageToken")
    asked = {
        "id": subscription_id,
        "type": "web_hook",
        "address": address,
        "token": secret.get_secret_value(),
        "expiration": str(int(until.timestamp() * 1000)),
    }
    where |= {"includeItemsFromAllDrives": True} if feed.drive_id else {}
    try:
        # A second try would be refused, since the id is taken: whether it is there, its first message tells.
        told = drive.call("changes.watch", pageToken=start["startPageToken"], body=asked, **where)
    except (Unauthenticated, PermanentError) as error:
        if _ABOUT_ADDRESS not in str(error).lower():
            raise
        raise ConfigurationError(str(error), advice=_ADVICE) from error
    return Subscription(id=subscription_id, resource=resource, handle=told["resourceId"], expires_at=_ends_at(told))


def stop(drives: Drives, subscription: Subscription) -> None:
    """End a channel, for `Subscribes.unsubscribe`: as the user who opened it, for others may not."""
    try:
        body = {"id": subscription.id, "resourceId": subscription.handle}
        drives.of(Feed.of(subscription.resource).user).call("channels.stop", body=body, idempotent=True)
    except NotFound:
        # It has ended by itself, or a call before this one did it.
        return


def accepted(request: WebhookRequest, subscriptions: Subscriptions) -> WebhookAnswer:
    """What a message says, for `AcceptsWebhooks.accept`."""
    said = {name.removeprefix("x-goog-"): value for name, value in request.headers.items() if name.startswith("x-goog-")}
    channel, handle = said.get("channel-id", ""), said.get("resource-id", "")
    known = subscriptions.find(channel)
    if known is None:
        raise Forbidden("no channel of ours, or one that has ended")
    if not known.has_secret(said.get("channel-token", "")):
        raise Forbidden("another token than its channel's")
    if known.handle is not None and not hmac.compare_digest(handle.encode(), known.handle.encode()):
        raise Forbidden("another resource than its channel's")
    state, number = said.get("resource-state", ""), said.get("message-number", "")
    if request.method != "POST" or not (_STATE.fullmatch(state) and number.isascii() and number.isdigit()):
        raise Malformed("a message of a channel is a POST, and has a state and a number")
    if state == "sync":
        return WebhookAnswer(heard=(Heard(channel, handle or None),))
    delivery_id = f"{channel}:{number}"
    payload = {"channel": channel, "resource": known.resource, "state": state, "message": int(number)}
    return WebhookAnswer(notifications=((delivery_id, payload),), heard=(Heard(channel, handle or None, (delivery_id,)),))


def _ends_at(told: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromtimestamp(int(told["expiration"]) / 1000, UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        pass
    raise Malformed("the answer to changes.watch does not say when the channel ends")
