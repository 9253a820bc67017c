"""One edit: its time, what it touches, and whose feeds hear of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from connector_pipelines.testing.fake_drive.feeds import Entry, FeedKey
from connector_pipelines.testing.fake_drive.items import Item, SharedDrive
from connector_pipelines.testing.fake_drive.state import State

__all__ = ["Edit", "Listener", "editing"]

Listener = Callable[[frozenset[tuple[str, str | None]]], None]
"""Told (user, shared drive's id or None) of each feed that got entries; the drive's feed goes by each member. Called outside of locks."""


class Edit:
    """Under way. `at` is its stamp, in microseconds since 1970."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._before: dict[str, tuple[Item, frozenset[str], str | None]] = {}
        self._told: set[tuple[str, str | None]] = set()
        self.at = state.clock.tick()

    def made(self, item: Item) -> None:
        """A new item, in its place."""
        item.version = 0
        self._before[item.id] = (item, frozenset(), item.drive.id if item.drive else None)

    def touch(self, item: Item) -> None:
        """Before the item changes: its version rises and those who see it, or saw it, hear of it."""
        drive_id = item.drive.id if item.drive else None
        self._before.setdefault(item.id, (item, self._state.access.people(item), drive_id))

    def drive_changed(self, drive: SharedDrive, people: frozenset[str]) -> None:
        """The shared drive itself, or who its members are."""
        keys: set[FeedKey] = {("user", email) for email in people} | {("drive", drive.id)}
        self._tell(Entry("drive", drive.id, self.at, drive.id), keys, people)

    def done(self) -> frozenset[tuple[str, str | None]]:
        state = self._state
        state.edits += 1
        state.access.forget()
        for item, before, drive_id in self._before.values():
            is_there = state.items.get(item.id) is item
            after = state.access.people(item) if is_there else frozenset[str]()
            item.version += 1
            self._announce(item, before, after, drive_id)
        return frozenset(self._told)

    def _announce(self, item: Item, before: frozenset[str], after: frozenset[str], old_drive: str | None) -> None:
        drive_id = item.drive.id if item.drive else None
        if old_drive != drive_id:
            # What it was in hears that it left; the feed of a user who was looking without shared drives, too.
            left: set[FeedKey] = {("drive", old_drive)} if old_drive else {("user", email) for email in before}
            self._tell(Entry("file", item.id, self.at, old_drive), left, before)
        # The feed of a user has been seen to miss what leaves a shared drive (rclone/rclone#3020): the drive's own has it.
        people = before | after if drive_id is None and old_drive is None else after
        keys: set[FeedKey] = {("user", email) for email in people}
        if drive_id is not None:
            keys.add(("drive", drive_id))
        self._tell(Entry("file", item.id, self.at, drive_id), keys, before | after)

    def _tell(self, entry: Entry, keys: set[FeedKey], people: frozenset[str]) -> None:
        known = [email for email in people if email in self._state.users]
        self._state.feeds.add(entry, frozenset(key for key in keys if key[0] == "drive" or key[1] in self._state.users))
        self._told.update((email, None) for email in known if ("user", email) in keys)
        self._told.update((email, key[1]) for key in keys if key[0] == "drive" for email in known)


@contextlib.contextmanager
def editing(state: State, listeners: list[Listener]) -> Iterator[Edit]:
    """Nothing is told of an edit that failed."""
    with state.lock:
        edit = Edit(state)
        yield edit
        told = edit.done()
    if told:
        for listener in tuple(listeners):
            listener(told)
