"""A sink that is wrong about who may see a document is caught by the test that says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from connector_pipelines.core.types import Document
from connector_pipelines.sinks.memory import Config, Sink, Store
from connector_pipelines.testing.sink_suite import AclContract, Maker, plain_tools
from tests.testing.faults import CAUGHT, run


class DropsWhoMaySeeIt(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put([replace(document, acl=None) for document in documents])


class KeepsTheFirstReaders(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        held = self._store.documents
        super().put([replace(d, acl=held[d.id].acl) if d.id in held else d for d in documents])


class ReadersWithoutText(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put([replace(d, chunks=()) if d.id in self._store.documents else d for d in documents])


class LateReadersWin(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        self._store.documents.update({document.id: document for document in documents})


FAULTS: dict[type[Sink], str] = {
    DropsWhoMaySeeIt: "test_who_may_see_a_document_is_kept",
    KeepsTheFirstReaders: "test_other_readers_replace_those_before_and_leave_the_text",
    ReadersWithoutText: "test_other_readers_replace_those_before_and_leave_the_text",
    LateReadersWin: "test_late_readers_are_refused",
}


def fixtures_of(kind: type[Sink]) -> Callable[[], Mapping[str, object]]:
    def fixtures() -> Mapping[str, object]:
        store = Store()

        def held(document_id: str) -> list[str]:
            return [chunk.text for chunk in store.documents[document_id].chunks]

        sink = kind("memory", Config(), plain_tools(), store=store)
        return {"sink": sink, "maker": Maker(None), "held": held, "acl_of": lambda document_id: store.documents[document_id].acl}

    return fixtures


@pytest.mark.parametrize(("fault", "test"), FAULTS.items(), ids=[fault.__name__ for fault in FAULTS])
def test_a_fault_is_caught(fault: type[Sink], test: str) -> None:
    run(AclContract, test, fixtures_of(Sink))
    with pytest.raises(CAUGHT):
        run(AclContract, test, fixtures_of(fault))
