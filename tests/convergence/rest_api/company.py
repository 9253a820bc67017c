"""A company whose records an API shows, and the installation that reads it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from connector_pipelines.testing.fake_api import RemoteFakeApi
from tests.convergence.campaign import Outcome
from tests.convergence.rest_api.comparing import differences
from tests.convergence.rest_api.expecting import expected
from tests.convergence.rest_api.faults import mark_killed, script_faults, too_early
from tests.convergence.rest_api.holding import held
from tests.convergence.rest_api.installation import ENDPOINTS, Installation
from tests.convergence.rest_api.people import People
from tests.convergence.rest_api.streams import Told, streams
from tests.convergence.running import Ran

__all__ = ["RestCompany"]

_EXPIRED = 410


class RestCompany:
    """A `Company`.

    Args:
        records: How many there are to begin with.
        page: Records of a page.
    """

    endpoints: Sequence[str] = ENDPOINTS

    def __init__(  # what a campaign is about
        self, database_url: str, folder: Path, api: RemoteFakeApi, dice: random.Random, records: int, page: int
    ) -> None:
        self._api, self._dice, self._records = api, dice, records
        self._streams: list[Told] = streams(page)
        self.house = Installation(database_url, folder, api, self._streams, page)
        self._people = People(api, self._streams, dice, self.house.notify)
        self._note_first = False

    def close(self) -> None:
        self.house.close()

    def found(self) -> str:
        self._people.found(self._records)
        return f"{self._records:,} records were made"

    def begin(self, number: int, rounds: int) -> None:
        if self._dice.random() < 0.5:
            self._people.leap()
        if number == rounds // 3:
            self._note_first = True
            self.house.configure(note_first=True)

    def edit(self) -> None:
        self._people.edit()

    def script_faults(self, count: int, *, is_late: bool) -> None:
        # Those that are waited out for seconds, not in each round.
        without = {*((429, 503) if self._dice.random() < 0.6 else ()), *((_EXPIRED,) if is_late else ())}
        script_faults(self._api, self._dice, count, without=without)

    def killed(self, endpoint: str) -> None:
        mark_killed(self._api, endpoint)

    def calm(self) -> None:
        self._api.clear_faults()

    def differences(self, outcome: Outcome, *, after_sweep: bool) -> list[str]:
        unlisted = {failure.item for failure in self.house.failures() if failure.stage == "listing"}
        but = set() if after_sweep else self._people.unseen | unlisted
        if not after_sweep:
            outcome.left_to_sweeps = Counter(unseen=len(self._people.unseen))
        truth = {stream.name: self._api.truth(stream.name) for stream in self._streams}
        wanted = expected(self._streams, truth, self._people.files, note_first=self._note_first)
        outcome.items = len(wanted.texts)
        return differences(wanted, held(self.house.database_url, self._streams), but=but)

    def unsettled(self) -> list[str]:
        return self.house.unsettled(self._people.now, self._people.empty())

    def tell(self, outcome: Outcome, runs: Sequence[Ran]) -> None:
        journal = self._api.journal()
        asked = journal.entries()
        outcome.requests, outcome.edits = len(asked), self._people.edits
        outcome.faults = Counter(entry.fault if entry.fault != "status" else str(entry.status) for entry in asked if entry.fault)
        outcome.too_early = too_early(journal)
