"""The limiter of a process beside those of others, on one Postgres. Each `opened()` is a process's; here they share one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from statistics import median

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, RateLimited, Unavailable
from connector_pipelines.net.limits import STALE_S, Limits, Seen
from connector_pipelines.net.limits.buckets import KEPT
from connector_pipelines.net.protocols import Answered
from connector_pipelines.store.catalog.database import Database
from connector_pipelines.store.catalog.limits import PostgresLimits, clear, limits_of
from tests.net.limits.conftest import changed, eventually

Opened = Callable[..., Limits]
NEVER = threading.Event()


class Clock:
    """Goes on only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counting(PostgresLimits):
    """Counts looks, and is deaf: what others change it finds by looking."""

    looks = 0

    def look(self, buckets: Collection[str], circuits: Collection[str]) -> Seen:
        self.looks += 1
        return super().look(buckets, circuits)

    def listen(self, *_: object, **__: object) -> None:
        raise Unavailable("deaf")


def admit(limits: Limits, bucket: str, within_s: float = 0.0, at_most: float | None = None) -> None:
    limits.limiter.admit((bucket,), within_s=within_s, stop=NEVER, at_most=at_most)


def wait_of(limits: Limits, bucket: str) -> float:
    """How long a request would have to wait, as far as this process knows."""
    try:
        admit(limits, bucket)
    except RateLimited as error:
        return error.retry_after_s or 0.0
    return 0.0


def test_what_one_process_is_told_stops_the_others_and_those_who_come_later(opened: Opened, bucket: str) -> None:
    one, other = opened(), opened()
    admit(one, bucket)
    admit(other, bucket)

    one.limiter.learn(bucket, Answered(throttled=True, retry_after_s=60))

    assert eventually(lambda: wait_of(other, bucket) > 0, limit_s=5)
    assert [round(wait_of(limits, bucket)) for limits in (one, other, opened())] == [60, 60, 60]


def test_the_longest_of_several_pauses_counts_whoever_told_it(opened: Opened, bucket: str) -> None:
    one, other = opened(), opened()
    admit(one, bucket)

    other.limiter.learn(bucket, Answered(throttled=True, retry_after_s=60))
    one.limiter.learn(bucket, Answered(throttled=True, retry_after_s=5))
    other.limiter.learn(bucket, Answered(retry_after_s=90))
    one.limiter.learn(bucket, Answered(throttled=True))

    assert round(wait_of(other, bucket)) == 90
    assert eventually(lambda: round(wait_of(one, bucket)) == 90)


def test_buckets_are_apart(opened: Opened, bucket: str) -> None:
    one = opened()
    one.limiter.learn(bucket, Answered(throttled=True, retry_after_s=60))

    assert wait_of(one, f"{bucket}/another") == 0


def test_nothing_is_asked_of_the_database_while_nothing_is_limited(limits_url: SecretStr, opened: Opened, bucket: str) -> None:
    state, clock = Counting(limits_url), Clock()
    one = opened(state, clock=clock)

    for _ in range(10_000):
        admit(one, bucket)
        clock.now += 0.0001

    # A second has passed: a look for each fifth of it, and the first.
    assert state.looks <= 6


def test_who_missed_the_word_looks_before_what_he_knows_is_old(limits_url: SecretStr, opened: Opened, bucket: str) -> None:
    clock = Clock()
    deaf, other = opened(Counting(limits_url), clock=clock), opened()
    admit(deaf, bucket)

    other.limiter.learn(bucket, Answered(throttled=True, retry_after_s=60))
    clock.now += STALE_S + 0.001

    assert round(wait_of(deaf, bucket)) == 60


def test_a_clock_that_is_wrong_by_an_hour_makes_no_difference(opened: Opened, bucket: str) -> None:
    ahead, behind = opened(clock=lambda: time.monotonic() + 3600), opened(clock=lambda: time.monotonic() - 3600)

    ahead.limiter.learn(bucket, Answered(throttled=True, retry_after_s=60))

    assert [round(wait_of(limits, bucket)) for limits in (ahead, behind)] == [60, 60]


def test_a_wait_ends_when_the_run_does(opened: Opened, bucket: str) -> None:
    one, stop, ended = opened(), threading.Event(), []
    one.limiter.learn(bucket, Answered(throttled=True, retry_after_s=60))

    def wait() -> None:
        with pytest.raises(Unavailable):
            one.limiter.admit((bucket,), within_s=600, stop=stop)
        ended.append(time.monotonic())

    threads = [threading.Thread(target=wait) for _ in range(20)]
    for thread in threads:
        thread.start()
    began_at = time.monotonic()
    stop.set()
    for thread in threads:
        thread.join(10)

    assert len(ended) == 20
    assert max(ended) - began_at < 2


def test_who_stands_too_far_back_in_line_is_told_at_once_how_long_it_takes(opened: Opened, bucket: str) -> None:
    one, passed, refused, took = opened(), [], [], []

    def ask() -> None:
        began_at = time.monotonic()
        try:
            admit(one, bucket, within_s=1.0, at_most=10)
        except RateLimited as error:
            refused.append(error.retry_after_s)
            took.append(time.monotonic() - began_at)
        else:
            passed.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert 5 <= len(passed) <= 15
    assert len(passed) + len(refused) == 60
    # Behind ten others, at ten a second; and not after having waited for it.
    assert median(refused) > 0.5
    assert median(took) < 0.5


