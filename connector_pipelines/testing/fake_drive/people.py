"""Users and shared drives of a fake Drive, and every edit of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from connector_pipelines.testing.fake_api.clock import Clock
from connector_pipelines.testing.fake_drive.edits import Edit, Listener, editing
from connector_pipelines.testing.fake_drive.items import FOLDER, Grant, Item, SharedDrive, User, new_id
from connector_pipelines.testing.fake_drive.state import State

__all__ = ["People"]


class People:
    """The half of a `World` that is about users, shared drives and their members.

    Attributes:
        clock: Decides what time an edit has.
        listeners: Called after each edit, in the thread that made it.
        state: For the routes; tests go by the methods.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.listeners: list[Listener] = []
        self.state = State(self.clock)

    def add_user(self, email: str, *, name: str = "", admin: bool = False) -> str:
        """A person with a My Drive, or a service account by its own address; who is there already stays. Gives the id of the root folder."""
        with self._edit() as edit:
            if email not in self.state.users:
                root = self._new_item(edit, "My Drive", FOLDER, owner=email, prefix="0A", characters=17)
                self.state.users[email] = User(email, name or email.partition("@")[0].title(), admin=admin, root_id=root.id)
            return self.state.users[email].root_id

    def suspend(self, email: str, *, suspended: bool = True) -> None:
        """Signing in as them fails from now on; what they own stays where it is."""
        with self.state.lock:
            self.state.users[email].suspended = suspended

    def remove(self, email: str) -> None:
        """The user left: their account and their My Drive are gone, for those it was shared with, too."""
        with self._edit() as edit:
            for item in tuple(self.state.of_owner.get(email, {}).values()):
                for child in tuple((item.children or {}).values()):
                    if child.owner != email:
                        self._send_home(edit, child)
                self._drop(edit, item)
            self.state.gone.add(email)
            for drive in self.state.drives.values():
                drive.members = {key: grant for key, grant in drive.members.items() if grant.who != email}
            del self.state.users[email]

    def is_active(self, email: str) -> bool:
        """Whether the user is there and not suspended: whether somebody can sign in as them."""
        user = self.state.users.get(email)
        return user is not None and not user.suspended

    def add_drive(self, name: str, members: Mapping[str, str] | list[str] | tuple[str, ...] = ()) -> str:
        """A shared drive. Gives its id, which is that of its root folder, too.

        Args:
            members: Addresses to roles (``organizer``, ``fileOrganizer``, ``writer``, ``commenter``, ``reader``); or addresses, all organizers.
        """
        roles = members if isinstance(members, Mapping) else dict.fromkeys(members, "organizer")
        with self._edit() as edit:
            drive = SharedDrive(new_id("0A", self.state.next_number(), 14) + "PVA", name, edit.at)
            grants = [Grant(type="user", role=role, who=email, given_at=edit.at) for email, role in roles.items()]
            drive.members = {grant.id: grant for grant in grants}
            self.state.drives[drive.id] = drive
            self._new_item(edit, "Drive", FOLDER, drive=drive, id_=drive.id)
            edit.drive_changed(drive, frozenset(roles))
            return drive.id

    def rename_drive(self, drive_id: str, name: str) -> None:
        with self._edit() as edit:
            drive = self.state.drives[drive_id]
            drive.name = name
            edit.drive_changed(drive, self._members(drive))

    def remove_drive(self, drive_id: str) -> None:
        """The drive with all that is in it is gone."""
        with self._edit() as edit:
            drive = self.state.drives.pop(drive_id)
            for item in self.state.of_drive.pop(drive_id).values():
                del self.state.items[item.id]
                for email in self._given(item):
                    self.state.given_to.get(email, {}).pop(item.id, None)
            edit.drive_changed(drive, self._members(drive))

    def set_member(self, drive_id: str, who: str, role: str = "reader", type: str = "user") -> None:  # noqa: A002 - the API's word
        """Add a member to a shared drive, or change a member's role. One entry for the drive and none for what is in it."""
        with self._edit() as edit:
            drive = self.state.drives[drive_id]
            grant = Grant(type=type, role=role, who=who, given_at=edit.at)
            drive.members[grant.id] = grant
            edit.drive_changed(drive, self._members(drive))

    def remove_member(self, drive_id: str, who: str) -> None:
        """The user loses the drive with all that is in it, but for what was shared with them by itself. One entry, for the drive."""
        with self._edit() as edit:
            drive = self.state.drives[drive_id]
            before = self._members(drive)
            drive.members = {key: grant for key, grant in drive.members.items() if grant.who != who}
            edit.drive_changed(drive, before)

    def reject_tokens(self, *, user: str | None = None, drive: str | None = None) -> None:
        """Page tokens of a feed that were given until now are refused (400) from now on; neither named: those of all feeds."""
        with self.state.lock:
            keys = [("user", each) for each in self.state.users if drive is None and user in {None, each}]
            keys += [("drive", each) for each in self.state.drives if user is None and drive in {None, each}]
            for key in keys:
                self.state.feeds.reject_tokens(key)

    def expire_listings(self) -> None:
        """Page tokens of listings that were given until now are refused (400): the real ones are good for some hours."""
        with self.state.lock:
            self.state.list_epoch += 1

    def quirks(self, **quirks: Any) -> None:
        """Switch on what the real one does now and then, by the fields of `Quirks`; what is not named stays as it is."""
        with self.state.lock:
            self.state.quirks = dataclasses.replace(self.state.quirks, **quirks)

    def pass_time(self, by: timedelta) -> None:
        """Permissions expire by it; nothing else happens."""
        self.clock.set(datetime.fromtimestamp(self.clock.now() / 1_000_000, UTC) + by)

    def _edit(self) -> AbstractContextManager[Edit]:
        return editing(self.state, self.listeners)

    def _new_item(
        self,
        edit: Edit,
        name: str,
        mime_type: str,
        *,
        parent: Item | None = None,
        drive: SharedDrive | None = None,
        owner: str | None = None,
        prefix: str = "1",
        characters: int = 32,
        id_: str = "",
    ) -> Item:
        state = self.state
        number = state.next_number()
        by = owner or (next(iter(self._members(drive)), "") if drive else "")
        item = Item(id_ or new_id(prefix, number, characters), number, name, mime_type, parent, drive, owner, edit.at, edit.at, by)
        item.children = {} if mime_type == FOLDER else None
        self._place(item)
        state.items[item.id] = item
        return item

    def _place(self, item: Item) -> None:
        index = self.state.of_drive if item.drive else self.state.of_owner
        index.setdefault(item.drive.id if item.drive else item.owner or "", {})[item.id] = item
        if item.parent is not None and item.parent.children is not None:
            item.parent.children[item.id] = item

    def _unplace(self, item: Item) -> None:
        index = self.state.of_drive if item.drive else self.state.of_owner
        index.get(item.drive.id if item.drive else item.owner or "", {}).pop(item.id, None)
        if item.parent is not None and item.parent.children is not None:
            item.parent.children.pop(item.id, None)

    def _drop(self, edit: Edit, item: Item, *, told: bool = True) -> None:
        if told:
            edit.touch(item)
        self._unplace(item)
        self.state.items.pop(item.id, None)
        for email in self._given(item):
            self.state.given_to.get(email, {}).pop(item.id, None)

    def _send_home(self, edit: Edit, item: Item) -> None:
        edit.touch(item)
        self._unplace(item)
        item.parent = self.state.items[self.state.users[item.owner or ""].root_id]
        self._place(item)

    @staticmethod
    def _given(item: Item) -> list[str]:
        return [grant.who for grant in (item.grants or {}).values() if grant.type == "user"]

    @staticmethod
    def _members(drive: SharedDrive) -> frozenset[str]:
        return frozenset(grant.who for grant in drive.members.values() if grant.type == "user")
