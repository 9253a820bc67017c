"""What a folder does not show us, what moves while we look, and what is no folder at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from connector_pipelines.core.errors import ConfigurationError, Forbidden, NotFound, Unavailable
from connector_pipelines.core.types import Unlistable, Upserted
from tests.sources.trees import changes, make, refs, source, unlistable

AsNobody = Callable[[], AbstractContextManager[None]]


class TestRefusedFolders:
    """File modes count for nobody but the unprivileged."""

    @pytest.fixture
    def root(self, open_tmp_path: Path) -> Path:
        root = open_tmp_path / "root"
        make(root, "a/1", "b/2", "b/c/3", "d/4")
        return root

    @pytest.mark.parametrize("mode", [0o000, 0o311, 0o644], ids=["nothing", "not listed", "not searched"])
    def test_a_folder_that_is_refused_is_unlistable_and_the_rest_goes_on(self, root: Path, as_nobody: AsNobody, mode: int) -> None:
        (root / "b").chmod(mode)
        with as_nobody():
            assert list(refs(root)) == ["a/1", "d/4"]
            assert unlistable(root) == {"b": "forbidden"}

    def test_a_refused_folder_nothing_is_wanted_from_is_not_touched(self, root: Path, as_nobody: AsNobody) -> None:
        (root / "b").chmod(0)
        with as_nobody():
            assert unlistable(root, exclude=["b/**"]) == {}
            assert unlistable(root, include=["a/**"]) == {}

    def test_a_link_into_a_refused_folder_is_unlistable(self, root: Path, as_nobody: AsNobody) -> None:
        (root / "d/link").symlink_to("../b/c/3")
        (root / "b").chmod(0)
        with as_nobody():
            assert unlistable(root) == {"b": "forbidden", "d/link": "forbidden"}

    def test_the_message_says_who_is_refused(self, root: Path, as_nobody: AsNobody) -> None:
        (root / "b").chmod(0)
        with as_nobody():
            (refusal,) = [change for change in changes(root) if isinstance(change, Unlistable)]
            assert refusal.message == f"b cannot be listed: Permission denied. Let user {os.geteuid()}, as whom the sync runs, read it."

    @pytest.mark.parametrize("mode", [0o000, 0o311, 0o644])
    def test_a_refused_root_stops_the_connector(self, root: Path, as_nobody: AsNobody, mode: int) -> None:
        root.chmod(mode)
        with as_nobody():
            with pytest.raises(ConfigurationError, match=r"root: Permission denied") as refusal:
                changes(root)
            assert str(os.geteuid()) in refusal.value.advice

    def test_what_is_refused_counts_as_there(self, root: Path, as_nobody: AsNobody) -> None:
        known = refs(root)
        (root / "b").chmod(0)
        shutil.rmtree(root / "d")
        with as_nobody():
            assert source(root).still_there(list(known.values())) == {"a/1", "b/2", "b/c/3"}

    def test_a_refused_folder_cannot_be_previewed(self, root: Path, as_nobody: AsNobody) -> None:
        (root / "b").chmod(0)
        with as_nobody(), pytest.raises(Forbidden):
            list(source(root).list("b"))

    def test_a_probe_says_that_nothing_can_be_read(self, root: Path, as_nobody: AsNobody) -> None:
        for file in ("a/1", "b/2", "b/c/3", "d/4"):
            (root / file).chmod(0)
        with as_nobody():
            listing, reading = source(root).test().abilities
        assert (listing.works, reading.works) == (True, False)
        assert "None of the first 4 files" in reading.detail

    def test_a_probe_finds_the_first_file_that_can_be_read(self, root: Path, as_nobody: AsNobody) -> None:
        (root / "a/1").chmod(0)
        with as_nobody():
            assert source(root).test().abilities[1].detail == "b/2 can be read."


class TestMovesDuringAWalk:
    def test_a_folder_that_vanishes_under_the_walk_is_absent(self, tmp_path: Path) -> None:
        make(tmp_path, "a/1", "b/2", "c/3")
        pages = source(tmp_path, page_size=1).changes()
        begun = next(pages)
        shutil.rmtree(tmp_path / "c")
        assert [c.ref.id for page in (begun, *pages) for c in page.changes if isinstance(c, Upserted)] == ["a/1", "b/2"]

    def test_a_root_replaced_under_the_walk_proves_nothing(self, tmp_path: Path) -> None:
        make(tmp_path, "root/a/1", "root/b/2")
        pages = source(tmp_path / "root", page_size=1).changes()
        next(pages)
        (tmp_path / "root").rename(tmp_path / "was root")
        (tmp_path / "root").mkdir()
        with pytest.raises(Unavailable, match="replaced"):
            list(pages)

    def test_a_file_moved_past_the_walk_is_still_there(self, tmp_path: Path) -> None:
        make(tmp_path, "late/moved", "late/removed", "early/stays")
        known = refs(tmp_path)
        (tmp_path / "late/moved").rename(tmp_path / "early/moved")
        (tmp_path / "late/removed").unlink()
        assert source(tmp_path).still_there(list(known.values())) == {"early/stays", known["late/moved"].identity}

    def test_a_file_edited_since_is_still_there(self, tmp_path: Path) -> None:
        make(tmp_path, "a")
        known = refs(tmp_path)
        (tmp_path / "a").write_bytes(b"edited since")
        assert source(tmp_path).still_there(list(known.values())) == {"a"}

    def test_a_file_no_longer_wanted_is_not_still_there(self, tmp_path: Path) -> None:
        make(tmp_path, "a/b/1")
        known = list(refs(tmp_path).values())
        assert source(tmp_path, exclude=["a/**"]).still_there(known) == frozenset()
        assert source(tmp_path, include=["*.pdf"]).still_there(known) == frozenset()

    def test_with_the_root_gone_nothing_is_confirmed(self, tmp_path: Path) -> None:
        make(tmp_path, "root/a")
        known = list(refs(tmp_path / "root").values())
        shutil.rmtree(tmp_path / "root")
        with pytest.raises(ConfigurationError):
            source(tmp_path / "root").still_there(known)


class TestRoot:
    @pytest.mark.parametrize(("root", "met"), [("missing", "No such file"), ("file", "not a folder"), ("loop", "symbolic links")])
    def test_a_root_that_is_no_folder_is_named(self, tmp_path: Path, root: str, met: str) -> None:
        make(tmp_path, "file")
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(ConfigurationError, match=met) as refusal:
            changes(tmp_path / root)
        assert str(tmp_path / root) in str(refusal.value)
        assert "root" in refusal.value.advice

    def test_a_probe_of_a_missing_root_says_what_to_do(self, tmp_path: Path) -> None:
        probe = source(tmp_path / "missing").test()
        assert (probe.account, probe.works) == (str(tmp_path / "missing"), False)
        assert "Create it, mount it" in probe.abilities[0].detail

    def test_a_probe_of_an_empty_folder_works(self, tmp_path: Path) -> None:
        assert source(tmp_path).test().works

    def test_the_root_of_the_file_system_can_be_the_root(self, tmp_path: Path) -> None:
        make(tmp_path, "a.txt")
        inside = str(tmp_path).lstrip("/")
        reader = source(Path("/"), include=[f"{inside}/*.txt"])
        (ref,) = [c.ref for page in reader.changes() for c in page.changes if isinstance(c, Upserted)]
        with reader.open(ref) as chunks:
            assert (ref.id, b"".join(chunks)) == (f"{inside}/a.txt", b"a.txt")

    def test_the_working_directory_counts_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        make(tmp_path, "root/a")
        monkeypatch.chdir(tmp_path)
        reader = source(Path("root"))
        monkeypatch.chdir("/")
        assert [c.ref.id for page in reader.changes() for c in page.changes if isinstance(c, Upserted)] == ["a"]


class TestPreview:
    def test_a_folder_below_can_be_previewed(self, tmp_path: Path) -> None:
        make(tmp_path, "a/b/1", "a/b/2", "a/b/c/3")
        (tmp_path / "link").symlink_to("a/b")
        assert [ref.id for ref in source(tmp_path).list("a/b")] == ["a/b/1", "a/b/2"]
        assert [(ref.id, ref.identity) for ref in source(tmp_path).list("link")] == [("link/1", None), ("link/2", None)]

    def test_a_folder_outside_of_what_is_synced_cannot(self, tmp_path: Path) -> None:
        make(tmp_path, "root/a/1", "root/b/2", "outside/3")
        (tmp_path / "root/link").symlink_to("../outside")
        for folder in ("b", "link", "a/1", "../outside"):
            with pytest.raises(ConfigurationError):
                list(source(tmp_path / "root", exclude=["b"]).list(folder))

    def test_a_gone_file_is_not_found_where_its_folder_is(self, tmp_path: Path) -> None:
        make(tmp_path, "a/1")
        (ref,) = refs(tmp_path).values()
        shutil.rmtree(tmp_path / "a")
        with pytest.raises(NotFound), source(tmp_path).open(ref):
            pytest.fail("it opened what is gone")
