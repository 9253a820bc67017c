"""The same for records: whatever fails and whoever is killed, tables and texts end equal to the source."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from pydantic import SecretStr

from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, SinkSettings
from connector_pipelines.store.catalog import configuration, schema
from connector_pipelines.store.catalog.database import Database
from connector_pipelines.store.catalog.failures import failures_of, retry
from connector_pipelines.testing.memory_source import Service
from tests.pipeline.chaos_records import Plan, run, save

ROUNDS = 10
EDITS_A_ROUND = 60
BROKEN = b"[no object]"


class Company:
    """People at work in a CRM. `expected` is what it has, by stream and id."""

    def __init__(self, dice: random.Random) -> None:
        self.service, self._dice, self._number = Service(), dice, 0

    def edit(self) -> None:
        ids = list(self.service.files)
        action = self._dice.choices(("new", "change", "repeat", "remove", "expire"), (6, 6, 1, 3, 0.05))[0]
        if action == "expire":
            self.service.forget_cursors()
        elif action == "new" or not ids:
            self._number += 1
            self._put(f"{self._dice.choice(('contacts', 'deals'))}/{self._number}")
        elif action == "remove":
            self.service.remove(self._dice.choice(ids))
        elif action == "change":
            self._put(self.service.files[self._dice.choice(ids)].name)
        else:
            file = self.service.files[self._dice.choice(ids)]
            self.service.put(file.name, file.body)

    def expected(self, stream: str) -> dict[int, dict[str, Any]]:
        bodies = [file.body for file in self.service.files.values() if file.name.startswith(f"{stream}/") and file.body != BROKEN]
        return {fields["id"]: fields for fields in map(json.loads, bodies)}

    def broken(self) -> set[str]:
        return {file.name for file in self.service.files.values() if file.body == BROKEN}

    def _put(self, name: str) -> None:
        fields = {"id": int(name.split("/")[1]), "name": f"name {self._dice.randrange(50)}", "note": f"note {self._dice.random()}"}
        if self._dice.random() < 0.3:
            fields["size"] = self._dice.randrange(100)
        self.service.put(name, BROKEN if self._dice.random() < 0.05 else json.dumps(fields).encode())


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [1, 2])
def test_tables_and_texts_end_equal_to_the_source_whatever_fails_and_whoever_is_killed(
    seed: int, tmp_path: Path, database_url: str
) -> None:
    dice = random.Random(seed)
    company, state = Company(dice), tmp_path / "state"
    database = _configured(database_url)
    ends: dict[str, int] = {}

    def plan(number: int, **facts: Any) -> Plan:
        return Plan(database_url=database_url, home=str(tmp_path / "home"), state=str(state), seed=seed * 1000 + number, **facts)

    for number in range(ROUNDS):
        for _ in range(EDITS_A_ROUND):
            company.edit()
        save(company.service, state)
        plans = [
            plan(
                number * 2 + copy,
                chaos=dice.choice([0.0, 0.05, 0.2]),
                killed_after_s=dice.choice([None, dice.uniform(0.05, 0.7), dice.uniform(0.05, 0.4)]),
                days_later=number,
                sweep=dice.random() < 0.2,
            )
            for copy in range(dice.choice([1, 1, 2]))
        ]
        for end in _run_all(plans):
            ends[end] = ends.get(end, 0) + 1
    with database.operator() as tx:
        retry(tx)
    assert _run_all([plan(0, days_later=ROUNDS, sweep=True)]) == ["done"]

    assert ends.get("killed", 0) >= 2, f"too few processes were killed for this to prove anything: {ends}"
    assert len(ends) >= 2, f"nothing failed: {ends}"
    for stream in ("contacts", "deals"):
        assert _table(database_url, stream) == company.expected(stream), ends
    texts = _texts(database_url)
    assert texts == {f"contacts/{i}": f"{fields['name']} {fields['note']}" for i, fields in company.expected("contacts").items()} | {
        f"deals/{i}": f"name: {fields['name']}\nnote: {fields['note']}" for i, fields in company.expected("deals").items()
    }
    with database.operator() as tx:
        assert {f.item for f in failures_of(tx, limit=10_000)} == company.broken()
    database.close()


def _configured(database_url: str) -> Database:
    schema.ensure(SecretStr(database_url), may_upgrade=True)
    database = Database(SecretStr(database_url))
    endpoint = EndpointConfig(slug="crm", settings={"root": "/nowhere"}, max_delete_share=1.0, max_failed_share=1.0)
    file = ConnectorsFile(
        connectors=(ConnectorConfig(name="crm", kind="local_folder", endpoints=(endpoint,)),),
        sinks={"table": SinkSettings(kind="postgres_table"), "search": SinkSettings(kind="postgres_text")},
    )
    with database.operator() as tx:
        configuration.apply(tx, file, actor="test")
    return database


def _run_all(plans: list[Plan]) -> list[str]:
    """How each of these syncs, run at once, ended."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.pipeline.chaos_records", "connector_pipelines.sinks.postgres_table", "connector_pipelines.sinks.postgres_text"]
    )
    started = []
    for plan in plans:
        answers, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_child, args=(plan, theirs))
        process.start()
        theirs.close()
        started.append((process, answers))
    ends = []
    for process, answers in started:
        process.join(60)
        assert process.exitcode in {0, -signal.SIGKILL}, f"a sync hangs, or ended with a bug: {process.exitcode}"
        ends.append(answers.recv() if process.exitcode == 0 else "killed")
    return ends


def _child(plan: Plan, answers: Any) -> None:
    os.environ.pop("DATABASE_URL", None)
    answers.send(run(plan))
    os._exit(0)  # a timer that was to kill this process is no reason to wait


def _table(database_url: str, stream: str) -> dict[int, dict[str, Any]]:
    """The rows of a stream's table as records."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        rows = connection.execute(f"SELECT * FROM sink_table.crm__{stream}").fetchall()
    records = [{k: v for k, v in row.items() if not k.startswith("_") and v is not None} for row in rows]
    assert len({record["id"] for record in records}) == len(records), "a record is there twice"
    return {record["id"]: record for record in records}


def _texts(database_url: str) -> dict[str, str]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            """SELECT d.path, string_agg(c.text, ' ' ORDER BY c.ordinal) FROM sink_search.documents d JOIN sink_search.chunks c USING (document_id)
               WHERE NOT d.deleted GROUP BY d.document_id, d.path"""
        ).fetchall()
    assert len({path for path, _ in rows}) == len(rows), "a record is there twice"
    return dict(rows)
