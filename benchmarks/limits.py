"""What does it cost to ask whether a request may be sent, beside not asking, and beside one SELECT for each?

The bare SELECT is what a limiter would do that looks at the shared row before each request: the same row, by its key, on one
connection in autocommit.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
from pydantic import SecretStr

from benchmarks._costs import Action, contest
from benchmarks._figures import Figure, alone
from benchmarks._installation import installation
from connector_pipelines.net.limits import Limits
from connector_pipelines.net.protocols import Answered
from connector_pipelines.store.catalog.limits import PostgresLimits
from connector_pipelines.store.catalog.schema import OPERATOR_ROLE

__all__ = ["figures"]

_SELECT = "SELECT version, epoch, paused_until, next_at, rate FROM rate_limits WHERE bucket = %s"
_CEILING = 20_000.0
_THREADS = 16
_GOAL_US = 30.0


def figures(*, quick: bool) -> Iterator[Figure | str]:
    count, rounds = (4_800, 1) if quick else (48_000, 3)
    stop = threading.Event()
    with installation() as place, psycopg.connect(place.url, autocommit=True) as raw:
        raw.execute(f"SET ROLE {OPERATOR_ROLE}")
        limits = Limits(PostgresLimits(SecretStr(place.url)))

        def admit(bucket: str, times: int, at_most: float | None = None) -> None:
            for _ in range(times):
                limits.limiter.admit((bucket,), within_s=60, stop=stop, at_most=at_most)
                limits.limiter.learn(bucket, Answered())

        def guarded() -> None:
            for _ in range(count):
                limits.breaker.check("free host")
                limits.breaker.record("free host", works=True)

        def limited() -> None:
            _in_threads(lambda: admit("limited", count // _THREADS, _CEILING))

        admit("free", 1)
        free, breaker, slow, bare, nothing = contest(
            place.meter,
            rounds,
            lambda _: lambda: admit("free", count),
            lambda _: guarded,
            lambda _: limited,
            lambda _: lambda: [raw.execute(_SELECT, ["free"]).fetchone() for _ in range(count)],
            lambda _: lambda: [_do_nothing("free", within_s=60, stop=stop) for _ in range(count)],
        )
        for what, ours in (
            ("a request of a bucket that nobody limits", free),
            ("the breaker, for a host that answers", breaker),
            (f"{_THREADS} threads under a ceiling of {_CEILING:,.0f}/s", slow),
        ):
            yield Figure(what=what, peer_name="a bare SELECT", ours=ours, peer=bare, items=count, unit="request")
        yield alone("an empty call", min(nothing, key=lambda cost: cost.wall_s), count, "call")
        dearest_us = max(cost.cpu_s for cost in free) / count * 1e6
        yield f"nobody limits: goal {_GOAL_US:.0f} µs of CPU for each request: {'met' if dearest_us <= _GOAL_US else 'MISSED'} ({dearest_us:.1f} µs)"
        limits.close()


def _do_nothing(bucket: str, *, within_s: float, stop: threading.Event) -> None:
    """What a call costs that asks nobody."""


def _in_threads(act: Action) -> None:
    threads = [threading.Thread(target=act) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
