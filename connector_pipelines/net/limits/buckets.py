"""How fast the requests of a bucket may follow each other: what is known of it, and how answers change that. Pure; time is passed in.

No limit until the first refusal. Then additive increase, multiplicative decrease: what was achieved just before, all processes
together, times `KEPT`; growing again as it is used without a refusal; forgotten after an hour. Every pause ends gently: `FIRST_PER_S`
requests a second, doubled each `DOUBLES_S`. Permits are given out by GCRA (ITU-T I.371): each one moves the place where the next
begin on by 1 / rate.

All instants are seconds of one clock: the database's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

__all__ = [
    "BURST_S", "EVIDENCE", "FORGOTTEN_S", "KEPT", "Bucket", "Slot", "cleared", "measured", "merged", "pace", "paused", "remaining_told",
    "shifted", "taken", "throttled", "wait_s",
]  # fmt: skip

FIRST_PER_S = 4.0
DOUBLES_S = 0.5
GENTLE_S = 5.0
"""After a pause: 4 a second at first, 4,096 at the end of it."""

KEPT = 0.7
GROWS_S = 60.0
"""Of use, in which a rate grows by its own amount: what a refusal cost is regained in 26 s. After it, it doubles in each: a rate that
nothing was refused at for so long was learnt too low. Idle time does not count, so that a later run begins at what was learnt.
"""

FORGOTTEN_S = 3600.0
EVIDENCE = 3
"""Requests from which a rate can be learnt: fewer say nothing about what is sustained."""

LEAST_PER_S = 0.1

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
"""Of pauses nobody asked for. Those asked for are as long as asked."""

SHORTEST_PAUSE_S = 0.1
LONGEST_TOLD_S = 400 * 86400.0
"""What a server asks for beyond this is no time to wait but a mistake, and would not fit a timestamp."""

QUIET_S = 10.0
"""A refusal within this time of the end of a pause says that the pause was too short."""

BURST_S = 0.1
"""Permits given out at once are worth this much time, or are one; and this much time that nobody used is not lost."""

FEW = 20
FEW_S = 2.0
"""Requests left of a window are few if less than 20, or less than two seconds' worth: then they are spread over what is left of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What is known of a bucket.

    Attributes:
        version: Rises with every change that is stored.
        epoch: Rises with every pause that is begun or made longer; permits of an older one are void.
        paused_until: Nothing is sent before; None before the first pause.
        next_at: Where the next permits begin.
        rate, grown_s: Requests a second at the end of the last pause, or None while none was refused; seconds of use since.
        throttles, throttled_at: How many refusals there were, those of requests under way when one came not counted; the last one.
        strikes: How many of them in a row came right after the pause of the one before.
        rate_before: What was let through when the last one came, in requests a second; None for no limit.
        achieved, counted: What all processes together were sending when it came: requests a second, and of how many that is known.
        spread, spread_until: Requests a second that the provider's window still has room for, and its end.
    """

    version: int = 0
    epoch: int = 0
    paused_until: float | None = None
    next_at: float | None = None
    rate: float | None = None
    grown_s: float = 0.0
    throttles: int = 0
    throttled_at: float | None = None
    strikes: int = 0
    rate_before: float | None = None
    achieved: float = 0.0
    counted: int = 0
    spread: float | None = None
    spread_until: float | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """Permits that were taken.

    Attributes:
        at: When they may be used. Where there are none: when there would have been some.
        permits: How many; 0 where that is too far away.
        epoch: Of the bucket: once that has risen, they are void.
    """

    at: float
    permits: int
    epoch: int


def pace(bucket: Bucket, at: float, ceiling: float | None = None) -> float | None:
    """Requests a second at an instant at which there is no pause, or None for no limit."""
    known = (_learnt(bucket, at), _gentle(bucket, at), _spread(bucket, at), ceiling)
    return min((one for one in known if one is not None), default=None)


def wait_s(bucket: Bucket, now: float, ceiling: float | None = None) -> float:
    """How far away the next permit is, in seconds."""
    starts_at = max(bucket.paused_until or now, now)
    return (starts_at if pace(bucket, starts_at, ceiling) is None else max(starts_at, bucket.next_at or now)) - now


def taken(bucket: Bucket, now: float, wanted: int, *, within_s: float, ceiling: float | None = None) -> tuple[Bucket, Slot]:
    """The bucket after up to `wanted` permits were taken at once; none, and the same bucket, where they are further away than `within_s`."""
    at = now + wait_s(bucket, now, ceiling)
    if at - now > within_s:
        return bucket, Slot(at, 0, bucket.epoch)
    per_s = pace(bucket, at, ceiling)
    if per_s is None:
        return bucket, Slot(at, wanted, bucket.epoch)
    permits = max(1, min(wanted, int(per_s * BURST_S)))
    # Who comes a little late for a permit does not lose it, or the time of a round trip would lower every rate.
    begins_at = max(bucket.next_at or 0.0, bucket.paused_until or 0.0, at - BURST_S)
    lasts_s = permits / per_s
    return replace(bucket, next_at=begins_at + lasts_s, grown_s=bucket.grown_s + lasts_s), Slot(at, permits, bucket.epoch)


def throttled(bucket: Bucket, now: float, retry_after_s: float | None, *, late: bool = False, jitter: float = 0.0) -> Bucket:
    """After a refusal.

    Args:
        retry_after_s: What it asked for, from `now`; None where it did not say.
        late: The request was sent before a pause that is known: that it was refused is no news, what it asks for is.
        jitter: From 0 to 1.
    """
    if late or (bucket.paused_until is not None and now < bucket.paused_until):
        return bucket if retry_after_s is None else paused(bucket, now, retry_after_s)
    strikes = bucket.strikes + 1 if _came_soon(bucket, now) else 0
    before = pace(bucket, now)
    told = paused(bucket, now, _pause_s(strikes, retry_after_s, jitter))
    return replace(
        told,
        rate=None if before is None else max(LEAST_PER_S, before * KEPT),
        throttles=bucket.throttles + 1,
        throttled_at=now,
        strikes=strikes,
        rate_before=before,
        achieved=0.0,
        counted=0,
    )


def measured(bucket: Bucket, throttle: int, counted: int, per_s: float) -> Bucket:
    """After one process has said what it had sent before a refusal: `counted` requests, `per_s` a second."""
    if throttle != bucket.throttles or counted == 0:
        return bucket
    now_known = replace(bucket, achieved=bucket.achieved + per_s, counted=bucket.counted + counted)
    if now_known.counted < EVIDENCE:
        return now_known
    before = bucket.rate_before
    # Where about as much was sent as was let through, that is known better than what is counted over a second or two.
    sustained = before if before is not None and now_known.achieved >= before / 2 else now_known.achieved
    return replace(now_known, rate=max(LEAST_PER_S, sustained * KEPT))


def paused(bucket: Bucket, now: float, for_s: float) -> Bucket:
    """After a pause was asked for that says nothing about the rate. Of several the one that ends last counts."""
    until = now + min(max(for_s, 0.0), LONGEST_TOLD_S)
    if bucket.paused_until is not None and until <= bucket.paused_until:
        return bucket
    return replace(bucket, epoch=bucket.epoch + 1, paused_until=until, next_at=until, rate=_learnt(bucket, now), grown_s=0.0)


def remaining_told(bucket: Bucket, now: float, remaining: int, reset_s: float, *, own_per_s: float = 0.0) -> Bucket:
    """After an answer said how many requests are left until `reset_s` from now. `own_per_s` is what this process sends."""
    if not 0 < reset_s <= LONGEST_TOLD_S:
        return bucket
    if remaining <= 0:
        # Told in whole seconds by each answer: only a later window is news.
        known = (bucket.paused_until or 0.0) >= now + reset_s - 1.0
        return bucket if known else paused(bucket, now, reset_s)
    if remaining > max(FEW, FEW_S * max(pace(bucket, now) or 0.0, own_per_s)):
        return bucket
    spread, until = remaining / reset_s, now + reset_s
    known_spread = _spread(bucket, now)
    if known_spread is not None and abs(spread - known_spread) < 0.2 * known_spread and abs(until - (bucket.spread_until or 0)) < 2.0:
        return bucket
    return replace(bucket, spread=spread, spread_until=until)


def cleared(bucket: Bucket) -> Bucket:
    """After a person said to forget it all."""
    return Bucket(version=bucket.version, epoch=bucket.epoch + 1, throttles=bucket.throttles)


def merged(bucket: Bucket, alone: Bucket) -> Bucket:
    """`bucket` with what a process has learnt while it could not tell: the longer pause, the later refusal."""
    if (alone.paused_until or 0.0) > (bucket.paused_until or 0.0):
        bucket = replace(bucket, epoch=bucket.epoch + 1, paused_until=alone.paused_until, next_at=alone.paused_until)
    if (alone.throttled_at or 0.0) > (bucket.throttled_at or 0.0):
        lower = min((r for r in (alone.rate, bucket.rate) if r is not None), default=None)
        bucket = replace(
            bucket, rate=lower, grown_s=0.0, throttles=bucket.throttles + 1, throttled_at=alone.throttled_at, strikes=alone.strikes
        )
    return bucket


def shifted(bucket: Bucket, by_s: float) -> Bucket:
    """The same by a clock that is `by_s` ahead."""

    def moved(at: float | None) -> float | None:
        return None if at is None else at + by_s

    return replace(
        bucket,
        paused_until=moved(bucket.paused_until),
        next_at=moved(bucket.next_at),
        throttled_at=moved(bucket.throttled_at),
        spread_until=moved(bucket.spread_until),
    )


def _learnt(bucket: Bucket, at: float) -> float | None:
    if bucket.rate is None or bucket.throttled_at is None or at - bucket.throttled_at > FORGOTTEN_S:
        return None
    grown = bucket.grown_s / GROWS_S
    return bucket.rate * (1 + grown if grown <= 1 else math.exp2(min(grown, 60)))


def _gentle(bucket: Bucket, at: float) -> float | None:
    if bucket.paused_until is None or at - bucket.paused_until >= GENTLE_S:
        return None
    return FIRST_PER_S * math.exp2(max(0.0, at - bucket.paused_until) / DOUBLES_S)


def _spread(bucket: Bucket, at: float) -> float | None:
    return bucket.spread if bucket.spread_until is not None and at < bucket.spread_until else None


def _came_soon(bucket: Bucket, now: float) -> bool:
    if bucket.paused_until is None or bucket.throttled_at is None:
        return False
    return now - bucket.paused_until < max(QUIET_S, _pause_s(bucket.strikes, None, 0.0))


def _pause_s(strikes: int, retry_after_s: float | None, jitter: float) -> float:
    if retry_after_s is None:
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * math.exp2(min(strikes, 20)) * (1 + jitter / 4))
    # "At once" that is repeated is no answer: up to a second is waited then.
    return max(retry_after_s, min(FIRST_PAUSE_S, SHORTEST_PAUSE_S * math.exp2(min(strikes, 20))))
