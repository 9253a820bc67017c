"""How fast requests may follow each other: the arithmetic, with any history of requests, refusals and pauses."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector_pipelines.net.limits.buckets import (
    BURST_S,
    FORGOTTEN_S,
    KEPT,
    LEAST_PER_S,
    Bucket,
    cleared,
    measured,
    merged,
    pace,
    paused,
    remaining_told,
    shifted,
    taken,
    throttled,
    wait_s,
)

START = 1_800_000_000.0


@dataclass
class Play:
    """A bucket, what was asked of it, and when requests were let through."""

    ceiling: float | None = None
    bucket: Bucket = field(default_factory=Bucket)
    now: float = START
    sent: list[float] = field(default_factory=list)
    asked_for: list[tuple[float, float]] = field(default_factory=list)

    def take(self, wanted: int, within_s: float) -> None:
        self.bucket, slot = taken(self.bucket, self.now, wanted, within_s=within_s, ceiling=self.ceiling)
        # Used at their time, unless a pause came between: whoever waits looks at the epoch then.
        self.now = max(self.now, slot.at) if slot.permits else self.now
        if slot.epoch == self.bucket.epoch:
            self.sent += [self.now] * slot.permits

    def refuse(self, retry_after_s: float | None, *, late: bool = False) -> None:
        if retry_after_s is not None:
            self.asked_for.append((self.now, self.now + retry_after_s))
        self.bucket = throttled(self.bucket, self.now, retry_after_s, late=late)

    def ask_to_wait(self, for_s: float) -> None:
        self.asked_for.append((self.now, self.now + for_s))
        self.bucket = paused(self.bucket, self.now, for_s)


seconds = st.floats(0, 120, allow_nan=False)
actions = st.one_of(
    st.tuples(st.just("pass"), seconds),
    st.tuples(st.just("take"), st.integers(1, 50)),
    st.tuples(st.just("refuse"), st.one_of(st.none(), seconds)),
    st.tuples(st.just("late"), st.one_of(st.none(), seconds)),
    st.tuples(st.just("wait"), seconds),
    st.tuples(st.just("measure"), st.integers(1, 500)),
    st.tuples(st.just("left"), st.tuples(st.integers(0, 100), seconds)),
)


def act(play: Play, action: str, value: object) -> None:
    if action == "pass":
        play.now += value
    elif action == "take":
        play.take(value, within_s=1000)
    elif action in {"refuse", "late"}:
        play.refuse(value, late=action == "late")
    elif action == "wait":
        play.ask_to_wait(value)
    elif action == "measure":
        play.bucket = measured(play.bucket, play.bucket.throttles, value, value / 7)
    else:
        play.bucket = remaining_told(play.bucket, play.now, *value)


@given(st.lists(actions, max_size=40))
@settings(deadline=None)
def test_nothing_is_sent_before_what_any_answer_asked_for_is_over(history: list[tuple[str, object]]) -> None:
    play = Play()

    for action, value in history:
        act(play, action, value)

    assert [at for at in play.sent for since, until in play.asked_for if since < at < until - 1e-3] == []


@given(st.lists(actions, max_size=40))
@settings(deadline=None)
def test_a_pause_is_never_made_shorter(history: list[tuple[str, object]]) -> None:
    play, until = Play(), 0.0

    for action, value in history:
        act(play, action, value)
        assert (play.bucket.paused_until or 0.0) >= until
        until = play.bucket.paused_until or 0.0


@given(
    ceiling=st.floats(0.2, 500),
    steps=st.lists(st.tuples(st.integers(1, 200), st.floats(0, 3)), min_size=2, max_size=60),
)
@settings(deadline=None)
def test_no_span_of_time_has_more_requests_than_the_rate_allows_and_a_burst(ceiling: float, steps: list[tuple[int, float]]) -> None:
    play = Play(ceiling=ceiling)
    burst = 1 + 2 * BURST_S * ceiling

    for wanted, gap in steps:
        play.take(wanted, within_s=1e9)
        play.now += gap

    for first, since in enumerate(play.sent):
        for last in range(first, len(play.sent)):
            assert last - first + 1 <= ceiling * (play.sent[last] - since) + burst + 1e-6


@given(history=st.lists(actions, max_size=30), within_s=st.floats(0, 10))
@settings(deadline=None)
def test_what_is_further_away_than_one_can_wait_takes_nothing(history: list[tuple[str, object]], within_s: float) -> None:
    play = Play(ceiling=3.0)
    for action, value in history:
        act(play, action, value)

    after, slot = taken(play.bucket, play.now, 5, within_s=within_s, ceiling=3.0)

    assert slot.at - play.now == pytest.approx(wait_s(play.bucket, play.now, 3.0), abs=1e-3)
    assert (slot.permits == 0) == (slot.at - play.now > within_s)
    assert slot.permits > 0 or after is play.bucket


def test_there_is_no_limit_before_the_first_refusal() -> None:
    bucket, slot = taken(Bucket(), START, 1000, within_s=0)

    assert (bucket, slot.permits, slot.at) == (Bucket(), 1000, START)


def test_after_a_pause_requests_begin_slowly_and_grow() -> None:
    bucket = throttled(Bucket(), START, 10.0)
    end = START + 10

    assert [pace(bucket, end + s) for s in (0, 0.5, 1, 2)] == [4, 8, 16, 64]
    assert pace(bucket, end + 5) is None


def test_the_rate_after_a_refusal_is_what_all_processes_together_achieved_and_a_little_less() -> None:
    bucket = throttled(Bucket(), START, 1.0)

    bucket = measured(bucket, 1, 300, 30.0)
    bucket = measured(bucket, 1, 100, 10.0)

    assert bucket.rate == pytest.approx(40 * KEPT)


def test_a_rate_grows_by_itself_in_a_minute_of_use_and_doubles_in_each_after_it() -> None:
    bucket, now, rates = measured(throttled(Bucket(), START, 1.0), 1, 100, 10.0), START + 1, {}
    while now < START + 200:
        bucket, slot = taken(bucket, now, 1000, within_s=10)
        now = slot.at
        rates[round(now - START - 1)] = pace(bucket, now)

    assert [rates[s] for s in (30, 60, 120, 180)] == pytest.approx([10.5, 14, 28, 56], rel=0.05)


def test_a_rate_that_is_not_used_neither_grows_nor_is_lost_within_the_hour() -> None:
    bucket = measured(throttled(Bucket(), START, 1.0), 1, 100, 10.0)

    assert pace(bucket, START + 3000) == pytest.approx(7.0)


def test_a_refusal_at_a_pace_of_ours_lowers_that_pace_unless_less_than_half_of_it_was_used() -> None:
    bucket = measured(throttled(Bucket(), START, 1.0), 1, 100, 100.0)
    again = throttled(bucket, START + 30, 1.0)

    assert again.rate == pytest.approx(100 * KEPT * KEPT)
    assert measured(again, 2, 40, 40.0).rate == pytest.approx(100 * KEPT * KEPT)
    assert measured(again, 2, 20, 20.0).rate == pytest.approx(20 * KEPT)


def test_what_was_sent_before_an_earlier_refusal_does_not_count() -> None:
    bucket = measured(throttled(Bucket(), START, 1.0), 1, 100, 10.0)
    again = throttled(bucket, START + 100, 1.0)

    assert measured(again, 1, 100, 10.0) is again


def test_a_few_requests_say_nothing_about_a_rate() -> None:
    assert measured(throttled(Bucket(), START, 1.0), 1, 2, 2.0).rate is None


def test_refusals_that_go_on_lower_the_rate_each_time_but_never_to_nothing() -> None:
    bucket, now, rates = measured(throttled(Bucket(), START, 1.0), 1, 100, 10.0), START, []
    for _ in range(40):
        now = (bucket.paused_until or now) + 0.01
        bucket = throttled(bucket, now, 1.0)
        rates.append(bucket.rate)

    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == LEAST_PER_S


def test_a_rate_is_forgotten_an_hour_after_the_last_refusal() -> None:
    bucket = measured(throttled(Bucket(), START, 1.0), 1, 100, 10.0)

    assert pace(bucket, START + FORGOTTEN_S - 1) is not None
    assert pace(bucket, START + FORGOTTEN_S + 1) is None


def test_pauses_nobody_asked_for_double_while_refusals_come_right_after_them() -> None:
    bucket, now, lengths = Bucket(), START, []
    for _ in range(11):
        bucket = throttled(bucket, now, None)
        lengths.append((bucket.paused_until or now) - now)
        now = (bucket.paused_until or now) + 0.5
    quiet = throttled(bucket, now + 400, None)

    assert lengths[:4] == pytest.approx([1, 2, 4, 8], rel=1e-6)
    assert lengths[-1] == pytest.approx(300)
    assert (quiet.paused_until or 0) - (now + 400) == pytest.approx(1)


def test_at_once_is_believed_less_each_time_it_is_told() -> None:
    bucket, now, lengths = Bucket(), START, []
    for _ in range(6):
        bucket = throttled(bucket, now, 0.0)
        lengths.append(round((bucket.paused_until or now) - now, 3))
        now = (bucket.paused_until or now) + 0.1

    assert lengths == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_many_refusals_of_requests_that_were_under_way_are_one() -> None:
    first = throttled(Bucket(), START, 5.0)

    others = throttled(throttled(first, START + 0.1, 5.0), START + 7, 6.0, late=True)

    assert (others.throttles, others.strikes) == (1, 0)
    assert others.paused_until == pytest.approx(START + 13)


def test_an_answer_that_nothing_is_left_pauses_until_there_is() -> None:
    bucket = remaining_told(Bucket(), START, 0, 30.0)

    assert wait_s(bucket, START) == pytest.approx(30)
    assert (bucket.throttles, bucket.rate) == (0, None)
    assert remaining_told(bucket, START + 0.4, 0, 30.0) is bucket


def test_the_few_requests_that_are_left_are_spread_over_the_rest_of_the_window() -> None:
    bucket = remaining_told(Bucket(), START, 10, 20.0)

    assert pace(bucket, START + 1) == pytest.approx(0.5)
    assert pace(bucket, START + 21) is None
    assert remaining_told(bucket, START + 2, 9, 18.0) is bucket


@pytest.mark.parametrize(("remaining", "own_per_s"), [(4999, 100.0), (300, 100.0), (21, 0.0)])
def test_what_is_plenty_slows_nothing_down(remaining: int, own_per_s: float) -> None:
    assert remaining_told(Bucket(), START, remaining, 30.0, own_per_s=own_per_s) == Bucket()


@pytest.mark.parametrize("reset_s", [0.0, -1.0, 1e12])
def test_a_window_that_makes_no_sense_is_passed_over(reset_s: float) -> None:
    assert remaining_told(Bucket(), START, 0, reset_s) == Bucket()


def test_permits_of_before_a_pause_are_void_after_it() -> None:
    bucket, slot = taken(measured(throttled(Bucket(), START, 1.0), 1, 100, 10.0), START, 1, within_s=10)

    assert paused(bucket, START + 0.5, 20).epoch > slot.epoch


def test_clearing_lifts_everything_and_voids_what_was_taken() -> None:
    bucket = measured(throttled(Bucket(), START, 1000.0), 1, 100, 10.0)

    after = cleared(bucket)

    assert (wait_s(after, START), pace(after, START)) == (0, None)
    assert after.epoch > bucket.epoch


def test_what_a_process_learnt_alone_is_not_lost_and_shortens_nothing() -> None:
    shared = throttled(Bucket(), START, 60.0)
    longer = throttled(Bucket(), START + 1, 100.0)
    shorter = throttled(Bucket(), START - 10, 1.0)

    assert merged(shared, longer).paused_until == pytest.approx(START + 101)
    assert merged(shared, longer).epoch > shared.epoch
    assert merged(shared, shorter) == shared
    assert merged(replace(shared, rate=5.0), replace(longer, rate=3.0)).rate == 3.0


def test_a_bucket_is_moved_to_another_clock_whole() -> None:
    bucket = remaining_told(throttled(Bucket(), START, 60.0), START, 5, 100.0)

    moved = shifted(bucket, 3600)

    assert wait_s(moved, START + 3600) == pytest.approx(60)
    assert shifted(moved, -3600) == bucket
