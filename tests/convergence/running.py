"""Runs in processes of their own, and what is done to them and to the company meanwhile."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from tests.convergence.syncing import PRELOADED, Ended, Plan, main

__all__ = ["Meddling", "Ran", "Runner"]

_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Meddling:
    """What happens while runs are at work.

    Attributes:
        edit: Called `edits` times, now and then, as long as anybody is likely to be at work; and for the rest when nobody is any more.
        killed: Told the endpoint of each run that was killed.
        end_connections: Called at the instants `ends_after_s` from the beginning.
    """

    edit: Callable[[], object]
    edits: int
    killed: Callable[[str], None]
    end_connections: Callable[[], object]
    ends_after_s: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run that is over. Instants are seconds since 1970, by this machine's clock.

    Attributes:
        cut: Whether connections to the database were ended while it was at work.
    """

    plan: Plan
    ended: Ended
    began_at: float
    ended_at: float
    cut: bool


@dataclass(slots=True)
class _Run:
    plan: Plan
    process: BaseProcess
    answers: Connection
    began_s: float
    kill_at_s: float | None
    began_at: float = field(default_factory=time.time)


class Runner:
    """Starts runs by a fork server that has imported everything.

    Attributes:
        ran: All runs so far, in the order in which they ended.
    """

    def __init__(self, dice: random.Random) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(PRELOADED))
        self._dice = dice
        self._lasts_s = 1.0
        self._cuts: list[float] = []
        self.ran: list[Ran] = []

    def at_rest(self, plan: Plan) -> Ended:
        """One run, by itself."""
        run = self._start(plan, doomed=False)
        run.process.join(_LIMIT_S)
        return self._ended(run)

    def meddled(self, plans: Sequence[Plan], doomed: Sequence[bool], meddling: Meddling) -> list[Ended]:
        """All of these at once. The doomed are killed at an instant at which they are likely to be still at work."""
        began_s, left, ended = time.monotonic(), list[_Run](), list[Ended]()
        todo = [(self._dice.uniform(0, 1.2 * self._lasts_s), meddling.edit) for _ in range(meddling.edits)]
        todo += [(after_s, lambda: self._cut(meddling)) for after_s in meddling.ends_after_s]
        todo.sort(key=lambda one: one[0], reverse=True)
        try:
            left += [self._start(plan, doomed=dies) for plan, dies in zip(plans, doomed, strict=True)]
            while left:
                now_s = time.monotonic()
                assert now_s - began_s < _LIMIT_S, f"a run hangs: {[run.plan for run in left]}"
                _kill_doomed(left, now_s, meddling)
                while todo and now_s - began_s >= todo[-1][0]:
                    todo.pop()[1]()
                wait([run.process.sentinel for run in left], timeout=0.01)
                over = [run for run in left if not run.process.is_alive()]
                left = [run for run in left if run not in over]
                ended += map(self._ended, over)
        finally:
            for run in left:
                run.process.kill()
        for _, act in reversed(todo):
            act()
        return ended

    def _start(self, plan: Plan, *, doomed: bool) -> _Run:
        answers, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=main, args=(plan, theirs))
        process.start()
        theirs.close()
        now = time.monotonic()
        return _Run(plan, process, answers, now, now + self._dice.uniform(0, 1.3 * self._lasts_s) if doomed else None)

    def _cut(self, meddling: Meddling) -> None:
        self._cuts.append(time.time())
        meddling.end_connections()

    def _ended(self, run: _Run) -> Ended:
        ended, now = self._answer(run), time.time()
        is_cut = any(run.began_at <= at <= now for at in self._cuts)
        self.ran.append(Ran(plan=run.plan, ended=ended, began_at=run.began_at, ended_at=now, cut=is_cut))
        return ended

    def _answer(self, run: _Run) -> Ended:
        run.process.join(_LIMIT_S)
        code = run.process.exitcode
        assert code in {0, -signal.SIGKILL}, f"a run hangs, or ended with a bug: {code}, {run.plan}"
        try:
            ended: Ended = run.answers.recv()
        except EOFError:
            assert code, f"a run ended without a word: {run.plan}"
            return Ended("killed")
        if ended.code == "done":
            self._lasts_s = 0.7 * self._lasts_s + 0.3 * (time.monotonic() - run.began_s)
        return ended


def _kill_doomed(runs: Sequence[_Run], now_s: float, meddling: Meddling) -> None:
    for run in runs:
        if run.kill_at_s is not None and now_s >= run.kill_at_s:
            run.process.kill()
            run.kill_at_s = None
            meddling.killed(run.plan.endpoint)
