"""Channels: who is told what, how it looks, and what is tried again."""

from __future__ import annotations

import queue
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector_pipelines.testing.fake_api.http_server import tls_context
from connector_pipelines.testing.fake_drive import FakeDrive, PrivateAuthority, Stall
from connector_pipelines.testing.fake_drive.push import look_at
from tests.testing.fake_drive.official import READ, official_client

ADA = "ada@example.com"
BOB = "bob@example.com"
PATIENCE_S = 10.0
SOON_S = 0.3
"""How long a message is waited for that is not to come: fifteen times as long as one takes."""


@dataclass
class Receiver:
    """A webhook. `statuses`: what it answers, then 204."""

    url: str
    came: queue.Queue[tuple[dict[str, str], bytes]]
    statuses: list[int]

    def next(self) -> dict[str, str]:
        return self.came.get(timeout=PATIENCE_S)[0]

    def states(self, count: int) -> list[str]:
        return [self.next()["x-goog-resource-state"] for _ in range(count)]

    def is_silent(self) -> bool:
        try:
            self.came.get(timeout=SOON_S)
        except queue.Empty:
            return True
        return False


@contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status = receiver.statuses.pop(0) if receiver.statuses else 204
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            receiver.came.put(({name.lower(): value for name, value in self.headers.items()}, body))

        def log_message(self, *args: Any) -> None:
            """The queue has it."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *args: Any) -> None:
            """Who does not trust the certificate hangs up."""

    server = Server(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver = Receiver(f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}/hook?x=1", queue.Queue(), [])
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def drive() -> Iterator[FakeDrive]:
    with FakeDrive() as drive:
        drive.world.add_user(ADA)
        drive.world.add_user(BOB)
        drive.allow_http_receivers()
        drive.push_settings(backoff_s=0.01)
        yield drive


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


Watch = Callable[..., httpx.Response]


@pytest.fixture
def watch(drive: FakeDrive, receiver: Receiver) -> Iterator[Watch]:
    """Opens a channel: of changes, or of the file whose path is given."""
    with httpx.Client(base_url=drive.url, trust_env=False) as http:

        def watch(
            path: str = "changes", *, drive_id: str | None = None, page_token: str = "", timeout: float = PATIENCE_S, **body: Any
        ) -> httpx.Response:
            headers = {"authorization": f"Bearer {drive.access_token(ADA)}"}
            params = {"supportsAllDrives": "true", "pageToken": page_token, **({"driveId": drive_id} if drive_id else {})}
            if path == "changes" and not page_token:
                params["pageToken"] = http.get("/drive/v3/changes/startPageToken", params=params, headers=headers).json()["startPageToken"]
            asked = {"id": str(uuid.uuid4()), "type": "web_hook", "address": receiver.url, "token": "secret", **body}
            return http.post(f"/drive/v3/{path}/watch", params=params, json=asked, headers=headers, timeout=timeout)

        yield watch


def stop(drive: FakeDrive, channel: dict[str, Any], person: str = ADA, **more: str) -> int:
    headers = {"authorization": f"Bearer {drive.access_token(person)}"}
    body = {"id": channel["id"], "resourceId": channel["resourceId"], **more}
    return httpx.post(f"{drive.url}/drive/v3/channels/stop", json=body, headers=headers, trust_env=False).status_code


def test_a_channel_is_told_that_it_is_there_and_then_of_changes(drive: FakeDrive, receiver: Receiver, watch: Watch) -> None:
    channel = watch().json()
    first, body = receiver.came.get(timeout=PATIENCE_S)
    drive.world.create(owner=ADA, name="a", content=b"a")
    second = receiver.next()

    assert body == b""
    assert (first["x-goog-resource-state"], first["x-goog-message-number"]) == ("sync", "1")
    assert second["x-goog-resource-state"] == "change"
    assert int(second["x-goog-message-number"]) > 1
    assert (second["x-goog-channel-id"], second["x-goog-channel-token"]) == (channel["id"], "secret")
    assert (second["x-goog-resource-id"], second["x-goog-resource-uri"]) == (channel["resourceId"], channel["resourceUri"])
    assert second["x-goog-channel-expiration"].endswith("GMT")
    assert second["user-agent"].startswith("APIs-Google")


def test_the_first_message_may_come_before_the_answer(drive: FakeDrive, receiver: Receiver, watch: Watch) -> None:
    drive.fault(Stall(seconds=60), call="changes.watch")

    with pytest.raises(httpx.ReadTimeout):
        watch(timeout=0.2)

    assert receiver.next()["x-goog-resource-state"] == "sync"


def test_only_what_a_user_sees_is_told(drive: FakeDrive, receiver: Receiver, watch: Watch) -> None:
    team = drive.world.add_drive("Team", {ADA: "reader"})
    watch(drive_id=team)
    receiver.next()

    drive.world.create(owner=BOB, name="b", content=b"b")
    drive.world.create(owner=ADA, name="a", content=b"a")
    unspoilt = receiver.is_silent()
    drive.world.create(parent=team, name="t", content=b"t")

    assert unspoilt
    assert receiver.next()["x-goog-resource-state"] == "change"


def test_many_edits_in_a_moment_are_one_message(drive: FakeDrive, receiver: Receiver, watch: Watch) -> None:
    drive.push_settings(delay_s=0.2)
    watch()
    receiver.next()

    folder = drive.world.create_folder("Many", owner=ADA)
    for _ in range(20):
        drive.world.touch(folder)

    assert receiver.next()["x-goog-resource-state"] == "change"
    assert receiver.is_silent()


def test_a_file_is_told_by_what_happened_to_it(drive: FakeDrive, receiver: Receiver, watch: Watch) -> None:
    made = drive.world.create(owner=ADA, name="a", content=b"a")
    watch(f"files/{made}")
    edits: list[Callable[[], object]] = [
        lambda: drive.world.update_content(made, b"b"),
        lambda: drive.world.rename(made, "b"),
        lambda: drive.world.share(made, who=BOB),
        lambda: drive.world.trash(made),
        lambda: drive.world.untrash(made),
        lambda: drive.world.delete(made),
    ]
    assert receiver.next()["x-goog-resource-state"] == "sync"

    told = []
    for edit in edits:
        edit()
        told.append(receiver.next())

    assert [each["x-goog-resource-state"] for each in told] == ["update", "update", "update", "trash", "untrash", "remove"]
    assert [each.get("x-goog-changed") for each in told[:4]] == ["content", "properties", "permissions", None]
    numbers = [int(each["x-goog-message-number"]) for each in told]
    assert numbers == sorted(set(numbers))


def test_what_fails_for_a_while_is_tried_again_and_what_is_refused_is_not(drive: FakeDrive, receiver: Receiver, watch: Watch) -> None:
    watch()
    receiver.next()
    receiver.statuses += [503, 500, 204, 400]

    drive.world.create_folder("one", owner=ADA)
    tried = [receiver.next()["x-goog-message-number"] for _ in range(3)]
    drive.world.create_folder("two", owner=ADA)
    refused = receiver.next()["x-goog-message-number"]

    assert len(set(tried)) == 1
    assert refused != tried[0]
    assert receiver.is_silent()
    assert [(each.tried, each.status) for each in drive.delivered()] == [(1, 204), (1, 503), (2, 500), (3, 204), (1, 400)]


def test_a_channel_lives_an_hour_or_as_long_as_it_asks_up_to_a_week_and_a_day_for_a_file(drive: FakeDrive, watch: Watch) -> None:
    made = drive.world.create(owner=ADA, name="a", content=b"a")
    far = str(4_000_000_000_000)

    default, week, day = watch().json(), watch(expiration=far).json(), watch(f"files/{made}", expiration=far).json()

    begin = int(default["expiration"]) / 1000 - 3600
    lives = [round(int(each["expiration"]) / 1000 - begin) for each in (default, week, day)]
    assert lives == [pytest.approx(3600, abs=5), pytest.approx(7 * 86400, abs=5), pytest.approx(86400, abs=5)]


def test_a_channel_that_is_over_or_stopped_is_silent(drive: FakeDrive, receiver: Receiver, watch: Watch) -> None:
    over, stopped = watch().json(), watch().json()
    assert receiver.states(2) == ["sync", "sync"]

    assert stop(drive, stopped) == 204
    drive.world.create_folder("one", owner=ADA)
    assert receiver.next()["x-goog-channel-id"] == over["id"]
    drive.pass_time(timedelta(hours=2))
    drive.world.create_folder("two", owner=ADA)

    assert receiver.is_silent()


def test_only_who_opened_a_channel_stops_it(drive: FakeDrive, watch: Watch) -> None:
    channel = watch().json()

    assert stop(drive, channel, BOB) == 404
    assert stop(drive, channel, resourceId="another") == 404
    assert stop(drive, channel) == 204
    assert stop(drive, channel) == 404


def test_what_a_service_account_opened_any_user_of_it_stops(drive: FakeDrive, receiver: Receiver) -> None:
    key = drive.service_account(delegation=["drive.readonly"])
    body = {"id": "c-1", "type": "web_hook", "address": receiver.url}
    with official_client(drive.url, key, scope=READ) as itself, official_client(drive.url, key, subject=ADA, scope=READ) as as_ada:
        token = itself.changes().getStartPageToken().execute()["startPageToken"]
        channel = itself.changes().watch(pageToken=token, body=body).execute()

        as_ada.channels().stop(body={"id": "c-1", "resourceId": channel["resourceId"]}).execute()

    assert drive.journal.entries("channels.stop")[0].status == 204


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"id": ""}, "required"),
        ({"id": "with space"}, "invalid"),
        ({"type": "pigeon"}, "push.channelTypeNotSupported"),
        ({"token": "x" * 257}, "invalid"),
        ({"expiration": "1000"}, "invalid"),
        ({"address": "ftp://127.0.0.1/hook"}, "push.webhookUrlNotHttps"),
    ],
)
def test_a_channel_that_cannot_be_is_refused(watch: Watch, body: dict[str, Any], reason: str) -> None:
    refused = watch(**body)

    assert (refused.status_code, refused.json()["error"]["errors"][0]["reason"]) == (400, reason)


def test_an_id_is_taken_once(watch: Watch) -> None:
    first, second = watch(id="the-same"), watch(id="the-same")

    assert (first.status_code, second.status_code) == (200, 400)
    assert second.json()["error"]["errors"][0]["reason"] == "channelIdNotUnique"


def test_a_token_or_a_file_that_is_not_good_is_not_watched(drive: FakeDrive, watch: Watch) -> None:
    hidden = drive.world.create(owner=BOB, name="b", content=b"b")

    assert watch(f"files/{hidden}").status_code == 404
    assert watch(page_token="nothing").status_code == 400


def test_an_address_without_tls_is_refused_as_it_is_by_the_real_one(drive: FakeDrive, watch: Watch) -> None:
    drive.allow_http_receivers(allowed=False)

    refused = watch()

    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith("WebHook callback must be HTTPS: http://")


def test_nothing_is_sent_to_another_machine(drive: FakeDrive, receiver: Receiver, watch: Watch) -> None:
    elsewhere = watch(address=receiver.url.replace("127.0.0.1", "0.0.0.0")).json()
    here = watch().json()
    # Told after the other, by the same thread.
    told = receiver.next()

    assert told["x-goog-channel-id"] == here["id"]
    assert (drive.delivered()[0].channel_id, drive.delivered()[0].status) == (elsewhere["id"], 0)


def test_a_receiver_shows_a_certificate_that_is_trusted_or_is_not_told(
    drive: FakeDrive, receiver: Receiver, watch: Watch, tmp_path: Path
) -> None:
    authority = PrivateAuthority(tmp_path)
    with receiving(tls_context(authority.server())) as over_tls:
        watch(address=over_tls.url)
        watch()
        # Told after the other, by the same thread.
        receiver.next()
        refused = drive.delivered()[0]
        drive.push_settings(trusted=authority.certificate)
        drive.world.create_folder("one", owner=ADA)

        assert over_tls.next()["x-goog-resource-state"] == "change"
    assert (refused.state, refused.status) == ("sync", 0)


def test_what_is_told_of_a_file_goes_by_what_differs() -> None:
    file = {"version": "1", "trashed": False, "parents": ["a"]}

    assert look_at(file, file) is None
    assert look_at(None, None) is None
    assert look_at(None, file) == ("add", "")
    assert look_at(file, {**file, "version": "2", "parents": ["b"]}) == ("update", "parents")
