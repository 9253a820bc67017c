"""Whether a source that names its folders says enough of them for everything below to be followed."""

from __future__ import annotations

import pytest

from connector_pipelines.core.protocols import Source
from connector_pipelines.core.types import START, Folder, Upserted
from connector_pipelines.testing._source_world import FolderedWorld, content, read
from connector_pipelines.testing.folders import Recorded

__all__ = ["FoldersContract"]


class FoldersContract:
    """For sources that name their folders. Fixtures to give: `world`, which is a `FolderedWorld`, and a `source` that was lent
    `plain_tools(folders=recorded)`.

    What is held against the world is what the catalog would know: pages are recorded as they are read.
    """

    @pytest.fixture
    def recorded(self) -> Recorded:
        """What was recorded of the source's pages."""
        return Recorded()

    def test_a_folder_is_named_before_what_lies_in_it(self, source: Source, world: FolderedWorld, recorded: Recorded) -> None:
        outer = world.make_folder("outer")
        inner = world.make_folder("inner", outer)
        world.put_in(inner, "a.txt", b"a")
        changes = [change for page in read(source).pages for change in page.changes]
        folders = {change.id: number for number, change in enumerate(changes) if isinstance(change, Folder)}
        lying = [
            (number, change.ref.parent if isinstance(change, Upserted) else change.parent)
            for number, change in enumerate(changes)
            if isinstance(change, (Upserted, Folder))
        ]
        assert {outer, inner} <= folders.keys()
        assert [parent for number, parent in lying if parent is not None and folders[parent] >= number] == []
        recorded.record(read(source).pages)
        assert set(recorded.paths.values()) == {"outer/inner/a.txt"}

    def test_a_file_in_a_folder_is_opened(self, source: Source, world: FolderedWorld) -> None:
        file_id = world.put_in(world.make_folder("folder"), "a.txt", b"in a folder")
        assert content(source, read(source).refs[file_id]) == b"in a folder"

    def test_what_lies_below_a_renamed_folder_has_its_path(self, source: Source, world: FolderedWorld, recorded: Recorded) -> None:
        outer = world.make_folder("before")
        inner = world.make_folder("inner", outer)
        near, deep = world.put_in(outer, "near.txt", b"n"), world.put_in(inner, "deep.txt", b"d")
        first = read(source)
        recorded.record(first.pages)
        world.rename_folder(outer, "after")
        recorded.record(read(source, first.cursor).pages)
        assert recorded.paths == {near: "after/near.txt", deep: "after/inner/deep.txt"}

    def test_a_folder_that_moves_takes_along_what_lies_in_it(self, source: Source, world: FolderedWorld, recorded: Recorded) -> None:
        here, there = world.make_folder("here"), world.make_folder("there")
        inner = world.make_folder("inner", here)
        file_id = world.put_in(inner, "a.txt", b"a")
        first = read(source)
        recorded.record(first.pages)
        world.move(inner, there)
        recorded.record(read(source, first.cursor).pages)
        assert recorded.paths == {file_id: "there/inner/a.txt"}

    def test_a_folder_that_goes_takes_along_what_lies_in_it(self, source: Source, world: FolderedWorld, recorded: Recorded) -> None:
        outer = world.make_folder("outer")
        inner = world.make_folder("inner", outer)
        world.put_in(inner, "a.txt", b"a")
        kept = world.put("kept.txt", b"kept")
        first = read(source)
        recorded.record(first.pages)
        world.remove_folder(outer)
        recorded.record(read(source, first.cursor).pages)
        assert (set(recorded.paths), recorded.folders.keys() & {outer, inner}) == ({kept}, set())

    def test_what_moved_out_before_its_folder_went_is_there(self, source: Source, world: FolderedWorld, recorded: Recorded) -> None:
        outer, other = world.make_folder("outer"), world.make_folder("other")
        inner = world.make_folder("inner", outer)
        moved, along = world.put_in(outer, "moved.txt", b"m"), world.put_in(inner, "along.txt", b"a")
        first = read(source)
        recorded.record(first.pages)
        world.move(moved, other)
        world.move(inner, other)
        world.remove_folder(outer)
        recorded.record(read(source, first.cursor).pages)
        assert recorded.paths == {moved: "other/moved.txt", along: "other/inner/along.txt"}

    def test_a_folder_that_comes_is_told_with_what_lies_in_it(self, source: Source, world: FolderedWorld, recorded: Recorded) -> None:
        first = read(source)
        recorded.record(first.pages)
        outer = world.make_folder("outer")
        file_id = world.put_in(world.make_folder("inner", outer), "a.txt", b"a")
        recorded.record(read(source, first.cursor).pages)
        assert recorded.paths == {file_id: "outer/inner/a.txt"}

    def test_a_snapshot_and_what_was_followed_agree(self, source: Source, world: FolderedWorld, recorded: Recorded) -> None:
        a, b, c = (world.make_folder(name) for name in "abc")
        files = [world.put_in(folder, f"{n}.txt", b"x") for folder in (a, b, c) for n in range(2)]
        first = read(source)
        recorded.record(first.pages)
        world.move(a, b)
        world.rename_folder(b, "b2")
        world.move(files[4], a)
        world.remove_folder(c)
        recorded.record(read(source, first.cursor).pages)
        afresh = Recorded()
        afresh.record(read(source, START).pages)
        assert recorded.paths == afresh.paths
        assert recorded.folders == afresh.folders
        assert recorded.paths[files[4]] == "b2/a/0.txt"
