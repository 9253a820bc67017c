"""From a request to an answer: sign-in, scopes, limits and faults around what the world says, and the journal of it all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl, quote

from connector_pipelines.testing.fake_api.faults import Delivery, HtmlPage, Status
from connector_pipelines.testing.fake_api.messages import Answer, Request
from connector_pipelines.testing.fake_drive.channels import Channels, Watched
from connector_pipelines.testing.fake_drive.errors import DriveError
from connector_pipelines.testing.fake_drive.faults import BackendError, Denied, FaultAction, Faults, asked, befall
from connector_pipelines.testing.fake_drive.grants import Grant
from connector_pipelines.testing.fake_drive.journal import Call, Journal, reason_of
from connector_pipelines.testing.fake_drive.limits import Limits, Throttle, Throttled
from connector_pipelines.testing.fake_drive.methods import API, call_of, file_of, scopes_of
from connector_pipelines.testing.fake_drive.push import File, Push
from connector_pipelines.testing.fake_drive.refusals import Refused, insufficient_scopes
from connector_pipelines.testing.fake_drive.routes import Routes
from connector_pipelines.testing.fake_drive.service_time import ServiceTime
from connector_pipelines.testing.fake_drive.sign_in import SIGN_IN_PATHS, SignIn
from connector_pipelines.testing.fake_drive.world import World

__all__ = ["Service"]

_INSTEAD: Final = (BackendError, Denied, Status, HtmlPage)
"""Faults after which nothing was done."""
_MEDIA: Final = frozenset({"files.get media", "revisions.get media"})
_SEES_ALL: Final = frozenset({"drive", "drive.readonly", "drive.metadata", "drive.metadata.readonly"})
_APP: Final = "app-without-files@fake.invalid"
_LOOKED_AT: Final = {
    "fields": "id,version,trashed,parents,permissionIds,headRevisionId", "supportsAllDrives": "true",
}  # fmt: skip


class Service:
    """All of it but the socket. Used by several threads at once."""

    def __init__(self, url: str, world: World, routes: Routes) -> None:
        self.time = ServiceTime()
        self.world = world
        self.journal = Journal()
        self.faults = Faults()
        self.limits = Limits(self.time)
        self.sign_in = SignIn(url, self.time, world)
        self.channels = Channels(self.time)
        self.latency_s = 0.0
        self.push = Push(self.channels, self._file)
        self._routes = routes
        routes.inner = self._inside
        world.listeners.append(self.push.told)

    def respond(self, request: Request, connection: int) -> tuple[Answer, Delivery]:
        request = _meant(request)
        answer, delivery = self._answered(request, self._opened(request, connection))
        return answer, replace(delivery, stall_s=delivery.stall_s + self.latency_s) if self.latency_s else delivery

    def _inside(self, request: Request, _: str) -> Answer:
        """One of a batch: counted, limited and refused by itself."""
        call = self._opened(request, 0)
        call.in_batch = True
        return self._answered(request, call)[0]

    def _opened(self, request: Request, connection: int) -> Call:
        call = Call(
            arrived_at=self.time.now(), method=request.method, path=request.path, params=request.params, connection=connection,
            call=call_of(request), file_id=file_of(request),
        )  # fmt: skip
        return self.journal.add(call)

    def _answered(self, request: Request, call: Call) -> tuple[Answer, Delivery]:
        action: FaultAction | None = None
        try:
            grant = self._grant(request, call)
            action = self.faults.for_request(request, call=call.call, user=call.user)
            answer = self._done(request, call, grant, action)
        except Refused as refusal:
            answer = refusal.answer
            call.pause = refusal.pause if isinstance(refusal, Throttled) else None
        except DriveError as error:
            answer = error.answer
        delivery = Delivery()
        if action is not None:
            answer, delivery = befall(answer, action)
            call.fault = action.type
        self._note(call, answer, delivery)
        return answer, delivery

    def _grant(self, request: Request, call: Call) -> Grant | None:
        """Who asks; None at the endpoints where one signs in."""
        if request.path in SIGN_IN_PATHS:
            call.call = request.path.rpartition("/")[2]
            return None
        grant = self.sign_in.who(request)
        call.user, call.client, call.project = grant.user, grant.client, grant.project
        return grant

    def _done(self, request: Request, call: Call, grant: Grant | None, action: FaultAction | None) -> Answer:
        if isinstance(action, _INSTEAD):
            return Answer(200)
        if grant is None:
            return self.sign_in.answer(request)
        if isinstance(action, Throttle):
            raise self.limits.throttle(action, grant)
        if call.call == "batch":
            return self._routes.answer(request, grant.user)
        self.limits.admit(grant)
        scopes = scopes_of(call.call)
        if scopes is not None and not scopes & grant.scopes:
            raise Refused(insufficient_scopes(call.call))
        return self._said(asked(request, action), call.call, grant)

    def _said(self, request: Request, call: str, grant: Grant) -> Answer:
        # An application with `drive.file` alone sees what it made itself, which is nothing.
        user = grant.user if grant.scopes & _SEES_ALL else self._app()
        if call == "channels.stop":
            return self.channels.stop(request, grant)
        if call in {"changes.watch", "files.watch"}:
            return self._watched(request, call, grant, user)
        return self._routes.answer(request, user)

    def _watched(self, request: Request, call: str, grant: Grant, user: str) -> Answer:
        watched = self._to_watch(request, call, user)
        channel = self.channels.watch(request, grant, watched)
        self.push.opened(channel)
        return self.channels.answer(channel)

    def _to_watch(self, request: Request, call: str, user: str) -> Watched:
        if call == "files.watch":
            return Watched(kind="file", file_id=self._routes.check_seen(request, user, file_of(request)))
        kind, name = self._routes.check_watch(request, user)
        return Watched(kind="changes", drive_id=name if kind == "drive" else None)

    def _file(self, user: str, file_id: str) -> File | None:
        path = f"{API}files/{quote(file_id)}"
        request = Request(method="GET", path=path, target=path, base="", params=_LOOKED_AT, headers={})
        answer = self._routes.answer(request, user)
        found: Mapping[str, object] | None = json.loads(answer.body) if answer.status == 200 else None
        return found

    def _app(self) -> str:
        if not self.world.is_active(_APP):
            self.world.add_user(_APP)
        return _APP

    def _note(self, call: Call, answer: Answer, delivery: Delivery) -> None:
        call.answered_at = self.time.now()
        call.status = answer.status
        if not delivery.reset and call.method != "HEAD":
            call.size = len(answer.body) if delivery.cut_after is None else min(delivery.cut_after, len(answer.body))
        if answer.status >= 400:
            call.reason = reason_of(answer.body)
        elif call.call in _MEDIA:
            call.revision_id = self._revision(call)
            call.begins_at = _begins_at(answer.headers.get("Content-Range", ""))

    def _revision(self, call: Call) -> str:
        if call.call == "revisions.get media":
            return call.path.rpartition("/")[2]
        item = self.world.state.items.get(call.file_id)
        return item.head.id if item and item.head else ""


def _begins_at(content_range: str) -> int:
    """RFC 9110, 14.4."""
    first = content_range.removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else 0


def _meant(request: Request) -> Request:
    """A GET whose address was too long for its client comes as the POST of a form (https://developers.google.com/drive/api/guides/performance)."""
    if request.method != "POST" or request.headers.get("x-http-method-override") != "GET":
        return request
    return replace(request, method="GET", params=dict(parse_qsl(request.body.decode(), keep_blank_values=True)), body=b"")
