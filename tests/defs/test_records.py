"""An endpoint with streams in Dagster: a sync, and chosen windows of it, to a table and to the full text."""

from __future__ import annotations

import dagster as dg
import psycopg
import pytest
from ruamel.yaml import YAML

from connector_pipelines.defs.known import Known
from connector_pipelines.defs.loading import read_known
from tests.defs.conftest import World
from tests.defs.test_materialize import windows_of

WITH_STREAMS = """
from datetime import UTC, datetime
from connector_pipelines.testing import memory_source
from connector_pipelines.testing.memory_source import Config, Service, StreamConfig

SERVICE = Service()
ASKED = []
for month, number in ((3, 1), (3, 2), (5, 3)):
    SERVICE.put(f"contacts/{number}", b'{"id": %d, "name": "Contact %d"}' % (number, number), datetime(2024, month, 5, 12, tzinfo=UTC))

class Source(memory_source.Source):
    def __init__(self, config, tools):
        super().__init__(Config(streams=(StreamConfig(name="contacts"),)), tools, service=SERVICE)
    def changes_in(self, days):
        ASKED.append((days.first, days.last))
        return super().changes_in(days)
"""


@pytest.fixture
def known(world: World) -> Known:
    plugins = world.base / "plugins"
    (plugins / "with_streams-1.0.dist-info").mkdir()
    (plugins / "with_streams_source.py").write_text(WITH_STREAMS)
    (plugins / "with_streams-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: with-streams\nVersion: 1.0\n")
    (plugins / "with_streams-1.0.dist-info" / "entry_points.txt").write_text(
        "[connector_pipelines.sources]\nwith_streams = with_streams_source:Source\n"
    )
    file = {
        "sinks": {"table": {"kind": "postgres_table"}, "search": {"kind": "postgres_text"}},
        "connectors": [{"name": "crm", "kind": "with_streams", "endpoints": [{"slug": "crm"}]}],
        "partitions": {"with_streams": {"start": "2024-01-01", "every": "month"}},
    }
    YAML(typ="safe").dump(file, world.settings.config_file)
    return read_known(world.settings)


def in_table(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM sink_table.crm__contacts ORDER BY id")]


def test_a_sync_of_records_marks_the_windows_it_touched_on_every_stage(
    world: World, known: Known, instance: dg.DagsterInstance, database_url: str
) -> None:
    result = world.run(known, instance, "with_streams/crm/sync")

    assert result.success
    for stage in ("listing", "files", "documents", "table", "search"):
        shown = windows_of(instance, f"with_streams/crm/{stage}")
        if stage == "files":
            assert shown == {}, "nothing was downloaded"
        else:
            assert {k: m["dagster/partition_row_count"] for k, m in shown.items()} == {"2024-03-01": 2, "2024-05-01": 1}, stage
    assert {e.check_name: e.passed for e in result.get_asset_check_evaluations()} == {
        "failed_share": True, "complete": True, "stores_agree": True,
    }  # fmt: skip
    assert in_table(database_url) == [
        "Contact 1",
        "Contact 2",
        "Contact 3",
    ]


def test_chosen_windows_of_records_are_asked_for_alone_and_once(
    world: World, known: Known, instance: dg.DagsterInstance, database_url: str
) -> None:
    import with_streams_source  # type: ignore[import-not-found]  # the plugin above

    with_streams_source.ASKED.clear()
    stages = [f"with_streams/crm/{stage}" for stage in ("listing", "files", "documents", "table")]
    tags = {"dagster/asset_partition_range_start": "2024-02-01", "dagster/asset_partition_range_end": "2024-04-01"}

    result = world.run(known, instance, *stages, tags=tags)

    assert result.success
    assert [tuple(map(str, asked)) for asked in with_streams_source.ASKED] == [("2024-02-01", "2024-04-30")]
    assert in_table(database_url) == ["Contact 1", "Contact 2"]
