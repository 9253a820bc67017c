"""The tests every sink that keeps records must pass.

Inherit, give it a sink on an empty store and a way to look into that store without the sink, and pytest does the rest:

    class TestMine(RecordsSinkContract):
        @pytest.fixture
        def sink(self, store) -> Iterator[Sink]:
            sink = declared(Sink("mine", Config(url=store.url), plain_tools()))
            yield sink
            sink.close()

        @pytest.fixture
        def reopen(self, store) -> Iterator[Reopen]:    # further instances on the same store, as other processes have
            with ExitStack() as opened:
                yield lambda: declared(opened.enter_context(closing(Sink("mine", Config(url=store.url), plain_tools()))))

        @pytest.fixture
        def held_record(self, store) -> HeldRecord:     # what the store has for a document id
            return lambda document_id: {...fields by their names in the record...} or None

All tests of `sink_suite` are run too: what they say of a document's texts is put as a list in a field of a record.
What a sink can do beyond its protocol (`TakesInventory`) is tested without being asked.
"""

from __future__ import annotations

import pytest

from connector_pipelines.testing._records_world import HeldRecord, RecordMaker, declared
from connector_pipelines.testing._sink_contents import ContentsContract
from connector_pipelines.testing._sink_order import OrderContract
from connector_pipelines.testing._sink_records import KeptRecordsContract
from connector_pipelines.testing._sink_world import Held, Reopen
from connector_pipelines.testing.tools import plain_tools

__all__ = ["HeldRecord", "RecordMaker", "RecordsSinkContract", "Reopen", "declared", "plain_tools"]


class RecordsSinkContract(ContentsContract, OrderContract, KeptRecordsContract):
    """Fixtures to give: `sink` and `reopen`, both `declared`, and `held_record`."""

    @pytest.fixture
    def maker(self) -> RecordMaker:
        return RecordMaker()

    @pytest.fixture
    def held(self, held_record: HeldRecord) -> Held:
        """The texts of a record, for the tests that are of any sink."""

        def look(document_id: str) -> list[str] | None:
            fields = held_record(document_id)
            return None if fields is None else fields["texts"]

        return look
