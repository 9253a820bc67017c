"""Rounds of edits, and of runs that are made to fail; then a rest, and a comparison. What is read, and by whom it is edited, is a `Company`."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tests.convergence.house import House
from tests.convergence.running import Meddling, Ran, Runner
from tests.convergence.syncing import Ended, Plan, Work
from tests.convergence.trouble import end_connections

__all__ = ["Campaign", "Company", "Outcome", "Size"]

# Who was suspended is tried again only after the pause that follows a refusal.
_PASSING = {"unavailable", "rate_limited", "transient", "busy", "subject_refused"}
_UNUSUAL = {"configuration", "not_found", "permanent", "mismatch", "forbidden"}
_TRIES_AT_REST = 90
_SAID = 3
_WORK: Sequence[Work] = ("sync", "notified", "sweep", "days")
_BESIDE: Sequence[Work] = ("drain", "drain", "sync")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much. `faults`: of the other side in a round, at most."""

    edits: int
    rounds: int
    faults: int = 4


@dataclass(slots=True)
class Outcome:
    """What came of it.

    Attributes:
        before_sweep: Differences after one whole sync of each endpoint, but for what only a sweep is sure to find.
        after_sweep: Differences after a sweep; then none is left out.
        unsettled: What is wrong with the catalog itself then: places, work that is left, failures nobody can explain.
        news_at_rest: Items that one more sync found to be other than known.
        too_early: Requests that came while the other side had asked to wait.
        fetched_again: What was downloaded more often than edits, kills and faults explain.
        ends: How runs ended, by code; `faults`: what befell answers; `edits`: by what they were; `left_to_sweeps`: by why.
        items: Compared, of all endpoints; `requests`: that were made.
    """

    before_sweep: list[str] = field(default_factory=list)
    after_sweep: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    news_at_rest: int = 0
    too_early: Sequence[object] = ()
    fetched_again: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    edits: Mapping[str, int] = field(default_factory=dict)
    connections_ended: int = 0
    items: int = 0
    requests: int = 0
    left_to_sweeps: Counter[str] = field(default_factory=Counter)
    notes: dict[str, object] = field(default_factory=dict)


class Company(Protocol):
    """The other side with those who edit what is in it, and the installation that reads it.

    Attributes:
        endpoints: Slugs.
    """

    endpoints: Sequence[str]

    @property
    def house(self) -> House: ...

    def found(self) -> str:
        """Make what there is to begin with; says what that is."""
        ...

    def begin(self, number: int, rounds: int) -> None:
        """A round begins; nobody is at work."""
        ...

    def edit(self) -> None: ...

    def script_faults(self, count: int, *, is_late: bool) -> None:
        """So many, in place of those before. None that makes all be read anew when it `is_late`: that would mend what was missed."""
        ...

    def killed(self, endpoint: str) -> None:
        """A run of it was killed just now."""
        ...

    def calm(self) -> None:
        """From now on nothing fails; what was suspended or taken away for a while is given back."""
        ...

    def differences(self, outcome: Outcome, *, after_sweep: bool) -> list[str]: ...

    def unsettled(self) -> list[str]: ...

    def tell(self, outcome: Outcome, runs: Sequence[Ran]) -> None:
        """Fill in what the other side's journal says."""
        ...

    def close(self) -> None: ...


