"""Searching both Postgres sinks, again and again, while what is configured and what is there change."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, SinkSettings
from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.pipeline.operations import sync
from connector_pipelines.pipeline.search import Searcher, search
from connector_pipelines.pipeline.session import Services, open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog import configuration, schema

SINKS = {"vectors": SinkSettings(kind="pgvector"), "search": SinkSettings(kind="postgres_text")}
NOTES = 6
TIME_LIMIT_S = 20


@pytest.fixture
def services(database_url: str, tmp_path: Path) -> Iterator[Services]:
    """An installation whose endpoint `notes` has brought six notes on girders, `note0` saying so most often."""
    root = tmp_path / "notes"
    root.mkdir()
    for number in range(NOTES):
        (root / f"note{number}.txt").write_text(f"{'girder ' * (NOTES - number)}of axis {number}")
    schema.upgrade(SecretStr(database_url))
    services = open_services(load_settings({"CONNECTORS_HOME": str(tmp_path / "home")}), SecretStr(database_url))
    configure(services, root)
    with services.open("notes", "run") as session:
        sync(session)
    yield services
    services.close()


@pytest.fixture
def searcher(services: Services) -> Iterator[Searcher]:
    with closing(Searcher(services)) as searcher:
        yield searcher


def configure(services: Services, root: Path, sinks: dict[str, SinkSettings] = SINKS) -> None:
    endpoint = EndpointConfig(slug="notes", settings={"root": str(root)}, sinks=("vectors", "search"))
    wanted = ConnectorsFile(connectors=(ConnectorConfig(name="files", kind="local_folder", endpoints=(endpoint,)),), sinks=sinks)
    with services.database.operator() as tx:
        configuration.apply(tx, wanted, actor="tester")


def paths(searcher: Searcher, text: str = "girder", limit: int = 10) -> list[str]:
    return [found.citation.path for found in searcher.search(text, tenant="default", limit=limit)]


def backends(database_url: str) -> set[int]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return {pid for (pid,) in found}


def left_over(database_url: str, before: set[int]) -> set[int]:
    """Backends beside those, once they had time: one is seen for a moment after its client has closed the connection."""
    end = time.monotonic() + TIME_LIMIT_S
    while (found := backends(database_url) - before) and time.monotonic() < end:
        threading.Event().wait(0.05)
    return found


def test_both_sinks_are_asked_and_the_best_comes_first(searcher):
    first, *_ = searcher.search("girder", tenant="default")

    assert (first.citation.path, first.found_by) == ("note0.txt", ("search", "vectors"))
    assert first.snippet.startswith("girder girder")


def test_a_second_query_opens_no_connection(searcher, database_url):
    paths(searcher)
    before = backends(database_url)

    assert len(paths(searcher, "axis")) == NOTES
    assert backends(database_url) == before


def test_a_single_search_leaves_no_connection_of_a_sink_behind(services, database_url):
    search(services, "girder", tenant="default")
    before = backends(database_url)

    assert len(search(services, "axis", tenant="default")) == NOTES
    assert left_over(database_url, before) == set()


def test_connections_that_were_cut_are_opened_anew(searcher, database_url):
    paths(searcher)
    cut = backends(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for pid in cut:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    assert len(paths(searcher)) == NOTES


def test_a_sink_whose_settings_changed_is_asked_where_it_is_now(services, searcher, tmp_path):
    assert len(paths(searcher)) == NOTES
    moved = {name: SinkSettings(kind=sink.kind, settings={"schema": f"elsewhere_{name}"}) for name, sink in SINKS.items()}
    configure(services, tmp_path / "notes", moved)

    assert paths(searcher) == []


def test_a_sink_that_refuses_is_asked_again_once_it_can_answer(services, searcher, database_url):
    assert paths(searcher)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for name, model in (("vectors", "other"), ("search", "other")):
            connection.execute(f"UPDATE sink_{name}.about SET value = %s WHERE key IN ('model', 'language')", [model])
        with pytest.raises(ConfigurationError, match="was made with"):
            paths(searcher)
        connection.execute("UPDATE sink_search.about SET value = 'simple' WHERE key = 'language'")

    assert len(paths(searcher)) == NOTES


def test_what_the_catalog_no_longer_has_is_passed_over_however_much_of_it_is_found_first(services, searcher):
    with services.database.operator() as tx:
        tx.execute("UPDATE files SET status = 'deleted' WHERE path < 'note4'")

    assert paths(searcher, limit=1) == ["note4.txt"]


def test_a_tenant_nobody_has_is_told(searcher):
    with pytest.raises(ConfigurationError, match="nobody"):
        searcher.search("girder", tenant="nobody")
