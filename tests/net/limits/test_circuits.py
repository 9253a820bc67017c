"""When a host is left alone: the arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.net.limits.circuits import (
    FAILURES,
    PROBE_S,
    Circuit,
    Window,
    claimed,
    failed,
    forgotten,
    opened,
    probe_failed,
    state,
    worked,
)

START = 1_800_000_000.0


def test_it_opens_at_so_many_failures_without_a_success_between_them() -> None:
    nearly = failed(Circuit(), START, FAILURES - 1)

    assert state(nearly, START) == "closed"
    assert state(failed(worked(nearly), START, FAILURES - 1), START) == "closed"
    assert state(failed(nearly, START, 1), START) == "open"


def test_it_stays_open_twice_as_long_each_time_up_to_five_minutes() -> None:
    circuit, now, lengths = failed(Circuit(), START, FAILURES), START, []
    for _ in range(9):
        lengths.append(round((circuit.open_until or now) - now))
        now = (circuit.open_until or now) + 1
        circuit = claimed(circuit, now)
        circuit = probe_failed(circuit, now, circuit.probes)

    assert lengths == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_chance_makes_it_longer_never_shorter() -> None:
    assert (opened(Circuit(), START, jitter=1.0).open_until or 0) - START == pytest.approx(6.25)


def test_one_request_tries_and_the_next_only_when_that_does_not_come_back() -> None:
    circuit = opened(Circuit(), START)
    later = START + 6

    first = claimed(circuit, later)
    second = claimed(first, later + 1)
    third = claimed(first, later + PROBE_S)

    assert claimed(circuit, START + 1) is circuit
    assert (state(circuit, later), first.probes) == ("half-open", 1)
    assert second is first
    assert third.probes == 2


def test_a_request_that_comes_back_too_late_to_have_tried_opens_nothing() -> None:
    first = claimed(opened(Circuit(), START), START + 6)
    second = claimed(first, START + 6 + PROBE_S)

    assert probe_failed(second, START + 50, first.probes) is second
    assert probe_failed(worked(second), START + 50, first.probes) == worked(second)


def test_a_success_forgets_how_often_it_was_open() -> None:
    assert worked(opened(opened(Circuit(failures=5), START), START)) == Circuit() == forgotten(opened(Circuit(), START))


def test_failures_that_were_under_way_when_it_opened_are_no_news() -> None:
    circuit = failed(Circuit(), START, FAILURES)

    assert failed(circuit, START + 1, 100) is circuit


def test_half_of_enough_requests_failing_is_bad_even_with_successes_between_them() -> None:
    window = Window()
    for n in range(19):
        window.add(START, works=n % 2 == 0)
    few = window.is_bad(START)
    window.add(START, works=False)

    assert (few, window.is_bad(START), window.is_bad(START + 11)) == (False, True, False)


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=200))
def test_the_window_counts_what_was_in_it(ends: list[tuple[float, bool]]) -> None:
    window, now, seen = Window(), START, []
    for gap, works in ends:
        now += gap
        window.add(now, works=works)
        seen.append((int(now), works))

    recent = [works for second, works in seen if second > now - 10]
    assert window.is_bad(now) == (len(recent) >= 20 and recent.count(False) >= len(recent) / 2)
