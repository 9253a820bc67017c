"""Calls of a webhook, genuine and not, as a receiver that checks by hand sees them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from connector_pipelines.testing.fake_api import Notifier

SECRET = "between us"


class Receiver:
    """Takes what is signed with the secret within five minutes; 401 for the rest."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, object]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                at = self.headers.get("X-Timestamp", "0")
                right = "sha256=" + hmac.new(SECRET.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
                genuine = self.headers.get("X-Signature") == right and abs(time.time() - int(at)) < 300
                if genuine or self.headers.get("X-Webhook-Token") == SECRET:
                    receiver.taken.append((self.headers["X-Delivery-Id"], json.loads(body)))
                self.send_response(204 if genuine else 401)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def test_a_signed_call_is_taken_and_the_same_again_has_the_same_delivery_id(receiver: Receiver) -> None:
    notifier = Notifier(url=receiver.url, secret=SECRET)

    statuses = [notifier.send({"id": 1}, delivery_id="d1"), notifier.send({"id": 1}, delivery_id="d1"), notifier.send({"id": 2})]

    assert statuses == [204, 204, 204]
    assert [delivery for delivery, _ in receiver.taken[:2]] == ["d1", "d1"]
    assert receiver.taken[2][0] != "d1"


@pytest.mark.parametrize("forgery", ["signature", "body", "timestamp", "unsigned"])
def test_a_forged_call_is_none(receiver: Receiver, forgery: str) -> None:
    assert Notifier(url=receiver.url, secret=SECRET).send({"id": 1}, forgery=forgery) == 401  # type: ignore[arg-type]


def test_an_old_call_is_signed_for_its_time(receiver: Receiver) -> None:
    notifier = Notifier(url=receiver.url, secret=SECRET)

    assert [notifier.send({}, age_s=age) for age in (200, 400)] == [204, 401]


def test_a_token_is_sent_as_it_is(receiver: Receiver) -> None:
    Notifier(url=receiver.url, token=SECRET).send({"id": 1})

    assert [payload for _, payload in receiver.taken] == [{"id": 1}]


def test_many_are_told_at_once_each_as_often_as_wanted(receiver: Receiver) -> None:
    statuses = Notifier(url=receiver.url, secret=SECRET).send_many([{"id": n} for n in range(50)], copies=2)

    assert statuses == {204: 100}
    assert len({delivery for delivery, _ in receiver.taken}) == 50


def test_secrets_are_not_in_its_repr() -> None:
    assert "between" not in repr(Notifier(url="http://x", secret=SECRET, token=SECRET))
