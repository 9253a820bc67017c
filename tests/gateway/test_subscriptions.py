"""Subscriptions from end to end: asked for, heard through a real gateway, replaced, stopped; and what goes wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector_pipelines.core.errors import Forbidden, RateLimited, Unauthenticated, Unavailable
from connector_pipelines.pipeline.purging import purge
from connector_pipelines.pipeline.session import Services
from connector_pipelines.pipeline.subscribing import Kept, keep_subscribed, stop_subscriptions
from connector_pipelines.store.catalog.subscriptions import SubscriptionRow, listed, needing
from connector_pipelines.testing.memory_push import SERVICES, PushService
from tests.gateway.conftest import Gate

BY_SOURCE = {"verify": {"type": "source"}}


class Killed(BaseException):
    """What no code of ours catches."""


@dataclass
class World:
    """The connector `crm` of a kind that tells, with the endpoints `papers` and `plans`."""

    gate: Gate
    papers: PushService
    services: Services

    @property
    def address(self) -> str:
        return f"http://{self.gate.address[0]}:{self.gate.address[1]}"

    def keep(self, slug: str = "papers") -> Kept:
        kept = keep_subscribed(self.services, slug, clock=self.gate.clock)
        self.written()
        return kept

    def written(self) -> None:
        """What the gateway counted is in the rows."""
        self.gate.house.write_counts()

    def rows(self, *states: str) -> list[SubscriptionRow]:
        with self.services.database.operator() as tx:
            return [row for _, row in listed(tx, "papers") if not states or row.state in states]

    def needing(self) -> list[str]:
        with self.services.database.operator() as tx:
            return needing(tx, "telling", self.services.settings.public_url, self.gate.clock())

    def requested(self) -> list[str]:
        return [row["slug"] for row in self.gate.rows("SELECT slug FROM endpoints WHERE requested_at IS NOT NULL ORDER BY 1")]

    def let_pass(self, **time: float) -> None:
        self.gate.clock.forward(**time)

    def configure(self, *, webhook: dict[str, object] | None = BY_SOURCE, **papers: object) -> None:
        settings = papers.pop("settings", {})
        ends = [
            {"slug": "papers", "settings": {"service": "papers", **settings}, **papers},
            {"slug": "plans", "settings": {"service": "plans"}},
        ]
        self.gate.configure(webhook, kind="telling", endpoints=ends)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate) -> Iterator[World]:
    installed = tmp_path / "plugins" / "telling-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: telling\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[connector_pipelines.sources]\ntelling = connector_pipelines.testing.memory_push:Source\n")
    monkeypatch.syspath_prepend(str(installed.parent))
    SERVICES.update(papers=PushService(), plans=PushService())
    settings = gate.services.settings.model_copy(update={"public_url": f"http://{gate.address[0]}:{gate.address[1]}"})
    found = World(gate, SERVICES["papers"], replace(gate.services, settings=settings))
    found.configure()
    yield found
    SERVICES.clear()


def test_what_is_wanted_is_opened_and_its_greeting_taken_though_it_comes_before_the_answer(world: World) -> None:
    kept = world.keep()

    (row,) = world.rows()
    assert (kept.wanted, kept.open, kept.opened, kept.failing) == (1, 1, 1, 0)
    assert (row.state, row.handle, row.address) == ("open", "handle-of-all", f"{world.address}/webhooks/crm")
    assert world.papers.calls == [(row.id, "greeting", 202)]
    assert (row.calls, world.gate.inbox(), world.gate.owed()) == (1, [], [])


def test_one_that_is_opened_a_moment_after_the_gateway_looked_is_known_to_it_when_it_calls(world: World) -> None:
    world.keep()
    world.keep("plans")

    assert [status for _, _, status in SERVICES["plans"].calls] == [202]
    assert world.gate.refused() == {}


def test_what_is_unknown_is_looked_for_in_a_look_that_all_who_wait_share(world: World) -> None:
    from concurrent.futures import ThreadPoolExecutor

    world.keep()
    (promise,) = world.papers.promises.values()
    looks = world.gate.house.subscribed.looks

    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(lambda n: world.papers.call(promise, "changed", x_memory_id=f"unknown-{n}"), range(64)))

    assert statuses == [401] * 64
    assert world.gate.house.subscribed.looks - looks < 32
    assert world.gate.refused() == {"forged": 64}


def test_doubts_cost_the_database_four_looks_a_second_at_most(world: World) -> None:
    import time

    world.keep()
    (promise,) = world.papers.promises.values()
    looks, began = world.gate.house.subscribed.looks, time.monotonic()

    for number in range(3):
        world.papers.call(promise, "changed", x_memory_id=f"unknown-{number}")

    assert world.gate.house.subscribed.looks - looks == 3
    assert time.monotonic() - began > 0.45


def test_a_call_is_owed_to_the_endpoint_of_its_subscription_and_to_no_other(world: World) -> None:
    world.keep()

    assert world.papers.tell() == [202]

    (told,) = world.gate.inbox()
    assert world.gate.owed() == [("papers", told["id"])]
    assert told["payload"] == {"resource": "all"}


def test_a_call_that_is_made_again_is_the_same_one(world: World) -> None:
    world.keep()
    (promise,) = world.papers.promises.values()

    assert [world.papers.call(promise, "changed", x_memory_number="7") for _ in range(3)] == [202, 202, 202]
    assert len(world.gate.inbox()) == 1


@pytest.mark.parametrize("wrong", ["x_memory_secret", "x_memory_handle", "x_memory_id"])
def test_a_call_with_another_secret_handle_or_id_is_refused_and_counted(world: World, wrong: str) -> None:
    world.keep()
    (promise,) = world.papers.promises.values()
    world.let_pass(seconds=61)

    assert world.papers.call(promise, "changed", **{wrong: "another"}) == 401
    assert world.gate.refused() == {"forged": 1}
    assert world.gate.inbox() == []


def test_a_subscription_of_another_connector_proves_nothing_here(world: World) -> None:
    world.keep()
    (promise,) = world.papers.promises.values()
    papers = {"slug": "papers", "settings": {"service": "papers"}}
    other = {
        "name": "other",
        "kind": "telling",
        "webhook": BY_SOURCE,
        "endpoints": [{"slug": "of_other", "settings": {"service": "other"}}],
    }
    connectors = [{"name": "crm", "kind": "telling", "webhook": BY_SOURCE, "endpoints": [papers]}, other]
    world.gate.apply(connectors)

    assert world.papers.call(replace(promise, address=f"{world.address}/webhooks/other"), "changed") == 401
    assert world.papers.call(promise, "changed") == 202


def test_what_has_expired_is_refused(world: World) -> None:
    world.keep()
    world.let_pass(days=7, minutes=6)

    assert world.papers.tell() == [401]


def test_an_endpoint_that_heard_of_nothing_before_is_asked_to_sync_once_and_not_again_when_one_takes_the_place_of_another(
    world: World,
) -> None:
    world.keep()
    assert world.requested() == ["papers"]
    world.gate.execute("UPDATE endpoints SET requested_at = NULL")

    world.let_pass(days=5)
    assert world.keep().opened == 1
    assert world.requested() == []


def test_one_is_replaced_when_a_third_of_its_life_is_left_and_stopped_only_when_the_next_one_is_there(world: World) -> None:
    world.keep()
    (first,) = world.rows()
    world.let_pass(days=4, hours=15)
    world.keep()
    assert ("papers" in world.needing(), world.papers.calls[1:]) == (False, [])

    world.let_pass(hours=2)
    assert "papers" in world.needing()
    world.papers.refuses = Unavailable("away")
    world.keep()
    assert [row.id for row in world.rows("open")] == [first.id]
    assert world.papers.tell() == [202]

    world.papers.refuses = None
    world.let_pass(hours=1)
    kept = world.keep()
    (second,) = world.rows("open")
    assert (kept.opened, kept.stopped, kept.failing) == (1, 1, 0)
    assert list(world.papers.promises) == [second.id] != [first.id]


def test_a_call_that_was_under_way_when_its_subscription_was_stopped_is_taken_for_an_hour(world: World) -> None:
    world.keep()
    (promise,) = world.papers.promises.values()
    stop_subscriptions(world.services, "papers", clock=world.gate.clock)

    assert world.papers.promises == {}
    assert world.papers.call(promise, "changed") == 202
    world.let_pass(minutes=61)
    stop_subscriptions(world.services, "papers", clock=world.gate.clock)
    assert world.papers.call(promise, "changed") == 202
    world.keep()
    world.let_pass(seconds=61)
    assert world.papers.call(promise, "changed") == 401


@pytest.mark.parametrize("change", [{"paused": True}, {"webhook": None}, {"settings": {"resources": ["other"]}}])
def test_what_nobody_wants_any_more_is_stopped(world: World, change: dict[str, object]) -> None:
    world.keep()
    world.configure(**change)

    assert world.needing()[:1] == ["papers"]
    world.keep()
    assert [promise.resource for promise in world.papers.promises.values()] == (["other"] if "settings" in change else [])


def test_an_endpoint_that_was_removed_has_its_subscriptions_stopped(world: World) -> None:
    world.keep()
    world.gate.apply(
        [{"name": "crm", "kind": "telling", "webhook": BY_SOURCE, "endpoints": [{"slug": "plans", "settings": {"service": "plans"}}]}]
    )

    assert "papers" in world.needing()
    assert world.keep().stopped == 1
    assert world.papers.promises == {}
    assert world.needing() == ["plans"]


def test_without_a_public_address_nothing_is_opened_and_what_was_open_is_stopped(world: World) -> None:
    world.keep()
    inside = replace(world.services, settings=world.services.settings.model_copy(update={"public_url": None}))

    kept = keep_subscribed(inside, "papers", clock=world.gate.clock)

    assert (kept.open, kept.stopped, world.papers.promises) == (0, 1, {})


def test_another_public_address_replaces_what_calls_the_old_one(world: World) -> None:
    world.keep()
    moved = replace(world.services, settings=world.services.settings.model_copy(update={"public_url": f"{world.address}/moved"}))

    with moved.database.operator() as tx:
        assert needing(tx, "telling", moved.settings.public_url, world.gate.clock()) == ["papers", "plans"]
    keep_subscribed(moved, "papers", clock=world.gate.clock)

    assert [promise.address for promise in world.papers.promises.values()] == [f"{world.address}/moved/webhooks/crm"]


def test_one_that_is_refused_is_told_with_its_reason_and_tried_again_after_as_long_as_it_fails(world: World) -> None:
    world.papers.refuses = Forbidden("not for you", advice="ask Ann")
    assert (world.keep().failing, world.keep().error) == (1, "not for you")
    (row,) = world.rows()
    assert (row.state, row.may_exist, dict(row.last_error or {})["advice"]) == ("failed", False, "ask Ann")

    tried = []
    for _ in range(60):
        world.let_pass(minutes=10)
        before = world.rows()[0].id
        world.keep()
        tried.append(world.rows()[0].id != before)
    assert (len(world.rows()), 5 < sum(tried) < 20) == (1, True)

    world.papers.refuses = None
    world.let_pass(hours=3)
    assert world.keep().opened == 1
    assert [row.state for row in world.rows()] == ["open"]


def test_who_is_asked_to_slow_down_waits_as_long(world: World) -> None:
    world.papers.refuses = RateLimited("slower", retry_after_s=7200)
    world.keep()
    world.papers.refuses = None
    world.let_pass(minutes=119)
    assert (world.needing(), world.keep().opened) == (["papers", "plans"], 0)
    world.let_pass(minutes=2)
    assert world.keep().opened == 1


def test_an_answer_that_never_came_leaves_a_row_that_knows_its_subscription_and_it_is_stopped_when_another_is_there(world: World) -> None:
    world.papers.dies_after = Unavailable("broken off")
    world.keep()
    (lost,) = world.rows()
    # Its greeting said what it is called there.
    assert (lost.state, lost.may_exist, lost.handle) == ("failed", True, "handle-of-all")
    assert world.papers.tell() == [202]

    world.papers.dies_after = None
    world.let_pass(minutes=10)
    kept = world.keep()
    assert (kept.opened, kept.stopped) == (1, 1)
    assert list(world.papers.promises) == [row.id for row in world.rows("open")]


def test_killed_between_the_others_yes_and_our_row_no_subscription_is_left_behind(world: World) -> None:
    world.papers.dies_after = Killed()
    with pytest.raises(Killed):
        world.keep()
    world.written()
    (orphan,) = world.rows()
    assert (orphan.state, orphan.handle) == ("opening", "handle-of-all")
    world.papers.dies_after = None
    assert (world.keep().opened, world.papers.tell()) == (0, [202])

    world.let_pass(minutes=11)
    assert "papers" in world.needing()
    world.keep()
    assert list(world.papers.promises) == [row.id for row in world.rows("open")] != [orphan.id]


def test_one_that_will_not_be_stopped_is_tried_again_and_forgotten_when_it_has_expired(world: World) -> None:
    world.keep()
    world.configure(paused=True)
    world.papers.refuses = Unavailable("away")
    assert world.keep().stopped == 0
    assert [row.state for row in world.rows()] == ["closing"]
    world.let_pass(days=7, hours=2)
    assert "papers" in world.needing()
    world.keep()
    assert world.rows() == []


def test_what_the_other_side_grants_counts_and_not_what_was_asked_for(world: World) -> None:
    world.papers.longest = timedelta(hours=1)
    world.keep()

    (row,) = world.rows()
    assert row.expires_at - world.gate.clock() == timedelta(hours=1)
    assert row.renew_at - world.gate.clock() == timedelta(minutes=40)


def test_where_we_are_not_known_no_more_is_asked_for(world: World) -> None:
    world.configure(settings={"resources": [f"r{n}" for n in range(40)]})
    world.papers.refuses = Unauthenticated("token expired")

    kept = world.keep()

    assert kept.wanted == 40
    assert 1 <= kept.failing <= 8


def test_a_connector_that_waits_for_a_person_is_left_as_it_is(world: World) -> None:
    world.keep()
    world.gate.execute("UPDATE connectors SET status = 'error'")
    world.let_pass(days=6)

    assert world.needing() == []
    assert (world.keep().opened, len(world.papers.promises)) == (0, 1)


def test_two_that_look_at_once_open_one(world: World) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as threads:
        kept = list(threads.map(lambda _: keep_subscribed(world.services, "papers", clock=world.gate.clock), range(4)))

    assert sum(one.opened for one in kept) == 1
    assert len(world.papers.promises) == 1


def test_no_secret_is_kept_where_it_could_be_read(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.keep()
    (promise,) = world.papers.promises.values()
    world.papers.tell()

    stored = str(world.gate.rows("SELECT * FROM subscriptions")) + str(world.gate.inbox())
    assert len(promise.secret) == 43
    assert promise.secret not in stored + caplog.text + repr(world.rows())


def test_an_endpoint_that_is_purged_leaves_no_subscription_behind(world: World) -> None:
    world.keep()

    purge(world.services, "papers", "run", world.gate.clock(), actor="test")

    assert (world.papers.promises, world.rows()) == ({}, [])


def test_an_endpoint_is_purged_though_its_subscriptions_cannot_be_stopped(world: World) -> None:
    world.keep()
    world.papers.refuses = Unavailable("away")

    purge(world.services, "papers", "run", world.gate.clock(), actor="test")

    assert world.rows() == []
    world.let_pass(seconds=61)
    assert world.papers.tell() == [401]
