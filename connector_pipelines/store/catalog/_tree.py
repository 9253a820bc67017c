"""Folders a listing tells, into rows of `folders`, and what follows from where they lie: the paths of all that is below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from connector_pipelines.core.access import Acl
from connector_pipelines.core.types import Folder
from connector_pipelines.net.postgres import storable_json
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Transaction, by_index, copy_into

__all__ = ["TABLES", "Placed", "acl_json", "follow", "forget", "forget_unnamed", "path_in", "place"]

_COLUMNS = ("external_id", "parent", "path", "target", "acl")

# As in `_named`: what is being written, and what the snapshot named so far.
TABLES = f"""
    CREATE TEMPORARY TABLE page_folders ON COMMIT DELETE ROWS AS SELECT {", ".join(_COLUMNS)} FROM folders WITH NO DATA;
    CREATE TEMPORARY TABLE named_folders (external_id text);
"""


@dataclass(frozen=True, slots=True)
class Placed:
    """Folders that lie elsewhere than before, or are new, with those below them.

    Attributes:
        paths: By id, the path each has now.
        left: Paths some of them had before.
    """

    paths: Mapping[str, str] = field(default_factory=dict)
    left: Sequence[str] = ()


def place(tx: Transaction, endpoint: Endpoint, told: Sequence[Folder], *, snapshot: bool) -> Placed:
    """Write what differs from what is known of folders; each of `told` is there once.

    Where a folder lies in one that has another path now, its path is that one's and its own name, whatever it was said to be: it may
    have been said before the other was renamed.
    """
    if not told:
        return Placed()
    copy_into(tx, "page_folders", _COLUMNS, ((f.id, f.parent, f.path, f.target, acl_json(f.acl)) for f in told))
    if snapshot:
        tx.execute("INSERT INTO named_folders SELECT external_id FROM page_folders")
    values: dict[str, Any] = {"endpoint": endpoint.id, "tenant": endpoint.tenant_id}
    with by_index(tx):
        moved = tx.execute(_WRITE, values).fetchall()
        below = tx.execute(_BELOW, values | {"ids": [row["external_id"] for row in moved]}).fetchall() if moved else []
        known = {row["external_id"]: row for row in (*below, *moved)}
        paths = _paths({each: (row["parent"], row["path"]) for each, row in known.items()})
        amended = {each: path for each, path in paths.items() if path != known[each]["path"]}
        if amended:
            tx.execute(_AMEND, values | {"ids": list(amended), "paths": list(amended.values())})
    elsewhere = {row["external_id"] for row in moved} | amended.keys()
    left = [row["was"] for each, row in known.items() if each in elsewhere and row["was"] is not None]
    return Placed({each: paths[each] for each in elsewhere}, left)


def follow(tx: Transaction, endpoint: Endpoint, placed: Placed, now: datetime) -> list[int]:
    """Give the files in those folders the path that follows, as if each had been renamed; ids of those that had another."""
    if not placed.paths:
        return []
    values = {"endpoint": endpoint.id, "ids": list(placed.paths), "paths": list(placed.paths.values()), "now": now}
    with by_index(tx):
        return [row["id"] for row in tx.execute(_FOLLOW, values).fetchall()]


def forget(tx: Transaction, endpoint_id: str, ids: Sequence[str]) -> None:
    if ids:
        tx.execute("DELETE FROM folders WHERE endpoint_id = %s AND external_id = ANY(%s)", [endpoint_id, list(ids)])


def forget_unnamed(tx: Transaction, endpoint_id: str, unlistable: Sequence[str]) -> None:
    """At the end of a snapshot: forget the folders it did not name, but for those in parts that could not be enumerated."""
    tx.execute(
        """DELETE FROM folders f WHERE f.endpoint_id = %s AND NOT EXISTS (SELECT FROM named_folders n WHERE n.external_id = f.external_id)
           AND NOT EXISTS (SELECT FROM unnest(%s::text[]) p WHERE p = '' OR f.path = p OR starts_with(f.path, p || '/'))""",
        [endpoint_id, list(unlistable)],
    )


def path_in(folder: str, path: str) -> str:
    """The path of what was at `path` and now lies in `folder`."""
    name = path.rsplit("/", 1)[-1]
    return f"{folder}/{name}" if folder else name


def acl_json(acl: Acl | None) -> Jsonb | None:
    return None if acl is None else Jsonb(storable_json(acl.as_json()))


def _paths(lying: Mapping[str, tuple[str | None, str]]) -> dict[str, str]:
    """The path of each, given the folder it lies in and the path it was said to have: said is what the outermost of them have.

    Folders that were moved into each other, one of which has not been told yet, lie in a ring; then one of them keeps what was said.
    """
    found: dict[str, str] = {}
    for each in lying:
        way: list[str] = []
        up: str | None = each
        while up is not None and up in lying and up not in found and up not in way:
            way.append(up)
            up = lying[up][0]
        for one in reversed(way):
            parent, said = lying[one]
            found[one] = path_in(found[parent], said) if parent in found else said
    return found


_WRITE = """
    WITH differing AS (
        SELECT p.*, f.path AS was FROM page_folders p LEFT JOIN folders f ON f.endpoint_id = %(endpoint)s AND f.external_id = p.external_id
        WHERE f.external_id IS NULL OR (p.parent, p.path, p.target, p.acl) IS DISTINCT FROM (f.parent, f.path, f.target, f.acl)
    ), written AS (
        INSERT INTO folders (endpoint_id, tenant_id, external_id, parent, path, target, acl)
        SELECT %(endpoint)s, %(tenant)s, external_id, parent, path, target, acl FROM differing ORDER BY external_id
        ON CONFLICT (endpoint_id, external_id) DO UPDATE SET
            parent = excluded.parent, path = excluded.path, target = excluded.target, acl = excluded.acl
    )
    SELECT external_id, parent, path, was FROM differing WHERE was IS DISTINCT FROM path
"""

# UNION, so that a ring comes to an end.
_BELOW = """
    WITH RECURSIVE below AS (
        SELECT f.external_id, f.parent, f.path FROM unnest(%(ids)s::text[]) AS m(id)
        JOIN folders f ON f.endpoint_id = %(endpoint)s AND f.parent = m.id
        UNION
        SELECT f.external_id, f.parent, f.path FROM below b JOIN folders f ON f.endpoint_id = %(endpoint)s AND f.parent = b.external_id
    )
    SELECT external_id, parent, path, path AS was FROM below
"""

_AMEND = """
    UPDATE folders f SET path = t.path FROM unnest(%(ids)s::text[], %(paths)s::text[]) AS t(id, path)
    WHERE f.endpoint_id = %(endpoint)s AND f.external_id = t.id
"""

# As `parts._FOLLOW`: rows are locked in order of id.
_FOLLOW = """
    WITH following AS (
        SELECT f.id, t.path || substring(f.path FROM '[^/]*$') AS path
        FROM (SELECT id, CASE path WHEN '' THEN '' ELSE path || '/' END AS path FROM unnest(%(ids)s::text[], %(paths)s::text[]) AS m(id, path)) t
        JOIN files f ON f.endpoint_id = %(endpoint)s AND f.folder = t.id
        WHERE f.status <> 'deleted' AND f.path <> t.path || substring(f.path FROM '[^/]*$')
        ORDER BY f.id FOR NO KEY UPDATE OF f
    )
    UPDATE files f SET path = t.path, generation = f.generation + 1, changed_at = %(now)s, claimed_by = NULL
    FROM following t WHERE f.id = t.id RETURNING f.id
"""
