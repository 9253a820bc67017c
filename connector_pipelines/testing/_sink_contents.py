"""Whether a sink holds exactly what it was told to hold, and finds that and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest

from connector_pipelines.core.protocols import EmbedsChunks, Sink, SinkConfig
from connector_pipelines.testing._sink_world import ENDPOINT, OTHER_TENANT, TENANT, Held, Maker, Reopen, found, id_of, listed, ref
from connector_pipelines.testing.tools import PLANTED_SECRET

__all__ = ["ContentsContract"]

_TEXTS = {
    "quotes": """it's a "quoted" `text` with \\ and '' and $$ and %s and %(a)s and {b} and :c and ? ; -- /* */""",
    "markup": "<script>alert('x')</script> & &amp; ]]> \n\t\r\n end",
    "any language": "Größe Ångström 日本語 العربية हिन्दी \u202eright to left\u202c",
    "four bytes": "\U0001f3d7\ufe0f \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001d54f \U000e0041 \U0010ffff",
    "odd spaces": " \u00a0\u2028\u2029\ufeff\u200b end ",
    "long": "word " * 8_000,
    "one long word": "x" * 4_000,
    "empty": "",
}
_NOT_STORABLE = "before\0middle\ud800 and \udcff after"


class ContentsContract:
    def test_it_is_a_sink(self, sink: Sink) -> None:
        assert isinstance(sink, Sink)
        assert issubclass(sink.config_type, SinkConfig)
        assert not isinstance(sink, EmbedsChunks) or sink.model

    def test_a_probe_says_who_we_are_and_what_works(self, sink: Sink) -> None:
        probe = sink.test()
        assert probe.account
        assert {ability.name: ability.works for ability in probe.abilities}
        assert [ability for ability in probe.abilities if not ability.works or not ability.detail] == []

    def test_secrets_are_not_shown(self, sink: Sink, maker: Maker) -> None:
        sink.put([maker.document("a", "text")])
        seen = (repr(sink), repr(getattr(sink, "__dict__", "")), repr(sink.test()))
        assert [text for text in seen if PLANTED_SECRET in text] == []

    def test_a_sink_nothing_was_put_into_is_empty(self, sink: Sink, maker: Maker, held: Held) -> None:
        assert found(sink, maker.query("anything")) in {(), None}
        assert listed(sink) in ([], None)
        assert held(id_of("a")) is None

    @pytest.mark.parametrize(
        ("texts_before", "texts_after"),
        [("", "a"), ("", "abc"), ("abc", "a"), ("abc", ""), ("a", "abc"), ("abc", "abd"), ("abc", "xyz"), ("abc", "cba"), ("aab", "baa"), ("", "")],
    )  # fmt: skip
    def test_after_a_put_there_are_exactly_these_chunks(
        self, sink: Sink, maker: Maker, held: Held, texts_before: str, texts_after: str
    ) -> None:
        sink.put([maker.document("a", *texts_before, generation=1)])
        assert held(id_of("a")) == list(texts_before)
        sink.put([maker.document("a", *texts_after, generation=2)])
        assert held(id_of("a")) == list(texts_after)
        assert listed(sink) in ([(id_of("a"), 2)], None)

    def test_a_put_again_changes_nothing(self, sink: Sink, maker: Maker, held: Held) -> None:
        document = maker.document("a", "zebra one", "zebra two")
        sink.put([document])
        once = found(sink, maker.query("zebra"))
        sink.put([document])
        assert held(id_of("a")) == ["zebra one", "zebra two"]
        assert found(sink, maker.query("zebra")) == once
        assert listed(sink) in ([(id_of("a"), 1)], None)

    def test_a_put_leaves_other_documents_alone(self, sink: Sink, maker: Maker, held: Held) -> None:
        sink.put([maker.document("a", "one", "two"), maker.document("b", "three")])
        sink.put([maker.document("a", "four", generation=2)])
        assert (held(id_of("a")), held(id_of("b"))) == (["four"], ["three"])

    def test_two_hundred_documents_are_put_at_once(self, sink: Sink, maker: Maker, held: Held) -> None:
        batch = {f"{n}": [f"text {n} {part}" for part in range(n % 4)] for n in range(200)}
        sink.put([maker.document(name, *texts) for name, texts in batch.items()])
        assert {name: held(id_of(name)) for name in batch} == batch
        assert listed(sink) in (sorted((id_of(name), 1) for name in batch), None)

    def test_a_document_of_a_thousand_chunks_is_held_in_order(self, sink: Sink, maker: Maker, held: Held) -> None:
        texts = [f"chunk {n * 7919 % 1000}" for n in range(1000)]
        sink.put([maker.document("a", *texts)])
        assert held(id_of("a")) == texts

    def test_an_empty_batch_does_nothing(self, sink: Sink, maker: Maker, held: Held) -> None:
        sink.put([])
        sink.delete([])
        sink.put([maker.document("a", "one")])
        sink.put([])
        sink.delete([])
        assert held(id_of("a")) == ["one"]

    def test_a_delete_leaves_nothing_behind(self, sink: Sink, maker: Maker, held: Held) -> None:
        sink.put([maker.document("a", "zebra one", "zebra two"), maker.document("b", "zebra three")])
        sink.delete([ref("a", 2)])
        assert (held(id_of("a")), held(id_of("b"))) == (None, ["zebra three"])
        assert {hit.document_id for hit in found(sink, maker.query("zebra")) or ()} <= {id_of("b")}
        assert listed(sink) in ([(id_of("b"), 1)], None)

    def test_deleting_what_was_never_held_is_fine(self, sink: Sink, maker: Maker, held: Held) -> None:
        sink.delete([ref("never", 1)])
        sink.put([maker.document("a", "one")])
        sink.delete([ref("never", 2), ref("a", 1), ref("nor this", 1)])
        assert [held(id_of(name)) for name in ("never", "a", "nor this")] == [None, None, None]
        assert listed(sink) in ([], None)

    @pytest.mark.parametrize("awkward", list(_TEXTS))
    def test_any_text_is_held_as_it_is(self, sink: Sink, maker: Maker, held: Held, awkward: str) -> None:
        sink.put([maker.document("a", "before", _TEXTS[awkward], "after")])
        assert held(id_of("a")) == ["before", _TEXTS[awkward], "after"]

    def test_text_that_cannot_be_stored_loses_only_that(self, sink: Sink, maker: Maker, held: Held) -> None:
        ways = product(("", " ", "?", "\ufffd", None), ("", " ", "?", "\ufffd", None))
        cleaned = {_NOT_STORABLE if None in way else _cleaned(*map(str, way)) for way in ways}
        sink.put([maker.document("a", _NOT_STORABLE, "fine"), maker.document("b", _NOT_STORABLE)])
        (first, second), (third,) = held(id_of("a")) or (), held(id_of("b")) or ()
        assert first in cleaned
        assert (second, third) == ("fine", first)

    @pytest.mark.parametrize("awkward", [*_TEXTS.values(), _NOT_STORABLE, "a/b\\c"], ids=[*_TEXTS, "not storable", "slashes"])
    def test_titles_and_paths_may_be_anything(self, sink: Sink, maker: Maker, held: Held, awkward: str) -> None:
        document = maker.document("a", "text", title=awkward)
        sink.put([replace(document, url=f"https://example.org/{awkward}", metadata={awkward: [awkward, {"deep": awkward}]})])
        assert held(id_of("a")) == ["text"]

    def test_every_fact_may_be_there_or_not(self, sink: Sink, maker: Maker, held: Held) -> None:
        at = datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
        full = replace(
            maker.document("full", "f"), url="file:///a", modified_at=at, acl={"users": ["a'b"]}, metadata={"n": 1.5, "none": None}
        )
        sink.put([full, maker.document("bare", "b")])
        assert (held(full.id), held(id_of("bare"))) == (["f"], ["b"])

    def test_the_best_hit_comes_first(self, sink: Sink, maker: Maker, held: Held) -> None:
        sink.put([maker.document("a", "apple tree", "zebra crossing"), maker.document("b", "quiet water", generation=7)])
        assert (held(id_of("a")), held(id_of("b"))) == (["apple tree", "zebra crossing"], ["quiet water"])
        for text, expected in (("zebra", (id_of("a"), 1, 1)), ("water", (id_of("b"), 7, 0))):
            hits = found(sink, maker.query(text))
            if hits is not None:
                assert (hits[0].document_id, hits[0].generation, hits[0].ordinal) == expected
                assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)

    def test_what_was_replaced_is_found_as_it_is_now(self, sink: Sink, maker: Maker, held: Held) -> None:
        sink.put([maker.document("a", "zebra", "zebra", "zebra")])
        sink.put([maker.document("a", "quiet zebra", generation=2)])
        assert held(id_of("a")) == ["quiet zebra"]
        hits = found(sink, maker.query("zebra"))
        assert hits is None or [(hit.document_id, hit.generation, hit.ordinal) for hit in hits] == [(id_of("a"), 2, 0)]

    def test_no_more_hits_than_asked_for(self, sink: Sink, maker: Maker, held: Held) -> None:
        sink.put([maker.document(f"{n}", "zebra", "zebra") for n in range(5)])
        assert [held(id_of(f"{n}")) for n in range(5)] == [["zebra", "zebra"]] * 5
        for limit in (1, 3, 10, 50):
            hits = found(sink, maker.query("zebra", limit=limit))
            assert hits is None or len({(hit.document_id, hit.ordinal) for hit in hits}) == len(hits) == min(limit, 10)

    def test_tenants_do_not_see_each_other(self, sink: Sink, maker: Maker, held: Held) -> None:
        sink.put([maker.document("mine", "zebra"), maker.document("theirs", "zebra", tenant_id=OTHER_TENANT)])
        assert (held(id_of("mine")), held(id_of("theirs"))) == (["zebra"], ["zebra"])
        for tenant_id, own in ((TENANT, "mine"), (OTHER_TENANT, "theirs"), (id_of("nobody"), None)):
            expected = {id_of(own)} if own else set()
            hits = found(sink, maker.query("zebra", tenant_id=tenant_id))
            assert hits is None or {hit.document_id for hit in hits} == expected
            inventory = listed(sink, tenant_id)
            assert inventory is None or {document_id for document_id, _ in inventory} == expected

    def test_an_endpoint_narrows_the_search(self, sink: Sink, maker: Maker, held: Held) -> None:
        sink.put([maker.document("here", "zebra"), maker.document("there", "zebra", endpoint="other")])
        assert (held(id_of("here")), held(id_of("there"))) == (["zebra"], ["zebra"])
        for endpoint, names in ((ENDPOINT, {"here"}), ("other", {"there"}), ("none", set[str]()), (None, {"here", "there"})):
            hits = found(sink, maker.query("zebra", endpoint=endpoint))
            assert hits is None or {hit.document_id for hit in hits} == {id_of(name) for name in names}
        assert listed(sink, endpoint="other") in ([(id_of("there"), 1)], None)

    @pytest.mark.parametrize(
        "asked", ["", "   ", "'", '"', "\\", "%", "zebra & | ! ( : *", "-", "NOT", "'; DROP TABLE x; --", "\0", "\ud800", "x" * 9_000]
    )
    def test_any_question_may_be_asked(self, sink: Sink, maker: Maker, held: Held, asked: str) -> None:
        sink.put([maker.document("a", "zebra")])
        hits = found(sink, maker.query(asked))
        assert hits is None or {hit.document_id for hit in hits} <= {id_of("a")}
        assert held(id_of("a")) == ["zebra"]

    def test_closing_twice_is_fine(self, sink: Sink, maker: Maker, held: Held, reopen: Reopen) -> None:
        sink.put([maker.document("a", "one")])
        sink.close()
        sink.close()
        reopen().put([maker.document("b", "two")])
        assert (held(id_of("a")), held(id_of("b"))) == (["one"], ["two"])


def _cleaned(nul: str, surrogate: str) -> str:
    return _NOT_STORABLE.replace("\0", nul).replace("\ud800", surrogate).replace("\udcff", surrogate)
