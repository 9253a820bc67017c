"""What the Qdrant sink does when the server, the way to it or the settings are not as they should be."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from pydantic import ValidationError

from connector_pipelines.core.errors import (
    ConfigurationError,
    ConnectorError,
    PermanentError,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from connector_pipelines.core.protocols import Tools
from connector_pipelines.core.types import Place
from connector_pipelines.sinks.qdrant import Config, Sink
from connector_pipelines.testing._sink_world import TENANT, id_of
from connector_pipelines.testing.sink_suite import Maker, plain_tools
from connector_pipelines.testing.tools import PLANTED_SECRET
from tests.qdrant_server import Answer, EdgeEngine, QdrantServer, Request, serving
from tests.sinks.qdrant_world import World

MAKER = Maker(64)
LOST = [
    (401, Unauthenticated), (403, ConfigurationError), (404, Unavailable), (408, Unavailable), (413, ConfigurationError), (422, PermanentError),
    (400, PermanentError), (429, RateLimited), (301, ConfigurationError), (500, Unavailable), (502, Unavailable), (503, Unavailable),
]  # fmt: skip


@pytest.mark.parametrize(("status", "expected"), LOST)
def test_a_refusal_is_told_in_our_words_and_repeats_neither_key_nor_answer(
    world: World, status: int, expected: type[ConnectorError]
) -> None:
    world.put(MAKER.document("a", "zebra"))
    sink = world.open()
    said = json.dumps({"status": {"error": f"planted answer {PLANTED_SECRET}"}}).encode()
    with (
        world.failing(lambda r: Answer(status, said) if r.method == "PUT" else None),
        pytest.raises(expected, match=str(status)) as refused,
    ):
        sink.put([MAKER.document("a", "horse", generation=2)])
    assert type(refused.value) is expected or status == 404
    assert "planted" not in f"{refused.value} {refused.value!r} {refused.value.advice}"
    sink.put([MAKER.document("a", "horse", generation=2)])
    assert world.texts() == ["horse"]


@pytest.mark.parametrize(("said", "expected"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
def test_a_server_that_asks_to_slow_down_is_waited_for_as_long_as_it_says(world: World, said: str, expected: float | None) -> None:
    world.put(MAKER.document("a", "zebra"))
    with world.failing(lambda _: Answer(429, headers={"retry-after": said})), pytest.raises(RateLimited) as refused:
        world.put(MAKER.document("a", "horse", generation=2))
    assert refused.value.retry_after_s == expected


def test_an_answer_that_is_lost_is_asked_for_again(world: World) -> None:
    world.put(MAKER.document("a", "zebra"))
    sink, lost = world.open(), []

    def hook(request: Request) -> Answer | None:
        if request.line == f"PUT {world.documents}" and not lost:
            lost.append(request)
            return Answer(cut=True, late=True)
        return None

    with world.failing(hook):
        sink.put([MAKER.document("a", "horse", "mule", generation=2)])
    assert lost
    assert world.texts() == ["horse", "mule"]


def test_a_server_that_took_points_and_did_not_write_them_in_time_has_not_written_them(world: World) -> None:
    world.put(MAKER.document("a", "zebra"))
    waiting = json.dumps({"result": {"operation_id": 1, "status": "wait_timeout"}, "status": "ok", "time": 1.0}).encode()
    with world.failing(lambda r: Answer(body=waiting) if r.method == "PUT" else None), pytest.raises(Unavailable, match="wait_timeout"):
        world.put(MAKER.document("a", "horse", generation=2))
    assert world.texts() == ["zebra"]


@pytest.mark.parametrize("body", [b"<html>sign in</html>", b"{}", b'{"result": 7, "status": "ok", "time": 0}'])
def test_an_answer_that_is_none_of_qdrant_is_told_as_such(world: World, body: bytes) -> None:
    world.put(MAKER.document("a", "zebra"))
    sink = world.open()
    assert sink.searched_model
    with world.failing(lambda _: Answer(body=body)), pytest.raises(ConnectorError):
        sink.search(MAKER.query("zebra"))


@pytest.mark.parametrize("version", ["1.15.9", "0.11.0", "1.9.2-dev", "unknown"])
def test_a_server_that_would_ignore_conditions_is_refused(version: str) -> None:
    with serving(EdgeEngine, version=version) as server, closing(_at(server.url)) as sink:
        with pytest.raises(ConfigurationError, match=r"1\.16 is needed"):
            sink.put([MAKER.document("a", "zebra")])
        assert server.seen == ["GET /"]
        assert [a.name for a in sink.test().abilities if not a.works] == ["connect"]


def test_what_answers_and_is_no_qdrant_is_refused() -> None:
    with serving(EdgeEngine) as server, closing(_at(f"{server.url}/elsewhere")) as sink:
        server.hook = lambda _: Answer(404)
        with pytest.raises(ConfigurationError, match="no Qdrant"):
            sink.put([MAKER.document("a", "zebra")])


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1", "http://no-such-host.localhost:1"])
def test_a_server_that_is_not_there_is_unavailable(url: str) -> None:
    with closing(_at(url)) as sink:
        with pytest.raises(Unavailable):
            sink.put([MAKER.document("a", "zebra")])
        probe = sink.test()
    assert [(a.name, a.works) for a in probe.abilities] == [("connect", False)]


def test_tls_that_does_not_come_about_is_unavailable_and_nothing_is_sent_without_it(edge_server: QdrantServer) -> None:
    before = len(edge_server.seen)
    with closing(_at(edge_server.url.replace("http:", "https:"), key=True)) as sink, pytest.raises(Unavailable):
        sink.put([MAKER.document("a", "zebra")])
    assert len(edge_server.seen) == before


def test_a_wrong_key_stops_the_sink_and_is_not_told(edge_server: QdrantServer) -> None:
    tools = Tools(
        secret=lambda _: plain_tools().secret("").__class__("planted-wrong"),
        database_url=plain_tools().database_url,
        http=plain_tools().http,
    )
    with closing(Sink("vectors", Config(url=edge_server.url, api_key="env:KEY"), tools)) as sink:
        with pytest.raises(Unauthenticated) as refused:
            sink.put([MAKER.document("a", "zebra")])
        assert "planted" not in f"{refused.value!r} {refused.value.advice} {sink!r} {sink.test()!r}"


def test_a_key_that_may_only_read_searches_and_the_probe_says_what_it_may_not(world: World) -> None:
    world.put(MAKER.document("a", "zebra"))
    tools = Tools(
        secret=lambda _: plain_tools().secret("").__class__("read-only"), database_url=plain_tools().database_url, http=plain_tools().http
    )
    with closing(Sink("vectors", world.config(), tools)) as sink:
        assert len(sink.search(MAKER.query("zebra"))) == 1
        assert [a.name for a in sink.test().abilities if not a.works] == ["write"]
        with pytest.raises(ConfigurationError, match="does not allow"):
            sink.put([MAKER.document("a", "horse", generation=2)])


def test_collections_removed_by_someone_are_made_again_by_the_next_try(world: World) -> None:
    sink = world.open()
    sink.put([MAKER.document("a", "zebra")])
    world.server.drop(*[name for name in world.server.collections if name.startswith(world.name)])
    assert sink.search(MAKER.query("zebra")) == []
    with pytest.raises(Unavailable):
        sink.put([MAKER.document("a", "zebra")])
    sink.put([MAKER.document("a", "zebra")])
    assert world.texts() == ["zebra"]


def test_a_chunk_says_whose_it_is_who_may_see_it_and_where_it_stands(world: World) -> None:
    plain = MAKER.document("a", "zebra", generation=3)
    at = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    document = replace(
        plain, url="https://example.org/a", modified_at=at, acl={"users": ["ada"]}, metadata={"author": "Ada"},
        chunks=(replace(plain.chunks[0], place=Place(page=7, heading="Stripes")),),
    )  # fmt: skip
    world.put(document)
    ((_, payload),) = world.server.collection(world.name).engine.scroll(None, 10, None)[0]
    assert {k: v for k, v in payload.items() if k not in {"hash", "revision"}} == {
        "tenant_id": TENANT, "endpoint": "contract", "document_id": id_of("a"), "generation": 3, "ordinal": 0, "text": "zebra",
        "place": {"page": 7, "heading": "Stripes"}, "kind": "contract", "title": "A title", "path": "folder/A title.txt",
        "url": "https://example.org/a", "media_type": "text/plain", "modified_at": "2026-03-01T12:30:00+00:00", "acl": {"users": ["ada"]},
    }  # fmt: skip
    assert world.server.collection(world.name).indexes["tenant_id"] == "tenant"


def test_a_tenant_cannot_overwrite_or_delete_a_document_of_another(world: World) -> None:
    mine = MAKER.document("a", "mine")
    sink = world.open()
    sink.put([mine])
    sink.put([replace(MAKER.document("a", "theirs", generation=9), tenant_id="another")])
    sink.delete([replace(mine, tenant_id="another", generation=9)])
    assert world.texts() == ["mine"]


def test_a_deleted_document_leaves_only_its_generation(world: World) -> None:
    document = replace(MAKER.document("a", "text", title="Secret plan"), acl={"users": ["x"]}, metadata={"author": "y"})
    world.put(document)
    world.open().delete([document])
    ((_, payload),) = world.server.collection(f"{world.name}--documents").engine.scroll(None, 10, None)[0]
    assert set(payload) == {"document_id", "tenant_id", "endpoint", "generation", "revision", "chunks", "deleted"}
    assert (payload["revision"], payload["chunks"], payload["deleted"]) == ("", 0, True)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_batch_with_one_vector_of_no_number_is_not_stored_at_all(world: World, bad: float) -> None:
    document = MAKER.document("b", "text")
    broken = replace(document, chunks=(replace(document.chunks[0], vector=np.full(64, bad, dtype=np.float32)),))
    with pytest.raises(PermanentError, match="no number"):
        world.open().put([MAKER.document("a", "fine"), broken])
    assert world.stored() == []


@pytest.mark.parametrize("document_id", ["no uuid", "", "{915fc3c9-776c-57b7-8b9d-87e776b74915}"])
def test_an_id_that_is_no_uuid_is_refused_for_good(world: World, document_id: str) -> None:
    with pytest.raises(PermanentError, match="UUID"):
        world.put(replace(MAKER.document("a", "text"), id=document_id))


def test_requests_stay_well_below_what_a_server_takes(world: World) -> None:
    sizes: list[int] = []
    text = "ü" * 20_000
    with world.failing(lambda request: sizes.append(len(request.body))):
        world.put(MAKER.document("a", *[f"{n} {text}" for n in range(600)]))
    assert sum(sizes) > 24_000_000
    assert max(sizes) < 12 * 1024 * 1024
    assert len(world.stored()) == 600


def test_without_the_library_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with closing(_at("http://127.0.0.1:1")) as sink, pytest.raises(ConfigurationError) as refused:
        sink.delete([MAKER.document("a", "zebra")])
    assert "pip install 'connector-pipelines[qdrant]'" in refused.value.advice


@pytest.mark.parametrize(
    "url", ["https://qdrant.example.org", "http://127.0.0.1:6333", "http://[::1]:6333", "http://10.2.3.4", "http://qdrant:6333",
            "http://qdrant.search.svc.cluster.local:6333", "http://localhost"],
)  # fmt: skip
def test_a_key_may_travel_to(url: str) -> None:
    assert Config(url=url, api_key="env:KEY").api_key == "env:KEY"


@pytest.mark.parametrize("url", ["http://qdrant.example.org:6333", "http://8.8.8.8", "http://[2001:4860:4860::8888]:6333"])
def test_a_key_is_not_sent_in_the_open_to(url: str) -> None:
    with pytest.raises(ValidationError, match="for everybody to read"):
        Config(url=url, api_key="env:KEY")
    assert Config(url=url).api_key is None


@pytest.mark.parametrize(
    "url",
    ["", "qdrant", "ftp://x", "http://", "https://user:planted@x", "https://planted@x", "http://x?api_key=planted", "http://x:99999/"],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Config(url=url)
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize("name", ["a--b", "-a", "a/b", "", "ä", "a b", "a" * 101])
def test_a_name_that_would_be_mistaken_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Config(url="http://localhost", collection=name)


def _at(url: str, *, key: bool = False) -> Sink:
    return Sink("vectors", Config(url=url, api_key="env:KEY" if key else None, timeout="5s"), plain_tools())
