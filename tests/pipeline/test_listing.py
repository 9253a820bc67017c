"""A listing that does not come to its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig
from connector_pipelines.core.errors import Unavailable
from connector_pipelines.core.types import ChangePage, Cursor, DayRange, FileRef, Upserted
from connector_pipelines.pipeline.operations import run_stage
from connector_pipelines.pipeline.session import Session, open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog import configuration, schema
from connector_pipelines.store.catalog.reports import last_logs


@pytest.fixture
def session(database_url: str, tmp_path: Path) -> Iterator[Session]:
    schema.upgrade(SecretStr(database_url))
    services = open_services(load_settings({"CONNECTORS_HOME": str(tmp_path / "home")}), SecretStr(database_url))
    endpoint = EndpointConfig(slug="docs", settings={"root": str(tmp_path)})
    with services.database.operator() as tx:
        configuration.apply(
            tx, ConnectorsFile(connectors=(ConnectorConfig(name="files", kind="local_folder", endpoints=(endpoint,)),)), actor="tester"
        )
    with services.open("docs", "run") as session:
        yield session
    services.close()


def breaking_off(*ids: str) -> SimpleNamespace:
    """A source whose snapshot names these, one a page, and then breaks off."""

    def changes(_: Cursor) -> Iterator[ChangePage]:
        for name in ids:
            yield ChangePage(changes=(Upserted(FileRef(id=name, path=name, version="1", media_type="text/plain")),), snapshot=True)
        raise Unavailable("the connection broke off")

    return SimpleNamespace(changes=changes)


def test_a_snapshot_that_breaks_off_keeps_and_counts_what_it_named(session):
    with pytest.raises(Unavailable, match="broke off"):
        run_stage(replace(session, source=breaking_off("a", "b")), "listing", DayRange())

    with session.database.operator() as tx:
        found = tx.execute("SELECT external_id, status FROM files ORDER BY 1").fetchall()
        (log,) = last_logs(tx, session.endpoint.id)
    assert [tuple(row.values()) for row in found] == [("a", "listed"), ("b", "listed")]
    assert (log["status"], log["counts"]["new"]) == ("failed", 2)
