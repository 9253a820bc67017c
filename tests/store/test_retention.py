"""What is over is forgotten when it is old enough, and nothing that anything still needs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector_pipelines.core.config import ConnectorsFile
from connector_pipelines.store.catalog import configuration, retention
from connector_pipelines.store.catalog.reports import stage_log
from tests.catalog_world import NOW, World, ref
from tests.store import acts

LATER = NOW + timedelta(days=100)


def forget(world, history=LATER, audit=LATER):
    return {table: n for table, n in retention.forget_before(world.database, history, audit).items() if n}


def deleted_everywhere(world: World, *texts: str) -> None:
    world.snapshot(ref("a"))
    world.process(*texts)
    for sink in ("vectors", "search"):
        world.deliver(sink)
    world.snapshot(cursor="gone")
    for sink in ("vectors", "search"):
        world.deliver(sink)
    world.execute("DELETE FROM sync_logs")


def test_a_file_that_is_gone_is_forgotten_with_all_it_brought_once_every_sink_was_told(world):
    deleted_everywhere(world)

    assert forget(world, history=NOW) == {}
    assert forget(world) == {"files": 1}
    assert [world.rows(f"SELECT 1 FROM {table}") for table in ("files", "documents", "chunks", "deliveries")] == [[]] * 4


def test_a_file_that_is_gone_is_remembered_as_long_as_a_sink_was_not_told(world):
    world.snapshot(ref("a"))
    world.process()
    for sink in ("vectors", "search"):
        world.deliver(sink)
    world.snapshot(cursor="gone")
    world.deliver("search")

    forget(world)

    assert world.statuses() == {"a": "deleted"}
    assert [owed.put for owed in world.owed("vectors")] == [False]


def test_a_file_that_comes_back_after_it_was_forgotten_is_a_new_document(world):
    deleted_everywhere(world)
    forget(world)

    world.snapshot(ref("a"), cursor="back")
    world.process()

    assert len(world.deliver("vectors")) == 1
    assert world.delivery("a")["status"] == "delivered"


def test_files_inside_of_files_are_forgotten_from_the_inside(world, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 1)
    deleted_everywhere(world)
    world.execute("""
        INSERT INTO files (tenant_id, endpoint_id, parent_id, root_id, part_name, depth, path, version, media_type, window_day, status, deleted_at, first_sync)
        SELECT tenant_id, endpoint_id, id, id, 'inner', 1, path || '/inner', version, media_type, window_day, status, deleted_at, first_sync FROM files""")

    assert forget(world) == {"files": 2}


def test_a_file_is_not_forgotten_while_a_sink_is_owed_the_removal_of_one_inside(world):
    deleted_everywhere(world)
    world.execute("""
        WITH inner_file AS (
            INSERT INTO files (tenant_id, endpoint_id, parent_id, root_id, part_name, depth, path, version, media_type, window_day, status, deleted_at, first_sync)
            SELECT tenant_id, endpoint_id, id, id, 'inner', 1, path || '/inner', version, media_type, window_day, status, deleted_at, first_sync FROM files
            RETURNING *)
        INSERT INTO deliveries (file_id, sink, tenant_id, endpoint_id, status) SELECT id, 'vectors', tenant_id, endpoint_id, 'delivered' FROM inner_file""")

    assert forget(world) == {}


def test_of_sync_logs_the_newest_of_each_stage_stays(world):
    for stage in ("listing", "files", "listing"):
        with stage_log(world.database, world.endpoint, "run", stage):
            pass
    world.execute("UPDATE sync_logs SET started_at = %s", NOW)

    assert forget(world) == {"sync_logs": 1}
    assert sorted(r["stage"] for r in world.rows("SELECT stage FROM sync_logs")) == ["files", "listing"]


def test_failures_that_are_open_stay_and_resolved_ones_go(world):
    world.snapshot(ref("a"), ref("b"))
    world.save_failed(world.claim())
    world.execute("UPDATE failures SET resolved_at = %s WHERE item = 'a'", NOW)

    assert forget(world)["failures"] == 1
    assert [r["item"] for r in world.rows("SELECT item FROM failures")] == ["b"]


def test_handled_webhooks_and_sent_events_go_and_waiting_ones_stay(world):
    for delivery_id, done in (("1", NOW), ("2", None)):
        world.execute(
            "INSERT INTO webhook_inbox (tenant_id, connector_id, delivery_id, payload, done_at) SELECT tenant_id, id, %s, '{}', %s FROM connectors",
            delivery_id, done,
        )  # fmt: skip
        world.execute(
            "INSERT INTO outbox (tenant_id, subject, payload, sent_at) VALUES (%s, %s, '{}', %s)",
            world.endpoint.tenant_id,
            delivery_id,
            done,
        )

    assert forget(world) == {"webhook_inbox": 1, "outbox": 1}
    assert [r["subject"] for r in world.rows("SELECT subject FROM outbox")] == ["2"]


def test_a_vector_goes_when_no_text_has_its_hash_any_more(world):
    world.snapshot(ref("a"))
    world.process("kept", "kept too")
    world.execute("""
        INSERT INTO embeddings (tenant_id, model, content_hash, vector, created_at)
        SELECT tenant_id, 'm', h, '\\x00', '2026-01-01' FROM endpoints, (SELECT content_hash AS h FROM chunks UNION ALL SELECT '\\xdead') AS all_hashes""")

    assert forget(world) == {"embeddings": 1}
    assert len(world.rows("SELECT 1 FROM embeddings")) == 2


def test_a_dead_worker_that_holds_an_endpoint_stays_for_that_is_how_an_interrupted_sync_is_known(world):
    world.execute("INSERT INTO workers (run_id, host, pid) VALUES ('dead', 'h', 1), ('died holding', 'h', 2)")
    world.execute("UPDATE workers SET started_at = %s", NOW)
    world.execute("UPDATE endpoints SET holder = (SELECT id FROM workers WHERE run_id = 'died holding')")

    assert forget(world) == {"workers": 1}
    assert {r["run_id"] for r in world.rows("SELECT run_id FROM workers")} == {"run", "died holding"}
    assert acts.reasons(world) == {"docs": "interrupted"}


def test_the_audit_log_has_its_own_time_and_keeps_what_the_file_was_last(world):
    for digest in ("first", "second"):
        with world.database.operator() as tx:
            configuration.remember_applied(tx, digest, actor="tester")
    world.apply(ConnectorsFile())
    world.execute("UPDATE audit_log SET at = %s", NOW)

    assert "audit_log" not in forget(world, audit=NOW)
    assert forget(world)["audit_log"] >= 2
    with world.database.operator() as tx:
        assert configuration.applied_digest(tx) == "second"


@pytest.mark.parametrize("batch", [2, 3])
def test_many_rows_go_in_pieces(world, monkeypatch, batch):
    monkeypatch.setattr(retention, "BATCH", batch)
    world.snapshot(*(ref(f"f{n}") for n in range(6)))
    world.save_failed(world.claim())
    world.execute("UPDATE failures SET resolved_at = %s", NOW)

    assert forget(world)["failures"] == 6
