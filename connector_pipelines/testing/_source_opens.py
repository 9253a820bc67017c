"""Whether a source's `open` gives the bytes of its files and no others."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from connector_pipelines.core.errors import ConnectorError, NotFound
from connector_pipelines.core.protocols import Source
from connector_pipelines.core.types import FileRef
from connector_pipelines.testing._source_world import World, content, read

__all__ = ["OpensContract"]

_MOST_CHUNK_BYTES = 8 * 1024 * 1024
_FORGED_IDS = ("", ".", "..", "../a.txt", "a.txt/../../a.txt", "/etc/hostname", "a\0.txt", "\ud800", "no such id", "%2E%2E/a.txt")


class _Leaves(Exception):
    pass


class OpensContract:
    """Opens files one by one, and several at once."""

    @pytest.mark.parametrize("whole_bytes", [b"", b"x", bytes(range(256)) * 17_000], ids=["empty", "one", "four megabytes"])
    def test_open_gives_the_bytes_in_chunks(self, source: Source, world: World, whole_bytes: bytes) -> None:
        ref = self._put(source, world, "a.bin", whole_bytes)
        with source.open(ref) as stream:
            chunks = list(stream)
        assert b"".join(chunks) == whole_bytes
        assert max(map(len, chunks), default=0) <= _MOST_CHUNK_BYTES

    def test_a_file_that_is_gone_is_not_found(self, source: Source, world: World) -> None:
        ref = self._put(source, world, "a.txt", b"a")
        world.remove(ref.id)
        with pytest.raises(NotFound):
            content(source, ref)

    def test_an_old_reference_gives_that_version_or_a_newer_one(self, source: Source, world: World) -> None:
        ref = self._put(source, world, "a.txt", b"old bytes")
        world.put("a.txt", b"newer bytes")
        assert content(source, ref) in {b"old bytes", b"newer bytes"}

    @pytest.mark.parametrize("forged_id", _FORGED_IDS)
    def test_an_id_nobody_gave_out_opens_nothing(self, source: Source, world: World, forged_id: str) -> None:
        ref = self._put(source, world, "a.txt", b"a")
        with pytest.raises(ConnectorError):
            content(source, replace(ref, id=forged_id))

    def test_a_reader_may_leave_early_with_its_own_error(self, source: Source, world: World) -> None:
        body = bytes(range(256)) * 17_000
        ref = self._put(source, world, "a.bin", body)
        with pytest.raises(_Leaves):
            _read_and_leave(source, ref)
        assert content(source, ref) == body

    def test_several_threads_open_at_once(self, source: Source, world: World) -> None:
        bodies = {world.put(f"{n}.bin", bytes([n]) * 300_000): bytes([n]) * 300_000 for n in range(8)}
        refs, start = read(source).refs, threading.Barrier(len(bodies))

        def fetch(ref: FileRef) -> bytes:
            start.wait(timeout=30)
            return content(source, ref)

        with ThreadPoolExecutor(len(bodies)) as pool:
            assert dict(zip(refs, pool.map(fetch, refs.values()), strict=True)) == bodies

    def test_closing_twice_is_fine(self, source: Source, world: World) -> None:
        ref = self._put(source, world, "a.txt", b"a")
        assert content(source, ref) == b"a"
        assert (source.close(), source.close()) == (None, None)  # type: ignore[func-returns-value]  # that it returns at all is the point

    def _put(self, source: Source, world: World, name: str, body: bytes) -> FileRef:
        file_id = world.put(name, body)
        return read(source).refs[file_id]


def _read_and_leave(source: Source, ref: FileRef) -> None:
    with source.open(ref) as chunks:
        next(iter(chunks))
        raise _Leaves
