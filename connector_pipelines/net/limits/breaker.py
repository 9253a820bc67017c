"""Whether a host is asked at all, by how its requests ended in all processes of the installation."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from functools import partial

from connector_pipelines.core.errors import Unavailable
from connector_pipelines.net.limits.board import Board
from connector_pipelines.net.limits.circuits import FAILURES, Circuit, Window, claimed, failed, opened, probe_failed, state, worked

__all__ = ["SharedBreaker"]

RETRY_S = 1.0
"""When to ask again whether the request that tries has come back."""

WRITE_S = 0.1
"""Failures that come faster are written together."""


@dataclass(slots=True)
class _Own:
    """Of one circuit, what is this process's own.

    Attributes:
        failures: In a row.
        untold: Those of them that other processes do not know of.
        told_at: By the board's clock, when they were told last.
        probes: By thread, the number of the request that tries.
    """

    window: Window = field(default_factory=Window)
    failures: int = 0
    untold: int = 0
    told_at: float = float("-inf")
    probes: dict[int, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class SharedBreaker:
    """A `Breaker`, as the protocol says. `check` and `record` of one request are called in the same thread."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._owns: dict[str, _Own] = {}
        self._making = threading.Lock()

    def check(self, circuit: str) -> None:
        known = self._board.circuit(circuit)
        if known.open_until is not None and not self._may_try(circuit, known):
            self._refuse(circuit, self._board.circuit(circuit))

    def record(self, circuit: str, *, works: bool) -> None:
        own, now = self._owns.get(circuit) or self._own(circuit), self._board.clock()
        probe = own.probes.pop(threading.get_ident(), None) if own.probes else None
        if probe is not None:
            self._end_probe(circuit, own, probe, works=works)
            return
        known = self._board.circuit(circuit)
        if known.open_until is not None:
            # It was under way when the circuit opened: only the request that tries it counts.
            return
        with own.lock:
            own.window.add(now, works=works)
            own.failures = 0 if works else own.failures + 1
            own.untold = 0 if works else own.untold + 1
            is_bad = own.failures >= FAILURES or (not works and own.window.is_bad(now))
        if is_bad:
            self._open(circuit, own)
        elif not works and now - own.told_at >= WRITE_S:
            self._tell(circuit, own)
        elif works and known.failures:
            self._board.change_circuit(circuit, lambda found, _: worked(found) if found.open_until is None else found)

    def flush(self) -> None:
        """Tell what was not told yet: the next process may be the one that meets the rest of it."""
        for circuit, own in list(self._owns.items()):
            if own.untold:
                self._tell(circuit, own)

    def _may_try(self, circuit: str, known: Circuit) -> bool:
        now = self._board.now()
        if state(known, now) == "open" or (known.probe_until is not None and now < known.probe_until):
            return False
        mine: list[bool] = []

        def change(found: Circuit, at: float) -> Circuit:
            changed = claimed(found, at)
            mine.append(changed is not found)
            # Somebody may have closed it meanwhile.
            return changed

        stored = self._board.change_circuit(circuit, change)
        if stored.open_until is None:
            return True
        if mine[-1]:
            (self._owns.get(circuit) or self._own(circuit)).probes[threading.get_ident()] = stored.probes
        return mine[-1]

    def _refuse(self, circuit: str, known: Circuit) -> None:
        now = self._board.now()
        if known.open_until is None:
            return
        wait = known.open_until - now if now < known.open_until else RETRY_S
        raise Unavailable(
            f"{circuit}: not asked, because the last {known.failures or 'few'} requests failed; it is tried again in {wait:.0f} s",
            advice="nothing to do if it comes back by itself; `connectors limits` shows since when it is away",
            retry_after_s=wait,
        )

    def _end_probe(self, circuit: str, own: _Own, probe: int, *, works: bool) -> None:
        if works:
            with own.lock:
                own.window.clear()
                own.failures = own.untold = 0
            self._board.change_circuit(circuit, lambda found, _: worked(found) if found.probes == probe else found)
        else:
            self._board.change_circuit(circuit, partial(probe_failed, probe=probe, jitter=random.random()))  # noqa: S311 - no secret

    def _open(self, circuit: str, own: _Own) -> None:
        with own.lock:
            untold, own.untold, own.failures = own.untold, 0, 0
            own.window.clear()

        def change(found: Circuit, now: float) -> Circuit:
            # At least ours: of another process's we may have known before.
            counted = failed(found, now, untold)
            return opened(counted, now, jitter=jitter) if counted.open_until is None else counted

        jitter = random.random()  # noqa: S311 - no secret
        self._board.change_circuit(circuit, change)

    def _tell(self, circuit: str, own: _Own) -> None:
        with own.lock:
            untold, own.untold, own.told_at = own.untold, 0, self._board.clock()
        self._board.change_circuit(circuit, partial(failed, count=untold, jitter=random.random()))  # noqa: S311 - no secret

    def _own(self, circuit: str) -> _Own:
        with self._making:
            return self._owns.setdefault(circuit, _Own())
