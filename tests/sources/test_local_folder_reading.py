"""What opening a file of a folder gives, while people change and move things about."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from connector_pipelines.core.errors import ConfigurationError, Forbidden, NotFound, Unavailable
from connector_pipelines.core.types import FileRef
from connector_pipelines.sources.local_folder import Config, Source
from connector_pipelines.sources.local_folder.faults import fault
from connector_pipelines.testing.source_suite import plain_tools

BODY = bytes(range(256)) * 12_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a/file.bin").write_bytes(BODY)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file.bin").write_bytes(b"secret")
    return root


@pytest.fixture
def source(root: Path) -> Source:
    return Source(Config(root=root), plain_tools())


@pytest.fixture
def ref(source: Source) -> FileRef:
    (ref,) = source.list("a")
    return ref


def content(source: Source, ref: FileRef) -> bytes:
    with source.open(ref) as chunks:
        return b"".join(chunks)


def test_chunks_are_of_one_mebibyte(source: Source, ref: FileRef) -> None:
    with source.open(ref) as chunks:
        assert [len(chunk) for chunk in chunks] == [1 << 20, 1 << 20, len(BODY) - (2 << 20)]


def grow(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, len(BODY) - 1)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def overwrite_and_set_the_time_back(path: Path) -> None:
    before = path.stat()
    with path.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [grow, shrink, empty, overwrite_and_set_the_time_back])
def test_bytes_that_change_while_they_are_read_are_not_taken_for_the_file(
    root: Path, source: Source, ref: FileRef, change: Callable[[Path], None]
) -> None:
    with source.open(ref) as chunks:
        next(chunks)
        change(root / "a/file.bin")
        with pytest.raises(Unavailable, match=r"'a/file\.bin' changed while it was read"):
            list(chunks)


def test_a_file_that_grows_as_it_is_read_does_not_last_for_ever(root: Path, source: Source, ref: FileRef) -> None:
    def growing() -> None:
        with source.open(ref) as chunks:
            for _ in chunks:
                grow(root / "a/file.bin")

    with pytest.raises(Unavailable):
        growing()


def test_a_program_that_saves_by_renaming_does_not_tear_the_bytes(root: Path, source: Source, ref: FileRef) -> None:
    with source.open(ref) as chunks:
        first = next(chunks)
        (root / "a/new").write_bytes(b"new")
        (root / "a/new").replace(root / "a/file.bin")
        with pytest.raises(Unavailable):
            assert first + b"".join(chunks) == BODY
    assert content(source, ref) == b"new"


@pytest.mark.parametrize("way", ["file.bin", "..", "../outside", "/"])
def test_a_folder_swapped_for_a_link_leads_nowhere(root: Path, source: Source, ref: FileRef, way: str) -> None:
    (root / "a/file.bin").unlink()
    (root / "a").rmdir()
    (root / "a").symlink_to(way)
    with pytest.raises(NotFound):
        content(source, ref)


def test_a_file_swapped_for_a_link_leads_nowhere(tmp_path: Path, root: Path, source: Source, ref: FileRef) -> None:
    (root / "a/file.bin").unlink()
    (root / "a/file.bin").symlink_to(tmp_path / "outside/file.bin")
    with pytest.raises(NotFound, match="leads out"):
        content(source, ref)


def test_links_inside_are_followed_only_where_asked(root: Path, source: Source, ref: FileRef) -> None:
    (root / "link").symlink_to("a")
    linked = replace(ref, id="link/file.bin")
    assert content(source, linked) == BODY
    with pytest.raises(NotFound):
        content(Source(Config(root=root, follow_symlinks=False), plain_tools()), linked)


def test_what_is_no_file_any_more_is_not_waited_for(root: Path, source: Source, ref: FileRef) -> None:
    (root / "a/file.bin").unlink()
    os.mkfifo(root / "a/file.bin")
    with pytest.raises(NotFound, match="regular"):
        content(source, ref)


def test_a_folder_is_not_a_file(source: Source, ref: FileRef) -> None:
    with pytest.raises(NotFound):
        content(source, replace(ref, id="a"))


def test_with_the_root_gone_no_file_is_called_gone(root: Path, source: Source, ref: FileRef) -> None:
    root.rename(root.with_name("unmounted"))
    with pytest.raises(ConfigurationError, match="No such file"):
        content(source, ref)


def test_descriptors_are_given_back(source: Source, ref: FileRef) -> None:
    held = len(list(Path("/proc/self/fd").iterdir()))
    for file_id in ("a/file.bin", "a", "a/none", "none/none", "../outside/file.bin") * 3:
        try:
            content(source, replace(ref, id=file_id))
        except NotFound:
            assert file_id != "a/file.bin"
    assert len(list(Path("/proc/self/fd").iterdir())) == held


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, NotFound), (errno.ENOTDIR, NotFound), (errno.ELOOP, NotFound),
        (errno.EACCES, Forbidden), (errno.EPERM, Forbidden),
        (errno.EIO, Unavailable), (errno.ESTALE, Unavailable), (errno.ETIMEDOUT, Unavailable), (errno.EMFILE, Unavailable),
    ],
)  # fmt: skip
def test_errors_of_the_file_system_are_ours(number: int, kind: type[Exception]) -> None:
    error = fault(OSError(number, "in the system's words"), "a.txt cannot be opened")
    assert type(error) is kind
    assert str(error) == f"a.txt cannot be opened: {os.strerror(number)}"
