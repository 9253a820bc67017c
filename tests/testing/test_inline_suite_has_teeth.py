"""A source whose items bring their content along, and that is wrong in one way, is caught by the test that says so."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.types import Change, ChangePage, Cursor, DayRange, Record, Stream, Upserted
from connector_pipelines.testing.memory_source import Config, Source, StreamConfig
from connector_pipelines.testing.source_suite import InlineSourceContract, RecordsContract, WindowsContract, plain_tools
from tests.testing.faults import CAUGHT, run
from tests.testing.test_memory_source import Records

NOW = datetime(2026, 5, 17, 12, tzinfo=UTC)


class Contract(InlineSourceContract, RecordsContract, WindowsContract):
    def body_of(self, content: bytes) -> bytes:
        return base64.b64decode(json.loads(content)["body"])


class ContentOfTheFirst(Source):
    def _change(self, file_id: str) -> Change:
        first = next(iter(self._service.files.values()), None)
        return _with_content(super()._change(file_id), lambda content: first.body if first else content)


class ContentForgottenInADelta(Source):
    def _delta(self, place: int) -> Iterator[ChangePage]:
        for page in super()._delta(place):
            yield replace(page, changes=tuple(Upserted(c.ref) if isinstance(c, Upserted) else c for c in page.changes))


class ContentThatVaries(Source):
    _counted = count()

    def _change(self, file_id: str) -> Change:
        return _with_content(
            super()._change(file_id), lambda content: json.dumps({**json.loads(content), "n": next(self._counted)}).encode()
        )


class SizeOfSomethingElse(Source):
    def _change(self, file_id: str) -> Change:
        change = super()._change(file_id)
        return replace(change, ref=replace(change.ref, size=1)) if isinstance(change, Upserted) else change


class RecordsOfNoStream(Source):
    def _change(self, file_id: str) -> Change:
        change = super()._change(file_id)
        return replace(change, ref=replace(change.ref, stream="undeclared")) if isinstance(change, Upserted) else change


class RecordsThatAreLists(Source):
    def _change(self, file_id: str) -> Change:
        return _with_content(super()._change(file_id), lambda content: b"[" + content + b"]")


class OneKeyForAll(Source):
    def _change(self, file_id: str) -> Change:
        return _with_content(super()._change(file_id), lambda content: json.dumps({**json.loads(content), "id": 1}).encode())


class NamesOfStreamsInCapitals(Source):
    def streams(self) -> Sequence[Stream]:
        return [replace(stream, name=stream.name.upper()) for stream in super().streams()]


class AsksForItsStreams(Source):
    def streams(self) -> Sequence[Stream]:
        if not self._service.is_there:
            raise ConfigurationError("nobody answers")
        return super().streams()


class SampleOfItsOwn(Source):
    def sample(self, stream: str, limit: int) -> Sequence[Record]:
        return [replace(record, fields={"id": "an example"}) for record in super().sample(stream, limit)]


class WindowOfEverything(Source):
    def changes_in(self, days: DayRange) -> Iterator[ChangePage]:
        return super().changes_in(DayRange())


class WindowThatEndsTooSoon(Source):
    def changes_in(self, days: DayRange) -> Iterator[ChangePage]:
        for page in super().changes_in(days):
            yield replace(page, changes=tuple(c for c in page.changes if isinstance(c, Upserted) and (c.ref.modified_at or NOW).hour < 23))


class WindowWithACursor(Source):
    def changes_in(self, days: DayRange) -> Iterator[ChangePage]:
        return (replace(page, cursor=Cursor("here")) for page in super().changes_in(days))


FAULTS: dict[type[Source], str] = {
    ContentOfTheFirst: "test_content_comes_with_the_listing",
    ContentForgottenInADelta: "test_content_in_a_delta_is_what_it_is_now",
    ContentThatVaries: "test_an_unchanged_item_has_the_same_content_each_time",
    SizeOfSomethingElse: "test_what_is_said_of_content_is_true",
    RecordsOfNoStream: "test_a_record_is_a_json_object_of_a_declared_stream",
    RecordsThatAreLists: "test_a_record_is_a_json_object_of_a_declared_stream",
    OneKeyForAll: "test_no_two_records_of_a_stream_have_one_key",
    NamesOfStreamsInCapitals: "test_it_declares_streams",
    AsksForItsStreams: "test_streams_are_known_from_the_settings_alone",
    SampleOfItsOwn: "test_a_sample_is_of_records_that_are_there",
    WindowOfEverything: "test_a_window_names_what_is_in_it",
    WindowThatEndsTooSoon: "test_a_window_begins_and_ends_with_its_days",
    WindowWithACursor: "test_a_window_is_no_place_in_the_feed_and_tells_of_nothing_gone",
}


def fixtures_of(kind: type[Source]) -> Callable[[], Mapping[str, object]]:
    def fixtures() -> Mapping[str, object]:
        world = Records()
        return {"world": world, "source": kind(Config(streams=(StreamConfig(name="things"),)), plain_tools(), service=world)}

    return fixtures


@pytest.mark.parametrize(("fault", "test"), FAULTS.items(), ids=[fault.__name__ for fault in FAULTS])
def test_a_fault_is_caught(fault: type[Source], test: str) -> None:
    run(Contract, test, fixtures_of(Source))
    with pytest.raises((*CAUGHT, KeyError)):
        run(Contract, test, fixtures_of(fault))


def _with_content(change: Change, make: Callable[[bytes], bytes]) -> Change:
    return replace(change, content=make(change.content)) if isinstance(change, Upserted) and change.content is not None else change
