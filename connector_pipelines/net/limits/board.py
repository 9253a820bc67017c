"""What this process knows of the shared state, how old that may be, and what happens while the state is away.

Others' changes are heard within milliseconds. Should one be missed, the copy is looked at again before it is older than
`STALE_S`: no request is sent on older knowledge. Who looks is whichever thread wants to know, so a process that sends nothing
asks nothing. While the state is away, this process goes on by what it knows, and tells once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container
from typing import Generic, TypeVar

from connector_pipelines.core.errors import ConfigurationError, ConnectorError
from connector_pipelines.net.limits.buckets import Bucket, merged, shifted
from connector_pipelines.net.limits.circuits import Circuit
from connector_pipelines.net.limits.shared import SharedState
from connector_pipelines.telemetry import get_logger

__all__ = ["STALE_S", "Board"]

FRESH_S = 0.2
"""Older than this, one thread looks again and the others go on."""

STALE_S = 0.25
"""Older than this, all wait for the look."""

PATIENCE_S = 3.0
"""A look that takes longer is not waited for."""

IDLE_S = 30.0
"""After so long without a question nobody listens any more, and what was not asked for is forgotten."""

AGAIN_S = 1.0
"""Between attempts to reach a state that is away."""

State = TypeVar("State", Bucket, Circuit)


class _Copy(Generic[State]):
    """Of one table. What was heard or changed since a look began is newer than what the look saw."""

    def __init__(self, nothing: State) -> None:
        self._nothing: State = nothing
        self._rows: dict[str, tuple[State, float]] = {}
        # When anybody wanted to know last.
        self.asked_at: dict[str, float] = {}

    @property
    def names(self) -> list[str]:
        return list(self._rows)

    def get(self, name: str) -> State | None:
        found = self._rows.get(name)
        return found[0] if found else None

    def items(self) -> list[tuple[str, State]]:
        return [(name, state) for name, (state, _) in list(self._rows.items())]

    def begin(self, name: str) -> State:
        """Know nothing of it, and ask for it from the next look on."""
        return self._rows.setdefault(name, (self._nothing, float("-inf")))[0]

    def set(self, name: str, state: State, at: float) -> None:
        known = self._rows.get(name)
        if known is None or state.version >= known[0].version:
            self._rows[name] = (state, at)

    def replace(self, name: str, state: State, at: float) -> None:
        self._rows[name] = (state, at)

    def forget(self, before: float, but: Container[str]) -> None:
        """What nobody asked for since then: a bucket per user of a company is thousands, and each look asks for all of them."""
        for name in list(self._rows):
            if self.asked_at.get(name, before) <= before and name not in but:
                del self._rows[name]
                self.asked_at.pop(name, None)

    def seen(self, name: str, state: State | None, began_at: float) -> None:
        known = self._rows.get(name)
        if known is None or known[1] < began_at or (state is not None and state.version >= known[0].version):
            self._rows[name] = (state or self._nothing, began_at)


class Board:
    """This process's copy of the shared state. Used by several threads at once.

    Args:
        clock: Seconds that only go forward; the time of day is nobody's business here.

    Attributes:
        on_bucket: Called, in a thread of its own, when another process changed a bucket that this one knows.
    """

    def __init__(self, state: SharedState, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.on_bucket: Callable[[str, Bucket], None] = lambda *_: None
        self._state = state
        self._buckets, self._circuits = _Copy(Bucket()), _Copy(Circuit())
        self._looking = threading.Lock()
        # Of what is heard, seen and changed: three threads may be at it.
        self._writing = threading.Lock()
        self._seen_at = float("-inf")
        self._asked_at = clock()
        self._offset = 0.0
        self._is_away = False
        self._alone: dict[str, float] = {}
        self._listener: threading.Thread | None = None
        self._closed = False

    def now(self) -> float:
        """The shared clock: never ahead of it, and behind by no more than a round trip."""
        return self.clock() + self._offset

    def bucket(self, name: str) -> Bucket:
        """What is known of it: no older than `STALE_S`, unless the state is away."""
        now = self._buckets.asked_at[name] = self.clock()
        if now - self._seen_at > FRESH_S:
            self._look_again()
        return self._buckets.get(name) or self._first_look(self._buckets, name)

    def circuit(self, name: str) -> Circuit:
        now = self._circuits.asked_at[name] = self.clock()
        if now - self._seen_at > FRESH_S:
            self._look_again()
        return self._circuits.get(name) or self._first_look(self._circuits, name)

    def change_bucket(self, name: str, change: Callable[[Bucket, float], Bucket]) -> Bucket:
        """Change it for all processes; for this one alone while the state is away."""
        changed = None if self._is_away else self._shared(lambda: self._state.change_bucket(name, change))
        with self._writing:
            if changed is None:
                known = self._buckets.get(name) or Bucket()
                changed = change(known, self.now())
                if changed is not known:
                    self._alone.setdefault(name, self._offset)
            self._buckets.set(name, changed, self.clock())
        return changed

    def change_circuit(self, name: str, change: Callable[[Circuit, float], Circuit]) -> Circuit:
        changed = None if self._is_away else self._shared(lambda: self._state.change_circuit(name, change))
        with self._writing:
            changed = changed or change(self._circuits.get(name) or Circuit(), self.now())
            self._circuits.set(name, changed, self.clock())
        return changed

    def close(self) -> None:
        self._closed = True
        self._state.close()

    def _first_look(self, copy: _Copy[State], name: str) -> State:
        with self._writing:
            known = copy.begin(name)
        self._look_again(at_least=self.clock())
        return copy.get(name) or known

    def _look_again(self, *, at_least: float | None = None) -> None:
        """See to it that the copy is no older than `STALE_S`, or than `at_least` where that is given."""
        asked_at = self._asked_at = self.clock()
        self._keep_listening()
        oldest = asked_at - STALE_S if at_least is None else at_least
        must_wait = self._seen_at < oldest
        if self._is_away or not self._looking.acquire(blocking=must_wait, timeout=PATIENCE_S if must_wait else -1):
            return
        try:
            if self._seen_at < max(oldest, asked_at - FRESH_S):
                self._shared(self._look)
        finally:
            self._looking.release()

    def _look(self) -> None:
        began_at = self.clock()
        with self._writing:
            self._buckets.forget(began_at - IDLE_S, but=self._alone)
            self._circuits.forget(began_at - IDLE_S, but=())
        buckets, circuits = self._buckets.names, self._circuits.names
        seen = self._state.look(buckets, circuits)
        with self._writing:
            # Of the moment after it was read there: what is behind is late, and never early.
            self._offset = seen.now - self.clock()
            for name in buckets:
                if name not in self._alone:
                    self._buckets.seen(name, seen.buckets.get(name), began_at)
            for name in circuits:
                self._circuits.seen(name, seen.circuits.get(name), began_at)
        self._seen_at = began_at

    def _shared(self, act: Callable[[], State | None]) -> State | None:
        """What `act` gives; None, told once, where the state cannot be had."""
        try:
            return act()
        except ConnectorError as error:
            if not self._is_away and not self._closed:
                self._is_away = True
                # Before anything is installed there is nobody to share with.
                log = get_logger(__name__)
                (log.debug if isinstance(error, ConfigurationError) else log.warning)("limits_kept_alone", reason=str(error))
            return None

    def _keep_listening(self) -> None:
        if (self._listener is None or not self._listener.is_alive()) and not self._closed:
            with self._writing:
                if self._listener is None or not self._listener.is_alive():
                    self._listener = threading.Thread(target=self._listen, name="limits", daemon=True)
                    self._listener.start()

    def _listen(self) -> None:
        pause = threading.Event()
        while self._is_wanted():
            try:
                # While it is away it is left, to be come back to: that is how we hear that it is not any more.
                self._state.listen(self._heard, ready=self._came_back, wanted=lambda: self._is_wanted() and not self._is_away)
            except ConnectorError:
                # The looks tell it: they are what is relied on.
                pause.wait(AGAIN_S)

    def _is_wanted(self) -> bool:
        return not self._closed and self.clock() - self._asked_at < IDLE_S

    def _heard(self, name: str, found: Bucket | Circuit | None) -> None:
        with self._writing:
            if isinstance(found, Bucket) and self._buckets.get(name) is not None and name not in self._alone:
                self._buckets.set(name, found, self.clock())
            elif isinstance(found, Circuit) and self._circuits.get(name) is not None:
                self._circuits.set(name, found, self.clock())
            elif found is None:
                self._seen_at = float("-inf")
        if isinstance(found, Bucket) and self._buckets.get(name) is not None:
            self.on_bucket(name, found)

    def _came_back(self) -> None:
        """Somebody listens again: tell what was learnt alone, and go by the shared state from now on."""
        if not self._is_away:
            return
        with self._looking:
            self._look()
            while self._alone:
                name, offset = next(iter(self._alone.items()))
                self._tell(name, offset)
            self._is_away = False
        get_logger(__name__).warning("limits_shared_again")

    def _tell(self, name: str, offset: float) -> None:
        known = self._buckets.get(name) or Bucket()
        alone = shifted(known, self._offset - offset)
        stored = self._state.change_bucket(name, lambda shared, _: merged(shared, alone))
        with self._writing:
            # Else more was learnt meanwhile, and is told next.
            if (self._buckets.get(name) or known) is known:
                self._buckets.replace(name, stored, self.clock())
                del self._alone[name]
