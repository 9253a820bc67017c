"""The people who work in a Drive: edits at random, of what is synced and of what is not."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from connector_pipelines.testing.fake_api.clock import START_AT
from connector_pipelines.testing.fake_drive import RemoteFakeDrive
from tests.convergence.bag import Bag
from tests.convergence.drive.books import Books
from tests.convergence.drive.layout import ADA, BEN, CEM, DORA, EVE, Layout
from tests.convergence.drive.managers import Managers
from tests.convergence.drive.writing import Writer

__all__ = ["People"]

_KINDS = ("document", "document", "spreadsheet", "presentation", "form")
_GRANTEES = (CEM, CEM, CEM, BEN, EVE, ADA, DORA)
_LONG_AGO = timedelta(days=20)
_UNKNOWN = re.compile(r"KeyError: '([^']+)'")

_WEIGHTS = {
    "new": 12, "new_folder": 5, "new_native": 2, "write": 12, "write_as_of_old": 3, "write_native": 2, "rename": 5, "rename_folder": 5,
    "move": 8, "move_folder": 8, "trash": 4, "trash_folder": 2, "untrash": 6, "delete": 2, "delete_folder": 0.7, "share": 5, "share_folder": 4,
    "unshare": 5, "share_openly": 2, "unshare_openly": 2, "limit": 1, "unlimit": 1.5, "shortcut": 4, "move_shortcut": 1, "drop_shortcut": 1, "touch": 1,
    "withhold": 0.4, "release": 0.4, "manage": 3,
}  # fmt: skip


class People:
    """Edits at a Drive.

    Attributes:
        books: What they know of it.
        edits: How many were made, by what they were.
        round: In which this is.
    """

    def __init__(self, drive: RemoteFakeDrive, layout: Layout, dice: random.Random) -> None:
        self._drive, self._world, self._layout, self._dice = drive, drive.world, layout, dice
        self._writer = Writer(dice)
        self.books = Books(drives={layout.team: "Team"}, members={layout.team: {DORA, ADA, layout.crane}})
        self._fixed = layout.fixed
        self.books.folders.add(*layout.roots.values(), layout.office, layout.plans, layout.team)
        self.managers = Managers(drive.world, layout, dice, self.books)
        self.edits: Counter[str] = Counter()
        self.round = 0
        self._drawn: list[str] = []

    def found(self, files: int) -> None:
        """Make so many files to begin with, in folders of all depths, some of them given to others."""
        for name in ("Quay", "Harbour", "Harbour"):
            self.managers.add_drive(name)
        for _ in range(max(10, files // 8)):
            self._new_folder()
        for number in range(files):
            self._surely("new" if number % 25 else "new_native")
        for _ in range(max(6, files // 40)):
            for action in ("share", "share_folder", "shortcut"):
                self._surely(action)
        self.edits.clear()

    def pass_time(self) -> None:
        """An hour goes by: permissions end. Nobody may be reading."""
        self._world.pass_time(timedelta(hours=1))

    def edit(self) -> None:
        """One, at the time it is."""
        while not self._done(self._dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]):
            pass

    def _surely(self, action: str) -> None:
        while not self._done(action):
            pass

    def _done(self, action: str) -> bool:
        """Make an edit of that sort; False where it cannot be made, as of what is gone."""
        self._drawn = list[str]()
        try:
            done = getattr(self, f"_{action}")()
        except ValueError as error:
            # What was drawn went with a folder, or a folder would lie in itself.
            for gone in _UNKNOWN.findall(str(error)):
                self.books.gone(gone)
            return False
        self.edits[action] += done is not False
        for one in self._drawn:
            self.books.history.setdefault(one, []).append(f"{self.round}: {action}")
        return done is not False

    def _new(self) -> None:
        text = self._writer.text()
        made = self._world.create(parent=self._folder(), name=self._writer.name(), content=text.encode(), modified_at=self._some_time())
        self.books.files.add(made)
        self.books.texts[made] = text

    def _new_folder(self) -> None:
        self.books.folders.add(self._world.create_folder(self._writer.name(), parent=self._folder()))

    def _new_native(self) -> None:
        kind, text = self._dice.choice(_KINDS), self._writer.line()
        made = self._world.create_native(kind, [text], parent=self._folder(), name=self._writer.title())
        self.books.natives.add(made)
        self.books.texts[made] = text

    def _write(self) -> None:
        self._write_into(self.books.files, self._writer.text())

    def _write_as_of_old(self) -> None:
        """As a program that keeps the time of the file on disk."""
        self._write_into(self.books.files, self._writer.text(), self._some_time() or START_AT)

    def _write_native(self) -> None:
        self._write_into(self.books.natives, self._writer.line())

    def _write_into(self, bag: Bag, text: str, modified_at: datetime | None = None) -> None:
        one = self._one_of(bag)
        self._world.update_content(one, text.encode(), modified_at=modified_at)
        self.books.texts[one] = text

    def _rename(self) -> None:
        one = self._one_of(self.books.natives if self._dice.random() < 0.1 else self.books.files)
        self._world.rename(one, self._writer.name())

    def _rename_folder(self) -> None:
        one = self._one_of(self.books.folders)
        self._world.rename(one, self._writer.name())

    def _move(self) -> None:
        self._move_one(self.books.natives if self._dice.random() < 0.1 else self.books.files)

    def _move_folder(self) -> None:
        self._move_one(self.books.folders)

    def _move_shortcut(self) -> None:
        self._move_one(self.books.shortcuts)

    def _move_one(self, bag: Bag) -> None:
        self._world.move(self._one_of(bag), self._folder())

    def _trash(self) -> None:
        self._trash_one(self._some_file())

    def _trash_folder(self) -> None:
        self._trash_one(self._one_of(self.books.folders))

    def _trash_one(self, one: str) -> None:
        self._world.trash(one)
        self.books.trashed.add(one)

    def _untrash(self) -> None:
        one = self._one_of(self.books.trashed)
        self._world.untrash(one)
        self.books.trashed.remove(one)

    def _delete(self) -> None:
        self._delete_one(self._some_file())

    def _delete_folder(self) -> None:
        self._delete_one(self._one_of(self.books.folders))

    def _drop_shortcut(self) -> None:
        self._delete_one(self._one_of(self.books.shortcuts))

    def _delete_one(self, one: str) -> None:
        self._world.delete(one)
        self.books.gone(one)

    def _share(self) -> None:
        self._share_one(self._some_file())

    def _share_folder(self) -> None:
        self._share_one(self._one_of(self.books.folders))

    def _share_one(self, one: str) -> None:
        who, dice = self._dice.choice(_GRANTEES), self._dice
        role = dice.choice(("reader", "reader", "commenter", "writer"))
        ends = dice.random() < 0.15
        until = self._now() + timedelta(minutes=dice.randrange(5, 120)) if ends else None
        self._world.share(one, "user", role, who, expires_at=until)
        if who == CEM:
            self.books.given.add(one)

    def _unshare(self) -> bool:
        given = sorted(self.books.given)
        one, who = (
            (self._dice.choice(given), CEM) if given and self._dice.random() < 0.6 else (self._some_file(), self._dice.choice(_GRANTEES))
        )
        self._drawn.append(one)
        self._world.unshare(one, who=who)
        if who == CEM:
            self.books.given.discard(one)
        return True

    def _share_openly(self) -> None:
        one, kind = self._some_file(), self._dice.choice(("anyone", "domain", "group"))
        who = {"anyone": "", "domain": "example.com", "group": "staff@example.com"}[kind]
        self._world.share(one, kind, "reader", who, allow_file_discovery=self._dice.random() < 0.3 and kind == "domain")

    def _unshare_openly(self) -> None:
        kind, who = self._dice.choice((("anyone", ""), ("domain", "example.com"), ("group", "staff@example.com")))
        self._world.unshare(self._some_file(), kind, who)

    def _limit(self) -> None:
        one = self._one_of(self.books.folders)
        self._world.limit_access(one)
        self.books.limited.add(one)
        self.books.away[one] = time.time()

    def _unlimit(self) -> bool:
        if not self.books.limited:
            return False
        one = self._dice.choice(sorted(self.books.limited))
        self._world.limit_access(one, limited=False)
        self.books.limited.discard(one)
        self.books.away[one] = time.time()
        return True

    def _shortcut(self) -> None:
        """To anything: to a folder above itself, to a shortcut, to what is in the trash."""
        target = self._some_file() if self._dice.random() < 0.6 else self._one_of(self.books.folders)
        self.books.shortcuts.add(self._world.make_shortcut(target, parent=self._folder(), name=self._writer.name()))

    def _touch(self) -> None:
        self._world.touch(self._some_file())

    def _withhold(self) -> None:
        one = self._one_of(self.books.files)
        if self._dice.random() < 0.5:
            self._world.mark(one, abusive=True)
        else:
            self._world.mark(one, downloadable=False)
        self.books.withheld.add(one)

    def _release(self) -> bool:
        if not self.books.withheld:
            return False
        one = self._dice.choice(sorted(self.books.withheld))
        self.books.withheld.discard(one)
        self._world.mark(one, abusive=False, downloadable=True)
        return True

    def _manage(self) -> bool:
        return self.managers.act()

    def _some_file(self) -> str:
        books, dice = self.books, self._dice
        return self._one_of(dice.choices((books.files, books.natives, books.shortcuts), (90, 6, 4))[0])

    def _one_of(self, bag: Bag) -> str:
        """Raises `ValueError` where there is none, or where nobody touches it."""
        one = bag.draw(self._dice)
        if one is None or one in self._fixed or one in self.books.drives:
            raise ValueError("nothing to edit")
        self._drawn.append(one)
        return one

    def _folder(self) -> str:
        """Where to put something: mostly in folders, deep ones too; now and then at the top of a Drive."""
        folder = self.books.folders.draw(self._dice) or self._layout.plans
        self._drawn.append(folder)
        return folder

    def _some_time(self) -> datetime | None:
        dice = self._dice
        return START_AT + _LONG_AGO * dice.random() if dice.random() < 0.5 else None

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._drive.clock.now() / 1_000_000, UTC)
