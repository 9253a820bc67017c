"""Every due sync is asked for, none twice, and none is lost with the run that was to do it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connector_pipelines.defs.asking import BATCH_ENDPOINTS, LONGEST_PAUSE, TICK_RUNS, Memory, ask
from connector_pipelines.store.catalog.scheduling import DueEndpoint

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def due(slug: str, number: int = 1, seconds: float | None = 2.0, reason: str = "schedule") -> DueEndpoint:
    return DueEndpoint(slug, "local_folder", "default", number, reason, seconds, f"id of {slug}")


def test_small_syncs_share_a_run_while_first_and_long_ones_go_alone() -> None:
    found = [due("first", seconds=None), due("long", seconds=900.0), *(due(f"s{n:02}") for n in range(12))]
    batches, _ = ask(found, Memory(), defined={d.slug for d in found}, running={}, now=NOW)
    assert [len(b.slugs) for b in batches] == [1, 1, BATCH_ENDPOINTS, 2]
    assert sorted(s for b in batches for s in b.slugs) == sorted(d.slug for d in found)


def test_a_tick_asks_for_a_bounded_number_of_runs_and_the_next_for_the_rest() -> None:
    found = [due(f"e{n:02}", seconds=None) for n in range(TICK_RUNS + 5)]
    slugs = {d.slug for d in found}
    first, memory = ask(found, Memory(), defined=slugs, running={}, now=NOW)
    running = {s: {"run"} for b in first for s in b.slugs}
    second, _ = ask(found, memory, defined=slugs, running=running, now=NOW + timedelta(seconds=10))
    assert (len(first), len(second)) == (TICK_RUNS, 5)
    assert {b.run_key for b in first}.isdisjoint({b.run_key for b in second})


def test_what_was_asked_for_is_not_asked_again_while_its_run_is_unfinished() -> None:
    _, memory = ask([due("a")], Memory(), defined={"a"}, running={}, now=NOW)
    batches, _ = ask([due("a")], memory, defined={"a"}, running={"a": {"run"}}, now=NOW + timedelta(hours=5))
    assert batches == []


def test_a_run_that_ended_before_it_began_the_sync_is_asked_for_again_under_another_key_and_ever_less_often() -> None:
    memory, keys, pauses, now = Memory(), [], [], NOW
    for _ in range(9):
        asked_at = now
        while not (answer := ask([due("a")], memory, defined={"a"}, running={}, now=now))[0]:
            memory, now = answer[1], now + timedelta(seconds=10)
        (batch,), memory = answer
        keys.append(batch.run_key)
        pauses.append(now - asked_at)
    assert len(set(keys)) == 9
    assert pauses == sorted(pauses)
    assert max(pauses) <= LONGEST_PAUSE + timedelta(seconds=10)


def test_an_endpoint_whose_definitions_are_not_loaded_yet_waits_for_them() -> None:
    batches, memory = ask([due("new")], Memory(), defined=set(), running={}, now=NOW)
    assert (batches, memory.asked) == ([], {})
    assert len(ask([due("new")], memory, defined={"new"}, running={}, now=NOW)[0]) == 1


def test_leftovers_wait_for_the_run_that_tries_them_again_itself() -> None:
    _, memory = ask([due("a", 1)], Memory(), defined={"a"}, running={}, now=NOW)
    batches, memory = ask([due("a", 2, reason="leftovers")], memory, defined={"a"}, running={"a": {"run"}}, now=NOW)
    assert batches == []
    assert len(ask([due("a", 2, reason="leftovers")], memory, defined={"a"}, running={}, now=NOW)[0]) == 1


def test_a_request_made_after_a_batch_has_gone_past_the_endpoint_does_not_wait_for_the_rest_of_the_batch() -> None:
    _, memory = ask([due("a", 1), due("b", 1)], Memory(), defined={"a", "b"}, running={}, now=NOW)
    batches, _ = ask([due("a", 2, reason="requested")], memory, defined={"a", "b"}, running={"a": {"run"}, "b": {"run"}}, now=NOW)
    assert [b.slugs for b in batches] == [("a",)]


def test_what_a_run_nobody_remembers_is_to_sync_waits_for_that_run() -> None:
    assert ask([due("a")], Memory(), defined={"a"}, running={"a": {"sweep"}}, now=NOW)[0] == []


def test_memory_does_not_grow_with_what_is_done() -> None:
    _, memory = ask([due("a")], Memory(), defined={"a"}, running={}, now=NOW)
    assert ask([], memory, defined={"a"}, running={}, now=NOW)[1].asked == {}
