"""The full text sink against the contract, and what only it can get wrong: which words find what, in which order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from random import Random

import psycopg
import pytest

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.sinks.postgres_text import Config, Sink
from connector_pipelines.testing._sink_world import id_of
from connector_pipelines.testing.sink_suite import AclContract, AclOf, Held, Maker, Reopen, SinkContract, plain_tools

TEXTS = (
    "The valves of the main pump were replaced",
    "Pump pump pump pump: the pump and the pump of the pump",
    "Die Ventile der Pumpe sind an der Wand",
    "Part number DN-50/PN16, flange, M8x40",
    "the the the the and of to in",
)


class TestPostgresText(SinkContract, AclContract):
    @pytest.fixture
    def sink(self, database_url: str) -> Iterator[Sink]:
        with closing(Sink("search", Config(), plain_tools(database_url))) as sink:
            yield sink

    @pytest.fixture
    def reopen(self, database_url: str) -> Iterator[Reopen]:
        with ExitStack() as opened:
            yield lambda: opened.enter_context(closing(Sink("search", Config(), plain_tools(database_url))))

    @pytest.fixture
    def held(self, database_url: str) -> Iterator[Held]:
        with psycopg.connect(database_url, autocommit=True) as store:

            def look(document_id: str) -> list[str] | None:
                if store.execute("SELECT to_regclass('sink_search.documents')").fetchone() == (None,):
                    return None
                known = store.execute("SELECT deleted FROM sink_search.documents WHERE document_id = %s", [document_id]).fetchone()
                texts = store.execute(
                    "SELECT text FROM sink_search.chunks WHERE document_id = %s ORDER BY ordinal", [document_id]
                ).fetchall()
                return [text for (text,) in texts] if known == (False,) or texts else None

            yield look

    @pytest.fixture
    def acl_of(self, database_url: str) -> AclOf:
        def look(document_id: str) -> dict[str, object] | None:
            with psycopg.connect(database_url, autocommit=True) as store:
                (found,) = store.execute("SELECT acl FROM sink_search.documents WHERE document_id = %s", [document_id]).fetchall()
            return found[0]

        return look

    def test_other_readers_write_no_chunk_again(self, sink: Sink, maker: Maker, database_url: str) -> None:
        document = maker.document("a", "one", "two")
        sink.put([document])
        with psycopg.connect(database_url, autocommit=True) as store:
            written = store.execute("SELECT ordinal, xmin, ctid FROM sink_search.chunks ORDER BY ordinal").fetchall()
            sink.put([replace(document, generation=2, acl={"readers": ["anyone"]})])
            assert store.execute("SELECT ordinal, xmin, ctid FROM sink_search.chunks ORDER BY ordinal").fetchall() == written
        assert len(written) == 2

    @pytest.mark.parametrize(
        ("asked", "ordinals"),
        [
            ("main pump", [0]),
            ("pump", [1, 0]),
            ('"main pump"', [0]),
            ('"pump main"', [0, 1]),  # nowhere in this order, so any of the words
            ("pump -valves", [1]),
            ("pump -valves -the", [2]),
            ("pump nowhere -valves", [1]),
            ("-pump", []),
            ("flange OR ventile", [2, 3]),
            ("VENTILE", [2]),
            ("DN-50/PN16", [3]),
            ("valve", [0]),
            ("vent", [2]),
            ("how were the valves replaced", [0]),
            ("die wand an der", [2]),
            ("zebra", []),
            ("", []),
        ],
    )
    def test_words_find_what_they_should_in_the_right_order(self, sink: Sink, maker: Maker, asked: str, ordinals: list[int]) -> None:
        sink.put([maker.document("a", *TEXTS)])
        found = [hit.ordinal for hit in sink.search(maker.query(asked))]
        assert sorted(found) == sorted(ordinals) if "OR" in asked else found[: len(ordinals)] == ordinals
        assert bool(found) == bool(ordinals)

    def test_a_question_no_chunk_answers_whole_finds_the_one_with_its_rarest_word_first(self, sink: Sink, maker: Maker) -> None:
        sink.put([maker.document("a", *["the of to in pump"] * 40, "a zebra")])
        assert sink.search(maker.query("what of the zebra in the pump to"))[0].ordinal == 40

    def test_all_words_of_a_question_beat_some_of_them(self, sink: Sink, maker: Maker) -> None:
        sink.put([maker.document("a", "zebra zebra zebra", "zebra crossing", "crossing crossing")])
        assert [hit.ordinal for hit in sink.search(maker.query("zebra crossing"))] == [1]

    def test_a_language_finds_other_forms_of_its_words(self, maker: Maker, database_url: str) -> None:
        with closing(Sink("search", Config(language="english"), plain_tools(database_url))) as sink:
            sink.put([maker.document("a", *TEXTS)])
            assert [hit.ordinal for hit in sink.search(maker.query("replacing valve"))] == [0]
            assert sink.search(maker.query("the of and")) == []

    def test_another_language_later_is_refused_with_what_to_do(self, sink: Sink, maker: Maker, database_url: str) -> None:
        sink.put([maker.document("a", "text")])
        with (
            closing(Sink("search", Config(language="german"), plain_tools(database_url))) as other,
            pytest.raises(ConfigurationError, match=r"'simple'.*'german'") as refused,
        ):
            other.put([maker.document("a", "text")])
        assert "another `schema`" in refused.value.advice

    def test_a_language_the_server_does_not_know_is_refused_with_those_it_does(self, maker: Maker, database_url: str) -> None:
        with (
            closing(Sink("search", Config(language="klingon"), plain_tools(database_url))) as sink,
            pytest.raises(ConfigurationError, match="klingon") as refused,
        ):
            sink.put([maker.document("a", "text")])
        assert "german" in refused.value.advice

    def test_text_longer_than_the_index_takes_is_held_whole(self, sink: Sink, maker: Maker, held: Held) -> None:
        document = maker.document("a", "zebra " + " ".join(f"word{n}" for n in range(300_000)))
        sink.put([document])
        assert held(document.id) == [document.chunks[0].text]
        assert len(sink.search(maker.query("zebra"))) == 1

    def test_no_question_is_an_error(self, sink: Sink, maker: Maker) -> None:
        sink.put([maker.document("a", *TEXTS)])
        random = Random(5)
        pieces = [
            "pump",
            "-",
            '"',
            "'",
            "\\",
            "(",
            ")",
            "&",
            "|",
            "!",
            ":*",
            "<->",
            "OR",
            "or",
            "-the",
            " ",
            "\n",
            "%s",
            "{}",
            "ß",
            "日本",
            "\x00",
            "\ud800",
        ]
        for _ in range(300):
            asked = "".join(random.choices(pieces, k=random.randrange(1, 40)))
            assert {hit.document_id for hit in sink.search(maker.query(asked))} <= {id_of("a")}, asked

    def test_a_question_of_ten_thousand_characters_is_answered(self, sink: Sink, maker: Maker) -> None:
        sink.put([maker.document("a", *TEXTS)])
        asked = "flange " + " ".join(f"word{n}" for n in range(1_500))
        assert [hit.ordinal for hit in sink.search(maker.query(asked[:10_000]))] == [3]
