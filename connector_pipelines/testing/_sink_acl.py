"""Whether a sink keeps who may see a document, and follows it when that changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from connector_pipelines.core.access import ANYONE, Acl
from connector_pipelines.core.protocols import Sink
from connector_pipelines.testing._sink_world import Held, Maker, id_of

__all__ = ["AclContract", "AclOf"]

AclOf = Callable[[str], Mapping[str, object] | None]
"""Document id to what the store has of who may see it: as it was put, or None for everyone in the tenant."""

_ACL = Acl(
    readers=frozenset({"user:ann@example.com", "group:o'brien@example.com"}),
    with_link=frozenset({ANYONE}),
    until={"user:ann@example.com": "2027-01-01T00:00:00Z"},
    complete=False,
)


class AclContract:
    """For sinks whose store can show who may see a document. Fixtures to give, beside those of `SinkContract`: `acl_of`, an `AclOf`."""

    def test_who_may_see_a_document_is_kept(self, sink: Sink, maker: Maker, acl_of: AclOf) -> None:
        sink.put([replace(maker.document("a", "one"), acl=_ACL.as_json()), maker.document("b", "two")])
        assert acl_of(id_of("a")) == _ACL.as_json()
        assert acl_of(id_of("b")) is None

    def test_other_readers_replace_those_before_and_leave_the_text(self, sink: Sink, maker: Maker, acl_of: AclOf, held: Held) -> None:
        document = maker.document("a", "one", "two")
        sink.put([document])
        for generation, acl in ((2, _ACL.as_json()), (3, Acl().as_json()), (4, None)):
            sink.put([replace(document, generation=generation, acl=acl)])
            assert acl_of(id_of("a")) == acl
        assert held(id_of("a")) == ["one", "two"]

    def test_late_readers_are_refused(self, sink: Sink, maker: Maker, acl_of: AclOf) -> None:
        document = maker.document("a", "one", generation=5)
        sink.put([replace(document, acl=_ACL.as_json())])
        sink.put([replace(document, generation=4, acl=None)])
        assert acl_of(id_of("a")) == _ACL.as_json()
