"""The vector sink against the contract, and what only it can get wrong: models, recall, and the tables under it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import UUID

import numpy as np
import psycopg
import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, PermanentError, Unauthenticated, Unavailable
from connector_pipelines.core.protocols import Tools
from connector_pipelines.core.types import Chunk, Document, Query, content_hash
from connector_pipelines.sinks import postgres_text
from connector_pipelines.sinks.pgvector import INDEX_FROM_CHUNKS, Config, Sink
from connector_pipelines.testing.sink_suite import AclContract, AclOf, Held, Maker, Reopen, SinkContract, plain_tools
from tests.databases import END_OTHERS, drop_database

PLACES = "SELECT ordinal, ctid::text, text FROM sink_vectors.chunks ORDER BY ordinal"


class TestPgvector(SinkContract, AclContract):
    @pytest.fixture
    def sink(self, database_url: str) -> Iterator[Sink]:
        with closing(Sink("vectors", Config(), plain_tools(database_url))) as sink:
            yield sink

    @pytest.fixture
    def reopen(self, database_url: str) -> Iterator[Reopen]:
        with ExitStack() as opened:
            yield lambda: opened.enter_context(closing(Sink("vectors", Config(), plain_tools(database_url))))

    @pytest.fixture
    def store(self, database_url: str) -> Iterator[psycopg.Connection]:
        with psycopg.connect(database_url, autocommit=True) as connection:
            yield connection

    @pytest.fixture
    def held(self, store: psycopg.Connection) -> Held:
        def look(document_id: str) -> list[str] | None:
            if store.execute("SELECT to_regclass('sink_vectors.documents')").fetchone() == (None,):
                return None
            known = store.execute("SELECT deleted FROM sink_vectors.documents WHERE document_id = %s", [document_id]).fetchone()
            texts = store.execute("SELECT text FROM sink_vectors.chunks WHERE document_id = %s ORDER BY ordinal", [document_id]).fetchall()
            return [text for (text,) in texts] if known == (False,) or texts else None

        return look

    @pytest.fixture
    def acl_of(self, store: psycopg.Connection) -> AclOf:
        def look(document_id: str) -> dict[str, object] | None:
            (found,) = store.execute("SELECT acl FROM sink_vectors.documents WHERE document_id = %s", [document_id]).fetchall()
            return found[0]

        return look

    def test_other_readers_write_no_vector_again(self, sink: Sink, maker: Maker, store: psycopg.Connection) -> None:
        document = maker.document("a", "one", "two")
        sink.put([document])
        before = store.execute(PLACES).fetchall()
        sink.put([replace(document, generation=2, acl={"readers": ["anyone"]})])
        assert (len(before), store.execute(PLACES).fetchall()) == (2, before)

    def test_chunks_that_did_not_change_are_not_written_again(self, sink: Sink, maker: Maker, store: psycopg.Connection) -> None:
        sink.put([maker.document("a", "one", "two", "three")])
        before = store.execute(PLACES).fetchall()
        sink.put([maker.document("a", "one", "changed", "three", generation=2)])
        after = store.execute(PLACES).fetchall()
        assert [row[2] for row in after] == ["one", "changed", "three"]
        assert [row == was for row, was in zip(after, before, strict=True)] == [True, False, True]

    def test_a_document_that_moves_to_another_endpoint_is_found_there_only(self, sink: Sink, maker: Maker) -> None:
        sink.put([maker.document("a", "zebra")])
        sink.put([maker.document("a", "zebra", generation=2, endpoint="other")])
        assert [len(sink.search(maker.query("zebra", endpoint=e))) for e in ("contract", "other")] == [0, 1]

    def test_a_deleted_document_leaves_only_its_generation(self, sink: Sink, maker: Maker, store: psycopg.Connection) -> None:
        document = replace(maker.document("a", "text", title="Secret plan"), acl={"users": ["x"]}, metadata={"author": "y"})
        sink.put([document])
        sink.delete([document])
        row = store.execute("SELECT generation, deleted, kind, title, path, url, acl, metadata FROM sink_vectors.documents").fetchone()
        assert row == (1, True, None, None, None, None, None, None)

    def test_a_tenant_cannot_overwrite_or_delete_a_document_of_another(self, sink: Sink, maker: Maker, held: Held) -> None:
        mine = maker.document("a", "mine")
        sink.put([mine])
        sink.put([maker.document("a", "theirs", generation=9, tenant_id="another")])
        sink.delete([replace(mine, tenant_id="another", generation=9)])
        assert held(mine.id) == ["mine"]

    def test_a_batch_with_one_document_that_cannot_be_stored_is_not_stored_at_all(self, sink: Sink, maker: Maker, held: Held) -> None:
        good = maker.document("a", "fine")
        with pytest.raises(PermanentError):
            sink.put([good, replace(maker.document("b", "bad"), id="no uuid")])
        assert held(good.id) is None

    def test_of_a_document_twice_in_a_batch_the_highest_generation_is_held(self, sink: Sink, maker: Maker, held: Held) -> None:
        new, old = maker.document("a", "new", generation=2), maker.document("a", "old", generation=1)
        sink.put([new, old])
        assert held(new.id) == ["new"]

    def test_vectors_of_no_number_are_refused_for_good(self, sink: Sink, maker: Maker) -> None:
        document = maker.document("a", "text")
        bad = replace(document.chunks[0], vector=np.full(256, np.nan, dtype=np.float32))
        with pytest.raises(PermanentError):
            sink.put([replace(document, chunks=(bad,))])

    def test_another_model_is_refused_with_what_to_do(self, sink: Sink, maker: Maker, database_url: str) -> None:
        sink.put([maker.document("a", "text")])
        other = Sink("vectors", Config(model="fastembed:BAAI/bge-small-en-v1.5"), plain_tools(database_url))
        with closing(other), pytest.raises(ConfigurationError, match=r"'wordllama'.*bge-small") as refused:
            other.put([Maker(384).document("b", "text")])
        assert "another `schema`" in refused.value.advice
        with closing(other), pytest.raises(ConfigurationError, match="wordllama"):
            other.search(Maker(384).query("text"))
        assert [a.name for a in other.test().abilities if not a.works] == ["use the tables"]

    def test_another_dimension_is_refused(self, sink: Sink, maker: Maker, reopen: Reopen) -> None:
        sink.put([maker.document("a", "text")])
        for one in (sink, reopen()):
            with pytest.raises(ConfigurationError, match="256"):
                one.put([Maker(384).document("b", "text")])
            with pytest.raises(ConfigurationError, match="256"):
                one.search(Maker(384).query("text"))

    def test_a_schema_made_by_another_kind_of_sink_is_refused(self, sink: Sink, maker: Maker, database_url: str) -> None:
        sink.put([maker.document("a", "text")])
        other = postgres_text.Sink("words", postgres_text.Config(schema="sink_vectors"), plain_tools(database_url))
        with closing(other), pytest.raises(ConfigurationError, match="'postgres_text'"):
            other.put([maker.document("a", "text")])

    def test_sinks_in_schemas_of_their_own_hold_their_own(self, sink: Sink, maker: Maker, database_url: str) -> None:
        sink.put([maker.document("a", "zebra")])
        with closing(Sink("vectors", Config(schema="beside"), plain_tools(database_url))) as beside:
            assert beside.search(maker.query("zebra")) == []

    def test_long_names_that_begin_alike_hold_their_own(self, maker: Maker, database_url: str) -> None:
        first, second = (Sink("n" * 59 + end, Config(), plain_tools(database_url)) for end in "ab")
        with closing(first), closing(second):
            first.put([maker.document("a", "zebra")])
            assert [len(one.search(maker.query("zebra"))) for one in (first, second)] == [1, 0]

    def test_tables_dropped_by_someone_are_made_again_by_the_next_try(
        self, sink: Sink, maker: Maker, held: Held, store: psycopg.Connection
    ) -> None:
        document = maker.document("a", "text")
        sink.put([document])
        store.execute("DROP SCHEMA sink_vectors CASCADE")
        assert sink.search(maker.query("text")) == []
        with pytest.raises(Unavailable):
            sink.put([document])
        sink.put([document])
        assert held(document.id) == ["text"]

    def test_a_server_that_hung_up_is_called_again(self, sink: Sink, maker: Maker, held: Held, store: psycopg.Connection) -> None:
        sink.put([maker.document("a", "one")])
        store.execute(END_OTHERS)
        document = maker.document("b", "two")
        sink.put([document])
        assert held(document.id) == ["two"]

    def test_a_role_that_may_not_create_is_told_so(self, sink: Sink, maker: Maker, store: psycopg.Connection) -> None:
        store.execute("DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM CURRENT_USER', current_database()); END $$")
        assert [(a.name, a.works) for a in sink.test().abilities] == [("connect", True), ("create tables", False), ("store vectors", True)]
        with pytest.raises(ConfigurationError):
            sink.put([maker.document("a", "text")])

    def test_a_database_without_the_extension_is_told_how_to_get_it(
        self, maker: Maker, store: psycopg.Connection, database_url: str
    ) -> None:
        bare = f"bare_{secrets.token_hex(6)}"
        store.execute(f"CREATE DATABASE {bare} TEMPLATE template0")
        try:
            with closing(Sink("vectors", Config(), plain_tools(urlsplit(database_url)._replace(path=f"/{bare}").geturl()))) as sink:
                assert [(a.name, "CREATE EXTENSION vector" in a.detail) for a in sink.test().abilities if not a.works] == [
                    ("store vectors", True)
                ]
                with pytest.raises(ConfigurationError, match="extension vector") as refused:
                    sink.put([maker.document("a", "text")])
            assert "CREATE EXTENSION vector" in refused.value.advice
        finally:
            drop_database(store, bare)

    def test_what_is_near_is_found_among_many_of_other_tenants(self, sink: Sink, store: psycopg.Connection) -> None:
        """Ten thousand chunks of one tenant, behind three hundred of another that are all nearer to the query."""
        random = np.random.default_rng(7)
        target, few, many = _unit(random.normal(size=64)), random.normal(size=(300, 64)), random.normal(size=(INDEX_FROM_CHUNKS, 64))
        few = few * 0.05 + target * 3
        sink.put([_document(1, "few", few)])
        sink.put([_document(2, "many", many)])
        sink.settle()
        query = Query(text="", tenant_id="many", limit=50, vector=target)
        indexes = store.execute("SELECT indexdef FROM pg_indexes WHERE schemaname = 'sink_vectors'").fetchall()

        found = sink.search(query)

        nearest = set(np.argsort(-(_unit(many) @ target))[:50].tolist())
        assert [definition for (definition,) in indexes if "hnsw" in definition]
        assert {hit.document_id for hit in found} == {str(UUID(int=2))}
        assert len(found) == 50
        assert len(nearest & {hit.ordinal for hit in found}) >= 45
        exact = sink.search(replace(query, tenant_id="few"))
        assert [hit.ordinal for hit in exact] == np.argsort(-(_as_stored(few) @ _as_stored(target)))[:50].tolist()


class TestConnecting:
    @pytest.mark.parametrize("url", ["postgresql://u:planted@127.0.0.1:1/x", "postgresql://u:planted@127.0.0.1:1/x?connect_timeout=1"])
    def test_a_server_that_is_not_there_is_unavailable_and_no_password_is_told(self, url: str) -> None:
        with closing(_at(url)) as sink, pytest.raises(Unavailable) as refused:
            sink.delete([_document(1, "t", np.ones((1, 4)))])
        assert "planted" not in _everything_said(refused.value)

    @pytest.mark.parametrize("url", ["postgresql:/u:planted@h", "mysql planted", "postgresql://u:planted@h/x?nonsense=1"])
    def test_a_url_that_cannot_be_read_is_the_operators_and_not_repeated(self, url: str) -> None:
        with closing(_at(url)) as sink, pytest.raises(ConfigurationError) as refused:
            sink.search(Query(text="", tenant_id="t", vector=np.ones(4, dtype=np.float32)))
        assert "planted" not in _everything_said(refused.value)

    def test_a_wrong_password_is_told_as_such(self, database_url: str) -> None:
        with closing(_at(re.sub(r":[^:@/]+@", ":planted@", database_url))) as sink, pytest.raises(Unauthenticated) as refused:
            list(sink.inventory("t", "e"))
        assert "planted" not in _everything_said(refused.value)

    def test_a_database_that_is_not_there_is_the_operators(self, database_url: str) -> None:
        with closing(_at(urlsplit(database_url)._replace(path="/nowhere").geturl())) as sink, pytest.raises(ConnectorError):
            list(sink.inventory("t", "e"))

    def test_a_probe_of_a_server_that_is_not_there_says_so(self) -> None:
        with closing(_at("postgresql://u:planted@127.0.0.1:1/x")) as sink:
            probe = sink.test()
        assert (probe.account, [(a.name, a.works) for a in probe.abilities]) == ("u@127.0.0.1:1/x", [("connect", False)])
        assert "planted" not in repr(probe)

    def test_a_url_of_its_own_is_resolved_from_its_reference(self, database_url: str) -> None:
        asked: list[str] = []
        tools = Tools(
            secret=lambda r: asked.append(r) or SecretStr(database_url),
            database_url=SecretStr("postgresql://127.0.0.1:1/x"),
            http=plain_tools().http,
        )
        with closing(Sink("vectors", Config(url="env:OTHER_DATABASE_URL"), tools)) as sink:
            assert sink.test().works
        assert set(asked) == {"env:OTHER_DATABASE_URL"}


def _at(url: str) -> Sink:
    return Sink("vectors", Config(), plain_tools(url))


def _everything_said(error: BaseException | None) -> str:
    said = ""
    while error is not None:
        said += f"{error!r} {error} {getattr(error, 'advice', '')}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return said


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def _as_stored(vectors: np.ndarray) -> np.ndarray:
    halves = _unit(vectors).astype(np.float16).astype(float)
    return np.asarray(halves / np.linalg.norm(halves, axis=-1, keepdims=True))


def _document(number: int, tenant_id: str, vectors: np.ndarray) -> Document:
    texts = [f"{number} {n}" for n in range(len(vectors))]
    chunks = tuple(
        Chunk(ordinal=n, text=t, hash=content_hash(t), vector=v) for n, (t, v) in enumerate(zip(texts, _unit(vectors), strict=True))
    )
    facts = {"kind": "test", "title": "t", "path": "p", "media_type": "text/plain"}
    return Document(id=str(UUID(int=number)), tenant_id=tenant_id, endpoint="e", generation=1, chunks=chunks, **facts)
