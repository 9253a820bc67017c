"""Google Drive tells of its changes: channels through a real gateway, as Google opens, delivers and stops them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from connector_pipelines.pipeline.session import Services
from connector_pipelines.pipeline.subscribing import Kept, keep_subscribed
from connector_pipelines.store.catalog.scheduling import due
from connector_pipelines.store.catalog.subscriptions import SubscriptionRow, listed
from connector_pipelines.store.sealing import Sealer, keys_below
from connector_pipelines.testing.fake_drive import Delivered, FakeDrive
from tests.gateway.conftest import Gate, eventually

ADA, BEN = "ada@example.com", "ben@example.com"


@dataclass
class World:
    """The connector `crm`: `papers` is the drives of ADA and BEN, `quay` a shared drive."""

    gate: Gate
    drive: FakeDrive
    services: Services
    shared: str

    def keep(self, slug: str) -> Kept:
        return keep_subscribed(self.services, slug, clock=self.gate.clock)

    def rows(self, *states: str) -> list[SubscriptionRow]:
        with self.services.database.operator() as tx:
            return [row for _, row in listed(tx, None) if not states or row.state in states]

    def delivered(self, state: str) -> list[Delivered]:
        return [one for one in self.drive.delivered() if one.state == state]

    def notified(self) -> list[str]:
        with self.services.database.operator() as tx:
            return [one.slug for one in due(tx, "google_drive", self.gate.clock()) if one.reason == "notified"]

    def synced(self) -> None:
        """As if a sync had begun and ended."""
        self.gate.execute("UPDATE endpoints SET requested_at = NULL, next_due_at = NULL")


@pytest.fixture
def world(gate: Gate) -> Iterator[World]:
    gate.clock.now = datetime.now(UTC)
    with FakeDrive() as drive:
        for person in (ADA, BEN):
            drive.world.add_user(person)
        shared = drive.world.add_drive("Quay", {ADA: "organizer"})
        drive.allow_http_receivers()
        key = drive.service_account(delegation=["drive.readonly"])
        (gate.folder / "key.json").write_text(json.dumps(key))
        settings = gate.services.settings.model_copy(update={"public_url": f"http://{gate.address[0]}:{gate.address[1]}"})
        services = replace(gate.services, settings=settings, sealer=Sealer(keys_below(gate.folder / "secret.keys")))
        reach = {"api_url": drive.url, "allow_private": True}
        ends = [
            {"slug": "papers", "settings": {"my_drive": True, "users": [ADA, BEN], **reach}},
            {"slug": "quay", "settings": {"shared_drive": shared, "users": [ADA], **reach}},
        ]
        auth = {"type": "google_service_account", "key": "file:key.json", "scopes": ["https://www.googleapis.com/auth/drive.readonly"]}
        gate.configure({"verify": {"type": "source"}}, kind="google_drive", auth=auth, endpoints=ends)
        yield World(gate, drive, services, shared)


def test_a_channel_is_opened_for_each_user_and_shared_drive_and_its_first_message_tells_nothing(world: World) -> None:
    kept = [world.keep("papers"), world.keep("quay")]

    assert [(one.wanted, one.open, one.failing) for one in kept] == [(2, 2, 0), (1, 1, 0)]
    assert {row.resource for row in world.rows("open")} == {f"user:{ADA}", f"user:{BEN}", f"drive:{world.shared}:{ADA}"}
    assert eventually(lambda: len(world.delivered("sync")) == 3)
    assert {one.status for one in world.delivered("sync")} <= {200, 202}
    assert world.gate.inbox() == []
    assert all(timedelta(days=6, hours=23) < row.expires_at - world.gate.clock() <= timedelta(days=7) for row in world.rows())


def test_a_change_makes_the_endpoint_of_its_channel_due_and_no_other(world: World) -> None:
    world.keep("papers"), world.keep("quay")
    world.synced()

    world.drive.world.create(owner=BEN, name="a.txt", content=b"a")

    assert eventually(lambda: world.notified() == ["papers"])
    (told,) = world.gate.inbox()
    (channel,) = [row for row in world.rows() if row.resource == f"user:{BEN}"]
    assert told["payload"] == {"channel": channel.id, "resource": f"user:{BEN}", "state": "change", "message": told["payload"]["message"]}
    assert told["delivery_id"] == f"{channel.id}:{told['payload']['message']}"


def test_many_changes_make_an_endpoint_due_once(world: World) -> None:
    world.keep("quay")
    world.synced()

    for number in range(20):
        world.drive.world.create(parent=world.shared, name=f"{number}.txt", content=b"a")

    assert eventually(lambda: world.notified() == ["quay"])
    assert all(one.status == 202 for one in world.delivered("change"))


def test_a_forged_message_is_refused_and_counted(world: World) -> None:
    world.keep("quay")
    (row,) = world.rows()
    headers = {
        "X-Goog-Channel-ID": row.id, "X-Goog-Channel-Token": "guessed", "X-Goog-Resource-ID": row.handle or "", "X-Goog-Resource-State": "change",
        "X-Goog-Message-Number": "7",
    }  # fmt: skip

    assert world.gate.client.post("/webhooks/crm", headers=headers).status_code == 401
    assert world.gate.client.get("/webhooks/crm").status_code == 401
    assert world.gate.refused() == {"forged": 2}
    assert world.gate.inbox() == []


def test_a_channel_is_replaced_with_overlap_and_the_old_one_stopped(world: World) -> None:
    world.keep("quay")
    (first,) = world.rows()
    world.gate.clock.forward(days=5)

    kept = world.keep("quay")

    assert kept.error == ""
    (second,) = world.rows("open")
    assert (kept.opened, kept.stopped, second.id != first.id) == (1, 1, True)
    calls = [call.call for call in world.drive.calls() if call.call in {"changes.watch", "channels.stop"}]
    assert calls == ["changes.watch", "changes.watch", "channels.stop"]
    world.synced()
    world.drive.world.create(parent=world.shared, name="a.txt", content=b"a")
    assert eventually(lambda: [one.channel_id for one in world.delivered("change")] == [second.id])
    assert eventually(lambda: world.notified() == ["quay"])


def test_a_paused_endpoint_has_its_channels_stopped(world: World) -> None:
    world.keep("papers")
    world.gate.execute("UPDATE endpoints SET paused = true WHERE slug = 'papers'")

    assert world.keep("papers").stopped == 2
    stops = sorted(call.user for call in world.drive.calls() if call.call == "channels.stop" and call.status == 204)
    assert stops == [ADA, BEN]


def test_a_user_who_left_has_no_channel_and_the_others_do(world: World) -> None:
    world.drive.world.suspend(BEN)

    kept = world.keep("papers")

    assert (kept.wanted, kept.open, kept.failing) == (2, 1, 1)
    assert BEN in kept.error


def test_the_gateway_needs_no_key_of_the_account_to_prove_a_message_and_asks_for_none(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.keep("quay")
    world.gate.execute("""UPDATE connectors SET auth_config = jsonb_set(auth_config, '{key}', '"env:OUT_OF_ITS_REACH"')""")
    world.gate.clock.forward(minutes=5)

    world.drive.world.create(parent=world.shared, name="a.txt", content=b"a")

    assert eventually(lambda: [one.status for one in world.delivered("change")] == [202])
    assert "OUT_OF_ITS_REACH" not in caplog.text
