"""Whether a source describes its files truthfully, and its `open` gives their bytes and no others."""

from __future__ import annotations

import hashlib
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import ClassVar

import pytest

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, NotFound
from connector_pipelines.core.protocols import Source, SourceConfig
from connector_pipelines.core.types import FileRef
from connector_pipelines.testing._source_world import World, content, read
from connector_pipelines.testing.tools import PLANTED_SECRET

__all__ = ["ItemsContract"]

_MOST_CHUNK_BYTES = 8 * 1024 * 1024
_FORGED_IDS = ("", ".", "..", "../a.txt", "a.txt/../../a.txt", "/etc/hostname", "a\0.txt", "\ud800", "no such id", "%2E%2E/a.txt")


class _Leaves(Exception):
    pass


class ItemsContract:
    """Looks at files one by one.

    Attributes:
        names: Names a file may have; leave out what the other side refuses.
        alike: Names that are different names; leave out what the other side takes for the same.
    """

    names: ClassVar[tuple[str, ...]] = (
        "plain.txt", "with space.txt", " at the edges ", "no suffix", ".hidden", "..two dots", "two..dots.txt", "a.tar.gz",
        unicodedata.normalize("NFC", "é ü.txt"), unicodedata.normalize("NFD", "ö å.txt"), "日本語.txt", "🏗️ \U0001f468‍\U0001f469‍\U0001f467.txt",
        "100% sure.txt", "%41.txt", "50%25.txt", "%FF%00.txt", "new\nline.txt", "tab\t.txt", "bell\a.txt", "it's.txt", 'a "quote".txt',
        "back\\slash.txt", "semi;colon & <tag>.txt", "*?[glob]{}.txt", "#hash?query=1.txt", "~tilde", "-rf", "NUL", f"{'x' * 240}.txt",
    )  # fmt: skip
    alike: ClassVar[tuple[str, ...]] = (
        "Case.txt",
        "case.txt",
        unicodedata.normalize("NFC", "é.txt"),
        unicodedata.normalize("NFD", "é.txt"),
    )

    @pytest.fixture
    def again(self, source: Source) -> Source:
        """Override with a second instance over the same world, such as another process would have."""
        return source

    def test_it_is_a_source(self, source: Source) -> None:
        assert isinstance(source, Source)
        assert issubclass(source.config_type, SourceConfig)

    def test_a_probe_says_who_we_are_and_what_works(self, source: Source, world: World) -> None:
        world.put("a.txt", b"a")
        probe = source.test()
        assert probe.account
        assert {ability.name: ability.works for ability in probe.abilities}
        assert [ability for ability in probe.abilities if not ability.works or not ability.detail] == []

    def test_secrets_are_not_shown(self, source: Source, world: World) -> None:
        ref = self._put(source, world, "a.txt", b"a")
        seen = [repr(source), repr(getattr(source, "__dict__", "")), repr(source.test()), repr(ref)]
        world.vanish()
        with pytest.raises(ConnectorError) as refusal:
            read(source)
        seen += [repr(refusal.value), refusal.value.advice]
        assert [text for text in seen if PLANTED_SECRET in text] == []

    def test_what_is_said_of_a_file_is_true(self, source: Source, world: World) -> None:
        body = b"12345"
        ref = self._put(source, world, "a.txt", body)
        assert (ref.name, ref.path.startswith("/")) == ("a.txt", False)
        assert ref.size in {len(body), None}
        assert [at for at in (ref.modified_at, ref.created_at) if at is not None and at.utcoffset() is None] == []
        assert ref.checksum is None or hashlib.new(ref.checksum.algorithm, body).hexdigest() == ref.checksum.hexdigest
        assert ref.url is None or "://" in ref.url

    def test_media_types_are_in_normal_form(self, source: Source, world: World) -> None:
        for name in ("a.PDF", "b.csv", "c.html", "d", "e.xyz"):
            world.put(name, b"x")
        media_types = {ref.media_type for ref in read(source).named}
        assert media_types
        assert [m for m in media_types if m != m.lower() or ";" in m or m.count("/") != 1] == []

    def test_ids_and_versions_fit_a_database(self, source: Source, world: World) -> None:
        for name in self.names:
            world.put(name, b"x")
        texts = [text for ref in read(source).named for text in (ref.id, ref.version, ref.path, ref.url or "", ref.identity or "-")]
        assert len(texts) == 5 * len(self.names)
        assert [text for text in texts if "\0" in text or text.encode(errors="ignore").decode() != text] == []
        assert "" not in {text for ref in read(source).named for text in (ref.id, ref.version)}

    def test_files_of_any_name_are_named_and_opened(self, source: Source, world: World) -> None:
        put = {world.put(name, name.encode()): name for name in self.names}
        refs = read(source).refs
        assert {file_id: ref.name for file_id, ref in refs.items()} == put
        assert {file_id: content(source, ref).decode() for file_id, ref in refs.items()} == put

    def test_names_that_look_alike_are_different_files(self, source: Source, world: World) -> None:
        put = {world.put(name, str(n).encode()): str(n).encode() for n, name in enumerate(self.alike)}
        assert len(put) == len(self.alike)
        assert {file_id: content(source, ref) for file_id, ref in read(source).refs.items()} == put

    def test_ids_are_the_same_for_every_instance(self, source: Source, world: World, again: Source) -> None:
        for name in self.names:
            world.put(name, b"x")
        first, second = ({ref.id: (ref.path, ref.identity) for ref in read(one).named} for one in (source, again))
        assert first == second

    @pytest.mark.parametrize("other_bytes", [b"two, longer", b"two", b""], ids=["longer", "as long", "empty"])
    def test_other_bytes_are_another_version(self, source: Source, world: World, other_bytes: bytes) -> None:
        file_id = world.put("a.txt", b"one")
        first = read(source)
        assert world.put("a.txt", other_bytes) == file_id
        second = read(source, first.cursor)
        assert second.refs[file_id].version != first.refs[file_id].version

    def test_the_files_of_a_folder_are_those_the_changes_name(self, source: Source, world: World) -> None:
        ids = {world.put(name, b"x") for name in ("a.txt", "b.txt", "c.txt")}
        listed = {ref.id: ref.version for ref in source.list()}
        assert set(listed) == ids
        assert listed == {ref.id: ref.version for ref in read(source).named}

    @pytest.mark.parametrize("missing_folder", ["no such folder", "..", "../..", "/", "a\0b", "\ud800"])
    def test_a_folder_that_is_not_there_cannot_be_listed(self, source: Source, world: World, missing_folder: str) -> None:
        world.put("a.txt", b"a")
        with pytest.raises(ConfigurationError):
            list(source.list(missing_folder))

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
