"""What a delta says is gone: what it names, what lies in a folder it names, and what it does not name where it names all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connector_pipelines.core.types import Below, Change, Folder, Upserted
from connector_pipelines.net.postgres import storable
from connector_pipelines.store.catalog.database import Transaction, by_index
from connector_pipelines.store.catalog.parts import delete_parts

__all__ = ["Gone", "delete_files", "find_gone"]


@dataclass(frozen=True, slots=True)
class Gone:
    """Ids of what is gone.

    Attributes:
        settled: Paths of which all is known now, the folder being gone or all below it having been named.
    """

    files: Sequence[str] = ()
    folders: Sequence[str] = ()
    settled: Sequence[str] = ()


def find_gone(tx: Transaction, endpoint_id: str, changes: Sequence[Change], deleted: Sequence[str]) -> Gone:
    """What is gone by `changes`, of which all else was written: `deleted` are the ids that were said to be, and not to be there again since."""
    places = {storable(c.id): (number, c) for number, c in enumerate(changes) if isinstance(c, Below)}
    if not (deleted or places):
        return Gone()
    known = tx.execute("SELECT EXISTS (SELECT FROM folders WHERE endpoint_id = %s) AS yes", [endpoint_id]).fetchone()
    if not (known and known["yes"]):
        return Gone([*deleted, *_absent_by_id(tx, endpoint_id, changes, places)])
    with by_index(tx):
        taken = _taken_along(tx, endpoint_id, deleted) if deleted else Gone()
        folders = _paths_of(tx, endpoint_id, list(places)) if places else {}
        left = _absent_in_folders(tx, endpoint_id, changes, {each: places[each] for each in folders})
    by_id = _absent_by_id(tx, endpoint_id, changes, {each: place for each, place in places.items() if each not in folders})
    return Gone([*deleted, *taken.files, *left.files, *by_id], [*taken.folders, *left.folders], [*taken.settled, *folders.values()])


def delete_files(tx: Transaction, endpoint_id: str, external_ids: Sequence[str], now: datetime) -> int:
    """Mark these as deleted, with what is inside them; how many were there."""
    found = tx.execute(
        """WITH gone AS (SELECT id FROM files WHERE endpoint_id = %(endpoint)s AND external_id = ANY(%(ids)s) AND status <> 'deleted'
                          ORDER BY id FOR UPDATE)
           UPDATE files f SET status = 'deleted', reason = NULL, deleted_at = %(now)s, changed_at = %(now)s, generation = generation + 1,
                  attempts = 0, retry_at = NULL, claimed_by = NULL
           FROM gone WHERE f.id = gone.id RETURNING f.id""",
        {"endpoint": endpoint_id, "ids": list(map(storable, external_ids)), "now": now},
    ).fetchall()
    tx.execute("UPDATE failures SET resolved_at = %s WHERE file_id = ANY(%s) AND resolved_at IS NULL", [now, [r["id"] for r in found]])
    delete_parts(tx, [r["id"] for r in found], now)
    return len(found)


def _taken_along(tx: Transaction, endpoint_id: str, deleted: Sequence[str]) -> Gone:
    """What lies below those of the ids that are folders, and these themselves."""
    rows = tx.execute(
        """WITH RECURSIVE gone(id) AS (
               SELECT unnest(%(ids)s::text[])
               UNION
               SELECT f.external_id FROM gone g JOIN folders f ON f.endpoint_id = %(endpoint)s AND f.parent = g.id
           )
           SELECT g.id, f.path FROM gone g LEFT JOIN folders f ON f.endpoint_id = %(endpoint)s AND f.external_id = g.id""",
        {"ids": list(map(storable, deleted)), "endpoint": endpoint_id},
    ).fetchall()
    # A file may lie in a folder that was never told.
    files = [file for file, _ in _files_in(tx, endpoint_id, [row["id"] for row in rows])]
    folders = {row["id"]: row["path"] for row in rows if row["path"] is not None}
    return Gone(files, list(folders), list(folders.values()))


def _absent_in_folders(tx: Transaction, endpoint_id: str, changes: Sequence[Change], places: Mapping[str, tuple[int, Below]]) -> Gone:
    """What lies below these folders and is neither named there nor came since."""
    if not places:
        return Gone()
    rows = tx.execute(
        """WITH RECURSIVE below(id, parent) AS (
               SELECT p, NULL::text FROM unnest(%(ids)s::text[]) AS p
               UNION
               SELECT f.external_id, f.parent FROM below b JOIN folders f ON f.endpoint_id = %(endpoint)s AND f.parent = b.id
           )
           SELECT id, parent FROM below WHERE parent IS NOT NULL""",
        {"ids": list(places), "endpoint": endpoint_id},
    ).fetchall()
    inside: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        inside[row["parent"]].append(row["id"])
    holding: dict[str, list[str]] = defaultdict(list)
    for file, folder in _files_in(tx, endpoint_id, [*places, *(row["id"] for row in rows)]):
        holding[folder].append(file)
    since = _named_at(changes)
    files, folders = set[str](), set[str]()
    for place, (number, below) in places.items():
        named = set(map(storable, below.ids))
        for folder in _below(place, inside, came_since={i for i, at in since.items() if at > number} - named):
            folders.update({folder} - named - {place})
            files.update(file for file in holding[folder] if file not in named and since.get(file, -1) < number)
    return Gone(list(files), list(folders))


def _below(place: str, inside: Mapping[str, Sequence[str]], came_since: set[str]) -> Iterator[str]:
    """The folder, and those below it, but for those that came since and what lies in them."""
    seen, waiting = {place}, [place]
    while waiting:
        folder = waiting.pop()
        yield folder
        more = [each for each in inside.get(folder, ()) if each not in seen and each not in came_since]
        seen.update(more)
        waiting += more


def _absent_by_id(tx: Transaction, endpoint_id: str, changes: Sequence[Change], places: Mapping[str, tuple[int, Below]]) -> list[str]:
    """The known ids that begin with a place and a slash, and that its last `Below` does not name; what was named after it is there."""
    named = _named_at(changes) if places else {}
    by_depth: dict[int, list[str]] = {}
    for place in places:
        by_depth.setdefault(place.count("/") + 1, []).append(place)
    found = []
    for depth, at_depth in by_depth.items():
        # One look at the endpoint's rows for all places of a depth: a range for each would need an index by bytes.
        rows = tx.execute(
            """SELECT external_id, array_to_string(way[1:%(depth)s], '/') AS place FROM files f, string_to_array(f.external_id, '/') AS way
               WHERE f.endpoint_id = %(endpoint)s AND f.status <> 'deleted' AND f.parent_id IS NULL AND cardinality(way) > %(depth)s
                 AND array_to_string(way[1:%(depth)s], '/') = ANY(%(places)s)
                 AND f.external_id <> ALL(%(ids)s) AND array_to_string(way[1:%(depth)s + 1], '/') <> ALL(%(ids)s)""",
            {
                "endpoint": endpoint_id, "depth": depth, "places": at_depth,
                "ids": [storable(each) for place in at_depth for each in places[place][1].ids],
            },
        ).fetchall()  # fmt: skip
        found += [row["external_id"] for row in rows if named.get(row["external_id"], -1) < places[row["place"]][0]]
    return found


def _named_at(changes: Sequence[Change]) -> dict[str, int]:
    """Where in the batch each item was last said to be there."""
    there = (
        (number, c.ref.id if isinstance(c, Upserted) else c.id) for number, c in enumerate(changes) if isinstance(c, (Upserted, Folder))
    )
    return {storable(each): number for number, each in there}


def _paths_of(tx: Transaction, endpoint_id: str, ids: Sequence[str]) -> dict[str, str]:
    """By id, the paths of those that are folders."""
    rows = tx.execute(
        "SELECT external_id, path FROM folders WHERE endpoint_id = %s AND external_id = ANY(%s)", [endpoint_id, list(ids)]
    ).fetchall()
    return {row["external_id"]: row["path"] for row in rows}


def _files_in(tx: Transaction, endpoint_id: str, folders: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The files directly in these folders, each with its folder."""
    rows = tx.execute(
        """SELECT f.external_id, f.folder FROM unnest(%s::text[]) AS g(id)
           JOIN files f ON f.endpoint_id = %s AND f.folder = g.id WHERE f.status <> 'deleted'""",
        [list(folders), endpoint_id],
    )
    return ((row["external_id"], row["folder"]) for row in rows.fetchall())
