"""The tests every source must pass.

Inherit, give it the other side and a source that looks at it, and pytest does the rest:

    class TestMine(SourceContract):
        @pytest.fixture
        def world(self) -> World:
            return MyFakeService()                      # or the real thing, emptied

        @pytest.fixture
        def source(self, world) -> Iterator[Source]:
            source = Source(Config(url=world.url, page_size=2), plain_tools())
            yield source
            source.close()

`World` says what the other side must be able to do. The source's pages must be small enough that `several` files fill
more than two; build it with `plain_tools`, whose secrets are looked for where they must not be. What the other side
cannot do at all is said by overriding `several`, `names` or `alike`; what only some can is a contract of its own
(`RefusalContract`), inherited beside this one. Override the fixture `again` with a second instance over the same
world. A source that implements `ConfirmsAbsence` is tested for it without being asked.

Where every item brings its content along with the listing, inherit `InlineSourceContract` instead: nothing is opened then. Where
items are records of streams, `RecordsContract` beside it, and `body_of` says which part of a record the world was given.
`WindowsContract` is for sources that can be asked for a span of source time, `SubscribesContract` for those that can be told of changes.
"""

from __future__ import annotations

import pytest

from connector_pipelines.core.errors import Forbidden
from connector_pipelines.core.protocols import Source
from connector_pipelines.testing._source_changes import ChangesContract
from connector_pipelines.testing._source_folders import FoldersContract
from connector_pipelines.testing._source_inline import InlineContract, RecordsContract, WindowsContract
from connector_pipelines.testing._source_items import ItemsContract
from connector_pipelines.testing._source_opens import OpensContract
from connector_pipelines.testing._source_push import Remembered, SubscribesContract
from connector_pipelines.testing._source_world import DatedWorld, FolderedWorld, Reading, RefusingWorld, World, content, read
from connector_pipelines.testing.tools import plain_tools

__all__ = [
    "DatedWorld", "FolderedWorld", "FoldersContract", "InlineContract", "InlineSourceContract", "RecordsContract", "RefusalContract", "RefusingWorld", "Remembered",
    "SourceContract", "SubscribesContract", "WindowsContract", "World", "plain_tools",
]  # fmt: skip


class SourceContract(ChangesContract, ItemsContract, OpensContract):
    """Fixtures to give: `world`, `source`."""


class InlineSourceContract(ChangesContract, ItemsContract, InlineContract):
    """For sources of which every item comes with its content. Fixtures to give: `world`, `source`."""

    def whole_of(self, source: Source, reading: Reading, file_id: str) -> bytes:  # noqa: ARG002 - of a file, the source is asked
        return reading.contents[file_id]

    def body_of(self, content: bytes) -> bytes:
        """Override where what is put into the world is only a part of the bytes that the source has of it, such as a field."""
        return content


class RefusalContract:
    """For worlds that can refuse one file. Fixtures to give: `world`, which is a `RefusingWorld`, and `source`."""

    def test_a_refused_file_is_still_listed(self, source: Source, world: RefusingWorld) -> None:
        refused, open_to_us = world.put("refused.txt", b"r"), world.put("open.txt", b"o")
        world.refuse(refused)
        assert set(read(source).refs) == {refused, open_to_us}

    def test_a_refused_file_fails_alone(self, source: Source, world: RefusingWorld) -> None:
        refused, open_to_us = world.put("refused.txt", b"r"), world.put("open.txt", b"o")
        world.refuse(refused)
        refs = read(source).refs
        with pytest.raises(Forbidden):
            content(source, refs[refused])
        assert content(source, refs[open_to_us]) == b"o"
