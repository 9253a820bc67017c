"""What the tests of parts do to a world, and what they look at."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from connector_pipelines.core.types import FileRef
from connector_pipelines.store.catalog import failures, work
from connector_pipelines.store.catalog.parts import StoredPart
from tests.catalog_world import World, extracted, ref

EVERYTHING = dict.fromkeys(("beside", "mail", "mail/all.zip", "mail/all.zip/deep.txt", "mail/note.txt"), "extracted")
ALONE = {"beside": "extracted"}


def message(version: str = "1", **facts: object) -> FileRef:
    return ref("mail", version, url="https://mail/1", **facts)


def part(name: str, body: str = "", **facts: object) -> StoredPart:
    digest = sha256((body or name).encode()).digest()
    known = {"media_type": "text/plain", "modified_at": None, "sha256": digest, "key": digest.hex(), "size": len(body or name)}
    return StoredPart(name=name, **known | facts)


def holding(file: work.Claimed, *parts: StoredPart, **others: object) -> work.Extracted:
    return replace(extracted(file), parts=parts, **others)


def save(world: World, *done: work.Extracted) -> work.SavedDocuments:
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        return work.save_extracted(tx, world.endpoint, done, world.now)


def unpack(world: World, path: str, *parts: StoredPart) -> None:
    """Extract the file of that path, which waits: these are inside it."""
    world.save_stored(world.claim("listed"))
    (file,) = [c for c in world.claim("stored") if c.ref.path == path]
    save(world, holding(file, *parts))
    world.execute("UPDATE files SET claimed_by = NULL")


def read_all(world: World) -> None:
    """Extract everything else that waits: nothing is inside."""
    world.process()


def tree(world: World) -> dict[str, str]:
    """Status by path of everything that is not deleted."""
    return {r["path"]: r["status"] for r in world.rows("SELECT path, status FROM files WHERE status <> 'deleted' ORDER BY path")}


def row(world: World, path: str) -> dict:
    (found,) = world.rows("SELECT * FROM files WHERE path = %s", path)
    return found


def open_failures(world: World) -> dict[str, str]:
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        return {f.item: f.code for f in failures.failures_of(tx)}
