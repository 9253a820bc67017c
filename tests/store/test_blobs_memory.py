"""What is held in memory of bytes that are on their way into the store."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from connector_pipelines.store.blobs import _spool
from connector_pipelines.store.blobs._spool import Expected, SpoolFolder

MIB = 1024**2


def pieces(count: int) -> list[bytes]:
    return [bytes([n % 251]) * MIB for n in range(count)]


def test_what_comes_at_once_goes_to_files_when_memory_is_taken(tmp_path: Path) -> None:
    folder = SpoolFolder(tmp_path / "spool")
    folder.prepare()
    at_once = _spool._ALL_MEMORY_BYTES // (4 * MIB)

    with ExitStack() as stack:
        held = [stack.enter_context(folder.receive(pieces(4), Expected())) for _ in range(at_once + 3)]

        assert [one.file is None for one in held] == [True] * at_once + [False] * 3
        assert {one.size for one in held} == {4 * MIB}
        assert {one.sha256 for one in held} == {held[0].sha256}

    with folder.receive(pieces(4), Expected()) as again:
        assert again.file is None
    assert not list((tmp_path / "spool").iterdir())


def test_what_was_held_of_bytes_that_broke_off_is_given_back(tmp_path: Path) -> None:
    folder = SpoolFolder(tmp_path / "spool")
    folder.prepare()

    for _ in range(40):
        try:
            with folder.receive(pieces(3), Expected(size=1)):
                raise AssertionError
        except _spool.Mismatch:
            pass

    with folder.receive(pieces(8), Expected()) as whole:
        assert whole.file is None


def test_what_was_spilled_is_whole(tmp_path: Path) -> None:
    folder = SpoolFolder(tmp_path / "spool")
    folder.prepare()

    with folder.receive(pieces(20), Expected()) as large:
        assert large.file is not None
        assert large.file.path.read_bytes() == b"".join(pieces(20))
        with ExitStack() as stack:
            fitting = [
                stack.enter_context(folder.receive(pieces(8), Expected())).file for _ in range(_spool._ALL_MEMORY_BYTES // (8 * MIB))
            ]
    assert fitting == [None] * len(fitting)
