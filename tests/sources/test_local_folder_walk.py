"""What a walk of a folder names, and what it leaves out and says so."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connector_pipelines.core.types import Upserted
from tests.sources.trees import changes, make, refs, skipped, source, unlistable


def test_files_come_sorted_folder_by_folder(tmp_path: Path) -> None:
    make(tmp_path, "b/2", "b/1", "a/deep/er/1", "a/1", "z", "c")
    assert list(refs(tmp_path)) == ["c", "z", "a/1", "a/deep/er/1", "b/1", "b/2"]


@pytest.mark.parametrize(("files", "pages"), [(0, [0]), (2, [2]), (3, [3]), (4, [3, 1]), (6, [3, 3])])
def test_pages_are_full_but_for_the_last(tmp_path: Path, files: int, pages: list[int]) -> None:
    make(tmp_path, *map(str, range(files)))
    assert [len(page.changes) for page in source(tmp_path, page_size=3).changes()] == pages


def test_a_deep_tree_is_walked(tmp_path: Path) -> None:
    name = "/".join("d" * 300) + "/f"
    make(tmp_path, name)
    assert list(refs(tmp_path)) == [name]


def test_a_path_longer_than_the_system_takes_is_unlistable_and_not_gone(tmp_path: Path) -> None:
    make(tmp_path, "beside")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("x" * 250, dir_fd=here)
        inner = os.open("x" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    found = unlistable(tmp_path)
    assert list(refs(tmp_path)) == ["beside"]
    assert list(found.values()) == ["unavailable"]


class TestFacts:
    def test_a_file_is_described(self, tmp_path: Path) -> None:
        make(tmp_path, "a b/ü%.md")
        os.utime(tmp_path / "a b/ü%.md", ns=(0, 1_700_000_000_123_456_789))
        ref = refs(tmp_path)["a b/ü%.md"]
        assert (ref.path, ref.size, ref.media_type) == ("a b/ü%.md", 10, "text/markdown")
        assert ref.modified_at == datetime(2023, 11, 14, 22, 13, 20, 123456, UTC)
        assert ref.url == f"file://{tmp_path.as_posix()}/a%20b/%C3%BC%25.md"

    def test_a_name_that_is_not_text_has_an_id_that_opens_it(self, tmp_path: Path) -> None:
        name = b"caf\xe9 %E9.txt"
        (tmp_path / os.fsdecode(name)).write_bytes(b"latin-1")
        (ref,) = refs(tmp_path).values()
        assert (ref.id, ref.path) == ("caf%E9 %25E9.txt", "caf%E9 %E9.txt")
        with source(tmp_path).open(ref) as chunks:
            assert b"".join(chunks) == b"latin-1"

    @pytest.mark.parametrize("seconds", [-62_200_000_000, -1, 0, 253_402_300_800])
    def test_any_time_a_file_may_have_is_taken(self, tmp_path: Path, seconds: int) -> None:
        make(tmp_path, "a")
        try:
            os.utime(tmp_path / "a", (seconds, seconds))
        except OverflowError:  # Where time_t is narrower there is no such file.
            assert abs(seconds) > 2**31
        at = refs(tmp_path)["a"].modified_at
        assert at is None or at.year in range(1, 10_000)

    def test_touching_nothing_changes_nothing(self, tmp_path: Path) -> None:
        make(tmp_path, "a", "b/c")
        assert refs(tmp_path) == refs(tmp_path)

    def test_a_file_moved_to_another_folder_keeps_its_identity(self, tmp_path: Path) -> None:
        make(tmp_path, "old/a", "old/b")
        before = refs(tmp_path)
        (tmp_path / "old").rename(tmp_path / "new")
        after = refs(tmp_path)
        assert [after[i].identity for i in ("new/a", "new/b")] == [before[i].identity for i in ("old/a", "old/b")]

    def test_a_file_with_several_names_has_no_identity(self, tmp_path: Path) -> None:
        make(tmp_path, "one", "alone")
        os.link(tmp_path / "one", tmp_path / "two")
        (tmp_path / "linked").symlink_to("alone")
        found = refs(tmp_path)
        assert [i for i, ref in found.items() if ref.identity is None] == ["linked", "one", "two"]


class TestLinks:
    def test_links_that_stay_inside_are_followed(self, tmp_path: Path) -> None:
        make(tmp_path, "real/a")
        (tmp_path / "folder").symlink_to("real")
        (tmp_path / "file").symlink_to(tmp_path / "real/a")
        assert list(refs(tmp_path)) == ["file", "folder/a", "real/a"]

    def test_links_that_lead_outside_are_left_out_and_named(self, tmp_path: Path) -> None:
        make(tmp_path, "outside/secret", "root-beside/secret", "root/a")
        (tmp_path / "root/folder").symlink_to("../outside")
        (tmp_path / "root/file").symlink_to(tmp_path / "outside/secret")
        (tmp_path / "root/beside").symlink_to("../root-beside/secret")
        (tmp_path / "root/up").symlink_to("..")
        assert list(refs(tmp_path / "root")) == ["a"]
        assert skipped(tmp_path / "root") == dict.fromkeys(("beside", "file", "folder"), "symlink_outside_root") | {
            "up": "symlink_outside_root"
        }

    def test_a_link_by_way_of_another_is_judged_by_its_end(self, tmp_path: Path) -> None:
        make(tmp_path, "outside/secret", "root/a")
        (tmp_path / "root/hop").symlink_to("../outside")
        (tmp_path / "root/two hops").symlink_to("hop/secret")
        assert skipped(tmp_path / "root")["two hops"] == "symlink_outside_root"

    def test_links_to_nothing_and_in_circles_are_named(self, tmp_path: Path) -> None:
        make(tmp_path, "a/b/file")
        (tmp_path / "dangling").symlink_to("nothing")
        (tmp_path / "below a file").symlink_to("a/b/file/below")
        (tmp_path / "self").symlink_to("self")
        (tmp_path / "a/b/up").symlink_to("..")
        (tmp_path / "a/b/top").symlink_to(tmp_path)
        assert list(refs(tmp_path)) == ["a/b/file"]
        assert skipped(tmp_path) == {
            "dangling": "dangling_symlink", "below a file": "dangling_symlink",
            "self": "symlink_loop", "a/b/up": "symlink_loop", "a/b/top": "symlink_loop",
        }  # fmt: skip

    def test_folders_that_link_to_each_other_do_not_multiply(self, tmp_path: Path) -> None:
        packages = [f"p{n:02}" for n in range(12)]
        make(tmp_path, *(f"{package}/file" for package in packages))
        for package in packages:
            for other in set(packages) - {package}:
                (tmp_path / package / f"to {other}").symlink_to(f"../{other}")
        assert len(refs(tmp_path)) == 12 * 12
        assert set(skipped(tmp_path).values()) == {"symlink_below_symlink"}

    def test_links_are_left_out_where_asked(self, tmp_path: Path) -> None:
        make(tmp_path, "a")
        (tmp_path / "link").symlink_to("a")
        assert list(refs(tmp_path, follow_symlinks=False)) == ["a"]
        assert skipped(tmp_path, follow_symlinks=False) == {"link": "symlink_not_followed"}


class TestLeftOut:
    def test_special_files_are_named_and_not_opened(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "socket"))
            assert skipped(tmp_path) == {"pipe": "special_file", "socket": "special_file"}

    def test_a_file_above_the_limit_is_named(self, tmp_path: Path) -> None:
        make(tmp_path, "1234", "12345")
        assert (list(refs(tmp_path, max_file_bytes=4)), skipped(tmp_path, max_file_bytes=4)) == (["1234"], {"12345": "too_large"})

    def test_what_programs_leave_beside_files_is_out_of_scope(self, tmp_path: Path) -> None:
        make(tmp_path, ".git/config", "a/.git/config", ".DS_Store", "a/~$b.docx", "a/.~lock.b.odt#", "a/b.docx", ".gitignore")
        assert [change.ref.id for change in changes(tmp_path) if isinstance(change, Upserted)] == [".gitignore", "a/b.docx"]
        assert skipped(tmp_path) == {}

    def test_only_what_is_wanted_is_named(self, tmp_path: Path) -> None:
        make(tmp_path, "a.pdf", "a.txt", "docs/b.pdf", "docs/old/c.pdf", "docs/d.txt", "other/e.pdf")
        (tmp_path / "dangling.txt").symlink_to("nowhere")
        found = changes(tmp_path, include=["docs/**/*.pdf", "*.pdf"], exclude=["**/old/**"])
        assert [change.ref.id for change in found if isinstance(change, Upserted)] == ["a.pdf", "docs/b.pdf"]
        assert len(found) == 2
