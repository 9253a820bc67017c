"""Whether a sink keeps records as they were told, typed, and lets no odd one harm another."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, TransientError
from connector_pipelines.core.protocols import KeepsRecords, Sink, TakesInventory
from connector_pipelines.core.types import Stream
from connector_pipelines.testing._records_world import OTHER_ENDPOINT, TYPED, UNTYPED, HeldRecord, RecordMaker, like
from connector_pipelines.testing._sink_world import ENDPOINT, OTHER_TENANT, TENANT, Reopen, id_of, listed, ref

__all__ = ["KeptRecordsContract"]

_FULL = {
    "id": "1", "label": "Größe 日本語", "amount": 42, "price": 12.5, "active": True, "seen_at": "2026-05-17T12:30:00.123456Z",
    "born_on": "1999-12-31", "tags": {"a": [1, None, "x"], "b": {"deep": True}},
}  # fmt: skip
_VALUES: dict[str, dict[str, Any]] = {
    "everything": _FULL,
    "nothing but the key": {"id": "1"},
    "nulls": dict.fromkeys(_FULL) | {"id": "1"},
    "the largest integer": {"id": "1", "amount": 2**63 - 1},
    "the smallest integer": {"id": "1", "amount": -(2**63)},
    "an integer that no float is": {"id": "1", "amount": 2**53 + 1},
    "a small number": {"id": "1", "price": 1e-7},
    "a large number": {"id": "1", "price": 1e21},
    "a number without a fraction": {"id": "1", "price": 7},
    "false and zero": {"id": "1", "amount": 0, "price": 0.0, "active": False},
    "empty": {"id": "1", "label": "", "tags": []},
    "another offset": {"id": "1", "seen_at": "2026-05-17T23:30:00+09:00"},
    "long ago": {"id": "1", "seen_at": "0001-01-01T00:00:00Z", "born_on": "0001-01-01"},
    "a bare value as json": {"id": "1", "tags": "text"},
}
_FOUND_OUT: dict[str, dict[str, Any]] = {
    "text": {"id": "1", "note": "a"},
    "integer": {"id": "1", "size": 7},
    "number": {"id": "1", "share": 0.25},
    "boolean": {"id": "1", "open": True},
    "object": {"id": "1", "address": {"city": "Bern", "lines": ["a", "b"]}},
    "list": {"id": "1", "tags": ["a", {"b": 1}, None]},
    "key of a number": {"id": 7, "name": "a"},
}


class KeptRecordsContract:
    """Puts records of typed and untyped streams.

    Attributes:
        field_names: Names a field may have; leave out what the sink cannot tell apart.
    """

    field_names: ClassVar[tuple[str, ...]] = (
        "plain", "camelCase", "With Space", "with-dash", "with.dot", "select", "user", "größe", "日本語", 'a "quote"', "it's", "100%", "%s",
        "{braces}", "1st", "_underscore", "document_id", "generation", "tenant_id", "x" * 60, "x" * 70, "x" * 71, "tab\t", "a\\b", "$1", ":c",
    )  # fmt: skip

    def test_it_keeps_records(self, sink: Sink) -> None:
        assert isinstance(sink, KeepsRecords)

    @pytest.mark.parametrize("values", list(_VALUES))
    def test_a_record_is_held_as_its_types_say(self, sink: Sink, maker: RecordMaker, held_record: HeldRecord, values: str) -> None:
        sink.put([maker.record(TYPED, "a", _VALUES[values])])
        assert like(held_record(id_of("a")), TYPED) == like(_VALUES[values], TYPED)

    @pytest.mark.parametrize("values", list(_FOUND_OUT))
    def test_fields_nobody_declared_are_found_out(self, sink: Sink, maker: RecordMaker, held_record: HeldRecord, values: str) -> None:
        sink.put([maker.record(UNTYPED, "a", _FOUND_OUT[values])])
        assert like(held_record(id_of("a")), UNTYPED) == _FOUND_OUT[values]

    def test_a_field_may_come_later(self, sink: Sink, maker: RecordMaker, held_record: HeldRecord) -> None:
        first, second = {"id": "1", "name": "a"}, {"id": "2", "name": "b", "late": 5}
        sink.put([maker.record(UNTYPED, "a", first)])
        sink.put([maker.record(UNTYPED, "b", second), maker.record(TYPED, "c", {**_FULL, "late": "of another stream"})])
        assert (like(held_record(id_of("a")), UNTYPED), like(held_record(id_of("b")), UNTYPED)) == (first, second)
        assert like(held_record(id_of("c")), TYPED) == like({**_FULL, "late": "of another stream"}, TYPED)

    def test_a_field_that_is_gone_is_not_held(self, sink: Sink, maker: RecordMaker, held_record: HeldRecord) -> None:
        sink.put([maker.record(TYPED, "a", _FULL), maker.record(TYPED, "b", {**_FULL, "id": "2"})])
        sink.put([maker.record(TYPED, "a", {"id": "1", "label": "alone"}, generation=2)])
        assert like(held_record(id_of("a")), TYPED) == {"id": "1", "label": "alone"}
        assert like(held_record(id_of("b")), TYPED) == like({**_FULL, "id": "2"}, TYPED)

    def test_fields_may_have_any_name(self, sink: Sink, maker: RecordMaker, held_record: HeldRecord) -> None:
        fields = {"id": "1"} | {name: f"value {number}" for number, name in enumerate(self.field_names)}
        sink.put([maker.record(UNTYPED, "a", fields)])
        sink.put([maker.record(UNTYPED, "b", {**fields, "id": "2"})])
        assert [like(held_record(id_of(name)), UNTYPED) for name in "ab"] == [fields, {**fields, "id": "2"}]

    @pytest.mark.parametrize(
        "misfit",
        [{"amount": "many"}, {"amount": 1.5}, {"amount": 2**63}, {"price": "dear"}, {"active": "perhaps"}, {"seen_at": "yesterday"}, {"seen_at": 17},
         {"born_on": "2026-02-30"}, {"label": {"an": "object"}}],
        ids=lambda misfit: "{}={}".format(*next(iter(misfit.items()))),
    )  # fmt: skip
    def test_a_value_of_another_type_is_held_or_refused_and_harms_no_other(
        self, sink: Sink, maker: RecordMaker, held_record: HeldRecord, misfit: Mapping[str, Any]
    ) -> None:
        good, bad = maker.record(TYPED, "good", {**_FULL, "id": "2"}), maker.record(TYPED, "bad", {**_FULL, **misfit})
        refusal = _refusal(sink, [good, bad])
        if refusal is not None:
            # The pipeline then tells them one by one.
            assert held_record(id_of("good")) is None, "all of the batch, or none"
            assert str(next(iter(misfit))) in str(refusal), "the message names the field"
            assert _refusal(sink, [bad]) is not None
            sink.put([good])
        assert (held_record(id_of("bad")) is None) == (refusal is not None)
        assert like(held_record(id_of("good")), TYPED) == like({**_FULL, "id": "2"}, TYPED)

    def test_a_field_that_changes_its_type_has_a_clear_outcome(self, sink: Sink, maker: RecordMaker, held_record: HeldRecord) -> None:
        sink.put([maker.record(UNTYPED, "a", {"id": "1", "size": 7})])
        changed = maker.record(UNTYPED, "b", {"id": "2", "size": "large"})
        refusal = _refusal(sink, [changed])
        now = held_record(id_of("b"))
        assert (now is None) == (refusal is not None)
        assert now is None or now["size"] == "large"
        assert "size" in str(refusal or "size")
        kept = held_record(id_of("a"))
        assert kept is not None
        assert str(kept["size"]) == "7"

    def test_streams_of_one_endpoint_are_apart(self, sink: Sink, maker: RecordMaker, held_record: HeldRecord) -> None:
        typed, untyped = {"id": "1", "label": "a"}, {"id": "1", "label": ["not", "a", "text"]}
        sink.put([maker.record(TYPED, "a", typed), maker.record(UNTYPED, "b", untyped)])
        assert (like(held_record(id_of("a")), TYPED), like(held_record(id_of("b")), UNTYPED)) == (typed, untyped)
        sink.delete([ref("a", 2)])
        assert (held_record(id_of("a")), like(held_record(id_of("b")), UNTYPED)) == (None, untyped)

    def test_equal_keys_of_different_tenants_and_endpoints_are_apart(self, sink: Sink, maker: RecordMaker, held_record: HeldRecord) -> None:
        wheres = {"mine": (TENANT, ENDPOINT), "theirs": (OTHER_TENANT, ENDPOINT), "elsewhere": (TENANT, OTHER_ENDPOINT)}
        sink.put([maker.record(TYPED, name, {"id": "1", "label": name}, tenant_id=t, endpoint=e) for name, (t, e) in wheres.items()])
        sink.delete([ref("theirs", 2, tenant_id=OTHER_TENANT)])
        assert [like(held_record(id_of(name)), TYPED) for name in wheres] == [
            {"id": "1", "label": "mine"}, None, {"id": "1", "label": "elsewhere"},
        ]  # fmt: skip

    def test_thousands_of_records_are_put_at_once(self, sink: Sink, maker: RecordMaker, held_record: HeldRecord) -> None:
        batch = {f"{n}": {**_FULL, "id": f"{n}", "amount": n} for n in range(3_000)}
        sink.put([maker.record(TYPED, name, fields) for name, fields in batch.items()])
        for name in ("0", "1499", "2999"):
            assert like(held_record(id_of(name)), TYPED) == like(batch[name], TYPED)
        assert listed(sink) in (sorted((id_of(name), 1) for name in batch), None)

    def test_what_is_declared_again_changes_nothing(self, sink: Sink, maker: RecordMaker, held_record: HeldRecord) -> None:
        assert isinstance(sink, KeepsRecords)
        sink.put([maker.record(TYPED, "a", _FULL)])
        sink.declare(TENANT, ENDPOINT, [TYPED])
        assert like(held_record(id_of("a")), TYPED) == like(_FULL, TYPED)

    def test_a_stream_that_is_no_longer_declared_stays(self, sink: Sink, maker: RecordMaker, held_record: HeldRecord) -> None:
        assert isinstance(sink, KeepsRecords)
        sink.put([maker.record(TYPED, "a", _FULL), maker.record(UNTYPED, "b", {"id": "1"})])
        sink.declare(TENANT, ENDPOINT, [UNTYPED])
        assert like(held_record(id_of("a")), TYPED) == like(_FULL, TYPED)
        if isinstance(sink, TakesInventory):
            assert {document_id for document_id, _ in sink.inventory(TENANT, ENDPOINT)} == {id_of("a"), id_of("b")}
        sink.delete([ref("a", 2)])
        assert held_record(id_of("a")) is None

    def test_a_column_declared_later_is_kept(self, sink: Sink, maker: RecordMaker, held_record: HeldRecord) -> None:
        assert isinstance(sink, KeepsRecords)
        sink.put([maker.record(TYPED, "a", {"id": "1", "label": "a"})])
        wider = replace(TYPED, columns={**TYPED.columns, "weight": "number"})
        sink.declare(TENANT, ENDPOINT, [wider])
        sink.put([maker.record(wider, "b", {"id": "2", "weight": 1.5})])
        assert (like(held_record(id_of("a")), wider), like(held_record(id_of("b")), wider)) == (
            {"id": "1", "label": "a"}, {"id": "2", "weight": 1.5},
        )  # fmt: skip

    def test_instances_may_declare_and_put_at_once(self, sink: Sink, maker: RecordMaker, held_record: HeldRecord, reopen: Reopen) -> None:
        stream = Stream(name="fresh", primary_key=("id",), columns={"id": "text"})
        sinks = [sink, reopen(), reopen(), reopen()]

        def write(number: int) -> None:
            one = sinks[number]
            assert isinstance(one, KeepsRecords)
            one.declare(TENANT, ENDPOINT, [stream])
            # Each brings a field that no other knows of.
            one.put([maker.record(stream, f"{number}", {"id": f"{number}", f"field_{number}": number})])

        with ThreadPoolExecutor(len(sinks)) as pool:
            list(pool.map(write, range(len(sinks)), timeout=240))
        assert [like(held_record(id_of(f"{n}")), stream) for n in range(4)] == [{"id": f"{n}", f"field_{n}": n} for n in range(4)]


def _refusal(sink: Sink, documents: list[Any]) -> ConnectorError | None:
    """Why the sink refuses the batch for an item's sake, or None where it was taken."""
    try:
        sink.put(documents)
    except ConnectorError as error:
        refusal: ConnectorError | None = error
    else:
        refusal = None
    assert not isinstance(refusal, TransientError | ConfigurationError), "these are not an item's fault"
    return refusal
