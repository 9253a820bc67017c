"""Rounds of edits, and of runs that are made to fail; then a rest, and a comparison."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from connector_pipelines.testing.fake_api import Entry, RemoteFakeApi
from tests.convergence.comparing import differences
from tests.convergence.expecting import expected
from tests.convergence.holding import held
from tests.convergence.house import ENDPOINTS, House
from tests.convergence.people import People
from tests.convergence.running import Meddling, Runner
from tests.convergence.streams import Told, streams
from tests.convergence.syncing import Ended, Plan, Work
from tests.convergence.trouble import end_connections, mark_killed, script_faults, too_early

__all__ = ["Campaign", "Outcome", "Size"]

_TRANSIENT = {"unavailable", "rate_limited", "transient", "busy"}
_UNUSUAL = {"configuration", "not_found", "permanent", "mismatch", "forbidden"}
_TRIES_AT_REST = 60
_EXPIRED = 410
_WORK: Sequence[Work] = ("sync", "notified", "sweep", "days")
_BESIDE: Sequence[Work] = ("drain", "drain", "sync")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much. `page`: records of a page; `faults`: of the API in a round, at most."""

    records: int
    edits: int
    rounds: int
    page: int
    faults: int = 4


@dataclass(slots=True)
class Outcome:
    """What came of it.

    Attributes:
        before_sweep: Differences after one whole sync of each endpoint, but for what only a sweep is sure to find.
        after_sweep: Differences after a sweep; then none is left out.
        unsettled: What is wrong with the catalog itself then: places, work that is left, open failures.
        news_at_rest: Items that one more sync found to be other than known.
        too_early: Requests that came while the API had asked to wait.
        ends: How runs ended, by code; `faults`: what befell answers; `edits`: by what they were.
    """

    before_sweep: list[str] = field(default_factory=list)
    after_sweep: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    news_at_rest: int = 0
    too_early: list[tuple[Entry, Entry]] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    edits: dict[str, int] = field(default_factory=dict)
    connections_ended: int = 0
    records: int = 0
    requests: int = 0
    left_to_sweeps: int = 0


