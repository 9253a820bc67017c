"""Whose fault it is that a file's bytes are not those that were listed, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from connector_pipelines.core.errors import Mismatch, Unavailable
from connector_pipelines.core.types import FileRef
from connector_pipelines.pipeline import operations
from connector_pipelines.pipeline.session import Session
from connector_pipelines.testing.memory_source import Config, Source
from connector_pipelines.testing.tools import plain_tools
from tests.pipeline.parts_world import PartsWorld, parts_world


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[PartsWorld]:
    with parts_world(database_url, tmp_path) as world:
        yield world


class Edited(Source):
    """Somebody edits each file after it was listed. `knows`: whether the source finds that out when it hears how the reading ended."""

    knows = True

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        self._service.put(ref.path, b"edited meanwhile")
        try:
            with super().open(ref) as chunks:
                yield chunks
        except Mismatch as error:
            if not self.knows:
                raise
            raise Unavailable(f"{ref.path!r} changed since it was listed") from error


class EditedUnawares(Edited):
    knows = False


def sync(world: PartsWorld, kind: type[Source]) -> None:
    def through(session: Session) -> Session:
        return replace(session, source=kind(Config(page_size=50), plain_tools(), service=world.service))

    with world.session(through) as session:
        operations.sync(session)


def test_a_source_that_hears_of_other_bytes_may_say_that_the_file_is_another_by_now(world: PartsWorld) -> None:
    world.service.put("a.txt", b"as it was listed")

    sync(world, Edited)

    (failure,) = world.failures
    assert (failure.code, failure.error_class) == ("unavailable", "transient")
    assert "changed since it was listed" in failure.message
    assert failure.next_try_at is not None


def test_other_bytes_that_the_source_knows_nothing_of_are_a_mismatch_for_good(world: PartsWorld) -> None:
    world.service.put("a.txt", b"as it was listed")

    sync(world, EditedUnawares)

    (failure,) = world.failures
    assert (failure.code, failure.next_try_at) == ("mismatch", None)


def test_what_a_changed_file_is_now_comes_with_the_next_sync(world: PartsWorld) -> None:
    world.service.put("a.txt", b"as it was listed")
    sync(world, Edited)

    world.sync()

    assert world.texts == {"a.txt": "edited meanwhile"}
    assert not world.failures
