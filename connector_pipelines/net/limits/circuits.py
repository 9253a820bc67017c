"""When a host is left alone because it does not answer: what is known of a circuit, and how the ends of requests change that. Pure.

Closed, requests pass. It opens after `FAILURES` failures without a success between them, counted over all processes (what
Envoy's outlier detection ejects a host at), or when half of at least `LEAST_REQUESTS` requests of one process in `WINDOW_S` failed
(Hystrix' figures: fewer say nothing about a share). Open, none passes for 5 s, then twice as long each time, 5 min at most. Then one
request of the installation tries: if it works the circuit is closed, else it is open for longer.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Literal

__all__ = [
    "FAILURES", "PROBE_S", "Circuit", "CircuitState", "Window", "claimed", "failed", "forgotten", "opened", "probe_failed", "state", "worked",
]  # fmt: skip

FAILURES = 5
LEAST_REQUESTS = 20
WINDOW_S = 10.0
SHARE = 0.5
FIRST_OPEN_S = 5.0
LONGEST_OPEN_S = 300.0

PROBE_S = 30.0
"""How long the request that tries has: longer than a head of an answer takes, and all that is lost where its process dies."""

CircuitState = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """What is known of a circuit. Instants are seconds of the database's clock.

    Attributes:
        version: Rises with every change that is stored.
        failures: Without a success between them.
        open_until: None while it is closed.
        opened: How many times in a row.
        probes, probe_until: How many requests have tried it; until when the last one has to come back.
    """

    version: int = 0
    failures: int = 0
    open_until: float | None = None
    opened: int = 0
    probes: int = 0
    probe_until: float | None = None


class Window:
    """What share of the requests of the last `WINDOW_S` seconds failed. Not for several threads at once."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int, int]] = deque(maxlen=int(WINDOW_S))

    def add(self, now: float, *, works: bool) -> None:
        second = int(now)
        requests, failures = 0, 0
        if self._seconds and self._seconds[-1][0] == second:
            _, requests, failures = self._seconds.pop()
        self._seconds.append((second, requests + 1, failures + (not works)))

    def is_bad(self, now: float) -> bool:
        recent = [(n, bad) for second, n, bad in self._seconds if second > now - WINDOW_S]
        requests, failures = sum(n for n, _ in recent), sum(bad for _, bad in recent)
        return requests >= LEAST_REQUESTS and failures >= SHARE * requests

    def clear(self) -> None:
        self._seconds.clear()


def state(circuit: Circuit, now: float) -> CircuitState:
    if circuit.open_until is None:
        return "closed"
    return "open" if now < circuit.open_until else "half-open"


def failed(circuit: Circuit, now: float, count: int, *, jitter: float = 0.0) -> Circuit:
    """After `count` more failures. Of an open circuit they are no news: they were under way when it opened."""
    if circuit.open_until is not None:
        return circuit
    counted = replace(circuit, failures=circuit.failures + count)
    return opened(counted, now, jitter=jitter) if counted.failures >= FAILURES else counted


def opened(circuit: Circuit, now: float, *, jitter: float = 0.0) -> Circuit:
    """Open from now on. `jitter` is from 0 to 1."""
    lasts_s = min(LONGEST_OPEN_S, FIRST_OPEN_S * math.exp2(min(circuit.opened, 20)) * (1 + jitter / 4))
    return replace(circuit, open_until=now + lasts_s, opened=circuit.opened + 1, probe_until=None)


def claimed(circuit: Circuit, now: float) -> Circuit:
    """After a request asked to be the one that tries; the same circuit where it is not, else `probes` is its number."""
    busy = circuit.probe_until is not None and now < circuit.probe_until
    if busy or state(circuit, now) != "half-open":
        return circuit
    return replace(circuit, probes=circuit.probes + 1, probe_until=now + PROBE_S)


def probe_failed(circuit: Circuit, now: float, probe: int, *, jitter: float = 0.0) -> Circuit:
    """After the request with that number failed; the same circuit where another one tries by now."""
    return opened(circuit, now, jitter=jitter) if circuit.open_until is not None and circuit.probes == probe else circuit


def worked(circuit: Circuit) -> Circuit:
    """Closed: the request that tried it, or in a closed one any request, worked."""
    if circuit.open_until is None and circuit.failures == 0:
        return circuit
    return Circuit(version=circuit.version, probes=circuit.probes)


def forgotten(circuit: Circuit) -> Circuit:
    """After a person said to forget it all."""
    return Circuit(version=circuit.version, probes=circuit.probes)
