"""The same for what is inside files: archives that people edit, break, rename and delete, and faults wherever there can be one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector_pipelines.core.errors import ConnectorError, Unavailable
from connector_pipelines.core.types import DayRange
from connector_pipelines.pipeline import operations
from connector_pipelines.pipeline.session import Session
from connector_pipelines.store.blobs import Blob, Blobs
from tests.pipeline.chaos import FlakySink, FlakySource
from tests.pipeline.parts_world import PartsWorld, archive, parts_world

ROUNDS = 10
DEEPEST = 3
BROKEN = b"%PDF-1.7 torn off here"
NAMES = ("a.txt", "b.txt", "in/c.txt", "inner.zip", "bad.pdf")


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[PartsWorld]:
    with parts_world(database_url, tmp_path) as world:
        yield world


class FlakyBlobs(Blobs):
    """The store, away now and then: before it took the bytes or after."""

    def __init__(self, blobs: Blobs, dice: random.Random, chaos: float) -> None:
        super().__init__(blobs._place)
        self._dice, self._chaos = dice, chaos

    def put(self, tenant_id: str, chunks: Iterable[bytes], **known: Any) -> Blob:
        blob = super().put(tenant_id, chunks, **known)
        if self._dice.random() < self._chaos / 4:
            raise Unavailable("the answer was lost")
        return blob


class Shelf:
    """Archives by name, as they are and as they should be found."""

    def __init__(self, world: PartsWorld, dice: random.Random) -> None:
        self._service, self._dice = world.service, dice
        self._members: dict[str, dict[str, Any] | bytes] = {}
        self._ids: dict[str, str] = {}
        self._serial = 0

    def edit(self) -> None:
        name = f"{self._dice.randrange(4)}.zip"
        action = self._dice.choice(("put", "put", "put", "put", "break", "remove", "rename"))
        if action == "remove" and name in self._ids:
            self._service.remove(self._ids.pop(name))
            del self._members[name]
        elif action == "rename" and name in self._ids:
            self._rename(name, f"renamed {self._dice.randrange(3)}.zip")
        elif action == "break":
            self._put(name, BROKEN)
        else:
            before = self._members.get(name)
            self._put(name, self._changed(dict(before) if isinstance(before, dict) else {}))

    def texts(self) -> dict[str, str]:
        return {path: body.decode() for path, body in self._everything() if body not in {BROKEN, b""}}

    def broken(self) -> set[str]:
        return {path for path, body in self._everything() if body == BROKEN}

    def _everything(self) -> Iterator[tuple[str, bytes]]:
        for name, members in self._members.items():
            yield from _inside(name, members)

    def _changed(self, members: dict[str, Any], depth: int = 1) -> dict[str, Any]:
        for _ in range(self._dice.randrange(1, 4)):
            name = self._dice.choice(NAMES)
            if name in members and self._dice.random() < 0.3 and len(members) > 1:
                del members[name]
            elif name == "inner.zip" and depth < DEEPEST:
                members[name] = self._changed(dict(members.get(name, {})), depth + 1)
            else:
                self._serial += 1
                members[name.replace(".zip", ".txt")] = BROKEN if name == "bad.pdf" else f"text {self._serial}".encode()
        return members

    def _put(self, name: str, members: dict[str, Any] | bytes) -> None:
        self._members[name] = members
        self._ids[name] = self._service.put(name, _packed(members))

    def _rename(self, name: str, target: str) -> None:
        if target not in self._ids:
            self._service.rename(self._ids[name], target)
            self._ids[target], self._members[target] = self._ids.pop(name), self._members.pop(name)


@pytest.mark.parametrize("seed", range(3))
def test_the_sink_ends_equal_to_what_is_inside_whatever_fails(seed: int, world: PartsWorld) -> None:
    dice = random.Random(seed)
    shelf, faults = Shelf(world, dice), 0

    for number in range(ROUNDS):
        for _ in range(dice.randrange(1, 6)):
            shelf.edit()
        try:
            with world.session(_flaky(dice, dice.choice([0.0, 0.1, 0.3]), number)) as session:
                if dice.random() < 0.2:
                    operations.run_stage(session, "documents", DayRange(), redo_first=True)
                operations.sync(session, sweep=dice.random() < 0.2)
        except ConnectorError:
            faults += 1
    world.retry()
    with world.session(_flaky(dice, 0.0, ROUNDS)) as session:
        operations.sync(session, sweep=True)

    assert faults, "nothing failed, so nothing was proven"
    assert world.texts == shelf.texts()
    assert {f.item for f in world.failures} == shelf.broken()
    assert world.rows("SELECT path FROM files WHERE status NOT IN ('extracted', 'failed', 'deleted')") == []


def _flaky(dice: random.Random, chaos: float, days_later: int) -> Callable[[Session], Session]:
    def change(session: Session) -> Session:
        return replace(
            session,
            source=FlakySource(session.source, dice, chaos),
            sinks={name: FlakySink(sink, dice, chaos) for name, sink in session.sinks.items()},
            services=replace(session.services, blobs=FlakyBlobs(session.services.blobs, dice, chaos)),
            clock=lambda: datetime.now(UTC) + timedelta(days=days_later),
        )

    return change


def _packed(members: dict[str, Any] | bytes) -> bytes:
    return members if isinstance(members, bytes) else archive(*((name, _packed(inner)) for name, inner in members.items()))


def _inside(path: str, members: dict[str, Any] | bytes) -> Iterator[tuple[str, bytes]]:
    if isinstance(members, bytes):
        yield path, members
        return
    for name, inner in members.items():
        yield from _inside(f"{path}/{name}", inner)
