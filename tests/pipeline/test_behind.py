"""Calls that are made in a thread of their own, in order, a few behind."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from connector_pipelines.pipeline.behind import MOST, MOST_BYTES, behind


def test_calls_are_made_in_order_and_told_in_the_thread_that_asked():
    told, threads = [], set()

    def call(number):
        threads.add(threading.get_ident())
        return number

    with behind(told.append) as calls:
        for number in range(50):
            calls.do(partial(call, number))

    assert told == list(range(50))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_who_asks_waits_while_too_many_wait():
    free, asked = threading.Event(), []

    def ask():
        with behind(lambda _: None) as calls:
            for number in range(MOST + 5):
                asked.append(number)
                calls.do(partial(free.wait, 10))

    asking = threading.Thread(target=ask)
    asking.start()
    while len(asked) < MOST + 1:
        asking.join(0.01)
    asking.join(0.05)
    assert len(asked) == MOST + 1
    free.set()
    asking.join(10)
    assert len(asked) == MOST + 5


def test_what_waits_holds_no_more_than_fits_into_memory():
    free, asked = threading.Event(), []

    def ask():
        with behind(lambda _: None) as calls:
            for number in range(4):
                asked.append(number)
                calls.do(partial(free.wait, 10), MOST_BYTES // 2)

    asking = threading.Thread(target=ask)
    asking.start()
    while len(asked) < 3:
        asking.join(0.01)
    asking.join(0.05)
    assert len(asked) == 3
    free.set()
    asking.join(10)
    assert len(asked) == 4


def test_after_a_call_that_fails_none_is_made():
    made, told = [], []

    def call(number):
        made.append(number)
        return 1 // (3 - number)

    def ask():
        with behind(told.append) as calls:
            for number in range(MOST):
                calls.do(partial(call, number))

    with pytest.raises(ZeroDivisionError):
        ask()

    assert (made, len(told)) == ([0, 1, 2, 3], 3)


def test_what_was_asked_for_before_the_block_failed_is_done():
    told = []

    def ask():
        with behind(told.append) as calls:
            calls.do(lambda: "done")
            raise KeyError("the block's own")

    with pytest.raises(KeyError, match="own"):
        ask()

    assert told == ["done"]
