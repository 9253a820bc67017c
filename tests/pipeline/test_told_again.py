"""What is said of a file again, in other bytes or to other readers: nobody is told what they know, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, SinkSettings
from connector_pipelines.core.types import Acl, Document, FileRef
from connector_pipelines.pipeline import operations
from connector_pipelines.pipeline.report import SyncReport
from connector_pipelines.pipeline.session import Services, open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.sinks import memory
from connector_pipelines.store.catalog import configuration, schema
from connector_pipelines.store.catalog.folders import CatalogFolders
from connector_pipelines.testing.memory_source import Config, Service, Source
from connector_pipelines.testing.tools import plain_tools

LATER = datetime(2026, 6, 1, 9, tzinfo=UTC)
ANN = Acl(readers=frozenset({"user:ann@example.com"}))


class CountingSource(Source):
    opened: list[str]

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        self.opened.append(ref.path)
        with super().open(ref) as chunks:
            yield chunks


class CountingSink(memory.Sink):
    """Wants vectors."""

    puts: list[str]
    model = "wordllama"

    def put(self, documents: Sequence[Document]) -> None:
        self.puts += [document.path for document in documents]
        super().put(documents)


@dataclass
class Drive:
    services: Services
    service: Service = field(default_factory=Service)
    store: memory.Store = field(default_factory=memory.Store)
    opened: list[str] = field(default_factory=list)
    puts: list[str] = field(default_factory=list)

    def sync(self, *, sweep: bool = False) -> SyncReport:
        self.opened.clear()
        self.puts.clear()
        with self.services.open("feed", "run") as session:
            tools = plain_tools(folders=CatalogFolders(session.database, session.endpoint))
            source = CountingSource(Config(), tools, service=self.service)
            sink = CountingSink("held", memory.Config(), plain_tools(), store=self.store)
            source.opened, sink.puts = self.opened, self.puts
            return operations.sync(replace(session, source=source, sinks={"held": sink}), sweep=sweep)

    def embedded(self) -> list[dict]:
        with self.services.database.operator() as tx:
            return tx.execute("SELECT content_hash, created_at FROM embeddings ORDER BY content_hash").fetchall()

    @property
    def documents(self) -> dict[str, Document]:
        return {document.path: document for document in self.store.documents.values()}


@pytest.fixture
def drive(database_url: str, tmp_path: Path) -> Iterator[Drive]:
    url = SecretStr(database_url)
    schema.ensure(url, may_upgrade=True)
    services = open_services(load_settings({"CONNECTORS_HOME": str(tmp_path), "CONNECTORS_EXTRACT_WORKERS": "1"}), url)
    endpoint = EndpointConfig(slug="feed", settings={"root": str(tmp_path)}, sinks=("held",))
    connector = ConnectorConfig(name="feed", kind="local_folder", endpoints=(endpoint,))
    with services.database.operator() as tx:
        configuration.apply(tx, ConnectorsFile(sinks={"held": SinkSettings(kind="memory")}, connectors=(connector,)), actor="test")
    yield Drive(services)
    services.close()


def test_other_bytes_that_say_the_same_are_not_told_or_embedded_again(drive: Drive) -> None:
    drive.service.put("a.html", b"<html><title>T</title><p>The same text</p></html>")
    drive.sync()
    before, vectors = drive.documents["a.html"], drive.embedded()
    drive.service.put("a.html", b"<html><title>T</title><!-- export 2 --><p>The same text</p></html>", at=LATER)

    report = drive.sync()

    assert (drive.opened, report.stages["documents"].counts["extracted"]) == (["a.html"], 1)
    assert (drive.puts, report.stages["held"].counts["unchanged"], report.stages["held"].counts["delivered"]) == ([], 1, 0)
    assert (drive.documents["a.html"], drive.embedded()) == (before, vectors)
    # Nor does the sweep think that the sink, which holds an older generation, has to be mended.
    assert (drive.sync(sweep=True).mended, drive.puts) == ({"held": 0}, [])


def test_what_says_something_else_after_that_is_told(drive: Drive) -> None:
    for body in (b"<p>one</p>", b"<p>one</p><!-- -->", b"<p>two</p>", b"<p>one</p>"):
        drive.service.put("a.html", body)
        drive.sync()
    assert drive.puts == ["a.html"]
    assert [chunk.text for chunk in drive.documents["a.html"].chunks] == ["one"]


def test_what_a_sink_lost_is_told_although_it_says_the_same(drive: Drive) -> None:
    drive.service.put("a.html", b"<p>one</p>")
    drive.sync()
    drive.store.documents.clear()
    drive.service.put("a.html", b"<p>one</p><!-- -->")
    drive.sync()

    assert drive.sync(sweep=True).mended == {"held": 1}
    assert drive.puts == ["a.html"]


def test_what_was_gone_meanwhile_is_told_although_it_says_the_same(drive: Drive) -> None:
    file_id = drive.service.put("a.html", b"<p>one</p>")
    drive.service.put("b.html", b"<p>two</p>")
    drive.sync()
    kept = drive.service.files[file_id]
    drive.service.remove(file_id)
    drive.sync()
    drive.service.files[file_id] = kept
    drive.service.events.append(file_id)

    drive.sync()

    assert (drive.puts, set(drive.documents)) == (["a.html"], {"a.html", "b.html"})


def test_other_readers_are_told_without_fetching_reading_or_embedding(drive: Drive) -> None:
    file_id = drive.service.put("a.html", b"<p>one</p>")
    drive.sync()
    vectors = drive.embedded()
    drive.service.share(file_id, ANN)

    report = drive.sync()

    assert (drive.opened, report.stages["documents"].counts["extracted"], drive.puts) == ([], 0, ["a.html"])
    assert drive.documents["a.html"].acl == {"readers": ["user:ann@example.com"]}
    assert (len(vectors), drive.embedded()) == (1, vectors)


def test_a_renamed_folder_moves_what_lies_in_it_without_fetching_or_reading(drive: Drive) -> None:
    outer = drive.service.make_folder("before")
    drive.service.put_in(drive.service.make_folder("inner", outer), "a.html", b"<p>one</p>")
    drive.sync()
    drive.service.rename_folder(outer, "after")

    report = drive.sync()

    assert set(drive.documents) == {"after/inner/a.html"}
    assert (drive.opened, report.stages["documents"].counts["extracted"]) == ([], 0)
    assert report.stages["listing"].counts["changed"] == 1


def test_an_endpoint_s_source_is_lent_its_own_folders(drive: Drive) -> None:
    folder_id = drive.service.make_folder("outer")
    drive.sync()
    with drive.services.open("feed", "run") as session:
        assert set(CatalogFolders(session.database, session.endpoint).known([folder_id, "other"])) == {folder_id}
