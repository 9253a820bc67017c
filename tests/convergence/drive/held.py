"""What is held of an endpoint: its folders and files in the catalog, and its documents in the catalog and both sinks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from connector_pipelines.store.catalog.database import scoped
from tests.convergence.holding import Document, documents

__all__ = ["FileRow", "Held", "held"]

_FOLDERS = """
SELECT f.external_id, f.parent, f.path, f.target FROM folders f JOIN endpoints e ON e.id = f.endpoint_id WHERE e.slug = %s
"""
_FILES = """
SELECT f.external_id, f.folder, f.status, f.path, coalesce(f.reason, '') AS reason,
       round(extract(epoch FROM f.source_modified_at) * 1000000)::bigint AS modified
FROM files f JOIN endpoints e ON e.id = f.endpoint_id WHERE e.slug = %s AND f.status <> 'deleted'
"""
_WHOLE = """
SELECT extract(epoch FROM max(l.started_at)) AS at FROM sync_logs l JOIN endpoints e ON e.id = l.endpoint_id
WHERE e.slug = %s AND l.stage = 'listing' AND (l.counts ->> 'complete')::int = 1
"""


@dataclass(frozen=True, slots=True)
class FileRow:
    """Of one that is not deleted."""

    status: str
    path: str
    reason: str
    modified_at_micros: int | None


@dataclass(frozen=True, slots=True)
class Held:
    """By id; documents by who holds them first.

    Attributes:
        folders: Their paths.
        by_shortcut: Ids of files and folders that lie below a shortcut.
        failed: Ids of files that failed.
        above: What each file and folder lies in.
        whole_at: When everything was read whole the last time, in seconds since 1970; 0 if never.
    """

    folders: Mapping[str, str]
    files: Mapping[str, FileRow]
    documents: Mapping[str, Mapping[str, Document]]
    by_shortcut: frozenset[str]
    failed: frozenset[str]
    above: Mapping[str, str | None]
    whole_at: float

    def over(self, one: str) -> set[str]:
        """It and the folders above it, as they are held."""
        found: set[str] = set()
        here: str | None = one
        while here is not None and here not in found:
            found.add(here)
            here = self.above.get(here)
        return found


def held(connection: psycopg.Connection[Any], endpoint: str) -> Held:
    """`connection` gives rows as dictionaries, and commits by itself."""
    with scoped(connection, None) as tx:
        folders = {row["external_id"]: row for row in tx.execute(_FOLDERS, [endpoint]).fetchall()}
        files = {row["external_id"]: row for row in tx.execute(_FILES, [endpoint]).fetchall()}
        whole = tx.execute(_WHOLE, [endpoint]).fetchall()
    above = {one: row["parent"] for one, row in folders.items()} | {one: row["folder"] for one, row in files.items()}
    targets = {one for one, row in folders.items() if row["target"] is not None}
    there = Held(
        folders={one: row["path"] for one, row in folders.items() if row["parent"] is not None},
        files={one: FileRow(row["status"], row["path"], row["reason"], row["modified"]) for one, row in files.items()},
        documents=documents(connection, endpoint).by_holder,
        by_shortcut=frozenset(),
        failed=frozenset(one for one, row in files.items() if row["status"] == "failed"),
        above=above,
        whole_at=float(whole[0]["at"] or 0),
    )
    return replace(there, by_shortcut=frozenset(one for one in above if targets & (there.over(one) - {one})))
