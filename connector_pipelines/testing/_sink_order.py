"""Whether a sink ends with the highest generation, whoever comes late, first, or at the same time."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from connector_pipelines.core.protocols import Sink
from connector_pipelines.testing._sink_world import Held, Maker, Reopen, found, id_of, listed, ref

__all__ = ["OrderContract"]

T = TypeVar("T")


class OrderContract:
    def test_a_lower_generation_is_not_put(self, sink: Sink, maker: Maker, held: Held, reopen: Reopen) -> None:
        sink.put([maker.document("a", "new", generation=5)])
        for late in (sink, reopen()):
            late.put([maker.document("a", "old", "older", generation=4)])
            assert held(id_of("a")) == ["new"]
            assert listed(late) in ([(id_of("a"), 5)], None)

    def test_an_equal_generation_is_put(self, sink: Sink, maker: Maker, held: Held) -> None:
        sink.put([maker.document("a", "as one chunker cut it", generation=5)])
        sink.put([maker.document("a", "as another", "cut it", generation=5)])
        assert held(id_of("a")) == ["as another", "cut it"]

    def test_a_late_document_in_a_batch_holds_up_no_other(self, sink: Sink, maker: Maker, held: Held) -> None:
        sink.put([maker.document("a", "new", generation=5)])
        sink.put([maker.document("b", "one"), maker.document("a", "old", generation=4), maker.document("c", "two")])
        assert [held(id_of(name)) for name in "abc"] == [["new"], ["one"], ["two"]]

    def test_a_lower_generation_is_not_deleted(self, sink: Sink, maker: Maker, held: Held, reopen: Reopen) -> None:
        sink.put([maker.document("a", "new", generation=5), maker.document("b", "gone", generation=5)])
        reopen().delete([ref("a", 4), ref("b", 5)])
        assert (held(id_of("a")), held(id_of("b"))) == (["new"], None)
        assert listed(sink) in ([(id_of("a"), 5)], None)

    def test_a_late_writer_does_not_bring_back_what_was_deleted(self, sink: Sink, maker: Maker, held: Held, reopen: Reopen) -> None:
        sink.put([maker.document("a", "zebra", generation=4)])
        sink.delete([ref("a", 5)])
        for late in (sink, reopen()):
            late.put([maker.document("a", "zebra", generation=4)])
            assert held(id_of("a")) is None
            assert found(late, maker.query("zebra")) in {(), None}
            assert listed(late) in ([], None)

    def test_a_deletion_that_came_first_still_counts(self, sink: Sink, maker: Maker, held: Held) -> None:
        sink.delete([ref("a", 5)])
        sink.put([maker.document("a", "late", generation=4)])
        assert held(id_of("a")) is None

    def test_the_highest_deletion_counts(self, sink: Sink, maker: Maker, held: Held) -> None:
        sink.delete([ref("a", 5)])
        sink.delete([ref("a", 3)])
        sink.put([maker.document("a", "late", generation=4)])
        assert held(id_of("a")) is None

    def test_a_higher_generation_brings_back_what_was_deleted(self, sink: Sink, maker: Maker, held: Held) -> None:
        sink.put([maker.document("a", "first", "second", generation=1)])
        sink.delete([ref("a", 2)])
        sink.put([maker.document("a", "third", generation=3)])
        assert held(id_of("a")) == ["third"]
        assert listed(sink) in ([(id_of("a"), 3)], None)
        sink.delete([ref("a", 4)])
        assert held(id_of("a")) is None

    @pytest.mark.parametrize("seed", range(4))
    def test_instances_that_race_end_with_the_highest_generation(
        self, sink: Sink, maker: Maker, held: Held, reopen: Reopen, seed: int
    ) -> None:
        generations = list(range(1, 25))
        random.Random(seed).shuffle(generations)  # noqa: S311 - an order, not a secret
        # The highest is a deletion in every other run.
        highest_is_put = bool(seed % 2)

        def write(one: Sink, generation: int) -> None:
            if generation % 2 == highest_is_put:
                one.delete([ref("a", generation)])
            else:
                one.put([maker.document("a", *[f"{generation}"] * (generation % 5 + 1), generation=generation)])

        _race([sink, reopen(), sink, reopen()], generations, write)
        assert held(id_of("a")) == (["24"] * 5 if highest_is_put else None)
        assert listed(sink) in ([(id_of("a"), 24)] if highest_is_put else [], None)

    def test_batches_that_overlap_in_opposite_order_all_land(self, sink: Sink, maker: Maker, held: Held, reopen: Reopen) -> None:
        names = [f"{n}" for n in range(30)]

        def write(one: Sink, generation: int) -> None:
            batch = [maker.document(name, f"{name} at {generation}", generation=generation) for name in names]
            one.put(batch if generation % 2 else batch[::-1])

        _race([sink, reopen()], list(range(1, 9)), write)
        assert [held(id_of(name)) for name in names] == [[f"{name} at 8"] for name in names]

    def test_instances_may_start_at_once(self, sink: Sink, maker: Maker, held: Held, reopen: Reopen) -> None:
        names = [f"{n}" for n in range(4)]
        _race([sink, reopen(), reopen(), reopen()], names, lambda one, name: one.put([maker.document(name, name)]))
        assert [held(id_of(name)) for name in names] == [[name] for name in names]


def _race(sinks: Sequence[Sink], work: Sequence[T], do: Callable[[Sink, T], None]) -> None:
    """Deal the work out to one thread per sink; all begin together."""
    start = threading.Barrier(len(sinks))

    def run(place: int) -> None:
        start.wait(timeout=30)
        for item in work[place :: len(sinks)]:
            do(sinks[place], item)

    with ThreadPoolExecutor(len(sinks)) as pool:
        for finished in [pool.submit(run, place) for place in range(len(sinks))]:
            finished.result(timeout=240)
