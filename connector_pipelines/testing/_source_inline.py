"""Whether what comes with a listing is whole, and what a source says of its streams and windows holds."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pytest

from connector_pipelines.core.protocols import DeclaresStreams, ListsWindows, Source
from connector_pipelines.core.types import RECORD_TYPE, ColumnType, DayRange, Deleted, Upserted
from connector_pipelines.testing._source_world import DatedWorld, World, read

__all__ = ["InlineContract", "RecordsContract", "WindowsContract"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class InlineContract:
    """For worlds of which every item comes with its content. Fixtures to give: `world`, `source`."""

    def body_of(self, content: bytes) -> bytes:
        """Override where what is put into the world is only a part of the bytes that the source has of it, such as a field."""
        return content

    @pytest.mark.parametrize("body", [b"", b"x", bytes(range(256)), b"many bytes " * 30_000], ids=["empty", "one", "any", "many"])
    def test_content_comes_with_the_listing(self, source: Source, world: World, body: bytes) -> None:
        item, other = world.put("a.txt", body), world.put("b.txt", b"other")
        contents = read(source).contents
        assert {item_id: self.body_of(content) for item_id, content in contents.items()} == {item: body, other: b"other"}

    def test_content_in_a_delta_is_what_it_is_now(self, source: Source, world: World) -> None:
        item = world.put("a.txt", b"one")
        first = read(source)
        world.put("a.txt", b"two")
        second = read(source, first.cursor)
        assert (self.body_of(first.contents[item]), self.body_of(second.contents[item])) == (b"one", b"two")
        assert second.refs[item].version != first.refs[item].version

    def test_an_unchanged_item_has_the_same_content_each_time(self, source: Source, world: World) -> None:
        for number in range(5):
            world.put(f"{number}.txt", b"x" * number)
        first, second = read(source), read(source)
        assert first.contents == second.contents
        assert {ref.id: ref.version for ref in first.named} == {ref.id: ref.version for ref in second.named}

    def test_what_is_said_of_content_is_true(self, source: Source, world: World) -> None:
        item = world.put("a.txt", b"12345")
        reading = read(source)
        ref, content = reading.refs[item], reading.contents[item]
        assert ref.size in {len(content), None}
        assert ref.checksum is None or hashlib.new(ref.checksum.algorithm, content).hexdigest() == ref.checksum.hexdigest

    def test_content_is_not_shown(self, source: Source, world: World) -> None:
        world.put("a.txt", b"a private matter")
        assert "a private matter" not in repr(read(source).pages)


class RecordsContract:
    """For sources that declare streams, over a world that puts records of them. Fixtures to give: `world`, `source`."""

    def test_it_declares_streams(self, source: Source) -> None:
        assert isinstance(source, DeclaresStreams)
        streams = source.streams()
        assert [stream.name for stream in streams if not _NAME.fullmatch(stream.name) or not stream.primary_key] == []
        assert len({stream.name for stream in streams}) == len(streams) > 0
        assert {column for stream in streams for column in stream.columns.values()} <= set(get_args(ColumnType))

    def test_streams_are_known_from_the_settings_alone(self, source: Source, world: World) -> None:
        assert isinstance(source, DeclaresStreams)
        before = source.streams()
        world.put("a.txt", b"a")
        world.vanish()
        assert source.streams() == before

    def test_a_record_is_a_json_object_of_a_declared_stream(self, source: Source, world: World) -> None:
        assert isinstance(source, DeclaresStreams)
        ids = {world.put(f"{number}.txt", b"x" * number) for number in range(5)}
        reading, declared = read(source), {stream.name for stream in source.streams()}
        assert set(reading.contents) == ids
        assert {ref.stream for ref in reading.named} <= declared
        assert {ref.media_type for ref in reading.named} == {RECORD_TYPE}
        assert {type(json.loads(content)) for content in reading.contents.values()} == {dict}

    def test_no_two_records_of_a_stream_have_one_key(self, source: Source, world: World) -> None:
        assert isinstance(source, DeclaresStreams)
        for number in range(5):
            world.put(f"{number}.txt", b"the same")
        reading, streams = read(source), {stream.name: stream for stream in source.streams()}
        keys = [
            (ref.stream, *(json.dumps(_at(json.loads(reading.contents[ref.id]), name)) for name in streams[ref.stream or ""].primary_key))
            for ref in reading.named
        ]
        assert len(set(keys)) == 5
        assert [key for key in keys if "null" in key] == []

    def test_a_sample_is_of_records_that_are_there(self, source: Source, world: World) -> None:
        assert isinstance(source, DeclaresStreams)
        for number in range(5):
            world.put(f"{number}.txt", b"x" * number)
        listed = [json.loads(content) for content in read(source).contents.values()]
        stream = next(ref.stream for ref in read(source).named if ref.stream)
        for limit in (1, 3):
            sample = source.sample(stream, limit)
            assert len(sample) == limit
            assert {record.stream.name for record in sample} == {stream}
            assert [record for record in sample if json.loads(json.dumps(record.fields, default=str)) not in listed] == []


class WindowsContract:
    """For sources that can be asked for a span of source time. Fixtures to give: `world`, which is a `DatedWorld`, and `source`."""

    def test_a_window_names_what_is_in_it(self, source: Source, world: DatedWorld) -> None:
        assert isinstance(source, ListsWindows)
        days = [date(2026, 5, 1) + timedelta(days=10 * number) for number in range(5)]
        ids = [world.put_at(f"{day}.txt", b"x", datetime(day.year, day.month, day.day, 12, tzinfo=UTC)) for day in days]
        for first, last, expected in ((1, 3, ids[1:4]), (2, 2, ids[2:3]), (0, None, ids), (None, 1, ids[:2]), (None, None, ids)):
            asked = DayRange(None if first is None else days[first], None if last is None else days[last])
            # A little more is welcome, and ten days are not a little.
            assert sorted(_named(source, asked)) == sorted(expected)

    def test_a_window_begins_and_ends_with_its_days(self, source: Source, world: DatedWorld) -> None:
        day = date(2026, 5, 17)
        begins = world.put_at("begins.txt", b"x", datetime(2026, 5, 17, tzinfo=UTC))
        ends = world.put_at("ends.txt", b"x", datetime(2026, 5, 17, 23, 59, 59, tzinfo=UTC))
        assert {begins, ends} <= set(_named(source, DayRange(day, day)))

    def test_a_window_is_no_place_in_the_feed_and_tells_of_nothing_gone(self, source: Source, world: DatedWorld) -> None:
        assert isinstance(source, ListsWindows)
        at = datetime(2026, 5, 17, 12, tzinfo=UTC)
        gone, _ = world.put_at("gone.txt", b"x", at), world.put_at("kept.txt", b"x", at)
        world.remove(gone)
        for days in (DayRange(at.date(), at.date()), DayRange(date(2020, 1, 1), date(2020, 1, 2))):
            pages = list(source.changes_in(days))
            assert {(page.cursor, page.snapshot) for page in pages} <= {(None, False)}
            assert [change for page in pages for change in page.changes if isinstance(change, Deleted)] == []


def _named(source: Source, days: DayRange) -> list[str]:
    assert isinstance(source, ListsWindows)
    return [change.ref.id for page in source.changes_in(days) for change in page.changes if isinstance(change, Upserted)]


def _at(fields: Any, dotted: str) -> Any:
    if dotted in fields:
        return fields[dotted]
    for name in dotted.split("."):
        fields = fields.get(name) if isinstance(fields, dict) else None
    return fields
