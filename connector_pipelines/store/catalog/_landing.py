"""Contents that came with a listing: many of them in one object, and for each a row that says where in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Transaction, integers

__all__ = ["PACK_BYTES", "Land", "land_contents"]

Land = Callable[[bytes], str]
"""Stores bytes as an object, whole and durable, and gives its key."""

PACK_BYTES = 32 * 1024**2
"""Content that is written at once, in memory until then; one object holds no more, unless one item alone has."""

_Place = tuple[int, int, int]
"""Number of an item in its batch, of the object that has its content (from 1), and where in that it begins."""


def land_contents(tx: Transaction, endpoint: Endpoint, now: datetime, contents: Sequence[tuple[int, bytes]], land: Land) -> None:
    """Land the contents of these items of the batch that was merged, by their numbers in it; each content is there once.

    They are in their objects before the transaction that says so commits. An object of which none does is swept up some night.
    """
    keys: list[str] = []
    places: list[_Place] = []
    for pack in _packs(contents):
        keys.append(land(b"".join(content for _, content in pack)))
        places += _places(pack, len(keys))
    tx.execute(
        """INSERT INTO blobs (tenant_id, sha256, key, position, size, stored_at)
           SELECT %(tenant)s, p.sha256, (%(keys)s::text[])[l.pack], l.position, p.size, %(now)s
           FROM unnest(%(numbers)s::int[], %(packs)s::int[], %(positions)s::bigint[]) AS l(n, pack, position) JOIN page p ON p.n = l.n
           ORDER BY p.sha256 ON CONFLICT (tenant_id, sha256) DO NOTHING""",
        {
            "tenant": endpoint.tenant_id, "now": now, "keys": keys, "numbers": integers(n for n, _, _ in places),
            "packs": integers(pack for _, pack, _ in places), "positions": integers(position for _, _, position in places),
        },
    )  # fmt: skip


def _packs(contents: Sequence[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    pack: list[tuple[int, bytes]] = []
    size = 0
    for number, content in contents:
        if pack and size + len(content) > PACK_BYTES:
            yield pack
            pack, size = [], 0
        pack.append((number, content))
        size += len(content)
    if pack:
        yield pack


def _places(pack: Sequence[tuple[int, bytes]], number: int) -> Iterator[_Place]:
    position = 0
    for item, content in pack:
        yield item, number, position
        position += len(content)
