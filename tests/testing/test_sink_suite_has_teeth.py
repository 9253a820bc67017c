"""A sink that is wrong in one way is caught by the test that says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from connector_pipelines.core.errors import NotFound
from connector_pipelines.core.protocols import Tools
from connector_pipelines.core.types import Ability, Document, DocumentRef, Hit, Probe, Query
from connector_pipelines.sinks.memory import Config, Sink, Store
from connector_pipelines.testing.sink_suite import Maker, SinkContract, plain_tools
from tests.testing.faults import CAUGHT, run


class LateWriterWins(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        self._store.documents.update({document.id: document for document in documents})


class LateDeleterWins(Sink):
    def delete(self, documents: Sequence[DocumentRef]) -> None:
        super().delete([replace(document, generation=10**6) for document in documents])


class EqualGenerationRefused(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put([document for document in documents if document.generation > self._latest(document.id)])


class ShrinkingLeavesChunks(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        held = {d.id: self._store.documents[d.id].chunks for d in documents if d.id in self._store.documents}
        super().put([replace(d, chunks=d.chunks + held.get(d.id, ())[len(d.chunks) :]) for d in documents])


class PutsTwice(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        held = {d.id: self._store.documents[d.id].chunks for d in documents if d.id in self._store.documents}
        super().put([replace(d, chunks=held.get(d.id, ()) + d.chunks) for d in documents])


class EqualChunksOnce(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put([replace(d, chunks=tuple({chunk.hash: chunk for chunk in d.chunks}.values())) for d in documents])


class NothingHeldWithoutChunks(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put([document for document in documents if document.chunks])


class DropsTheEndOfALargeBatch(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put(documents[:100])


class LateDocumentFailsItsBatch(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        if any(document.generation < self._latest(document.id) for document in documents):
            raise NotFound("nothing was updated")
        super().put(documents)


class CutsTextAtNul(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put([_with_texts(document, lambda text: text.split("\0")[0]) for document in documents])


class StripsText(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put([_with_texts(document, str.strip) for document in documents])


class RefusesText(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        if any("\0" in document.title for document in documents):
            raise NotFound("invalid byte sequence")
        super().put(documents)


class DeleteLeavesChunks(Sink):
    def delete(self, documents: Sequence[DocumentRef]) -> None:
        """Nothing."""


class DeleteOfTheUnknownFails(Sink):
    def delete(self, documents: Sequence[DocumentRef]) -> None:
        if any(document.id not in self._store.documents for document in documents):
            raise NotFound("no such document")
        super().delete(documents)


class ForgetsDeletions(Sink):
    def delete(self, documents: Sequence[DocumentRef]) -> None:
        super().delete(documents)
        self._store.deleted.clear()


class DeletionsLower(Sink):
    def delete(self, documents: Sequence[DocumentRef]) -> None:
        super().delete(documents)
        self._store.deleted.update({d.id: d.generation for d in documents if d.id in self._store.deleted})


class DeletedForGood(Sink):
    def put(self, documents: Sequence[Document]) -> None:
        super().put([document for document in documents if document.id not in self._store.deleted])


class RemembersDeletionsAlone(Sink):
    def __init__(self, name: str, config: Config, tools: Tools, *, store: Store) -> None:
        super().__init__(name, config, tools, store=Store(documents=store.documents, lock=store.lock))


class ClosedOnce(Sink):
    is_open = True

    def close(self) -> None:
        if not self.is_open:
            raise NotFound("already closed")
        self.is_open = False


class SearchesEveryTenant(Sink):
    def _held(self, tenant_id: str, endpoint: str | None) -> list[Document]:
        return [d for d in self._store.documents.values() if endpoint in {None, d.endpoint}]


class SearchesEveryEndpoint(Sink):
    def _held(self, tenant_id: str, endpoint: str | None) -> list[Document]:
        return super()._held(tenant_id, None)


class NoLimit(Sink):
    def search(self, query: Query) -> Sequence[Hit]:
        return super().search(replace(query, limit=10**6))


class WorstFirst(Sink):
    def search(self, query: Query) -> Sequence[Hit]:
        return [replace(hit, ordinal=0) for hit in reversed(super().search(query))]


class FindsWhatWasDeleted(Sink):
    def delete(self, documents: Sequence[DocumentRef]) -> None:
        self._ghosts = [self._store.documents[d.id] for d in documents if d.id in self._store.documents]
        super().delete(documents)

    def search(self, query: Query) -> Sequence[Hit]:
        ghosts = [Hit(document_id=d.id, generation=d.generation, ordinal=0, score=1.0) for d in getattr(self, "_ghosts", ())]
        return [*super().search(query), *ghosts]


class FailsOnOddQuestions(Sink):
    def search(self, query: Query) -> Sequence[Hit]:
        if not query.text.isalnum():
            raise NotFound("syntax error in query")
        return super().search(query)


class InventoryWithoutGenerations(Sink):
    def inventory(self, tenant_id: str, endpoint: str) -> Iterator[tuple[str, int]]:
        return ((document_id, 1) for document_id, _ in super().inventory(tenant_id, endpoint))


class ShowsItsSecret(Sink):
    def test(self) -> Probe:
        url = plain_tools().database_url.get_secret_value()
        return Probe(account=url, abilities=(Ability("connect", works=True, detail="It works."),))


FAULTS: dict[type[Sink], str] = {
    LateWriterWins: "test_a_lower_generation_is_not_put",
    LateDeleterWins: "test_a_lower_generation_is_not_deleted",
    EqualGenerationRefused: "test_an_equal_generation_is_put",
    ShrinkingLeavesChunks: "test_after_a_put_there_are_exactly_these_chunks",
    PutsTwice: "test_a_put_again_changes_nothing",
    EqualChunksOnce: "test_after_a_put_there_are_exactly_these_chunks",
    NothingHeldWithoutChunks: "test_after_a_put_there_are_exactly_these_chunks",
    DropsTheEndOfALargeBatch: "test_two_hundred_documents_are_put_at_once",
    LateDocumentFailsItsBatch: "test_a_late_document_in_a_batch_holds_up_no_other",
    CutsTextAtNul: "test_text_that_cannot_be_stored_loses_only_that",
    StripsText: "test_any_text_is_held_as_it_is",
    RefusesText: "test_titles_and_paths_may_be_anything",
    DeleteLeavesChunks: "test_a_delete_leaves_nothing_behind",
    DeleteOfTheUnknownFails: "test_deleting_what_was_never_held_is_fine",
    ForgetsDeletions: "test_a_late_writer_does_not_bring_back_what_was_deleted",
    DeletionsLower: "test_the_highest_deletion_counts",
    DeletedForGood: "test_a_higher_generation_brings_back_what_was_deleted",
    RemembersDeletionsAlone: "test_a_late_writer_does_not_bring_back_what_was_deleted",
    ClosedOnce: "test_closing_twice_is_fine",
    SearchesEveryTenant: "test_tenants_do_not_see_each_other",
    SearchesEveryEndpoint: "test_an_endpoint_narrows_the_search",
    NoLimit: "test_no_more_hits_than_asked_for",
    WorstFirst: "test_the_best_hit_comes_first",
    FindsWhatWasDeleted: "test_a_delete_leaves_nothing_behind",
    FailsOnOddQuestions: "test_any_question_may_be_asked",
    InventoryWithoutGenerations: "test_after_a_put_there_are_exactly_these_chunks",
    ShowsItsSecret: "test_secrets_are_not_shown",
}


def fixtures_of(kind: type[Sink]) -> Callable[[], Mapping[str, object]]:
    def fixtures() -> Mapping[str, object]:
        store = Store()

        def open_one() -> Sink:
            return kind("memory", Config(), plain_tools(), store=store)

        def held(document_id: str) -> list[str] | None:
            document = store.documents.get(document_id)
            return None if document is None else [chunk.text for chunk in document.chunks]

        return {"sink": open_one(), "reopen": open_one, "held": held, "maker": Maker(None)}

    return fixtures


@pytest.mark.parametrize(("fault", "test"), FAULTS.items(), ids=[fault.__name__ for fault in FAULTS])
def test_a_fault_is_caught(fault: type[Sink], test: str) -> None:
    run(SinkContract, test, fixtures_of(Sink))
    with pytest.raises(CAUGHT):
        run(SinkContract, test, fixtures_of(fault))


def _with_texts(document: Document, change: Callable[[str], str]) -> Document:
    return replace(document, chunks=tuple(replace(chunk, text=change(chunk.text)) for chunk in document.chunks))
