"""Those who decide over accounts and shared drives: what they take away for a while, they give back at the end."""

from __future__ import annotations

import random
import time

from connector_pipelines.testing.fake_drive import World
from tests.convergence.drive.books import Books
from tests.convergence.drive.layout import ADA, BEN, CEM, DORA, EVE, Layout

__all__ = ["Managers"]

_NAMES = ("Quay", "Harbour", "Locks/Gates", "Pier", "Pier")
_MOST_DRIVES = 7


class Managers:
    """Edits of users, drives and members.

    Attributes:
        is_late: Nothing that makes all be read anew.
    """

    def __init__(self, world: World, layout: Layout, dice: random.Random, books: Books) -> None:
        self._world, self._layout, self._dice, self._books = world, layout, dice, books
        self._suspended: set[str] = set()
        self._shut_out: set[str] = set()
        self.is_late = False

    def act(self) -> bool:
        """One of them; False where there was nothing to do."""
        acts = {
            self._member: 5, self._no_member: 4, self._rename_drive: 3, self._new_drive: 2, self._remove_drive: 1, self._suspend: 2, self._restore: 4,
            self._shut_out_robot: 0 if self.is_late else 1, self._shut_out_crane: 1, self._let_in: 4, self._expire_listings: 2, self._reject_tokens: 0 if self.is_late else 1.5,
        }  # fmt: skip
        return self._dice.choices(list(acts), list(acts.values()))[0]()

    def give_back(self) -> None:
        """Whatever was taken away for a while."""
        while self._suspended:
            self._restore()
        while self._shut_out:
            self._let_in()

    def add_drive(self, name: str) -> None:
        made = self._world.add_drive(name, {DORA: "organizer"})
        self._books.drives[made] = name
        self._books.members[made] = {DORA}
        self._books.folders.add(made)

    def _new_drive(self) -> bool:
        if len(self._books.drives) < _MOST_DRIVES:
            self.add_drive(self._dice.choice(_NAMES))
            return True
        return False

    def _remove_drive(self) -> bool:
        one = self._drive()
        if one is None or len(self._books.drives) < 3:
            return False
        self._world.remove_drive(one)
        del self._books.drives[one]
        self._books.gone(one)
        return True

    def _rename_drive(self) -> bool:
        one, name = self._drive(), self._dice.choice(_NAMES)
        if one is None:
            return False
        self._world.rename_drive(one, name)
        self._books.drives[one] = name
        return True

    def _member(self) -> bool:
        drive, who = self._dice.choice(sorted(self._books.drives)), self._dice.choice((BEN, CEM, EVE, ADA))
        self._world.set_member(drive, who, self._dice.choice(("reader", "writer")))
        self._books.members[drive].add(who)
        return True

    def _no_member(self) -> bool:
        drive, who = self._dice.choice(sorted(self._books.drives)), self._dice.choice((BEN, CEM, EVE, ADA))
        self._world.remove_member(drive, who)
        self._books.members[drive].discard(who)
        return True

    def _suspend(self) -> bool:
        one = self._dice.choice((BEN, ADA, CEM))
        self._world.suspend(one)
        self._suspended.add(one)
        return True

    def _restore(self) -> bool:
        if not self._suspended:
            return False
        one = self._suspended.pop()
        self._world.suspend(one, suspended=False)
        return True

    def _shut_out_robot(self) -> bool:
        if self._layout.robot not in self._shut_out:
            self._world.unshare(self._layout.plans, who=self._layout.robot)
            self._shut_out.add(self._layout.robot)
        return True

    def _shut_out_crane(self) -> bool:
        self._world.remove_member(self._layout.team, self._layout.crane)
        self._shut_out.add(self._layout.crane)
        return True

    def _let_in(self) -> bool:
        if not self._shut_out:
            return False
        one = min(self._shut_out)
        self._shut_out.discard(one)
        if one == self._layout.robot:
            self._world.share(self._layout.plans, "user", "writer", one)
            self._books.away[self._layout.plans] = time.time()
        else:
            self._world.set_member(self._layout.team, one, "fileOrganizer")
        return True

    def _expire_listings(self) -> bool:
        self._world.expire_listings()
        return True

    def _reject_tokens(self) -> bool:
        drive = self._dice.choice((self._layout.team, self._drive(), None))
        user = self._dice.choice((ADA, BEN, CEM, self._layout.robot))
        self._world.reject_tokens(user=None if drive else user, drive=drive)
        return True

    def _drive(self) -> str | None:
        """Any but the one that is synced by itself."""
        others = sorted(self._books.drives.keys() - {self._layout.team})
        return self._dice.choice(others) if others else None
