"""How the installation forgets what is over: rows of its history, then the bytes that nothing refers to any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from connector_pipelines.pipeline.session import Services
from connector_pipelines.store.catalog import retention
from connector_pipelines.store.catalog.administration import unknown_objects, unreferenced_blobs
from connector_pipelines.store.catalog.workers import Worker, worker

__all__ = ["Forgotten", "forget_history"]

PATIENCE_S = 30.0
"""How long new runs may be kept waiting for those that are at work to end, so that objects can be deleted."""

OBJECTS = 2_000
"""Objects deleted while no run may begin: some seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What went.

    Attributes:
        rows: By table.
        objects: Stored objects that no file refers to any more, and those nobody ever spoke of.
        bytes: Of those; of an object with many blobs, of the last that were referred to.
        left: Whether some were left because runs are at work; they go another night.
    """

    rows: Mapping[str, int]
    objects: int
    bytes: int
    left: bool


def forget_history(services: Services, run_id: str, now: datetime, *, patience_s: float = PATIENCE_S) -> Forgotten:
    """Forget what is older than the settings keep. May be stopped anywhere and run again."""
    settings = services.settings
    rows = retention.forget_before(services.database, now - settings.keep_history, now - settings.keep_audit)
    sizes: list[int] = []
    with worker(services.database, run_id) as me:
        left = not all(_delete_objects(services, me, tenant_id, sizes, patience_s) for tenant_id in _tenants(services))
    return Forgotten(rows=rows, objects=len(sizes), bytes=sum(sizes), left=left)


def _tenants(services: Services) -> list[str]:
    with services.database.operator() as tx:
        return retention.tenant_ids(tx)


def _delete_objects(services: Services, me: Worker, tenant_id: str, sizes: list[int], patience_s: float) -> bool:
    """Delete the tenant's, noting their sizes; false where others are at work and do not end.

    A file that is being downloaded refers to its object only when it is done, so nobody may be downloading.
    """
    while True:
        with services.database.operator() as tx:
            if not retention.wait_until_alone(tx, me, patience_s):
                return False
            found = unreferenced_blobs(tx, tenant_id, objects=OBJECTS)
            services.blobs.delete(key for key, _ in found.objects)
        sizes += [size for _, size in found.objects]
        if found.looked_at < OBJECTS:
            return _delete_unknown(services, me, tenant_id, sizes, patience_s)


def _delete_unknown(services: Services, me: Worker, tenant_id: str, sizes: list[int], patience_s: float) -> bool:
    """Delete objects that no row speaks of. Looked for while others are at work, and looked at again when none is."""
    for keys in _batches(services.blobs.keys(tenant_id), OBJECTS):
        with services.database.operator() as tx:
            strangers = unknown_objects(tx, keys)
        if not strangers:
            continue
        with services.database.operator() as tx:
            if not retention.wait_until_alone(tx, me, patience_s):
                return False
            strangers = unknown_objects(tx, strangers)
            sizes += [services.blobs.size(key) or 0 for key in strangers]
            services.blobs.delete(strangers)
    return True


def _batches(keys: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(keys)
    while batch := list(islice(rest, size)):
        yield batch
