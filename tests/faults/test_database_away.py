"""The database goes away, at any point of a sync or between syncs, with a word or without one."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime

import dagster as dg
import pytest
from pydantic import SecretStr

from connector_pipelines.cli.dev.watching import RowsWatch
from connector_pipelines.core.errors import Unavailable
from connector_pipelines.defs.build import build
from connector_pipelines.defs.loading import read_known
from connector_pipelines.defs.resources import PipelineResource
from connector_pipelines.defs.services import close_services
from connector_pipelines.net import _silence
from connector_pipelines.net.postgres import connect, postgres_errors
from connector_pipelines.settings import load_settings
from tests.faults.conftest import House, eventually

LOSE_CLAIMS = """
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.mark.parametrize("point", ["list", "open", "one"])
def test_a_sync_whose_database_goes_away_in_a_stage_says_so_and_the_next_does_the_rest(house: House, point: str) -> None:
    house.configure({"slug": "docs"})
    house.gates.hold(point)

    with house.syncing() as result:
        assert eventually(lambda: house.gates.reached(point))
        with house.without_database():
            house.gates.open(point)
            first = result()
    free = eventually(lambda: house.status().state == "interrupted")
    again = house.due(datetime.now(UTC))
    house.sync()

    assert isinstance(first.error, Unavailable), first.error
    assert (free, again) == (True, {"docs": "interrupted"})
    assert house.status().sinks["one"] == {"delivered": 3, "owed": 0, "failed": 0, "to_remove": 0}
    told = Counter(house.put())
    # What the sink was told when the answer could not be noted is told again, to the same effect.
    assert set(told) == {"0.txt", "1.txt", "2.txt"}
    assert max(told.values()) <= (2 if point == "one" else 1)
    assert house.rows("SELECT count(*) AS n FROM files") == [{"n": 3}]


def test_a_run_whose_claims_were_lost_with_its_connection_does_not_take_its_own_work_twice(house: House) -> None:
    house.configure({"slug": "docs", "settings": {"gates": str(house.gates.folder), "files": 8}})
    house.gates.hold("open")

    with house.syncing() as result:
        assert eventually(lambda: house.gates.reached("open"))
        with connect(SecretStr(house.direct_url), autocommit=True) as connection:
            connection.execute(LOSE_CLAIMS)
        house.gates.open("open")
        first = result()
    house.sync()

    assert isinstance(first.error, Unavailable)
    assert "others know that this run is alive" in str(first.error)
    assert sorted(house.put()) == [f"{n}.txt" for n in range(8)]


def test_a_command_without_a_database_ends_with_one_line_and_its_fix(house: House) -> None:
    house.configure({"slug": "docs"})
    with house.way.cut_off():
        ended = house.place.run("sync")

    assert ended.code == 1
    assert ended.err.splitlines() == [
        "error: could not connect to Postgres: no server answers at the database URL",
        "fix: check that the database is up; nothing is lost, the next run goes on",
    ]


def test_a_sensor_without_a_database_fails_its_tick_and_asks_for_the_run_at_the_next(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.configure({"slug": "docs", "schedule": {"type": "interval", "every": "5m"}})
    for name, value in house.settings_variables().items():
        monkeypatch.setenv(name, value)
    repository = build(read_known(load_settings())).get_repository_def()
    sensor, pipeline = repository.get_sensor_def("gated_due"), PipelineResource()
    pipeline.services().database._pool.timeout = 0.3

    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, repository_def=repository, resources={"pipeline": pipeline})
        with context, house.way.cut_off(), pytest.raises(Unavailable, match="no server answers at the database URL"):
            sensor.evaluate_tick(context)
        pipeline.services().database._pool.timeout = 20
        with dg.build_sensor_context(instance=instance, repository_def=repository, resources={"pipeline": pipeline}) as context:
            asked = sensor.evaluate_tick(context).run_requests or []
    close_services()

    assert [[key.to_user_string() for key in one.asset_selection or ()] for one in asked] == [["gated/docs/sync"]]


def test_connectors_dev_starts_dagster_again_when_the_database_is_back_and_not_before(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = RowsWatch(house.services)

    with house.way.cut_off():
        away = [rows.can_be_read(house.services) for _ in range(3)]
    back = rows.can_be_read(house.services)

    told = capsys.readouterr()
    assert (away, back) == ([False, False, False], True)
    assert told.err.count("error: could not connect to Postgres") == 1
    assert told.out == "the database is back\n"


@pytest.fixture
def short_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_silence, "SILENCE_S", 0.3)
    monkeypatch.setattr(_silence, "ANSWER_S", 2.0)


@pytest.mark.usefixtures("short_silence")
def test_a_server_that_falls_silent_is_not_waited_for_without_end(house: House) -> None:
    with connect(house.services.database.url, autocommit=True) as connection:
        connection.execute("SELECT 1")
        began = time.monotonic()
        with house.way.silent(), pytest.raises(Unavailable, match="could not look"), postgres_errors("look"):
            connection.execute("SELECT 1")

    assert time.monotonic() - began < 20
    assert connection.closed


@pytest.mark.usefixtures("short_silence")
def test_a_statement_that_takes_long_is_waited_for(house: House) -> None:
    with connect(SecretStr(house.direct_url), autocommit=True) as connection:
        row = connection.execute("SELECT pg_sleep(1.2), 7").fetchone()

    assert row is not None
    assert row[1] == 7


def test_a_full_disk_of_the_database_stops_the_sync_with_that_word_and_the_next_does_the_rest(house: House) -> None:
    house.configure({"slug": "docs"})
    full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$"
    with connect(SecretStr(house.direct_url), autocommit=True) as connection:
        connection.execute(full)
        connection.execute("CREATE TRIGGER full_disk BEFORE INSERT ON documents EXECUTE FUNCTION full_disk()")
        with pytest.raises(Unavailable, match="the database server's disk is full"):
            house.sync()
        told = house.status()
        connection.execute("DROP TRIGGER full_disk ON documents")
    house.sync()

    assert (told.state, told.stored, told.last_error and told.last_error["stage"]) == ("failing", 3, "documents")
    assert sorted(house.put()) == ["0.txt", "1.txt", "2.txt"]
