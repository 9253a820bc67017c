"""How many threads a stage works with."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from connector_pipelines.pipeline.crew import Crew, Width


@dataclass
class Clock:
    """Time and CPU that pass as a test says."""

    now_s: float = 0.0
    cpu_s: float = 0.0

    def pass_by(self, seconds, share):
        self.now_s += seconds
        self.cpu_s += seconds * share


def widths(clock, width, looks):
    """Threads after each look: seconds that passed, share of a CPU that was used, items that came."""
    found = []
    for seconds, share, items in looks:
        clock.pass_by(seconds, share)
        width.look(items)
        found.append(width.threads)
    return found


def width_of(most, clock, **given):
    return Width(most, now=lambda: clock.now_s, cpu=lambda: clock.cpu_s, **given)


def test_it_doubles_while_threads_wait_and_more_of_them_do_more():
    clock = Clock()

    assert widths(clock, width_of(100, clock), [(0.3, 0.2, 30), (0.3, 0.3, 60), (0.3, 0.5, 120), (0.3, 0.5, 240)]) == [32, 64, 100, 100]


def test_it_stays_where_a_cpu_is_busy():
    clock = Clock()

    assert widths(clock, width_of(64, clock), [(0.3, 0.9, 100)] * 3) == [16, 16, 16]


def test_it_stays_where_doubling_did_not_help():
    clock = Clock()

    assert widths(clock, width_of(256, clock), [(0.3, 0.1, 30), (0.3, 0.1, 31), (0.3, 0.1, 31)]) == [32, 32, 32]


def test_it_knows_nothing_of_items_that_take_longer_than_a_look():
    clock = Clock()

    assert widths(clock, width_of(64, clock), [(0.3, 0.1, 0), (0.3, 0.1, 0), (0.3, 0.1, 4)]) == [16, 16, 32]


def test_looks_that_follow_each_other_closely_are_one():
    clock = Clock()

    assert widths(clock, width_of(64, clock), [(0.1, 0.1, 10), (0.1, 0.1, 10), (0.1, 0.1, 10)]) == [16, 16, 32]


@pytest.mark.parametrize(("most", "given", "threads"), [(4, {}, 4), (64, {}, 16), (64, {"first": 64}, 64), (2, {"first": 64}, 2)])
def test_it_begins_with_as_many_as_are_allowed(most, given, threads):
    assert Width(most, **given).threads == threads


def test_a_crew_that_is_dismissed_leaves_what_it_has_not_begun_and_no_thread():
    begun, go_on = threading.Event(), threading.Event()
    done = []

    def do(item):
        begun.set()
        assert go_on.wait(20)
        done.append(item)

    crew = Crew(do, "dismissed")
    crew.grow(1)
    for item in range(5):
        crew.put(item)
    assert begun.wait(20)
    threading.Timer(0.05, go_on.set).start()
    crew.dismiss()

    assert done == [0]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dismissed")]
