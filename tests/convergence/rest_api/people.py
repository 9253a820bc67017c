"""The people who work in the company: edits at random, and what of them only a sweep is sure to find."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from connector_pipelines.testing.fake_api import RemoteFakeApi
from connector_pipelines.testing.fake_api.clock import START_AT
from tests.convergence.bag import Bag
from tests.convergence.rest_api.streams import LOOK_BACK, Told
from tests.convergence.rest_api.writing import Writer

__all__ = ["People"]

_BETWEEN_ROUNDS = timedelta(hours=7)
_CLOCK_TOLD_S = 0.5
_FAR_AHEAD = datetime(2999, 1, 1, tzinfo=START_AT.tzinfo)
_AT_ONCE = 500

Notify = Callable[[str, str], None]
"""Tell the webhook that the record of that stream and id changed."""


class People:
    """Edits at an API.

    The company's time goes as fast as ours while anything is read, and leaps between rounds: so the places that syncs reach lie
    apart by more than they look back.

    Attributes:
        unseen: Ids of items that, with what lies below them, may be told wrongly until the next sweep: what went without a trace, or
            was stamped with a time long past.
        files: Contents of what was ever attached, by id.
        edits: How many were made, by what they were.
    """

    def __init__(self, api: RemoteFakeApi, streams: Sequence[Told], dice: random.Random, notify: Notify) -> None:
        self._api, self._dice, self._notify, self._writer = api, dice, notify, Writer(dice)
        self._streams = {stream.name: stream for stream in streams}
        self._alive = {name: Bag() for name in self._streams}
        self._binned = {name: Bag() for name in self._streams}
        self._parents: dict[tuple[str, str], str] = {}
        self._attached: dict[str, set[str]] = {}
        self._base, self._began_s, self._told_s = START_AT, time.monotonic(), float("-inf")
        self.unseen: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.edits: dict[str, int] = {}
        api.add(*(stream.shape for stream in streams))

    @property
    def now(self) -> datetime:
        return self._base + timedelta(seconds=time.monotonic() - self._began_s)

    def empty(self) -> set[str]:
        """Lists that nothing is on just now."""
        return {name for name, bag in self._alive.items() if not bag} | ({"deals/deleted"} if not self._binned["deals"] else set())

    def found(self, records: int) -> None:
        """Make so many records to begin with, and a file on every tenth ticket."""
        self.leap()
        self._tell_the_time()
        for stream in self._streams.values():
            wanted = max(6, round(records * stream.share))
            for parent, count in self._apportioned(stream, wanted):
                for start in range(0, count, _AT_ONCE):
                    fields = [self._writer.fields() for _ in range(min(_AT_ONCE, count - start))]
                    self._know(stream, self._api.put_many(stream.name, fields, parent=parent), parent)
        for _ in range(max(2, round(records * 0.002))):
            self._attach(self._streams["tickets"], self._alive["tickets"].draw(self._dice) or "")
        self.edits.clear()

    def leap(self) -> None:
        """Hours go by, for the API's own clock too. Nobody may be reading."""
        self._base, self._began_s, self._told_s = self.now + _BETWEEN_ROUNDS, time.monotonic(), float("-inf")
        self._api.skew(self._base - datetime.now(UTC))

    def edit(self) -> None:
        """One edit, at the time it is."""
        self._tell_the_time()
        stream = self._dice.choices(list(self._streams.values()), [s.share + 0.03 for s in self._streams.values()])[0]
        action = self._dice.choices(
            ("new", "change", "late", "touch", "bin", "restore", "gone", "back", "ahead", "hang"), (18, 34, 8, 6, 12, 7, 5, 3, 1, 8)
        )[0]
        chosen = self._one_of(stream)
        if action == "new" or chosen is None:
            action = "new"
            self._make(stream)
        elif action in {"change", "touch", "bin", "gone"}:
            getattr(self, f"_{action}")(stream, chosen)
        elif action in {"late", "back", "ahead"}:
            self._change_at(stream, chosen, action)
        elif action == "restore":
            self._restore(stream)
        else:
            self._hang(stream, chosen)
        self.edits[action] = self.edits.get(action, 0) + 1

    def _tell_the_time(self) -> None:
        if time.monotonic() - self._told_s > _CLOCK_TOLD_S:
            self._told_s = time.monotonic()
            # No step: whatever is edited until it is told again has one stamp, and no fraction that an answer would not show.
            now = self.now
            self._api.clock(now=now.replace(microsecond=now.microsecond // 10_000 * 10_000), step=timedelta(0))

    def _apportioned(self, stream: Told, count: int) -> Iterable[tuple[str | None, int]]:
        if stream.parent is None:
            return [(None, count)]
        parents = [self._alive[stream.parent].draw(self._dice) for _ in range(count)]
        return [(parent, parents.count(parent)) for parent in dict.fromkeys(parents)]

    def _know(self, stream: Told, ids: Iterable[str], parent: str | None) -> None:
        for one in ids:
            self._alive[stream.name].add(one)
            if parent is not None:
                self._parents[stream.name, one] = parent

    def _one_of(self, stream: Told, bags: dict[str, Bag] | None = None) -> str | None:
        """A record, of which all it lies below is there."""
        for _ in range(8):
            chosen = (bags or self._alive)[stream.name].draw(self._dice)
            if chosen is None or stream.parent is None or self._parents[stream.name, chosen] in self._alive[stream.parent]:
                return chosen
        return None

    def _make(self, stream: Told) -> None:
        parent = self._alive[stream.parent].draw(self._dice) if stream.parent else None
        one = self._api.put(stream.name, self._writer.fields(), parent=parent)
        self._know(stream, [one], parent)
        self._changed(stream, one)

    def _change(self, stream: Told, one: str) -> None:
        self._api.put(stream.name, self._writer.fields(), id=one)
        self._changed(stream, one)

    def _touch(self, stream: Told, one: str) -> None:
        self._api.touch(stream.name, one)
        self._changed(stream, one)

    def _change_at(self, stream: Told, one: str, when: str) -> None:
        """Stamp it as of a moment ago, of long ago, or of the year 2999."""
        ago = LOOK_BACK * self._dice.uniform(0, 0.6) if when == "late" else timedelta(hours=self._dice.uniform(1, 300))
        at = {"ahead": _FAR_AHEAD, "late": self.now - ago if stream.looks_back else None, "back": self.now - ago}[when]
        self._api.put(stream.name, self._writer.fields(), id=one, updated_at=at)
        self._changed(stream, one)
        if when == "back" and stream.has_cursor:
            self.unseen.add(f"{stream.name}/{one}")

    def _bin(self, stream: Told, one: str) -> None:
        self._api.delete(stream.name, one)
        self._alive[stream.name].remove(one)
        self._binned[stream.name].add(one)
        self._changed(stream, one)

    def _restore(self, stream: Told) -> None:
        one = self._one_of(stream, self._binned)
        if one is not None:
            self._api.restore(stream.name, one)
            self._binned[stream.name].remove(one)
            self._alive[stream.name].add(one)
            self._changed(stream, one)

    def _gone(self, stream: Told, one: str) -> None:
        """Without a trace, but for a notification where there are any."""
        self._api.hard_delete(stream.name, one)
        self._alive[stream.name].remove(one)
        self._changed(stream, one)
        if stream.endpoint == "crm" and not stream.notified and not stream.below_all:
            self.unseen.add(self._id(stream, one))

    def _hang(self, stream: Told, one: str) -> None:
        """Hang something on a record, or hang it elsewhere."""
        if stream.name == "tickets":
            self._attach(stream, one)
        elif stream.parent is not None:
            self._move(stream, one)
        else:
            self._change(stream, one)

    def _attach(self, stream: Told, one: str) -> None:
        names = self._attached.setdefault(one, set())
        if names and self._dice.random() < 0.4:
            self._api.detach(stream.name, one, name := self._dice.choice(sorted(names)))
            names.remove(name)
        else:
            names.add(name := f"{self._dice.choice('abc')}.txt")
            content = self._writer.text()
            self.files[self._api.attach(stream.name, one, name, content, "text/plain")] = content
        self._changed(stream, one)

    def _move(self, stream: Told, one: str) -> None:
        above, target = str(stream.parent), self._alive[str(stream.parent)].draw(self._dice)
        before, place = self._parents[stream.name, one], self._id(stream, one)
        if target is None or target == before:
            return
        self._api.move(stream.name, one, target)
        self._parents[stream.name, one] = target
        if stream.endpoint == "crm" and not stream.below_all:
            if self._dice.random() < 0.5:
                self._api.touch(above, before)
            else:
                # The record it lay below says nothing of it.
                self.unseen.add(place)

    def _changed(self, stream: Told, one: str) -> None:
        """It has the stamp of now: whatever was unseen about it is seen."""
        if stream.parent is None:
            self.unseen.discard(f"{stream.name}/{one}")
        if stream.notified or (stream.name == "contacts" and self._dice.random() < 0.1):
            self._notify(stream.name, one)

    def _id(self, stream: Told, one: str) -> str:
        own = f"{stream.name}/{one}"
        return own if stream.parent is None else f"{stream.parent}/{self._parents[stream.name, one]}/{own}"
