"""A request that counts in several buckets: let through by all of them, and nothing is lost in one while another holds it up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import RateLimited, Unavailable
from connector_pipelines.net.limits import Limits, Seen
from connector_pipelines.net.limits.board import IDLE_S
from connector_pipelines.net.protocols import Answered
from connector_pipelines.store.catalog.limits import PostgresLimits
from tests.net.limits.conftest import changed, eventually

Opened = Callable[..., Limits]
NEVER = threading.Event()


def wait_of(limits: Limits, *buckets: str) -> float:
    """How long a request would have to wait, as far as this process knows."""
    try:
        limits.limiter.admit(buckets, within_s=0.0, stop=NEVER)
    except RateLimited as error:
        return error.retry_after_s or 0.0
    return 0.0


def limited(url: SecretStr, bucket: str, per_s: float, next_in_s: float) -> None:
    """As after a refusal of a while ago: at a pace, whose next permit is that far away."""
    changed(
        url,
        """INSERT INTO rate_limits (bucket, version, epoch, paused_until, next_at, rate, grown_s, throttles, throttled_at, strikes, achieved, counted)
           VALUES (%s, 1, 1, now() - interval '1 minute', now() + make_interval(secs => %s), %s, 0, 1, now(), 0, 0, 0)""",
        bucket, next_in_s, per_s,
    )  # fmt: skip


def test_a_pause_of_one_user_holds_up_that_user_and_one_of_the_application_all(opened: Opened, bucket: str) -> None:
    one, other = opened(), opened()
    ann, bob = (bucket, f"{bucket}/ann"), (bucket, f"{bucket}/bob")

    one.limiter.learn(ann[-1], Answered(throttled=True, retry_after_s=60))
    of_ann = [round(wait_of(limits, *ann)) for limits in (one, other)]
    of_bob = [round(wait_of(limits, *bob)) for limits in (one, other)]
    one.limiter.learn(bucket, Answered(throttled=True, retry_after_s=90))

    assert (of_ann, of_bob) == ([60, 60], [0, 0])
    assert eventually(lambda: [round(wait_of(other, *user)) for user in (ann, bob)] == [90, 90])


def test_the_longest_pause_of_all_is_the_one_that_is_told(opened: Opened, bucket: str) -> None:
    one = opened()
    one.limiter.learn(bucket, Answered(throttled=True, retry_after_s=30))
    one.limiter.learn(f"{bucket}/ann", Answered(throttled=True, retry_after_s=90))

    with pytest.raises(RateLimited, match=f"{bucket}/ann: the next request may be sent in") as refused:
        one.limiter.admit((bucket, f"{bucket}/ann"), within_s=60, stop=NEVER)

    assert refused.value.retry_after_s == pytest.approx(90, abs=2)


@pytest.mark.parametrize("within_s", [0.3, 600])
def test_nobody_takes_a_permit_of_one_bucket_while_another_is_paused(
    opened: Opened, bucket: str, limits_url: SecretStr, within_s: float
) -> None:
    limited(limits_url, bucket, per_s=20, next_in_s=-1)
    one, stop = opened(), threading.Event()
    one.limiter.learn(f"{bucket}/ann", Answered(throttled=True, retry_after_s=60))

    def wait() -> None:
        with pytest.raises(RateLimited if within_s < 60 else Unavailable):
            one.limiter.admit((bucket, f"{bucket}/ann"), within_s=within_s, stop=stop)

    threads = [threading.Thread(target=wait) for _ in range(30)]
    for thread in threads:
        thread.start()
    stop.wait(0.3)
    of_bob = time.monotonic()
    one.limiter.admit((bucket, f"{bucket}/bob"), within_s=5, stop=NEVER)
    of_bob = time.monotonic() - of_bob
    (known,) = changed(limits_url, "SELECT version, grown_s FROM rate_limits WHERE bucket = %s", bucket)
    stop.set()
    for thread in threads:
        thread.join(10)

    assert of_bob < 1.0, "thirty permits at twenty a second are more"
    assert (known["version"], known["grown_s"]) == (2, pytest.approx(0.05)), "one permit was taken, by bob"


def test_a_pause_that_begins_while_another_bucket_is_waited_for_is_kept(opened: Opened, bucket: str, limits_url: SecretStr) -> None:
    limited(limits_url, bucket, per_s=2, next_in_s=0.6)
    one, passed = opened(), []
    waits = threading.Thread(
        target=lambda: (one.limiter.admit((bucket, f"{bucket}/ann"), within_s=30, stop=NEVER), passed.append(time.monotonic()))
    )
    waits.start()
    assert eventually(lambda: any(map(len, one.limiter._lines.values())))
    one.limiter.learn(f"{bucket}/ann", Answered(throttled=True, retry_after_s=1.5))
    ends_at = time.monotonic() + 1.4
    waits.join(20)

    assert passed[0] >= ends_at


def test_what_is_learnt_of_one_bucket_is_not_learnt_of_the_others(opened: Opened, bucket: str, limits_url: SecretStr) -> None:
    one = opened()
    for _ in range(20):
        one.limiter.admit((bucket, f"{bucket}/ann"), within_s=5, stop=NEVER)
    one.limiter.learn(f"{bucket}/ann", Answered(throttled=True, retry_after_s=60))

    rows = changed(limits_url, "SELECT bucket, rate FROM rate_limits WHERE bucket LIKE %s", f"{bucket}%")
    assert [(row["bucket"], row["rate"] is not None) for row in rows] == [(f"{bucket}/ann", True)]


def test_a_request_that_was_let_through_before_a_pause_began_does_not_lengthen_it(
    opened: Opened, bucket: str, limits_url: SecretStr
) -> None:
    one = opened()
    one.limiter.admit((bucket, f"{bucket}/ann"), within_s=5, stop=NEVER)
    opened().limiter.learn(bucket, Answered(throttled=True, retry_after_s=60))
    assert eventually(lambda: wait_of(one, bucket) > 0)

    # In this thread, which was let through before.
    one.limiter.learn(bucket, Answered(throttled=True))

    (known,) = changed(limits_url, "SELECT throttles FROM rate_limits WHERE bucket = %s", bucket)
    assert known["throttles"] == 1


def test_a_thousand_users_do_not_make_each_look_a_thousand_rows_long(limits_url: SecretStr, opened: Opened, bucket: str) -> None:
    class Naming(PostgresLimits):
        asked: Collection[str] = ()

        def look(self, buckets: Collection[str], circuits: Collection[str]) -> Seen:
            self.asked = buckets
            return super().look(buckets, circuits)

    class Clock:
        now = 1000.0

        def __call__(self) -> float:
            self.now += 0.0001
            return self.now

    state, clock = Naming(limits_url), Clock()
    one = opened(state, clock=clock)
    for number in range(200):
        one.limiter.admit((bucket, f"{bucket}/{number}"), within_s=5, stop=NEVER)
    one.limiter.learn(f"{bucket}/7", Answered(throttled=True, retry_after_s=600))
    while_busy = len(state.asked)
    clock.now += IDLE_S + 1
    one.limiter.admit((bucket, f"{bucket}/0"), within_s=5, stop=NEVER)
    later = set(state.asked)

    assert while_busy > 100
    assert later == {bucket, f"{bucket}/0"}
    assert wait_of(one, bucket, f"{bucket}/7") > 500, "what is forgotten is looked up again"
