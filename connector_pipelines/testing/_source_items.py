"""Whether a source describes its files truthfully."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import ClassVar

import pytest

from connector_pipelines.core.errors import ConfigurationError, ConnectorError
from connector_pipelines.core.protocols import Source, SourceConfig
from connector_pipelines.core.types import FileRef
from connector_pipelines.testing._source_world import Reading, World, content, read
from connector_pipelines.testing.tools import PLANTED_SECRET

__all__ = ["ItemsContract"]


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

    def whole_of(self, source: Source, reading: Reading, file_id: str) -> bytes:
        """The bytes the source has of it."""
        return content(source, reading.refs[file_id])

    def body_of(self, content: bytes) -> bytes:
        """Override where what is put into the world is only a part of the bytes that the source has of it, such as a field."""
        return content

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
        file_id = world.put("a.txt", b"12345")
        reading = read(source)
        ref, body = reading.refs[file_id], self.whole_of(source, reading, file_id)
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
        reading = read(source)
        assert {file_id: ref.name for file_id, ref in reading.refs.items()} == put
        assert {file_id: self.body_of(self.whole_of(source, reading, file_id)).decode() for file_id in reading.refs} == put

    def test_names_that_look_alike_are_different_files(self, source: Source, world: World) -> None:
        put = {world.put(name, str(n).encode()): str(n).encode() for n, name in enumerate(self.alike)}
        assert len(put) == len(self.alike)
        reading = read(source)
        assert {file_id: self.body_of(self.whole_of(source, reading, file_id)) for file_id in reading.refs} == put

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

    def _put(self, source: Source, world: World, name: str, body: bytes) -> FileRef:
        file_id = world.put(name, body)
        return read(source).refs[file_id]
