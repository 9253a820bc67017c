"""What webhooks were told is kept once, owed to every endpoint, and answered for by the look that came after it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile
from connector_pipelines.store.catalog import inbox, retention
from connector_pipelines.store.catalog.inbox import Arrived, Refused
from tests.catalog_world import NOW, endpoint_config
from tests.store import acts
from tests.store.acts import begin, finish, reasons, request

WEBHOOK = {"verify": {"type": "token", "secrets": ["env:TOKEN"]}}
LATER = NOW + timedelta(hours=1)


def configure(world, *slugs, webhook=WEBHOOK, **facts):
    endpoints = [endpoint_config(slug, **facts) for slug in slugs or ("docs", "more")]
    connector = ConnectorConfig(name="files", kind="local_folder", endpoints=endpoints, webhook=webhook)
    world.apply(ConnectorsFile(connectors=(connector,)))


@pytest.fixture
def told(world):
    """The world with a webhook; what is returned takes calls: delivery ids, which their sender gave unless `named` is false."""
    configure(world)

    def tell(*ids, named=True, payload=None, at=NOW):
        arrived = [
            Arrived(
                tenant_id=world.endpoint.tenant_id, connector_id=world.endpoint.connector_id, delivery_id=one, payload=payload or {"id": one},
                received_at=at, named=named,
            )
            for one in ids
        ]  # fmt: skip
        with world.database.tenant(world.endpoint.tenant_id) as tx:
            return inbox.keep(tx, arrived)

    return tell


def owed(world, slug="docs"):
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        return inbox.owed(tx, world.find(slug).id)


def answer(world, which, slug="docs", at=NOW):
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        inbox.answer(tx, world.find(slug).id, which, at)


def open_calls(world):
    return [row["delivery_id"] for row in world.rows("SELECT delivery_id FROM webhook_inbox WHERE done_at IS NULL ORDER BY id")]


def test_a_call_is_owed_to_each_endpoint_and_done_when_the_last_has_looked(world, told):
    assert told("a", "b") == 2

    answer(world, owed(world))
    assert (owed(world), len(owed(world, "more")), open_calls(world)) == ([], 2, ["a", "b"])

    answer(world, owed(world, "more"), "more")
    assert open_calls(world) == []


def test_a_delivery_that_is_made_again_is_one_whenever_it_comes(world, told):
    told("a")
    answer(world, owed(world))
    answer(world, owed(world, "more"), "more")

    assert told("a", "a") == 0
    assert (owed(world), open_calls(world)) == ([], [])


def test_a_call_without_a_name_that_comes_again_is_owed_again_and_no_look_before_it_answers_for_it(world, told):
    told("body:1", named=False)
    taken = owed(world)
    told("body:1", named=False)

    answer(world, taken)

    assert len(world.rows("SELECT id FROM webhook_inbox")) == 1
    assert len(owed(world)) == 1
    answer(world, owed(world))
    assert owed(world) == []


def test_a_call_without_a_name_that_was_done_comes_back_as_news(world, told):
    told("body:1", named=False)
    for slug in ("docs", "more"):
        answer(world, owed(world, slug), slug)
    assert open_calls(world) == []

    told("body:1", named=False)

    assert (open_calls(world), len(owed(world))) == (["body:1"], 1)


def test_two_endpoints_that_answer_at_once_leave_nothing_open(world, told):
    told(*map(str, range(50)))
    first, second = owed(world), owed(world, "more")
    threads = [threading.Thread(target=answer, args=(world, which, slug)) for which, slug in ((first, "docs"), (second, "more"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert open_calls(world) == []


def test_what_postgres_cannot_keep_of_a_payload_is_left_out_and_the_rest_is_kept(world, told):
    told("n\x00ul", payload={"te\x00xt": "a\x00b\ud800", "number": float("inf")})

    assert world.rows("SELECT delivery_id, payload FROM webhook_inbox") == [
        {"delivery_id": "nul", "payload": {"text": "ab?", "number": None}}
    ]


def test_notifications_are_read_in_order_and_no_more_at_once_than_fit(world, told):
    told(*"abc")
    waiting = owed(world)

    with world.database.tenant(world.endpoint.tenant_id) as tx:
        one = inbox.notifications(tx, waiting, 10, at_most_bytes=1)
        two = inbox.notifications(tx, waiting, 2)

    assert [found.delivery_id for found in one.values()] == ["a"]
    assert [(found.delivery_id, found.payload) for found in two.values()] == [("a", {"id": "a"}), ("b", {"id": "b"})]


def test_another_tenant_sees_none_of_it(world, told):
    told("a")
    stranger = world.rows("INSERT INTO tenants (name) VALUES ('stranger') RETURNING id::text")[0]["id"]

    with world.database.tenant(stranger) as tx:
        assert inbox.owed(tx, world.endpoint.id) == []
        assert tx.execute("SELECT id FROM webhook_inbox").fetchall() == []


# What it makes due


def test_an_endpoint_that_is_owed_a_notification_is_due_until_it_has_looked(world, told):
    told("a")
    assert reasons(world) == {"docs": "notified", "more": "notified"}

    answer(world, owed(world))

    assert reasons(world) == {"more": "notified"}


def test_a_paused_endpoint_is_owed_what_comes_and_is_due_when_it_goes_on(world, told):
    configure(world, "docs", "more", paused=True)
    told("a")
    assert reasons(world) == {}

    configure(world)

    assert reasons(world) == {"docs": "notified", "more": "notified"}


def test_an_endpoint_that_was_put_aside_is_owed_nothing_and_holds_up_nothing(world, told):
    told("a")
    configure(world, "docs")
    answer(world, owed(world))

    assert (open_calls(world), reasons(world)) == ([], {})


def test_a_connector_is_receiving_while_it_has_a_webhook_and_an_endpoint(world):
    def receiving():
        with world.database.operator() as tx:
            return [(one.connector, one.endpoint, one.settings.verify.type) for one in inbox.receivers(tx)]

    configure(world)
    assert receiving() == [("files", "docs", "token")]
    configure(world, webhook=None)
    assert receiving() == []
    configure(world)
    world.execute("UPDATE endpoints SET removed_at = now()")
    assert receiving() == []


def test_a_listing_that_failed_is_not_begun_sooner_for_a_notification(world, told):
    told("a")
    begin(world)
    finish(world, error={"code": "unavailable", "class": "transient", "stage": "listing"}, retry_at=LATER)
    assert "docs" not in reasons(world, LATER - timedelta(minutes=1))
    assert reasons(world, LATER)["docs"] == "leftovers"


def test_a_listing_that_failed_for_good_is_not_begun_again_and_again_for_a_notification(world, told):
    told("a")
    begin(world)
    finish(world, error={"code": "malformed", "class": "permanent", "stage": "listing"})

    assert "docs" not in reasons(world, NOW + timedelta(minutes=10))
    assert reasons(world, NOW + timedelta(minutes=20))["docs"] == "notified"


# Whether notifications are all there is a reason for


def only_notified(world, now=NOW):
    with world.database.operator() as tx:
        found = world.find("docs")
        return acts.scheduling.begin(tx, found.id, found.schedule, now, notified=True)


def test_notifications_are_all_there_is_a_reason_for_when_the_feed_was_read_and_nothing_else_asks(world, told):
    assert not only_notified(world)
    world.execute("UPDATE endpoints SET cursor = 'there'")
    assert only_notified(world)

    request(world)
    assert not only_notified(world)
    world.execute("UPDATE endpoints SET deletions_approved = true")
    assert not only_notified(world)


def test_a_stream_of_notifications_does_not_put_off_what_is_scheduled(world):
    configure(world, schedule={"type": "interval", "every": "1h"})
    world.execute("UPDATE endpoints SET cursor = 'there', next_due_at = %s", LATER)

    assert only_notified(world, NOW + timedelta(minutes=30))
    assert acts.endpoint(world)["next_due_at"] == LATER
    assert not only_notified(world, LATER)
    assert acts.endpoint(world)["next_due_at"] == LATER + timedelta(hours=1)


def test_what_a_killed_sync_left_is_asked_for_again_as_a_whole(world, told):
    world.execute("UPDATE endpoints SET cursor = 'there'")
    gone = world.rows("INSERT INTO workers (run_id, host, pid) VALUES ('gone', 'here', 1) RETURNING id")[0]["id"]
    world.execute("UPDATE endpoints SET holder = %s", gone)

    acts.hold(world)

    assert not only_notified(world)


# What is refused, and what is forgotten


def refuse(world, calls, reason="forged", connector=None):
    with world.database.operator() as tx:
        found = connector or world.endpoint.connector_id
        inbox.count_refusals(tx, [Refused(connector_id=found, day=NOW.date(), reason=reason, calls=calls, last_at=NOW)])


def test_refused_calls_add_up_by_reason_and_day_and_those_of_a_connector_that_is_gone_are_let_go(world, told):
    refuse(world, 3)
    refuse(world, 4)
    refuse(world, 1, reason="replayed")
    refuse(world, 1, connector="00000000-0000-0000-0000-000000000000")

    assert world.rows("SELECT reason, calls FROM webhook_refusals ORDER BY 1") == [
        {"reason": "forged", "calls": 7}, {"reason": "replayed", "calls": 1}
    ]  # fmt: skip


def test_what_is_done_is_forgotten_after_a_while_and_what_is_owed_never(world, told):
    told("done", "owed")
    done, waiting = owed(world)
    for slug in ("docs", "more"):
        answer(world, [done], slug)
    refuse(world, 1)

    forgotten = retention.forget_before(world.database, history=LATER + timedelta(days=1), audit=NOW - timedelta(days=1))

    assert {name: n for name, n in forgotten.items() if name.startswith("webhook")} == {"webhook_inbox": 1, "webhook_refusals": 1}
    assert owed(world) == [waiting]
