"""Who holds an endpoint, for how long, and who is alive."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import timedelta

from connector_pipelines.core.config import ConnectorsFile
from connector_pipelines.store.catalog.workers import CLASS_ID, worker
from tests.catalog_world import NOW, at_once
from tests.store.acts import due, hold, reasons, release, request

LATER = NOW + timedelta(hours=1)

HOLD_AND_WAIT = """
import sys
from pydantic import SecretStr
from connector_pipelines.store.catalog import scheduling
from connector_pipelines.store.catalog.database import Database
from connector_pipelines.store.catalog.workers import worker
url, endpoint_id = sys.stdin.readline().split()
database = Database(SecretStr(url))
with worker(database, "child") as me:
    with database.operator() as tx:
        assert scheduling.hold(tx, endpoint_id, me)
    print(me.id, flush=True)
    sys.stdin.readline()
"""


@contextmanager
def child_that_holds(world):
    """Another process that holds the endpoint, and its worker's id."""
    with subprocess.Popen([sys.executable, "-c", HOLD_AND_WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        child.stdin.write(f"{world.database.url.get_secret_value()} {world.endpoint.id}\n")
        child.stdin.flush()
        yield child, int(child.stdout.readline())


def wait_for_the_end_of(world, worker_id):
    """Blocks until the server has noticed that the worker's connection is gone."""
    with world.database.operator() as tx:
        tx.execute("SET LOCAL statement_timeout = '20s'")
        tx.execute("SELECT pg_advisory_lock(%s, %s)", [CLASS_ID, worker_id])
        tx.execute("SELECT pg_advisory_unlock(%s, %s)", [CLASS_ID, worker_id])


# holding


def test_only_one_worker_holds_an_endpoint(world):
    with worker(world.database, "other") as other:
        assert hold(world)
        assert not hold(world, other)
        assert hold(world)

        release(world, other)
        assert not hold(world, other)
        release(world)
        assert hold(world, other)


def test_of_several_that_grab_at_once_one_holds(world):
    got = []
    together = threading.Barrier(6)

    def grab():
        with worker(world.database, "grab") as me:
            together.wait()
            taken = hold(world, me)
            together.wait()
            got.append(taken)

    at_once(*[grab] * 6)

    assert sorted(got) == [False] * 5 + [True]


def test_what_a_live_worker_holds_is_not_due(world):
    request(world)
    hold(world)

    assert due(world) == []


def test_a_worker_that_ended_without_letting_go_leaves_the_endpoint_due(world):
    with worker(world.database, "short") as other:
        hold(world, other)

    assert reasons(world) == {"docs": "interrupted"}
    assert hold(world)


def test_a_process_that_is_killed_holds_nothing_from_then_on(world):
    request(world)
    with child_that_holds(world) as (child, worker_id):
        assert due(world) == []
        assert not hold(world)

        child.send_signal(signal.SIGKILL)
        wait_for_the_end_of(world, worker_id)

        assert reasons(world) == {"docs": "requested"}
        assert hold(world)


def test_with_nothing_configured_nothing_is_due(world):
    world.apply(ConnectorsFile())

    assert due(world, LATER) == []
