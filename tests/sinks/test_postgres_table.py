"""The table sink on a real Postgres: its tables, their types, and what happens to them as records change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from connector_pipelines.core.errors import ConfigurationError, PermanentError, Unavailable
from connector_pipelines.core.types import Document, Record, Stream
from connector_pipelines.sinks import postgres_text
from connector_pipelines.sinks.postgres_table import Config, Sink
from connector_pipelines.sinks.postgres_table.tables import Tables
from connector_pipelines.testing._sink_world import OTHER_TENANT, TENANT, Maker, id_of, ref
from connector_pipelines.testing.records_suite import HeldRecord, RecordsSinkContract, Reopen, declared, plain_tools

DEALS = Stream(name="deals", primary_key=("id",))


def deal(
    name: str, /, *, generation: int = 1, stream: Stream = DEALS, tenant_id: str = TENANT, endpoint: str = "crm", **fields: Any
) -> Document:
    return Document(
        id=id_of(name), tenant_id=tenant_id, endpoint=endpoint, generation=generation, kind="contract", title=name, path=f"deals/{name}",
        media_type="application/json", record=Record(stream=stream, fields=fields),
    )  # fmt: skip


@pytest.fixture
def sink(database_url: str) -> Iterator[Sink]:
    with closing(Sink("tables", Config(), plain_tools(database_url))) as sink:
        yield sink


@pytest.fixture
def store(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as store:
        yield store


class TestPostgresTable(RecordsSinkContract):
    @pytest.fixture
    def sink(self, database_url: str) -> Iterator[Sink]:
        with closing(Sink("tables", Config(), plain_tools(database_url))) as sink:
            yield declared(sink)

    @pytest.fixture
    def reopen(self, database_url: str) -> Iterator[Reopen]:
        with ExitStack() as opened:
            yield lambda: declared(opened.enter_context(closing(Sink("tables", Config(), plain_tools(database_url)))))

    @pytest.fixture
    def held_record(self, database_url: str) -> Iterator[HeldRecord]:
        with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as store:
            yield lambda document_id: held_in(store, document_id)


def held_in(store: Any, document_id: str) -> dict[str, Any] | None:
    """The record that the tables hold, its fields put back where they were."""
    if store.execute("SELECT to_regclass('sink_tables._tables') AS there").fetchone() == {"there": None}:
        return None
    for name in [r["table_name"] for r in store.execute("SELECT table_name FROM sink_tables._tables").fetchall()]:
        row = store.execute(f'SELECT * FROM sink_tables."{name}" WHERE _document_id = %s', [document_id]).fetchone()
        if row:
            columns = store.execute("SELECT column_name, field FROM sink_tables._columns WHERE table_name = %s", [name]).fetchall()
            return put_back({c["field"]: row[c["column_name"]] for c in columns if row[c["column_name"]] is not None})
    return None


def put_back(fields: Mapping[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for at, value in fields.items():
        *path, last = [part.replace("~1", "/").replace("~0", "~") for part in at.split("/")[1:]]
        inner = record
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return record


def table(store: Any, name: str = "crm__deals") -> list[dict[str, Any]]:
    rows = store.execute(f'SELECT * FROM sink_tables."{name}" ORDER BY _document_id').fetchall()
    return [{key: value for key, value in row.items() if not key.startswith("_")} for row in rows]


def types(store: Any, name: str = "crm__deals") -> Mapping[str, str]:
    rows = store.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'sink_tables' AND table_name = %s", [name]
    ).fetchall()
    return {r["column_name"]: r["data_type"] for r in rows if not r["column_name"].startswith("_")}


def test_each_field_is_a_column_of_its_type(sink, store):
    sink.put(
        [deal("a", id=1, name="Röhre", price=2.5, won=True, at="2024-05-01T10:00:00+02:00", day="2024-02-29", tags=["x"], owner={"id": 7})]
    )
    assert types(store) == {
        "id": "bigint", "name": "text", "price": "numeric", "won": "boolean", "at": "timestamp with time zone", "day": "date", "tags": "jsonb",
        "owner__id": "bigint",
    }  # fmt: skip
    assert table(store) == [
        {
            "id": 1, "name": "Röhre", "price": Decimal("2.5"), "won": True, "at": datetime(2024, 5, 1, 8, tzinfo=UTC), "day": date(2024, 2, 29),
            "tags": ["x"], "owner__id": 7,
        }
    ]  # fmt: skip


def test_a_row_is_exactly_the_last_record(sink, store):
    sink.put([deal("a", id=1, name="old", extra="x")])
    sink.put([deal("a", id=1, name="new", generation=2)])
    assert table(store) == [{"id": 1, "name": "new", "extra": None}]


def test_new_fields_are_new_columns_and_old_rows_have_none(sink, store):
    sink.put([deal("a", id=1)])
    sink.put([deal("b", id=2, added="x")])
    assert sorted(table(store), key=lambda row: row["id"]) == [{"id": 1, "added": None}, {"id": 2, "added": "x"}]


def test_a_wider_number_widens_the_column_and_keeps_what_was_there(sink, store):
    sink.put([deal("a", id=1, n=9007199254740993, day="2024-05-01")])
    store.execute("SET timezone = 'Asia/Tokyo'")
    sink.put([deal("b", id=2, n=2**70, day="2024-05-01T10:00:00Z")])
    assert types(store)["n"] == "numeric"
    assert sorted(row["n"] for row in table(store)) == [9007199254740993, 2**70]
    assert sorted(row["day"] for row in table(store)) == [datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 1, 10, tzinfo=UTC)]


def test_a_value_of_another_type_goes_beside_its_column_and_is_told(sink, store, capfd):
    sink.put([deal("a", id=1, amount=5)])
    sink.put([deal("b", id=2, amount="on request")])
    assert sorted(table(store), key=lambda row: row["id"]) == [
        {"id": 1, "amount": 5, "amount__text": None}, {"id": 2, "amount": None, "amount__text": "on request"},
    ]  # fmt: skip
    assert store.execute("SELECT field, type FROM sink_tables._columns WHERE column_name LIKE 'amount%' ORDER BY 2").fetchall() == [
        {"field": "/amount", "type": "integer"}, {"field": "/amount", "type": "text"},
    ]  # fmt: skip


def test_a_declared_stream_has_its_table_before_its_first_record(sink, store):
    sink.declare(
        TENANT, "crm", [Stream(name="deals", primary_key=("id",), columns={"id": "text", "when": "timestamp", "owner.id": "integer"})]
    )
    assert types(store) == {"id": "text", "when": "timestamp with time zone", "owner__id": "bigint"}
    assert table(store) == []


def test_the_key_has_an_index(sink, store):
    sink.put([deal("a", stream=Stream(name="lines", primary_key=("order", "line.no")), order=1, line={"no": 2})])
    found = store.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'crm__lines' AND indexdef LIKE '%%line__no%%'").fetchall()
    assert ['("order", line__no)' in row["indexdef"] for row in found] == [True]


def test_names_are_values_and_never_sql(sink, store):
    hostile = 'x"; DROP TABLE sink_tables._about; --'
    odd = Stream(name="deals", primary_key=("id",))
    sink.put([deal("a", stream=odd, endpoint='e"; DROP SCHEMA public; --', **{"id": 1, hostile: "y", "%s": 1, "{0}": 2})])
    assert store.execute("SELECT count(*) AS n FROM sink_tables._about").fetchone() == {"n": 2}
    assert store.execute("SELECT table_name FROM sink_tables._tables").fetchall() == [{"table_name": 'e"; DROP SCHEMA public; --__deals'}]


def test_tables_whose_names_would_be_the_same_are_told_apart(sink, store):
    one, other = Stream(name="c", primary_key=("id",)), Stream(name="b__c", primary_key=("id",))
    sink.put([deal("a", stream=one, endpoint="a__b", id=1), deal("b", stream=other, endpoint="a", id=2)])
    names = [r["table_name"] for r in store.execute("SELECT table_name FROM sink_tables._tables").fetchall()]
    assert len(set(names)) == 2
    assert sorted(row["id"] for name in names for row in table(store, name)) == [1, 2]


def test_tenants_never_share_a_table(sink, store):
    sink.put([deal("a", id=1), deal("b", id=2, tenant_id=OTHER_TENANT)])
    assert table(store) == [{"id": 1}]
    assert dict(sink.inventory(OTHER_TENANT, "crm")) == {id_of("b"): 1}


def test_what_was_removed_stays_so_for_who_is_late_and_comes_back_for_who_is_newer(sink, store):
    sink.put([deal("a", id=1, generation=3)])
    sink.delete([ref("a", 4, endpoint="crm")])
    sink.put([deal("a", id=1, generation=3)])
    assert table(store) == []
    sink.put([deal("a", id=1, generation=5)])
    assert table(store) == [{"id": 1}]
    assert store.execute("SELECT count(*) AS n FROM sink_tables._removed").fetchone() == {"n": 0}


def test_a_removal_that_is_late_removes_nothing(sink, store):
    sink.put([deal("a", id=1, generation=5)])
    sink.delete([ref("a", 4, endpoint="crm")])
    assert table(store) == [{"id": 1}]


def test_processes_that_change_the_same_table_at_once_lose_nothing(sink, store, database_url):
    with closing(Sink("tables", Config(), plain_tools(database_url))) as other:
        sink.put([deal("a", id=1, x=1)])
        other.put([deal("b", id=2, x="text", y=1)])
        sink.put([deal("c", id=3, x=0.5, y="text")])
        other.put([deal("d", id=4, x=7, y=2.5)])
    assert sorted(table(store), key=lambda row: row["id"]) == [
        {"id": 1, "x": 1, "x__text": None, "y": None, "y__text": None}, {"id": 2, "x": None, "x__text": "text", "y": 1, "y__text": None},
        {"id": 3, "x": Decimal("0.5"), "x__text": None, "y": None, "y__text": "text"},
        {"id": 4, "x": 7, "x__text": None, "y": Decimal("2.5"), "y__text": None},
    ]  # fmt: skip


def test_who_waited_for_another_to_make_the_tables_finds_them(database_url):
    tables = Tables("sink_tables", depth=3, limit=500)
    with psycopg.connect(database_url) as late, psycopg.connect(database_url, autocommit=True) as early:
        # What is looked up for the first time brings news with it; who has taken a turn before hears nothing while it waits.
        tables.take_turn(late.cursor(), TENANT, "crm")
        seen = tables.exists(late.cursor())
        tables.make(early.cursor())
        tables.make(late.cursor())

        assert (seen, tables.exists(late.cursor())) == (False, True)


@pytest.mark.parametrize("dropped", ["ALTER TABLE sink_tables.crm__deals DROP COLUMN x", "DROP TABLE sink_tables.crm__deals"])
def test_what_somebody_dropped_is_made_again_by_the_next_try(sink, store, dropped):
    sink.put([deal("a", id=1, x=1)])
    store.execute(dropped)
    with pytest.raises(Unavailable):
        sink.put([deal("b", id=2, x=2)])
    sink.put([deal("b", id=2, x=2)])
    assert {"id": 2, "x": 2} in table(store)


def test_tables_somebody_dropped_are_made_again(sink, store):
    sink.put([deal("a", id=1)])
    store.execute("DROP SCHEMA sink_tables CASCADE")
    sink.put([deal("b", id=2)])
    assert table(store) == [{"id": 2}]


def test_what_is_no_record_is_refused(sink, database_url):
    with pytest.raises(PermanentError, match="no record"):
        sink.put([Maker(None).document("a", "text")])


def test_the_schema_of_another_kind_of_sink_is_refused(sink, database_url):
    with closing(postgres_text.Sink("tables", postgres_text.Config(), plain_tools(database_url))) as other:
        other.put([Maker(None).document("a", "text")])
    with pytest.raises(ConfigurationError, match="another sink") as refused:
        sink.put([deal("a", id=1)])
    assert "schema" in refused.value.advice