def test_those_who_waited_longest_go_first(opened: Opened, bucket: str) -> None:
    one, order = opened(), []

    def ask(number: int) -> None:
        admit(one, bucket, within_s=10, at_most=50)
        order.append(number)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(30)]
    for n, thread in enumerate(threads):
        thread.start()
        assert eventually(lambda n=n: sum(map(len, one.limiter._lines.values())) + len(order) > n)
    for thread in threads:
        thread.join(10)

    # Those of one batch are let go together.
    assert max(abs(place - number) for place, number in enumerate(order)) <= 6


def test_the_rate_is_learnt_from_what_all_processes_sent_together(opened: Opened, bucket: str, limits_url: SecretStr) -> None:
    clock = Clock()
    one, other = opened(clock=clock), opened(clock=clock)
    for _ in range(20):
        admit(one, bucket)
        for _ in range(3):
            admit(other, bucket)
        clock.now += 0.1

    one.limiter.learn(bucket, Answered(throttled=True, retry_after_s=60))

    def known() -> dict[str, float]:
        return changed(limits_url, "SELECT rate, counted FROM rate_limits WHERE bucket = %s", bucket)[0]

    # The other one says what it sent without being asked: its threads may all be waiting for the end of the pause.
    assert eventually(lambda: known()["counted"] == 80)
    assert known()["rate"] == pytest.approx(40 * KEPT, rel=0.05)


def test_who_was_promised_a_turn_does_not_take_it_in_a_pause_that_came_meanwhile(opened: Opened, bucket: str) -> None:
    one, other, ended = opened(), opened(), []
    admit(one, bucket, at_most=2)

    def ask() -> None:
        with pytest.raises(RateLimited) as refused:
            admit(one, bucket, within_s=5, at_most=2)
        ended.append(refused.value.retry_after_s)

    thread = threading.Thread(target=ask)
    thread.start()
    assert eventually(lambda: sum(map(len, one.limiter._lines.values())) == 1)
    other.limiter.learn(bucket, Answered(throttled=True, retry_after_s=60))
    thread.join(20)

    assert [round(wait) for wait in ended] in ([59], [60])


def test_what_many_change_at_once_is_changed_as_if_one_after_the_other(limits_url: SecretStr, bucket: str) -> None:
    states = [PostgresLimits(limits_url) for _ in range(4)]

    def count(state: PostgresLimits) -> None:
        for _ in range(50):
            state.change_bucket(bucket, lambda known, _: replace(known, counted=known.counted + 1))

    threads = [threading.Thread(target=count, args=(state,)) for state in states]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    seen = states[0].look([bucket], []).buckets[bucket]
    for state in states:
        state.close()

    assert (seen.counted, seen.version) == (200, 200)


def test_refusals_of_requests_sent_before_the_pause_lower_the_rate_once(opened: Opened, bucket: str, limits_url: SecretStr) -> None:
    one, sent, told = opened(), threading.Barrier(8), threading.Barrier(8)

    def send() -> None:
        admit(one, bucket)
        sent.wait()
        one.limiter.learn(bucket, Answered(throttled=True, retry_after_s=0.2))
        told.wait()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    (row,) = changed(limits_url, "SELECT throttles, strikes FROM rate_limits WHERE bucket = %s", bucket)
    assert (row["throttles"], row["strikes"]) == (1, 0)


def test_an_answer_that_says_nothing_is_left_stops_every_process_before_one_is_refused(opened: Opened, bucket: str) -> None:
    one, other = opened(), opened()
    admit(one, bucket)
    admit(other, bucket)

    one.limiter.learn(bucket, Answered(remaining=0, reset_s=30))

    assert eventually(lambda: wait_of(other, bucket) > 0)
    assert round(wait_of(other, bucket)) == 30


def test_what_was_learnt_is_known_to_a_process_that_comes_later(opened: Opened, bucket: str) -> None:
    one = opened()
    one.limiter.learn(bucket, Answered(throttled=True, retry_after_s=60))
    one.close()

    assert round(wait_of(opened(), bucket)) == 60


def test_a_person_can_clear_a_pause_and_every_process_hears_of_it(opened: Opened, bucket: str, limits_url: SecretStr) -> None:
    one, database = opened(), Database(limits_url)
    one.limiter.learn(bucket, Answered(throttled=True, retry_after_s=600))

    with database.operator() as tx:
        known = limits_of(tx).buckets[bucket]
        cleared = clear(tx, bucket.partition("/")[0])
    with database.operator() as tx, pytest.raises(ConfigurationError, match="nothing is known of 'nobody'"):
        clear(tx, "nobody")
    database.close()

    assert known.paused_until is not None
    assert cleared == [bucket]
    assert eventually(lambda: wait_of(one, bucket) == 0)


def test_a_thousand_threads_that_wait_do_not_keep_the_machine_busy(opened: Opened, bucket: str) -> None:
    one, stop = opened(), threading.Event()
    one.limiter.learn(bucket, Answered(throttled=True, retry_after_s=60))

    def wait() -> None:
        with pytest.raises(Unavailable):
            one.limiter.admit((bucket,), within_s=600, stop=stop)

    threads = [threading.Thread(target=wait) for _ in range(1000)]
    for thread in threads:
        thread.start()
    assert eventually(lambda: sum(map(len, one.limiter._lines.values())) == 1000)
    before, began_at = time.process_time(), time.monotonic()
    stop.wait(1.5)
    busy = (time.process_time() - before) / (time.monotonic() - began_at)
    stop.set()
    for thread in threads:
        thread.join(30)

    assert busy < 0.35
