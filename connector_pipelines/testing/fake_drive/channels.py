"""Channels of push notifications: opened by `watch`, ended by time or `stop`.

As in "Notifications for resource changes" (https://developers.google.com/workspace/drive/api/guides/push, read 2026-11).
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Literal

from connector_pipelines.testing.fake_api.messages import Answer, Request, json_answer
from connector_pipelines.testing.fake_drive.grants import Grant
from connector_pipelines.testing.fake_drive.refusals import Refused, refused
from connector_pipelines.testing.fake_drive.service_time import ServiceTime

__all__ = ["Channel", "Channels", "Watched"]

_DEFAULT_S: Final = 3600.0
_LONGEST_S: Final[Mapping[str, float]] = {"changes": 7 * 86400.0, "file": 86400.0}
_ID: Final = re.compile(r"[A-Za-z0-9\-_+/=]{1,64}")
_MOST_TOKEN: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a channel is about: the feed of its user (or of a shared drive, as the user sees it), or a file."""

    kind: Literal["changes", "file"]
    drive_id: str | None = None
    file_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """`expires_at`: seconds since 1970."""

    id: str
    address: str
    token: str = field(repr=False)
    grant: Grant
    watched: Watched
    resource_id: str
    resource_uri: str
    expires_at: float

    def as_json(self) -> dict[str, Any]:
        told = {"kind": "api#channel", "id": self.id, "resourceId": self.resource_id, "resourceUri": self.resource_uri}
        return {**told, **({"token": self.token} if self.token else {}), "expiration": str(int(self.expires_at * 1000))}


class Channels:
    """Used by several threads at once.

    Attributes:
        allows_http: Whether an address may be plain HTTP: for receivers of tests, which are on loopback.
    """

    def __init__(self, time: ServiceTime) -> None:
        self.allows_http = False
        self._time = time
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], Channel] = {}
        self._taken: set[tuple[str, str]] = set()

    def watch(self, request: Request, grant: Grant, watched: Watched) -> Channel:
        """Open one.

        Raises:
            Refused: 400.
        """
        asked = _body(request)
        name, address = str(asked.get("id", "")), str(asked.get("address", ""))
        self._check(name, address, asked)
        channel = Channel(
            id=name, address=address, token=str(asked.get("token", "")), grant=grant, watched=watched,
            resource_id=_resource_id(grant.user, watched), resource_uri=_resource_uri(request, watched),
            expires_at=self._until(asked, watched),
        )  # fmt: skip
        key = (grant.project, name)
        with self._lock:
            if key in self._taken:
                raise _bad("channelIdNotUnique", f"Channel id {name} not unique")
            self._taken.add(key)
            self._open[key] = channel
        return channel

    def stop(self, request: Request, grant: Grant) -> Answer:
        """End one.

        Raises:
            Refused: 404 for one that is not open, is another's, or is of another resource.
        """
        asked = _body(request)
        name = str(asked.get("id", ""))
        with self._lock:
            channel = self._open.get((grant.project, name))
            if channel is None or not _may_stop(channel, grant) or channel.resource_id != asked.get("resourceId"):
                raise Refused(refused(404, "notFound", f"Channel '{name}' not found for project '{grant.project}'"))
            del self._open[grant.project, name]
        return Answer(204)

    def open(self) -> Iterator[Channel]:
        """Those that are neither ended nor over."""
        with self._lock:
            channels = tuple(self._open.values())
        return (channel for channel in channels if self.is_open(channel))

    def is_open(self, channel: Channel) -> bool:
        return self._open.get((channel.grant.project, channel.id)) is channel and self._time.now() < channel.expires_at

    def answer(self, channel: Channel) -> Answer:
        return json_answer(channel.as_json(), 200, {"Content-Type": "application/json; charset=UTF-8"})

    def _check(self, name: str, address: str, asked: Mapping[str, Any]) -> None:
        if not name or not address:
            raise _bad("required", "Required")
        if not _ID.fullmatch(name) or len(str(asked.get("token", ""))) > _MOST_TOKEN:
            raise _bad("invalid", "Invalid Value")
        if asked.get("type") not in {"web_hook", "webhook"}:
            raise _bad("push.channelTypeNotSupported", f"Channel type not supported: {asked.get('type')}")
        if not address.startswith("https://") and not (self.allows_http and address.startswith("http://")):
            raise _bad("push.webhookUrlNotHttps", f"WebHook callback must be HTTPS: {address}")

    def _until(self, asked: Mapping[str, Any], watched: Watched) -> float:
        now = self._time.now()
        wanted = str(asked.get("expiration") or "")
        if not wanted:
            return now + _DEFAULT_S
        if not wanted.isdigit() or int(wanted) / 1000 <= now:
            raise _bad("invalid", "Invalid Value")
        return min(int(wanted) / 1000, now + _LONGEST_S[watched.kind])


def _may_stop(channel: Channel, grant: Grant) -> bool:
    """Who opened it by the same client; what a service account opened, any user of that client."""
    opened = channel.grant
    return opened.client == grant.client and opened.user in {grant.user, opened.client}


def _body(request: Request) -> Mapping[str, Any]:
    try:
        asked = json.loads(request.body or b"{}")
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        raise _bad("parseError", "Parse Error")
    return asked


def _bad(reason: str, message: str) -> Refused:
    return Refused(refused(400, reason, message))


def _resource_id(user: str, watched: Watched) -> str:
    """The same for every channel on the same thing of the same user, and no word about it."""
    told = json.dumps([user, watched.kind, watched.drive_id, watched.file_id])
    return base64.urlsafe_b64encode(sha256(told.encode()).digest()[:20]).decode().rstrip("=")


def _resource_uri(request: Request, watched: Watched) -> str:
    path = request.path.removesuffix("/watch")
    return f"{request.base}{path}?alt=json" + (f"&pageToken={request.params['pageToken']}" if watched.kind == "changes" else "")
