"""A company that works in a Drive, and the installation that reads it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from connector_pipelines.testing.fake_drive import RemoteFakeDrive
from tests.convergence.campaign import Outcome
from tests.convergence.drive.comparing import differences
from tests.convergence.drive.downloads import fetched_again
from tests.convergence.drive.expecting import Expected, expected, shown
from tests.convergence.drive.faults import script_faults, script_quirks, too_early
from tests.convergence.drive.held import Held, held
from tests.convergence.drive.installation import Installation
from tests.convergence.drive.layout import ADA, BEN, DORA, Scope, laid_out
from tests.convergence.drive.people import People
from tests.convergence.drive.snapshot import Snapshot
from tests.convergence.holding import vectors
from tests.convergence.running import Ran

__all__ = ["DriveCompany"]


class DriveCompany:
    """A `Company`.

    Args:
        files: How many there are to begin with.
        page: Files of a page.
    """

    def __init__(self, database_url: str, folder: Path, drive: RemoteFakeDrive, dice: random.Random, files: int, page: int) -> None:
        self._drive, self._dice, self._files = drive, dice, files
        self._layout = laid_out(drive)
        self.endpoints: Sequence[str] = [scope.slug for scope in self._layout.scopes]
        self.house = Installation(database_url, folder, drive, self._layout, page)
        self.people = People(drive, self._layout, dice)

    def close(self) -> None:
        self.house.close()

    def found(self) -> str:
        self.people.found(self._files)
        return f"{self._files:,} files were made"

    def begin(self, number: int, rounds: int) -> None:
        self.people.round, self.people.managers.is_late = number, number > rounds // 2
        if self._dice.random() < 0.5:
            self.people.pass_time()

    def edit(self) -> None:
        self.people.edit()

    def script_faults(self, count: int, *, is_late: bool) -> None:
        script_quirks(self._drive, self._dice, is_late=is_late)
        # Those that are waited out for seconds, not in each round.
        script_faults(self._drive, self._dice, count, waits=self._dice.random() < 0.4)

    def killed(self, endpoint: str) -> None:
        """The runner notes when."""

    def calm(self) -> None:
        self.people.managers.give_back()
        self._drive.clear_faults()
        self._drive.world.quirks(short_pages=1.0, empty_page_every=0, repeat_every=0, incomplete_listing=False, incomplete_search=False)

    def differences(self, outcome: Outcome, *, after_sweep: bool) -> list[str]:
        snapshot = Snapshot(self._drive, self._layout, self.people.books)
        outcome.items, found = 0, list[str]()
        with psycopg.connect(self.house.database_url, row_factory=dict_row, autocommit=True) as connection:
            for scope in self._layout.scopes:
                wanted = expected(scope, snapshot, self._roots(scope), self.people.books.texts)
                there = held(connection, scope.slug)
                left = {} if after_sweep else self._untold(scope, snapshot, wanted, there)
                outcome.left_to_sweeps.update(left.values())
                wrong = differences(wanted, there, snapshot.now, left)
                if not after_sweep and scope.slug == "given":
                    # Its feed does not tell what ended by itself, went with a folder over it, or was of a shared drive when it was taken back.
                    outcome.left_to_sweeps["shared with somebody"] += len(wrong)
                    continue
                found += [f"{scope.slug}: {what} [{snapshot.told(one, scope.readers[0])}]" for one, what in wrong]
                outcome.items += len(wanted.files)
            found += vectors(connection)
        return found

    def unsettled(self) -> list[str]:
        """Only what nobody may download may have failed."""
        rows = self.house.asked(
            """SELECT x.item, x.stage, x.message, f.external_id FROM failures x LEFT JOIN files f ON f.id = x.file_id WHERE x.resolved_at IS NULL"""
        )
        withheld = self.people.books.withheld
        unexplained = [row for row in rows if row["external_id"] not in withheld]
        return [*self.house.unfinished(), *(f"{row['item']} failed in {row['stage']}: {row['message']}" for row in unexplained)]

    def tell(self, outcome: Outcome, runs: Sequence[Ran]) -> None:
        journal = self._drive.journal
        asked = journal.entries()
        outcome.requests, outcome.edits = len(asked), self.people.edits
        outcome.faults = Counter(call.fault for call in asked if call.fault)
        outcome.too_early = too_early(journal, runs)
        watched = self.house.watched()
        outcome.fetched_again = fetched_again(journal, self._layout.scopes, runs, watched)
        outcome.notes = {"downloads": sum(journal.downloads().values()), "exports": sum(journal.exports().values()), "due": len(watched)}

    def _roots(self, scope: Scope) -> Mapping[str, tuple[str, str]]:
        layout, reader = self._layout, scope.readers[0]
        return {
            "plans": {layout.plans: ("", reader)},
            "team": {layout.team: ("", reader)},
            "drives": {one: (shown(name), DORA) for one, name in self.people.books.drives.items()},
            "mine": {layout.roots[who]: (who, who) for who in (ADA, BEN)},
            "given": {},
        }[scope.slug]

    def _untold(self, scope: Scope, snapshot: Snapshot, wanted: Expected, there: Held) -> Mapping[str, str]:
        """Why feeds do not tell all of an item, by id of those of which they do not."""
        known = {**wanted.files, **wanted.folders}
        found = dict.fromkeys(there.by_shortcut | {one for one, it in known.items() if it.by_shortcut}, "reached by a shortcut")
        if scope.slug != "plans":
            return found
        out_of_sight = snapshot.was_away(self._layout.plans, (), there.whole_at)
        for one in (known.keys() | there.files.keys() | there.folders.keys()) - found.keys():
            if out_of_sight or snapshot.was_away(one, there.over(one), there.whole_at):
                found[one] = "a folder was out of sight for a while"
        return found
