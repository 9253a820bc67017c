"""A sink of records that is wrong in one way is caught by the test that says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from connector_pipelines.core.errors import Malformed
from connector_pipelines.core.types import Document, DocumentRef, Stream
from connector_pipelines.testing.memory_records import Config, Sink, Store
from connector_pipelines.testing.records_suite import RecordMaker, RecordsSinkContract, declared, plain_tools
from tests.testing.faults import CAUGHT, run


class DropsUndeclaredFields(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put([_with(d, lambda fields, stream: {k: v for k, v in fields.items() if k in stream.columns}) for d in documents])


class KeepsFieldsThatAreGone(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put([_with(d, lambda fields, _, d=d: {**(self._store.fields(d.id) or {}), **fields}) for d in documents])


class MakesFloatsOfIntegers(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put([_with(d, lambda fields, _: {k: float(v) if type(v) is int else v for k, v in fields.items()}) for d in documents])


class CutsOffTheOffset(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put([_with(d, lambda fields, _: _without_offset(fields)) for d in documents])


class LowersNames(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put([_with(d, lambda fields, _: {k.lower(): v for k, v in fields.items()}) for d in documents])


class TakesTheKeyForTheRecord(Sink):
    """Of the same key there is one row, whatever its stream, tenant and endpoint."""

    def put(self, documents: Sequence[Document]) -> None:
        for document in documents:
            assert document.record is not None
            key = document.record.fields.get("id")
            for known in [d for d in self._store.documents.values() if d.record and d.record.fields.get("id") == key]:
                del self._store.documents[known.id]
            super().put([document])


class TakesTheKeyForTheRecordOfAStream(Sink):
    """Of the same key there is one row in a stream, whatever its tenant and endpoint."""

    def put(self, documents: Sequence[Document]) -> None:
        for document in documents:
            assert document.record is not None
            key = (document.record.stream.name, document.record.fields.get("id"))
            for known in [
                d for d in self._store.documents.values() if d.record and (d.record.stream.name, d.record.fields.get("id")) == key
            ]:
                del self._store.documents[known.id]
            super().put([document])


class TakesHalfOfARefusedBatch(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        for document in documents:
            _refuse_misfits([document], "amount")
            super().put([document])


class RefusesWithoutAName(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        _refuse_misfits(documents, "a value")
        super().put(documents)


class DropsTheEndOfALargeBatch(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put(documents[:1000])


class EmptiesWhatIsDeclaredAgain(Sink):
    def declare(self, tenant_id: str, endpoint: str, streams: Sequence[Stream]) -> None:
        super().declare(tenant_id, endpoint, streams)
        self._drop(lambda name: name in {stream.name for stream in streams})

    def _drop(self, which: Callable[[str], bool]) -> None:
        for document in list(self._store.documents.values()):
            if document.record and which(document.record.stream.name):
                del self._store.documents[document.id]


class DropsWhatIsNotDeclaredAnyMore(EmptiesWhatIsDeclaredAgain):
    def declare(self, tenant_id: str, endpoint: str, streams: Sequence[Stream]) -> None:
        Sink.declare(self, tenant_id, endpoint, streams)
        self._drop(lambda name: name not in {stream.name for stream in streams})


class LateRecordWins(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        self._store.documents.update({document.id: document for document in documents})


class LateRemovalWins(Sink):
    def delete(self, documents: Sequence[DocumentRef]) -> None:
        super().delete([replace(document, generation=10**6) for document in documents])


FAULTS: dict[type[Sink], str] = {
    DropsUndeclaredFields: "test_fields_nobody_declared_are_found_out",
    KeepsFieldsThatAreGone: "test_a_field_that_is_gone_is_not_held",
    MakesFloatsOfIntegers: "test_a_record_is_held_as_its_types_say",
    CutsOffTheOffset: "test_a_record_is_held_as_its_types_say",
    LowersNames: "test_fields_may_have_any_name",
    TakesTheKeyForTheRecord: "test_streams_of_one_endpoint_are_apart",
    TakesTheKeyForTheRecordOfAStream: "test_equal_keys_of_different_tenants_and_endpoints_are_apart",
    TakesHalfOfARefusedBatch: "test_a_value_of_another_type_is_held_or_refused_and_harms_no_other",
    RefusesWithoutAName: "test_a_value_of_another_type_is_held_or_refused_and_harms_no_other",
    DropsTheEndOfALargeBatch: "test_thousands_of_records_are_put_at_once",
    EmptiesWhatIsDeclaredAgain: "test_what_is_declared_again_changes_nothing",
    DropsWhatIsNotDeclaredAnyMore: "test_a_stream_that_is_no_longer_declared_stays",
    LateRecordWins: "test_a_lower_generation_is_not_put",
    LateRemovalWins: "test_a_lower_generation_is_not_deleted",
}


def fixtures_of(kind: type[Sink]) -> Callable[[], Mapping[str, object]]:
    def fixtures() -> Mapping[str, object]:
        store = Store()

        def open_one() -> Any:
            return declared(kind("records", Config(), plain_tools(), store=store))

        def held(document_id: str) -> list[str] | None:
            fields = store.fields(document_id)
            return None if fields is None else fields["texts"]

        return {"sink": open_one(), "reopen": open_one, "held": held, "held_record": store.fields, "maker": RecordMaker()}

    return fixtures


@pytest.mark.parametrize(("fault", "test"), FAULTS.items(), ids=[fault.__name__ for fault in FAULTS])
def test_a_fault_is_caught(fault: type[Sink], test: str) -> None:
    run(RecordsSinkContract, test, fixtures_of(Sink))
    with pytest.raises(CAUGHT):
        run(RecordsSinkContract, test, fixtures_of(fault))


def _with(document: Document, change: Callable[..., dict[str, Any]]) -> Document:
    assert document.record is not None
    record = document.record
    return replace(document, record=replace(record, fields=change(record.fields, record.stream)))


def _without_offset(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {k: f"{v[:19]}Z" if k == "seen_at" and isinstance(v, str) else v for k, v in fields.items()}


def _refuse_misfits(documents: Sequence[Document], name: str) -> None:
    for document in documents:
        if document.record and isinstance(document.record.fields.get("amount"), str):
            raise Malformed(f"{name} is no number")
