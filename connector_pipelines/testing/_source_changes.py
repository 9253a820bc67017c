"""Whether a source's `changes` keeps the five rules of its protocol, and misses and invents nothing."""

from __future__ import annotations

from itertools import zip_longest
from typing import ClassVar

import pytest

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.protocols import ConfirmsAbsence, Source
from connector_pipelines.core.types import START, Cursor, Deleted
from connector_pipelines.testing._source_world import Reading, World, mirrored, read

__all__ = ["ChangesContract"]


class ChangesContract:
    """Reads what changed while the world changes.

    Attributes:
        several: Files enough for more than two pages of the `source` fixture.
    """

    several: ClassVar[int] = 7

    def test_the_start_is_a_snapshot_that_names_every_file(self, source: Source, world: World) -> None:
        ids = self._put_several(world)
        reading = read(source)
        assert reading.is_snapshot
        assert set(reading.refs) == ids

    def test_a_snapshot_names_each_file_once(self, source: Source, world: World) -> None:
        ids = self._put_several(world)
        assert sorted(ref.id for ref in read(source).named) == sorted(ids)

    def test_a_snapshot_tells_no_deletions(self, source: Source, world: World) -> None:
        self._put_several(world)
        world.remove(world.put("gone.txt", b"gone"))
        assert not [c for page in read(source).pages for c in page.changes if isinstance(c, Deleted)]

    def test_only_the_last_page_of_a_snapshot_has_a_cursor(self, source: Source, world: World) -> None:
        self._put_several(world)
        *before, last = read(source).pages
        assert len(before) >= 2, "the source fixture pages so coarsely that nothing is tested: raise `several` or shrink its pages"
        assert [page.cursor for page in before] == [None] * len(before)
        assert last.cursor not in {None, START}

    def test_all_pages_of_a_call_are_of_one_kind(self, source: Source, world: World) -> None:
        self._put_several(world)
        first = read(source)
        self._put_several(world, "more")
        second = read(source, first.cursor)
        assert [len({page.snapshot for page in reading.pages}) for reading in (first, second)] == [1, 1]

    @pytest.mark.usefixtures("world")
    def test_an_empty_feed_is_an_empty_snapshot(self, source: Source) -> None:
        reading = read(source)
        assert reading.is_snapshot
        assert (reading.named, reading.cursor != START) == ([], True)

    def test_after_the_cursor_nothing_is_told_again(self, source: Source, world: World) -> None:
        ids = self._put_several(world)
        first = read(source)
        second = read(source, first.cursor)
        assert set(second.refs) == (ids if second.is_snapshot else set())

    def test_what_came_after_the_cursor_is_told_once(self, source: Source, world: World) -> None:
        first = read(source)
        late = world.put("late.txt", b"late")
        second = read(source, first.cursor)
        third = read(source, second.cursor)
        assert late in second.refs
        assert (late in third.refs) is third.is_snapshot

    def test_every_page_of_a_delta_has_a_cursor(self, source: Source, world: World) -> None:
        first = read(source)
        self._put_several(world)
        second = read(source, first.cursor)
        without = [page for page in second.pages if page.cursor is None]
        assert len(without) == (len(second.pages) - 1 if second.is_snapshot else 0)

    def test_a_reader_may_stop_after_any_page(self, source: Source, world: World) -> None:
        kept = world.put("kept.txt", b"kept")
        start = read(source)
        known, cursor, ids = start.refs, start.cursor, self._put_several(world)
        for _ in range(self.several):
            page = next(iter(source.changes(cursor)))
            if page.cursor is None:
                continue  # The first page of a snapshot: whoever stops there begins again.
            known, cursor = mirrored(known, [page]), page.cursor
        known = mirrored(known, read(source, cursor).pages)
        assert set(known) == ids | {kept}

    def test_two_readers_do_not_disturb_each_other(self, source: Source, world: World) -> None:
        ids = self._put_several(world)
        pages = list(zip_longest(source.changes(), source.changes()))
        readings = [Reading(tuple(page for page in column if page is not None)) for column in zip(*pages, strict=True)]
        assert [set(reading.refs) for reading in readings] == [ids, ids]

    def test_what_is_written_during_a_listing_is_not_missed(self, source: Source, world: World) -> None:
        ids = self._put_several(world)
        pages = iter(source.changes())
        begun = next(pages)
        late = world.put("0 late.txt", b"late")
        listing = Reading((begun, *pages))
        known = mirrored(mirrored({}, listing.pages), read(source, listing.cursor).pages)
        assert set(known) == ids | {late}

    def test_what_is_removed_during_a_listing_does_not_stay(self, source: Source, world: World) -> None:
        ids = self._put_several(world)
        pages = iter(source.changes())
        begun = next(pages)
        gone = min(ids)
        world.remove(gone)
        listing = Reading((begun, *pages))
        known = mirrored(mirrored({}, listing.pages), read(source, listing.cursor).pages)
        assert set(known) == ids - {gone}

    def test_a_removal_is_told_or_absent_from_a_snapshot(self, source: Source, world: World) -> None:
        gone, kept = world.put("gone.txt", b"gone"), world.put("kept.txt", b"kept")
        first = read(source)
        world.remove(gone)
        assert set(mirrored(first.refs, read(source, first.cursor).pages)) == {kept}

    def test_a_file_put_back_is_there_again(self, source: Source, world: World) -> None:
        first_id = world.put("a.txt", b"a")
        first = read(source)
        world.remove(first_id)
        second = read(source, first.cursor)
        new_id = world.put("a.txt", b"a")
        known = mirrored(first.refs, second.pages)
        assert set(mirrored(known, read(source, second.cursor).pages)) == {new_id}

    def test_a_rename_keeps_the_id_or_the_identity(self, source: Source, world: World) -> None:
        old_id, other = world.put("before.txt", b"the same bytes"), world.put("other.txt", b"other")
        first = read(source)
        new_id = world.rename(old_id, "after.txt")
        known = mirrored(first.refs, read(source, first.cursor).pages)
        assert set(known) == {new_id, other}
        assert known[new_id].name == "after.txt"
        assert new_id == old_id or known[new_id].identity == first.refs[old_id].identity

    def test_no_two_files_have_one_identity(self, source: Source, world: World) -> None:
        self._put_several(world)
        identities = [ref.identity for ref in read(source).named if ref.identity is not None]
        assert len(identities) == len(set(identities))

    def test_a_cursor_the_other_side_has_dropped_becomes_a_snapshot(self, source: Source, world: World) -> None:
        ids, gone = self._put_several(world), world.put("gone.txt", b"gone")
        first = read(source)
        world.remove(gone)
        world.forget_cursors()
        second = read(source, first.cursor)
        assert second.is_snapshot
        assert set(second.refs) == ids

    def test_what_vanished_is_an_error_and_never_an_empty_snapshot(self, source: Source, world: World) -> None:
        self._put_several(world)
        cursor = read(source).cursor
        world.vanish()
        for place in (START, cursor):
            with pytest.raises(ConfigurationError) as refusal:
                list(source.changes(Cursor(place)))
            assert str(refusal.value)

    def test_only_what_is_gone_is_confirmed_gone(self, source: Source, world: World) -> None:
        gone, kept, moved = (world.put(f"{name}.txt", name.encode()) for name in ("gone", "kept", "moved"))
        refs = read(source).refs
        world.remove(gone)
        moved_to = world.rename(moved, "elsewhere.txt")
        now = read(source, START).refs
        assert set(now) == {kept, moved_to}
        if isinstance(source, ConfirmsAbsence):
            there = source.still_there(list(refs.values()))
            assert there <= {kept, refs[kept].identity, moved_to, refs[moved].identity}
            assert kept in there
            assert {moved_to, refs[moved].identity} & there or refs[moved].identity is None

    def _put_several(self, world: World, prefix: str = "file") -> set[str]:
        return {world.put(f"{prefix} {n} ü.txt", b"x" * n) for n in range(self.several)}
