"""The part of the source suite about subscriptions: who asked to be called is called, and nobody else is believed."""

from __future__ import annotations

import hashlib
import secrets
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import Forbidden
from connector_pipelines.core.protocols import AcceptsWebhooks, KnownSubscription, Subscribes, Subscription, WebhookAnswer, WebhookRequest
from connector_pipelines.testing._source_world import World

__all__ = ["Remembered", "SubscribesContract", "SubscribingSource", "receiving"]

_PATIENCE_S = 10.0


class SubscribingSource(Subscribes, AcceptsWebhooks):
    """What the contract is for: a source that can be told of changes."""


class Remembered:
    """What a gateway knows: a `Subscriptions`, to be given to the source with its tools."""

    def __init__(self) -> None:
        self.known: dict[str, KnownSubscription] = {}

    def find(self, subscription_id: str) -> KnownSubscription | None:
        return self.known.get(subscription_id)


@dataclass
class Receiver:
    """Stands for the gateway on loopback: hands each call to the source, and keeps it with the answer; None where it was not genuine."""

    source: SubscribingSource
    heard: list[tuple[WebhookRequest, WebhookAnswer | None]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    address: str = ""

    def take(self, request: WebhookRequest) -> int:
        try:
            answer = self.source.accept(request)
        except Forbidden:
            answer = None
        with self.changed:
            self.heard.append((request, answer))
            self.changed.notify_all()
        return 202 if answer else 401

    def told(self, subscription: Subscription) -> tuple[WebhookRequest, WebhookAnswer]:
        """The first call by which this subscription told something, waited for."""

        def found() -> tuple[WebhookRequest, WebhookAnswer] | None:
            for request, answer in self.heard:
                if answer and any(one.subscription_id == subscription.id and one.delivery_ids for one in answer.heard):
                    return request, answer
            return None

        with self.changed:
            assert self.changed.wait_for(found, _PATIENCE_S), "a change was told to nobody"
            call = found()
        assert call is not None
        return call


class SubscribesContract:
    """For sources that `Subscribes`. Fixtures to give: `world`, whose changes are told to addresses on loopback without TLS, and `source`, made
    with tools that have `remembered` for their `subscriptions`."""

    @pytest.fixture
    def remembered(self) -> Remembered:
        return Remembered()

    @pytest.fixture
    def receiver(self, source: SubscribingSource) -> Iterator[Receiver]:
        with receiving(source) as found:
            yield found

    def test_it_can_be_subscribed_to_and_proves_what_it_is_told(self, source: SubscribingSource) -> None:
        assert isinstance(source, Subscribes)
        assert isinstance(source, AcceptsWebhooks)

    def test_what_it_wants_to_hear_of_has_the_same_names_each_time(self, source: SubscribingSource) -> None:
        wanted = source.resources()
        assert wanted
        assert dict(source.resources()) == dict(wanted)
        assert all(life >= timedelta(minutes=1) for life in wanted.values())

    def test_a_subscription_is_the_one_asked_for_and_ends_when_it_says(
        self, source: SubscribingSource, receiver: Receiver, remembered: Remembered
    ) -> None:
        (resource, life), *_ = source.resources().items()
        found = subscribed(source, receiver, remembered)
        assert (found.id, found.resource) == (next(iter(remembered.known)), resource)
        assert found.handle
        assert datetime.now(UTC) < found.expires_at <= datetime.now(UTC) + life

    def test_a_change_is_told_by_its_subscription(
        self, source: SubscribingSource, world: World, receiver: Receiver, remembered: Remembered
    ) -> None:
        found = subscribed(source, receiver, remembered)
        world.put("a.txt", b"a")
        _, answer = receiver.told(found)
        (heard,) = answer.heard
        assert (heard.subscription_id, heard.handle) == (found.id, found.handle)
        assert set(heard.delivery_ids) == {name for name, _ in answer.notifications}
        assert [request for request, answer in receiver.heard if answer is None] == []

    def test_a_call_that_is_made_again_is_the_same_delivery(
        self, source: SubscribingSource, world: World, receiver: Receiver, remembered: Remembered
    ) -> None:
        found = subscribed(source, receiver, remembered)
        world.put("a.txt", b"a")
        request, answer = receiver.told(found)
        assert source.accept(request) == answer

    def test_a_call_is_believed_by_the_secret_and_the_handle_of_its_subscription_only(
        self, source: SubscribingSource, world: World, receiver: Receiver, remembered: Remembered
    ) -> None:
        found = subscribed(source, receiver, remembered)
        world.put("a.txt", b"a")
        request, _ = receiver.told(found)
        genuine = remembered.known[found.id]
        for other in (replace(genuine, secret_sha256=hashlib.sha256(b"another").digest()), replace(genuine, handle="another")):
            remembered.known[found.id] = other
            with pytest.raises(Forbidden):
                source.accept(request)
        remembered.known.clear()
        with pytest.raises(Forbidden):
            source.accept(request)

    def test_who_let_it_go_is_told_nothing_more_and_may_say_so_twice(
        self, source: SubscribingSource, world: World, receiver: Receiver, remembered: Remembered
    ) -> None:
        gone, kept = subscribed(source, receiver, remembered), subscribed(source, receiver, remembered)
        source.unsubscribe(gone)
        source.unsubscribe(gone)
        before = len(receiver.heard)
        world.put("a.txt", b"a")
        receiver.told(kept)
        told = [one.subscription_id for _, answer in receiver.heard[before:] if answer for one in answer.heard if one.delivery_ids]
        assert set(told) == {kept.id}


@contextmanager
def receiving(source: SubscribingSource) -> Iterator[Receiver]:
    """A gateway for calls that `source` is to prove."""
    found = Receiver(source)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(found))
    found.address = f"http://127.0.0.1:{server.server_port}/webhooks/suite"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def subscribed(source: SubscribingSource, receiver: Receiver, remembered: Remembered) -> Subscription:
    """Subscribe to the first resource as the house does: what is remembered is there before it is asked for."""
    (resource, life), *_ = source.resources().items()
    name, secret, until = str(uuid.uuid4()), secrets.token_urlsafe(32), datetime.now(UTC) + life
    known = KnownSubscription(
        id=name, resource=resource, handle=None, expires_at=until, secret_sha256=hashlib.sha256(secret.encode()).digest()
    )
    remembered.known[name] = known
    found = source.subscribe(resource, address=receiver.address, subscription_id=name, secret=SecretStr(secret), until=until)
    remembered.known[name] = replace(known, handle=found.handle, expires_at=found.expires_at)
    return found


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.take(WebhookRequest(method="POST", headers=headers, query={}, body=body)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    return Handler
