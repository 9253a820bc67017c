"""All that is in a Drive at one moment, and how to find it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

from connector_pipelines.testing.fake_api.clock import Clock
from connector_pipelines.testing.fake_drive.access import Rights
from connector_pipelines.testing.fake_drive.errors import drive_not_found, not_found
from connector_pipelines.testing.fake_drive.feeds import Feeds
from connector_pipelines.testing.fake_drive.items import RANKS, Item, SharedDrive, User
from connector_pipelines.testing.fake_drive.quirks import Quirks

__all__ = ["State"]


class State:
    """Read and written under `lock`.

    Attributes:
        items: Every item by id; roots of My Drives and of shared drives (whose id is the drive's) are items, too.
        of_owner: Items in My Drives by their owner, in the order of creation.
        of_drive: Items in shared drives by the drive, in the order of creation.
        given_to: Items by the address of a user who was given a permission of their own.
        gone: Addresses of users who were removed.
        edits: How many there were: what was computed before is of an older world.
    """

    def __init__(self, clock: Clock) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.users: dict[str, User] = {}
        self.drives: dict[str, SharedDrive] = {}
        self.items: dict[str, Item] = {}
        self.of_owner: dict[str, dict[str, Item]] = {}
        self.of_drive: dict[str, dict[str, Item]] = {}
        self.given_to: dict[str, dict[str, Item]] = {}
        self.access = Rights(clock.now)
        self.feeds = Feeds()
        self.quirks = Quirks()
        self.gone: set[str] = set()
        self.edits = 0
        self.list_epoch = 0
        self._numbers = itertools.count(1)

    def next_number(self) -> int:
        return next(self._numbers)

    def seen(self, email: str, file_id: str, *, all_drives: bool = True, by_link: bool = True) -> tuple[Item, str]:
        """An item and the user's role on it.

        Raises:
            DriveError: 404: not there, not for this user, or in a shared drive of which the caller did not say it knows them.
        """
        item = self.items.get(self.users[email].root_id if file_id == "root" else file_id)
        if item is None or (item.drive and not all_drives):
            raise not_found(file_id)
        role = self.access.role(email, item, by_link=by_link)
        if role is None:
            raise not_found(file_id)
        return item, role

    def drive_of(self, email: str, drive_id: str) -> SharedDrive:
        """A shared drive the user is a member of. Raises `DriveError`."""
        drive = self.drives.get(drive_id)
        if drive is None or not self.is_member(email, drive):
            raise drive_not_found(drive_id)
        return drive

    def is_member(self, email: str, drive: SharedDrive) -> bool:
        # What anyone may see in a drive makes nobody a member of it.
        return self.access.role(email, self.items[drive.id], by_link=False) is not None

    @staticmethod
    def can_download(item: Item, role: str) -> bool:
        extras = item.extras
        needed = "writer" if extras.copy_requires_writer else "reader"
        return extras.downloadable and RANKS[role] >= RANKS[needed]

    def below(self, item: Item) -> Iterator[Item]:
        """What lies in it at any depth, folders before what is in them, without itself."""
        waiting = [item]
        while waiting:
            for child in (waiting.pop().children or {}).values():
                yield child
                if child.children is not None:
                    waiting.append(child)

    def seen_in_my_drive(self, email: str) -> dict[str, Item]:
        """What a user owns or was given, with what lies in it; nothing of shared drives but what was given itself."""
        found = dict(self.of_owner.get(email, {}))
        owned_folders = [item for item in found.values() if item.children is not None]
        for item in (*self.given_to.get(email, {}).values(), *owned_folders):
            if item.owner != email:
                found[item.id] = item
            if item.children is not None:
                # What others put into my folder, and what lies in a folder I was given.
                found.update((each.id, each) for each in self._others_below(item, email, found))
        return {key: item for key, item in found.items() if self.access.role(email, item, by_link=False, by_domain=False)}

    def _others_below(self, item: Item, email: str, found: dict[str, Item]) -> Iterator[Item]:
        if item.owner != email:
            yield from self.below(item)
            return
        for child in (item.children or {}).values():
            if child.owner != email and child.id not in found:
                yield child
                yield from self.below(child)
