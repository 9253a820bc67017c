"""What the tests of scheduling do to a world, each in a transaction of its own."""

from __future__ import annotations

from connector_pipelines.store.catalog import scheduling
from tests.catalog_world import NOW


def due(world, now=NOW, kind="local_folder"):
    with world.database.operator() as tx:
        return scheduling.due(tx, kind, now)


def reasons(world, now=NOW):
    return {d.slug: d.reason for d in due(world, now)}


def begin(world, now=NOW):
    with world.database.operator() as tx:
        scheduling.begin(tx, world.endpoint.id, world.find("docs").schedule, now)


def finish(world, *, started_at=NOW, now=None, error=None, stops=False, retry_at=None):
    with world.database.operator() as tx:
        scheduling.finish(tx, world.endpoint.id, started_at=started_at, now=now or started_at, error=error, stops=stops, retry_at=retry_at)


def request(world, now=NOW, slug="docs"):
    with world.database.operator() as tx:
        scheduling.request(tx, slug, now)


def hold(world, by=None):
    with world.database.operator() as tx:
        return scheduling.hold(tx, world.endpoint.id, by or world.worker)


def release(world, by=None):
    with world.database.operator() as tx:
        scheduling.release(tx, world.endpoint.id, by or world.worker)


def endpoint(world):
    return world.rows("SELECT * FROM endpoints WHERE slug = 'docs'")[0]
