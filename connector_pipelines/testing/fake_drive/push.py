"""Delivers notifications: empty POSTs with `X-Goog-*` headers, over loopback only, from one thread.

As in "Notifications for resource changes" (https://developers.google.com/workspace/drive/api/guides/push, read 2026-11): 500, 502,
503 and 504 are tried again with growing waits, any other failure is the end of a message.
"""

from __future__ import annotations

import heapq
import http.client
import ipaddress
import itertools
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from connector_pipelines.testing.fake_drive.channels import Channel, Channels

__all__ = ["Delivered", "Push", "look_at"]

_AGAIN: Final = frozenset({500, 502, 503, 504})
_WELL: Final = frozenset({200, 201, 202, 204, 102})
_TRIES: Final = 6
_PATIENCE_S: Final = 10.0
_SEED: Final = 20260302

File = Mapping[str, object]
"""What of a file is looked at to say what became of it; None in its place where it is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A try to tell a channel. `status`: of the answer; 0 where there was none, or the address is not on loopback."""

    channel_id: str
    state: str
    number: int
    tried: int
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    channel: Channel
    state: str
    number: int
    changed: str = ""
    tried: int = 1


class Push:
    """Channels' messages, from `start` to `stop`.

    Args:
        look: A file as a user sees it now.

    Attributes:
        delay_s: From an edit to its message; what happens meanwhile is told with it.
        backoff_s: Before the second try; twice as long before each that follows.
        trusted: PEM of an authority, whose receivers are trusted besides those that the machine trusts.
        delivered: Every try, in order.
    """

    def __init__(self, channels: Channels, look: Callable[[str, str], File | None]) -> None:
        self.delay_s = 0.02
        self.backoff_s = 0.2
        self.trusted: Path | None = None
        self.delivered: list[Delivered] = []
        self._channels = channels
        self._look = look
        self._seen: dict[Channel, File | None] = {}
        self._numbers: dict[Channel, int] = {}
        self._steps = random.Random(_SEED)  # noqa: S311 - numbers that are not consecutive, the same every time
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, _Message | Channel]] = []
        self._waiting: set[Channel] = set()
        self._order = itertools.count()
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="push", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._ends = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE_S)

    def opened(self, channel: Channel) -> None:
        """Tell it `sync`; the answer to `watch` may come before or after."""
        if channel.watched.kind == "file":
            self._seen[channel] = self._look(channel.grant.user, channel.watched.file_id)
        self._put(0.0, _Message(channel=channel, state="sync", number=self._number(channel)))

    def told(self, feeds: frozenset[tuple[str, str | None]]) -> None:
        """Feeds got entries: user, and shared drive or None for the user's own."""
        users = {user for user, _ in feeds}
        for channel in self._channels.open():
            watched, user = channel.watched, channel.grant.user
            if (user in users) if watched.kind == "file" else ((user, watched.drive_id) in feeds):
                with self._changed:
                    if channel in self._waiting:
                        continue
                    self._waiting.add(channel)
                self._put(self.delay_s, channel)

    def _put(self, wait_s: float, what: _Message | Channel) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + wait_s, next(self._order), what))
            self._changed.notify()

    def _run(self) -> None:
        while (what := self._next()) is not None:
            if isinstance(what, Channel):
                with self._changed:
                    self._waiting.discard(what)
                what = self._message(what)
            if what is not None and self._channels.is_open(what.channel):
                self._deliver(what)

    def _next(self) -> _Message | Channel | None:
        with self._changed:
            while not self._ends:
                left_s = self._due[0][0] - time.monotonic() if self._due else None
                if left_s is not None and left_s <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left_s)
        return None

    def _message(self, channel: Channel) -> _Message | None:
        if channel.watched.kind == "changes":
            return _Message(channel=channel, state="change", number=self._number(channel))
        before = self._seen[channel]
        after = self._seen[channel] = self._look(channel.grant.user, channel.watched.file_id)
        found = look_at(before, after)
        return found and _Message(channel=channel, state=found[0], changed=found[1], number=self._number(channel))

    def _number(self, channel: Channel) -> int:
        with self._changed:
            known = self._numbers.get(channel)
            self._numbers[channel] = number = 1 if known is None else known + self._steps.randint(1, 100)
        return number

    def _deliver(self, message: _Message) -> None:
        status = self._posted(message)
        self.delivered.append(
            Delivered(channel_id=message.channel.id, state=message.state, number=message.number, tried=message.tried, status=status)
        )
        if status in _AGAIN and message.tried < _TRIES:
            self._put(self.backoff_s * 2 ** (message.tried - 1), replace(message, tried=message.tried + 1))

    def _posted(self, message: _Message) -> int:
        parts = urlsplit(message.channel.address)
        if not _is_loopback(parts.hostname or ""):
            return 0
        connection = self._connection(parts.scheme, parts.netloc)
        try:
            connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), b"", _headers(message))
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def _connection(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        if scheme == "http":
            return http.client.HTTPConnection(netloc, timeout=_PATIENCE_S)
        context = ssl.create_default_context()
        if self.trusted:
            context.load_verify_locations(self.trusted)
        return http.client.HTTPSConnection(netloc, timeout=_PATIENCE_S, context=context)


def look_at(before: File | None, after: File | None) -> tuple[str, str] | None:
    """What became of a file: the state that is told, and what changed (`X-Goog-Changed`); None where nothing is told.

    Files as the API shows them, with `version`, `trashed`, `parents`, `permissionIds` and `headRevisionId`.
    """
    if before is None or after is None:
        return None if before is after else ("remove" if after is None else "add", "")
    if before.get("trashed") != after.get("trashed"):
        return ("trash" if after.get("trashed") else "untrash", "")
    if before.get("version") == after.get("version"):
        return None
    kinds = {"content": "headRevisionId", "parents": "parents", "permissions": "permissionIds"}
    changed = [kind for kind, name in kinds.items() if before.get(name) != after.get(name)]
    return "update", ",".join(changed or ["properties"])


def _headers(message: _Message) -> dict[str, str]:
    channel = message.channel
    return {
        "User-Agent": "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)",
        "Accept": "*/*",
        "X-Goog-Channel-ID": channel.id,
        "X-Goog-Channel-Expiration": formatdate(channel.expires_at, usegmt=True),
        "X-Goog-Resource-State": message.state,
        "X-Goog-Message-Number": str(message.number),
        "X-Goog-Resource-ID": channel.resource_id,
        "X-Goog-Resource-URI": channel.resource_uri,
        **({"X-Goog-Channel-Token": channel.token} if channel.token else {}),
        **({"X-Goog-Changed": message.changed} if message.changed else {}),
    }


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
