"""The tests every sink must pass.

Inherit, give it a sink on an empty store and a way to look into that store without the sink, and pytest does the rest:

    class TestMine(SinkContract):
        @pytest.fixture
        def store(self): ...                            # the real thing, emptied for each test

        @pytest.fixture
        def sink(self, store) -> Iterator[Sink]:
            sink = Sink("mine", Config(url=store.url), plain_tools())
            yield sink
            sink.close()

        @pytest.fixture
        def reopen(self, store) -> Iterator[Reopen]:    # further instances on the same store, as other processes have
            with ExitStack() as opened:
                yield lambda: opened.enter_context(closing(Sink("mine", Config(url=store.url), plain_tools())))

        @pytest.fixture
        def held(self, store) -> Held:                  # what the store has for a document id
            return lambda document_id: [...texts by ordinal...] or None

`held` tells a document with no chunks (an empty list) from none (None). A sink that embeds is given vectors of the
fixture `dimension`, which may be overridden. What a sink can do beyond its protocol (`Searches`, `TakesInventory`,
`EmbedsChunks`) is tested without being asked. Where the store can show who may see a document, inherit `AclContract` beside it.
"""

from __future__ import annotations

import pytest

from connector_pipelines.core.protocols import EmbedsChunks, Sink
from connector_pipelines.testing._sink_acl import AclContract, AclOf
from connector_pipelines.testing._sink_contents import ContentsContract
from connector_pipelines.testing._sink_order import OrderContract
from connector_pipelines.testing._sink_world import Held, Maker, Reopen
from connector_pipelines.testing.tools import plain_tools

__all__ = ["AclContract", "AclOf", "Held", "Maker", "Reopen", "SinkContract", "plain_tools"]


class SinkContract(ContentsContract, OrderContract):
    """Fixtures to give: `sink`, `reopen`, `held`."""

    @pytest.fixture
    def dimension(self) -> int:
        """Of the vectors the sink is given, if it embeds."""
        return 256

    @pytest.fixture
    def maker(self, sink: Sink, dimension: int) -> Maker:
        return Maker(dimension if isinstance(sink, EmbedsChunks) else None)