class Campaign:
    """One of them, by one seed."""

    def __init__(self, database_url: str, folder: Path, api: RemoteFakeApi, size: Size, seed: int, say: Callable[[str], object]) -> None:
        self._api, self._size, self._seed, self._say = api, size, seed, say
        self._dice = random.Random(seed)
        self._streams: list[Told] = streams(size.page)
        self._house = House(database_url, folder, api, self._streams, size.page)
        self._people = People(api, self._streams, self._dice, self._house.notify)
        self._runner = Runner(self._dice)
        self._outcome, self._round, self._note_first, self._runs = Outcome(), 0, False, 0

    def run(self) -> Outcome:
        try:
            self._people.found(self._size.records)
            self._say(f"{self._size.records:,} records were made")
            for number in range(1, self._size.rounds + 1):
                self._round, began_s = number, time.monotonic()
                ends = self._one_round()
                self._say(f"round {number} of {self._size.rounds}: {', '.join(ends)} ({time.monotonic() - began_s:.1f} s)")
            self._rest()
        finally:
            self._house.close()
        return self._told()

    def _one_round(self) -> list[str]:
        """How each run ended."""
        dice, edits = self._dice, self._size.edits // self._size.rounds
        if dice.random() < 0.5:
            self._people.leap()
        if self._round == self._size.rounds // 3:
            self._note_first = True
            self._house.configure(note_first=True)
        quiet = dice.randrange(edits + 1)
        for _ in range(quiet):
            self._people.edit()
        # Those that are waited out for seconds, not in each round.
        without = {*((429, 503) if dice.random() < 0.6 else ()), *((_EXPIRED,) if self._is_late else ())}
        script_faults(self._api, dice, dice.randint(0, self._size.faults), without=without)
        plans = list(self._plans())
        doomed = [dice.random() < 0.4 for _ in plans]
        ended = self._runner.meddled(plans, doomed, self._meddling(edits - quiet))
        if dice.random() < 0.2:
            self._house.forget(self._round)
        self._outcome.ends.update(one.code for one in ended)
        return [f"{one.code} ({one.message})" if one.code in _UNUSUAL else one.code for one in ended]

    @property
    def _is_late(self) -> bool:
        """The last rounds: nothing is read whole any more, which would mend what was missed."""
        return self._round > self._size.rounds * 0.5

    def _plans(self) -> Iterator[Plan]:
        """At each endpoint a run, and perhaps another one beside it."""
        for endpoint in ENDPOINTS:
            yield self._plan(endpoint, self._dice.choices(_WORK, (70, 12, 0, 0) if self._is_late else (60, 12, 16, 12))[0])
            if self._dice.random() < 0.2:
                yield self._plan(endpoint, self._dice.choice(_BESIDE))

    def _plan(self, endpoint: str, work: Work) -> Plan:
        self._runs += 1
        house, seed = self._house, self._seed * 100_000 + self._runs
        return Plan(database_url=house.database_url, home=str(house.home), endpoint=endpoint, seed=seed, work=work, days_later=self._round)

    def _meddling(self, edits: int) -> Meddling:
        dice = self._dice
        return Meddling(
            edit=self._people.edit,
            edits=edits,
            killed=lambda endpoint: mark_killed(self._api, endpoint),
            end_connections=self._end_connections,
            ends_after_s=[dice.uniform(0, 2.0) for _ in range(dice.choice((0, 0, 0, 1, 2)))],
        )

    def _end_connections(self) -> None:
        self._outcome.connections_ended += end_connections(self._house.database_url, self._dice)

    def _rest(self) -> None:
        """Nobody edits, nothing fails. What is held is compared as it is then, and again once everything was read."""
        outcome, house = self._outcome, self._house
        self._api.clear_faults()
        self._round += 1
        house.retry()
        for endpoint in ENDPOINTS:
            self._whole(self._plan(endpoint, "sync"))
        unlisted = {failure.item for failure in house.failures() if failure.stage == "listing"}
        outcome.before_sweep = self._differences(self._people.unseen | unlisted)
        outcome.left_to_sweeps = len(self._people.unseen)
        for endpoint in ENDPOINTS:
            self._whole(self._plan(endpoint, "sweep"))
        outcome.after_sweep = self._differences(())
        for endpoint in ENDPOINTS:
            outcome.news_at_rest += self._whole(self._plan(endpoint, "sync")).changed
        outcome.unsettled = house.unsettled(self._people.now, self._people.empty()) + [
            f"{one.item} failed in {one.stage}: {one.message}" for one in house.failures()
        ]

    def _whole(self, plan: Plan) -> Ended:
        """The run as it ends once nothing holds it up any more: pauses and open circuits are waited for."""
        for _ in range(_TRIES_AT_REST):
            ended = self._runner.at_rest(plan)
            self._outcome.ends[f"at rest: {ended.code}"] += 1
            if ended.code not in _TRANSIENT:
                break
            self._say(f"at rest, {plan.work} of {plan.endpoint}: {ended.message}")
            time.sleep(0.5)  # as long as whatever runs next would take to begin
        assert ended.code == "done", f"{plan.work} of {plan.endpoint} at rest: {ended.code}, {ended.message}"
        return ended

    def _differences(self, but: Sequence[str] | set[str] | tuple[()]) -> list[str]:
        truth = {stream.name: self._api.truth(stream.name) for stream in self._streams}
        self._outcome.records = sum(map(len, truth.values()))
        wanted = expected(self._streams, truth, self._people.files, note_first=self._note_first)
        found = differences(wanted, held(self._house.database_url, self._streams), but=but)
        self._say(f"{self._outcome.records:,} records and {len(wanted.texts):,} documents compared, {len(found)} differences")
        return found

    def _told(self) -> Outcome:
        journal, outcome = self._api.journal(), self._outcome
        asked = journal.entries()
        outcome.requests, outcome.edits = len(asked), self._people.edits
        outcome.faults = Counter(entry.fault if entry.fault != "status" else str(entry.status) for entry in asked if entry.fault)
        outcome.too_early = too_early(journal)
        return outcome
