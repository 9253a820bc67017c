"""How a stage works through what waits."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from connector_pipelines.core.errors import Unavailable
from connector_pipelines.pipeline import draining
from connector_pipelines.pipeline.crew import Width
from connector_pipelines.pipeline.draining import Work, drain

TIME_LIMIT_S = 20


class Bench:
    """Items to work through, and what became of them."""

    def __init__(self, items, *, do=lambda item: item, save=lambda results: None):
        self.waiting = list(items)
        self.done, self.saved, self.aborted = Counter(), [], 0
        self.stop = threading.Event()
        self._do, self._save = do, save

    def claim(self, limit):
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    def do(self, item):
        self.done[item] += 1
        return self._do(item)

    def save(self, results):
        self._save(results)
        self.saved += results

    def abort(self):
        self.aborted += 1

    def drain(self, threads=4):
        drain(Work(claim=self.claim, do=self.do, save=self.save, abort=self.abort), width=Width(threads), stop=self.stop)


def raising(error, *, at):
    def do(item):
        if item == at:
            raise error
        return item

    return do


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 1000])
@pytest.mark.parametrize("threads", [1, 4])
def test_every_item_is_done_once_and_saved_once(count, threads):
    bench = Bench(range(count))

    bench.drain(threads)

    assert bench.done == Counter(range(count))
    assert sorted(bench.saved) == list(range(count))
    assert (bench.stop.is_set(), bench.aborted) == (False, 0)


@pytest.mark.parametrize("threads", [1, 4])
def test_what_saving_makes_is_done_in_the_same_drain(threads):
    bench = Bench([3], save=lambda results: bench.waiting.extend(n - 1 for n in results if n))

    bench.drain(threads)

    assert bench.saved == [3, 2, 1, 0]


def test_no_batch_saved_is_empty():
    sizes = []
    bench = Bench(range(450), save=lambda results: sizes.append(len(results)))

    bench.drain()

    assert (sum(sizes), min(sizes) > 0) == (450, True)


def test_a_slow_item_holds_up_no_other(monkeypatch):
    monkeypatch.setattr(draining, "FLUSH_S", 0.01)
    others_are_saved = threading.Event()

    def do(item):
        if item == 0:
            assert others_are_saved.wait(TIME_LIMIT_S), "the others waited for the slow one"
        return item

    def save(results):
        if len(bench.saved) + len(results) == 9:
            others_are_saved.set()

    bench = Bench(range(10), do=do, save=save)

    bench.drain(threads=2)

    assert sorted(bench.saved) == list(range(10))
    assert bench.saved[-1] == 0


def test_more_is_claimed_while_a_slow_item_is_under_way():
    all_taken = threading.Event()

    class Watched(Bench):
        def claim(self, limit):
            taken = super().claim(limit)
            if not taken:
                all_taken.set()
            return taken

    bench = Watched(range(500), do=lambda item: item or all_taken.wait(TIME_LIMIT_S) or item)

    bench.drain(threads=2)

    assert sum(bench.done.values()) == 500


def test_as_many_are_done_at_once_as_there_are_threads():
    together = threading.Barrier(3)
    bench = Bench(range(9), do=lambda item: together.wait(TIME_LIMIT_S))

    bench.drain(threads=3)

    assert len(bench.saved) == 9


def test_what_was_done_before_the_stage_broke_off_was_saved():
    bench = Bench(range(1000), do=raising(Unavailable("away"), at=700))

    with pytest.raises(Unavailable):
        bench.drain(threads=1)

    assert len(bench.saved) >= draining.BATCH
    assert set(bench.saved) <= set(range(700))


@pytest.mark.parametrize(
    "error", [Unavailable("away"), ZeroDivisionError(), KeyboardInterrupt(), SystemExit()], ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize("where", ["claim", "do", "save"])
def test_an_error_anywhere_ends_the_stage_and_what_is_under_way(where, error):
    bench = Bench(range(1000))

    def fail(*_):
        raise error

    setattr(bench, "do" if where == "do" else where, fail)

    with pytest.raises(type(error)):
        bench.drain()

    assert (bench.stop.is_set(), bench.aborted) == (True, 1)
    assert bench.saved == []


def test_what_had_not_begun_when_the_stage_broke_off_is_left_for_another_run(monkeypatch):
    monkeypatch.setattr(draining, "FLUSH_S", 0.01)
    begun = threading.Event()

    def do(item):
        begun.set()
        bench.stop.wait(TIME_LIMIT_S)
        return item

    class Breaking(Bench):
        def claim(self, limit):
            if not begun.is_set():
                return super().claim(1)
            raise Unavailable("the database is away")

    bench = Breaking(range(100), do=do)

    with pytest.raises(Unavailable):
        bench.drain(threads=3)

    assert sum(bench.done.values()) <= 6
    assert bench.saved == []


def test_no_thread_is_left_when_the_stage_is_over():
    bench = Bench(range(50), do=raising(ZeroDivisionError(), at=20))

    with pytest.raises(ZeroDivisionError):
        bench.drain()

    assert [t.name for t in threading.enumerate() if t.name.startswith("stage")] == []