class Campaign:
    """One of them, by one seed. The company is closed at its end."""

    def __init__(self, company: Company, size: Size, seed: int, dice: random.Random, say: Callable[[str], object]) -> None:
        self._company, self._size, self._seed, self._dice, self._say = company, size, seed, dice, say
        self._runner = Runner(dice)
        self._outcome, self._round, self._runs = Outcome(), 0, 0

    def run(self) -> Outcome:
        try:
            self._say(self._company.found())
            for number in range(1, self._size.rounds + 1):
                self._round, began_s = number, time.monotonic()
                ends = self._one_round()
                self._say(f"round {number} of {self._size.rounds}: {', '.join(ends)} ({time.monotonic() - began_s:.1f} s)")
            self._rest()
            self._company.tell(self._outcome, self._runner.ran)
        finally:
            self._company.close()
        return self._outcome

    def _one_round(self) -> list[str]:
        """How each run ended."""
        dice, edits = self._dice, self._size.edits // self._size.rounds
        self._company.begin(self._round, self._size.rounds)
        quiet = dice.randrange(edits + 1)
        for _ in range(quiet):
            self._company.edit()
        self._company.script_faults(dice.randint(0, self._size.faults), is_late=self._is_late)
        plans = list(self._plans())
        doomed = [dice.random() < 0.4 for _ in plans]
        ended = self._runner.meddled(plans, doomed, self._meddling(edits - quiet))
        if dice.random() < 0.2:
            self._company.house.forget(self._round)
        self._outcome.ends.update(one.code for one in ended)
        return [f"{one.code} ({one.message})" if one.code in _UNUSUAL else one.code for one in ended]

    @property
    def _is_late(self) -> bool:
        """The last rounds: nothing is read whole any more, which would mend what was missed."""
        return self._round > self._size.rounds * 0.5

    def _plans(self) -> Iterator[Plan]:
        """At each endpoint a run, and perhaps another one beside it."""
        for endpoint in self._company.endpoints:
            yield self._plan(endpoint, self._dice.choices(_WORK, (70, 12, 0, 0) if self._is_late else (60, 12, 16, 12))[0])
            if self._dice.random() < 0.2:
                yield self._plan(endpoint, self._dice.choice(_BESIDE))

    def _plan(self, endpoint: str, work: Work) -> Plan:
        self._runs += 1
        house, seed = self._company.house, self._seed * 100_000 + self._runs
        return Plan(database_url=house.database_url, home=str(house.home), endpoint=endpoint, seed=seed, work=work, days_later=self._round)

    def _meddling(self, edits: int) -> Meddling:
        dice = self._dice
        return Meddling(
            edit=self._company.edit,
            edits=edits,
            killed=self._company.killed,
            end_connections=self._end_connections,
            ends_after_s=[dice.uniform(0, 2.0) for _ in range(dice.choice((0, 0, 0, 1, 2)))],
        )

    def _end_connections(self) -> None:
        self._outcome.connections_ended += end_connections(self._company.house.database_url, self._dice)

    def _rest(self) -> None:
        """Nobody edits, nothing fails. What is held is compared as it is then, and again once everything was read."""
        outcome, company = self._outcome, self._company
        company.calm()
        self._round += 1
        company.house.retry()
        for endpoint in company.endpoints:
            self._whole(self._plan(endpoint, "sync"))
        outcome.before_sweep = self._differences(after_sweep=False)
        for endpoint in company.endpoints:
            self._whole(self._plan(endpoint, "sweep"))
        outcome.after_sweep = self._differences(after_sweep=True)
        for endpoint in company.endpoints:
            outcome.news_at_rest += self._whole(self._plan(endpoint, "sync")).changed
        outcome.unsettled = company.unsettled()

    def _whole(self, plan: Plan) -> Ended:
        """The run as it ends once nothing holds it or a part of it up any more: pauses and open circuits are waited for."""
        for _ in range(_TRIES_AT_REST):
            ended = self._runner.at_rest(plan)
            self._outcome.ends[f"at rest: {ended.code}"] += 1
            held_up = [ended.message] if ended.code in _PASSING else self._left_out(plan.endpoint)
            if not held_up:
                break
            self._say(f"at rest, {plan.work} of {plan.endpoint}: {held_up[0]}")
            time.sleep(0.5)  # as long as whatever runs next would take to begin
        assert ended.code == "done", f"{plan.work} of {plan.endpoint} at rest: {ended.code}, {ended.message}"
        return ended

    def _left_out(self, endpoint: str) -> list[str]:
        """Why parts could not be listed, where that passes."""
        failures = self._company.house.failures()
        return [one.message for one in failures if (one.endpoint, one.stage) == (endpoint, "listing") and one.code in _PASSING]

    def _differences(self, *, after_sweep: bool) -> list[str]:
        found = self._company.differences(self._outcome, after_sweep=after_sweep)
        self._say(f"{self._outcome.items:,} items compared, {len(found)} differences")
        for one in found[:_SAID]:
            self._say(one)
        return found
