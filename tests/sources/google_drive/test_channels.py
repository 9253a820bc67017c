"""Channels: what is asked of Drive, what it grants, and which messages are believed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, Forbidden, Malformed, PermanentError, SubjectRefused, Unavailable
from connector_pipelines.core.protocols import Heard, KnownSubscription, Subscription, WebhookAnswer, WebhookRequest
from connector_pipelines.sources.google_drive import Config, Source
from connector_pipelines.sources.google_drive.channels import Feed, accepted, stop, watch, watched
from connector_pipelines.testing.fake_drive import BackendError, Denied, FakeDrive
from connector_pipelines.testing.source_suite import Remembered, SubscribesContract
from tests.sources.google_drive.reached import ADA, BEN, Reach

CHANNEL, TOKEN, RESOURCE = "0f4c9e1e-9f0c-4c3b-8f43-0d4a0a6b7a11", "t" * 43, "o3hgv1538sdjfh"
KNOWN = KnownSubscription(
    id=CHANNEL,
    resource="user:me",
    handle=RESOURCE,
    expires_at=datetime(2026, 5, 1, tzinfo=UTC),
    secret_sha256=hashlib.sha256(TOKEN.encode()).digest(),
)
SECRET = SecretStr(TOKEN)
ADDRESS = "http://127.0.0.1:9/webhooks/drive"


class Known:
    """What the gateway knows."""

    def __init__(self, *known: KnownSubscription) -> None:
        self._known = {one.id: one for one in known}

    def find(self, subscription_id: str) -> KnownSubscription | None:
        return self._known.get(subscription_id)


@pytest.fixture
def drive() -> Iterator[FakeDrive]:
    with FakeDrive() as made:
        for person in (ADA, BEN):
            made.world.add_user(person)
        made.allow_http_receivers()
        yield made


def opened(drive: FakeDrive, resource: str, channel: str = CHANNEL, address: str = ADDRESS, **reach: object) -> Subscription:
    until = datetime.now(UTC) + timedelta(days=7)
    with Reach(drive, **reach).drives() as drives:  # type: ignore[arg-type]
        return watch(drives, resource, address=address, subscription_id=channel, secret=SECRET, until=until)


def message(method: str = "POST", **other: str | None) -> WebhookRequest:
    """One as Google makes it, with `other` headers (`_` for `-`) instead of the right ones; None: without it."""
    headers: Mapping[str, str | None] = {
        "x-goog-channel-id": CHANNEL, "x-goog-channel-token": TOKEN, "x-goog-resource-id": RESOURCE, "x-goog-resource-state": "change",
        "x-goog-message-number": "17", "user-agent": "APIs-Google", **{f"x-goog-{name.replace('_', '-')}": value for name, value in other.items()},
    }  # fmt: skip
    return WebhookRequest(method=method, headers={name: value for name, value in headers.items() if value is not None}, query={}, body=b"")


def test_a_feed_is_a_resource_whose_name_says_whose_it_is() -> None:
    feeds = [Feed(), Feed(ADA), Feed(None, "0ABC"), Feed(ADA, "0ABC")]

    assert list(watched(feeds).items()) == [
        ("user:me", timedelta(days=7)),
        (f"user:{ADA}", timedelta(days=7)),
        ("drive:0ABC:me", timedelta(days=7)),
        (f"drive:0ABC:{ADA}", timedelta(days=7)),
    ]
    assert [Feed.of(feed.resource) for feed in feeds] == feeds


@pytest.mark.parametrize("user", [None, BEN])
def test_a_channel_is_opened_as_its_user_for_as_long_as_drive_grants(drive: FakeDrive, user: str | None) -> None:
    found = opened(drive, Feed(user).resource)

    (watching,) = [call for call in drive.calls() if call.call == "changes.watch"]
    assert (found.id, found.resource, watching.user) == (CHANNEL, Feed(user).resource, user or ADA)
    assert found.handle
    assert timedelta(days=6, hours=23) < found.expires_at - datetime.now(UTC) <= timedelta(days=7)


def test_the_feed_of_a_shared_drive_is_watched_and_not_its_members(drive: FakeDrive) -> None:
    shared = drive.world.add_drive("Quay", {ADA: "organizer"})
    mine, of_drive = opened(drive, "user:me"), opened(drive, Feed(None, shared).resource, "another-channel")

    drive.world.create(parent=shared, name="a.txt", content=b"a")

    assert mine.handle != of_drive.handle
    (watching,) = [call for call in drive.calls() if call.call == "changes.watch" and call.params.get("driveId")]
    assert (watching.params["driveId"], watching.params["supportsAllDrives"]) == (shared, "true")


def test_a_channel_is_stopped_and_one_that_has_ended_is_not_missed(drive: FakeDrive) -> None:
    found = opened(drive, f"user:{BEN}")

    with Reach(drive).drives() as drives:
        stop(drives, found)
        stop(drives, found)

    stops = [(call.user, call.status) for call in drive.calls() if call.call == "channels.stop"]
    assert stops == [(BEN, 204), (BEN, 404)]


def test_an_address_that_google_does_not_call_is_a_setting_to_correct(drive: FakeDrive) -> None:
    drive.allow_http_receivers(allowed=False)

    with pytest.raises(ConfigurationError, match="must be HTTPS") as caught:
        opened(drive, "user:me")

    assert "CONNECTORS_PUBLIC_URL" in caught.value.advice


def test_a_domain_that_is_not_verified_is_no_refusal_of_who_we_are(drive: FakeDrive) -> None:
    said = "Unauthorized WebHook callback channel: https://hooks.example.com/webhooks/drive"
    drive.fault(Denied(status=401, reason="push.webhookUrlUnauthorized", message=said), call="changes.watch")

    with pytest.raises(ConfigurationError, match="Unauthorized WebHook callback") as caught:
        opened(drive, "user:me", address="https://hooks.example.com/webhooks/drive")

    assert "Search Console" in caught.value.advice


def test_a_channel_id_that_is_taken_is_an_error_of_its_own(drive: FakeDrive) -> None:
    opened(drive, "user:me")

    with pytest.raises(PermanentError, match="not unique"):
        opened(drive, "user:me")


def test_a_user_who_left_is_refused_as_that_user(drive: FakeDrive) -> None:
    with pytest.raises(SubjectRefused):
        opened(drive, f"user:{BEN}", gone=frozenset({BEN}))


def test_no_second_try_is_made_where_the_first_may_have_worked(drive: FakeDrive) -> None:
    drive.fault(BackendError(status=500), call="changes.watch")

    with pytest.raises(Unavailable):
        opened(drive, "user:me")

    assert drive.journal.counts()["changes.watch"] == 1


def test_a_message_names_its_channel_and_by_its_number_itself() -> None:
    answer = accepted(message(), Known(KNOWN))

    payload = {"channel": CHANNEL, "resource": "user:me", "state": "change", "message": 17}
    assert answer == WebhookAnswer(notifications=((f"{CHANNEL}:17", payload),), heard=(Heard(CHANNEL, RESOURCE, (f"{CHANNEL}:17",)),))


def test_the_first_message_tells_nothing_but_that_it_is_here_and_what_its_resource_is_called() -> None:
    asked = KnownSubscription(id=CHANNEL, resource="user:me", handle=None, expires_at=KNOWN.expires_at, secret_sha256=KNOWN.secret_sha256)

    assert accepted(message(resource_state="sync", message_number="1"), Known(asked)) == WebhookAnswer(heard=(Heard(CHANNEL, RESOURCE),))


@pytest.mark.parametrize(
    "wrong",
    [
        {"channel_token": "another"}, {"channel_token": None}, {"channel_token": ""}, {"channel_token": f"{TOKEN}, {TOKEN}"}, {"channel_token": "é"},
        {"channel_id": "another"}, {"channel_id": None}, {"resource_id": "another"}, {"resource_id": None},
    ],
)  # fmt: skip
def test_a_message_with_another_token_channel_or_resource_is_not_genuine(wrong: dict[str, str | None]) -> None:
    with pytest.raises(Forbidden):
        accepted(message(**wrong), Known(KNOWN))


@pytest.mark.parametrize(
    "odd",
    [
        {"message_number": "x"},
        {"message_number": None},
        {"message_number": "٣"},
        {"resource_state": None},
        {"resource_state": "A-word_of-whoever-4711"},
        {"method": "GET"},
    ],
)
def test_a_genuine_message_that_is_none_of_googles_is_malformed(odd: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        accepted(message(**odd), Known(KNOWN))


class Files:
    """Ada's My Drive as the suite sees it."""

    def __init__(self, drive: FakeDrive) -> None:
        self._world = drive.world

    def put(self, name: str, body: bytes) -> str:
        return self._world.create(owner=ADA, name=name, content=body)


class TestChannels(SubscribesContract):
    @pytest.fixture
    def world(self, drive: FakeDrive) -> Files:
        return Files(drive)

    @pytest.fixture
    def source(self, drive: FakeDrive, remembered: Remembered) -> Iterator[Source]:
        found = Source(Config(my_drive=True, api_url=drive.url, allow_private=True), replace(Reach(drive).tools, subscriptions=remembered))
        yield found
        found.close()
