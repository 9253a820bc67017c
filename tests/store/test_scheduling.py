"""Which endpoints are due, and when they are again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connector_pipelines.core.config import Cron, Interval, Manual
from connector_pipelines.core.errors import ConfigurationError, Unavailable
from connector_pipelines.core.types import Skipped, Unlistable
from connector_pipelines.store.catalog import failures, scheduling
from tests.catalog_world import NOW, config, endpoint_config, ref
from tests.store.acts import begin, due, endpoint, finish, reasons, request

BERLIN = "Europe/Berlin"
EVERY_MINUTE = Interval(every="1m")
LATER = NOW + timedelta(hours=1)


def connector(world):
    return world.rows("SELECT * FROM connectors")[0]


def scheduled(world, schedule):
    world.apply(config(endpoint_config(schedule=schedule)))


# when


def test_by_interval_it_is_due_at_once_and_then_when_the_interval_has_passed_since_the_last_began(world):
    scheduled(world, EVERY_MINUTE)
    assert reasons(world) == {"docs": "schedule"}

    begin(world, NOW)

    assert reasons(world, NOW + timedelta(seconds=59)) == {}
    assert reasons(world, NOW + timedelta(seconds=60)) == {"docs": "schedule"}


def test_by_cron_it_is_due_at_the_next_time_set(world):
    scheduled(world, Cron(expression="0 18 * * *", timezone=BERLIN))

    assert reasons(world, NOW.replace(hour=16, minute=59)) == {}
    assert reasons(world, NOW.replace(hour=17)) == {"docs": "schedule"}


def test_times_missed_are_made_up_for_by_one_sync(world):
    scheduled(world, Cron(expression="0 18 * * *"))
    three_days_later = NOW + timedelta(days=3)
    assert reasons(world, three_days_later) == {"docs": "schedule"}

    begin(world, three_days_later)

    assert endpoint(world)["next_due_at"] == three_days_later.replace(hour=18)


def test_manually_it_is_never_due(world):
    scheduled(world, Manual())

    assert reasons(world, NOW + timedelta(days=10000)) == {}


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 6 * * *", "2026-03-28T12:00Z", "2026-03-29T04:00Z"),  # the day summer begins
        ("0 6 * * *", "2026-10-24T12:00Z", "2026-10-25T05:00Z"),  # the day it ends
        ("30 2 * * *", "2026-03-28T12:00Z", "2026-03-29T01:00Z"),  # 02:30 does not exist: when the clock has passed it
        ("30 2 * * *", "2026-10-24T12:00Z", "2026-10-25T00:30Z"),  # 02:30 comes twice: the first of them
        ("0 * * * *", "2026-03-29T00:10Z", "2026-03-29T01:00Z"),
        ("0 0 1 * *", "2026-03-10T12:00Z", "2026-03-31T22:00Z"),
    ],
)
def test_cron_is_read_in_its_time_zone_through_the_change_of_clocks(expression, after, expected):
    found = scheduling.next_due(Cron(expression=expression, timezone=BERLIN), datetime.fromisoformat(after))

    assert found == datetime.fromisoformat(expected)


def test_hours_go_on_through_the_change_of_clocks_without_a_gap():
    at, met = datetime(2026, 10, 24, 22, 30, tzinfo=UTC), []
    for _ in range(5):
        at = scheduling.next_due(Cron(expression="0 * * * *", timezone=BERLIN), at)
        met.append(at.astimezone(UTC).hour)

    assert met == [23, 0, 1, 2, 3]


def test_a_day_that_never_comes_is_a_mistake_of_configuration(world):
    with pytest.raises(ConfigurationError, match=r"'0 0 30 2 \*' never comes"):
        scheduled(world, Cron(expression="0 0 30 2 *"))


def test_what_is_asked_for_is_due_whatever_the_schedule(world):
    request(world)

    assert reasons(world) == {"docs": "requested"}


def test_one_asks_for_what_exists_and_is_not_paused(world):
    world.apply(config(endpoint_config(), endpoint_config("still", paused=True)))

    with pytest.raises(ConfigurationError, match="there is no endpoint 'nope'"):
        request(world, slug="nope")
    with pytest.raises(ConfigurationError, match="'still' is paused"):
        request(world, slug="still")

    assert world.rows("SELECT slug FROM endpoints WHERE requested_at IS NOT NULL") == []


def test_what_was_asked_for_comes_before_what_is_scheduled(world):
    world.apply(config(*(endpoint_config(slug, schedule=EVERY_MINUTE) for slug in ("aaa", "docs", "zzz"))))
    request(world, slug="zzz")

    assert [d.slug for d in due(world)] == ["zzz", "aaa", "docs"]


def test_other_kinds_are_not_due_here(world):
    request(world)

    assert due(world, kind="google_drive") == []


@pytest.mark.parametrize("status", ["error", "disabled"])
def test_what_a_connector_waits_for_a_person_is_not_due(world, status):
    scheduled(world, EVERY_MINUTE)
    world.execute("UPDATE connectors SET status = %s", status)

    assert due(world, LATER) == []


def test_paused_and_removed_endpoints_are_not_due(world):
    world.apply(config(endpoint_config(schedule=EVERY_MINUTE), endpoint_config("gone", schedule=EVERY_MINUTE)))
    world.apply(config(endpoint_config(schedule=EVERY_MINUTE, paused=True)))

    assert due(world, LATER) == []


def test_asking_again_tries_a_connector_in_error_once_more(world):
    world.execute("UPDATE connectors SET status = 'error'")

    request(world)

    assert reasons(world) == {"docs": "requested"}


# begin and finish


def test_beginning_answers_what_was_asked_before_and_not_what_is_asked_after(world):
    request(world)
    begin(world, NOW)
    assert reasons(world) == {}

    request(world, NOW + timedelta(seconds=1))
    finish(world, now=NOW + timedelta(seconds=5))

    assert reasons(world, NOW + timedelta(seconds=5)) == {"docs": "requested"}


def test_each_sync_begun_has_a_number_of_its_own(world):
    request(world)
    before = due(world)[0].sync_number

    begin(world)
    finish(world, now=NOW + timedelta(seconds=90))
    request(world)

    again = due(world)[0]
    assert (again.sync_number, again.last_sync_s) == (before + 1, 90.0)


def test_a_sync_that_ends_well_leaves_the_connector_active(world):
    begin(world)
    assert connector(world)["status"] == "syncing"

    finish(world, now=LATER)

    assert (connector(world)["status"], connector(world)["last_error"], connector(world)["last_connected_at"]) == ("active", None, LATER)
    assert endpoint(world)["synced_at"] == LATER


def test_a_fault_that_needs_a_person_stops_the_connector(world):
    scheduled(world, EVERY_MINUTE)
    begin(world)

    finish(world, error={"code": "unauthenticated"}, stops=True)

    assert (connector(world)["status"], connector(world)["last_error"]) == ("error", {"code": "unauthenticated"})
    assert (endpoint(world)["synced_at"], connector(world)["last_connected_at"]) == (None, None)
    assert due(world, NOW + timedelta(days=1)) == []


def test_a_fault_that_passes_is_due_again_when_it_may_have_passed(world):
    begin(world)

    finish(world, error={"code": "rate_limited"}, retry_at=LATER)

    assert connector(world)["status"] == "active"
    assert reasons(world, LATER - timedelta(seconds=1)) == {}
    assert reasons(world, LATER) == {"docs": "leftovers"}


def test_an_endpoint_that_ends_well_does_not_hide_what_stopped_its_sibling_meanwhile(world):
    world.apply(config(endpoint_config(), endpoint_config("sibling")))
    sibling = world.find("sibling")
    begin(world, NOW)
    with world.database.operator() as tx:
        stopped_at = NOW + timedelta(seconds=5)
        scheduling.finish(tx, sibling.id, started_at=NOW, now=stopped_at, error={"code": "unauthenticated"}, stops=True, retry_at=None)

    finish(world, started_at=NOW, now=NOW + timedelta(seconds=10))

    assert (connector(world)["status"], connector(world)["last_error"]) == ("error", {"code": "unauthenticated"})


def test_a_connector_that_is_disabled_stays_so_through_a_sync_started_by_hand(world):
    world.execute("UPDATE connectors SET status = 'disabled'")

    begin(world)
    finish(world)

    assert connector(world)["status"] == "disabled"


# leftovers


def wait_for_a_try(world, file_id, retry_at):
    world.snapshot(ref(file_id))
    world.save_failed(world.claim(), error=Unavailable("away"), retry_at=retry_at)


def test_an_item_to_be_tried_again_makes_the_endpoint_due_then(world):
    wait_for_a_try(world, "a", LATER)
    begin(world)

    finish(world)

    assert reasons(world, LATER - timedelta(seconds=1)) == {}
    assert reasons(world, LATER) == {"docs": "leftovers"}


def test_waiting_as_long_as_the_other_side_asked_comes_before_items_that_are_overdue(world):
    wait_for_a_try(world, "a", NOW - timedelta(hours=1))
    begin(world)

    finish(world, error={"code": "rate_limited"}, retry_at=LATER)

    assert reasons(world, LATER - timedelta(seconds=1)) == {}


def test_an_overdue_item_does_not_make_run_follow_upon_run(world):
    wait_for_a_try(world, "a", NOW - timedelta(hours=1))
    begin(world)

    finish(world, now=NOW)

    assert reasons(world, NOW) == {}
    assert reasons(world, NOW + timedelta(minutes=1)) == {"docs": "leftovers"}


def test_an_item_its_source_has_put_out_of_scope_since_is_no_leftover(world):
    wait_for_a_try(world, "a", LATER)
    world.snapshot(Skipped("a", "a", "too_large"))
    begin(world)

    finish(world)

    assert endpoint(world)["retry_at"] is None
    with world.database.operator() as tx:
        assert failures.failures_of(tx) == []


def test_a_folder_that_cannot_be_listed_and_is_taken_up_again_by_hand_is_due_once(world):
    world.delta(Unlistable("secret", "forbidden", "refused"))
    with world.database.operator() as tx:
        assert failures.retry(tx, slug="docs") == 1
    begin(world)

    finish(world)

    assert endpoint(world)["retry_at"] is None
