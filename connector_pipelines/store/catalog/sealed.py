"""The rows of what is sealed: secrets of the installation and tokens of connectors; and who asked for a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from psycopg.types.json import Jsonb

from connector_pipelines.store.catalog.database import Transaction

__all__ = [
    "SEALED_TABLES", "SealedRow", "SealedTable", "StoredSecret", "delete_secret", "key_ids_in_use", "note", "put_secret", "replace_seal",
    "sealed_secret", "sealed_under_others", "stored_secrets",
]  # fmt: skip

SealedTable = Literal["secrets", "tokens"]
SEALED_TABLES: Mapping[SealedTable, str] = {
    "secrets": "name",
    "tokens": "(connector_id || CASE WHEN subject = '' THEN '' ELSE '/' || subject END)",
}
"""Tables with `key_id` and `sealed`, and what names a row: with the table's name before it, its place in `store.sealing`."""


@dataclass(frozen=True, slots=True)
class SealedRow:
    """What is sealed, and under which key. `name` is the row's, as text."""

    name: str
    key_id: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """What may be told of a secret."""

    name: str
    key_id: str
    updated_at: datetime


def sealed_secret(tx: Transaction, name: str) -> SealedRow | None:
    row = tx.execute("SELECT name, key_id, sealed FROM secrets WHERE name = %s", [name]).fetchone()
    return SealedRow(row["name"], row["key_id"], bytes(row["sealed"])) if row else None


def stored_secrets(tx: Transaction) -> tuple[StoredSecret, ...]:
    """All of them by name, without what is sealed."""
    return tuple(StoredSecret(**row) for row in tx.execute("SELECT name, key_id, updated_at FROM secrets ORDER BY name").fetchall())


def put_secret(tx: Transaction, row: SealedRow, *, actor: str) -> bool:
    """Store it; whether there was none of that name before."""
    stored = tx.execute(
        """INSERT INTO secrets AS s (name, key_id, sealed) VALUES (%s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed, updated_at = now()
           RETURNING (xmax = 0) AS is_new""",
        [row.name, row.key_id, row.sealed],
    ).fetchone()
    note(tx, actor, "secret_set", f"store:{row.name}", {"key_id": row.key_id})
    return bool(stored and stored["is_new"])


def delete_secret(tx: Transaction, name: str, *, actor: str) -> bool:
    """Whether there was one."""
    gone = tx.execute("DELETE FROM secrets WHERE name = %s", [name]).rowcount == 1
    if gone:
        note(tx, actor, "secret_removed", f"store:{name}")
    return gone


def sealed_under_others(tx: Transaction, table: SealedTable, key_id: str) -> tuple[SealedRow, ...]:
    """The rows that another key than `key_id` seals."""
    rows = tx.execute(
        f"SELECT {SEALED_TABLES[table]}::text AS name, key_id, sealed FROM {table} WHERE key_id <> %s ORDER BY 1", [key_id]
    ).fetchall()
    return tuple(SealedRow(row["name"], row["key_id"], bytes(row["sealed"])) for row in rows)


def replace_seal(tx: Transaction, table: SealedTable, before: SealedRow, after: SealedRow) -> bool:
    """Whether the row was still as in `before`; where it was not, whoever changed it has sealed something newer."""
    updated = tx.execute(
        f"UPDATE {table} SET key_id = %s, sealed = %s WHERE {SEALED_TABLES[table]}::text = %s AND sealed = %s",
        [after.key_id, after.sealed, before.name, before.sealed],
    )
    return updated.rowcount == 1


def key_ids_in_use(tx: Transaction) -> Mapping[str, int]:
    """How many rows each key seals."""
    each = " UNION ALL ".join(f"SELECT key_id FROM {table} WHERE key_id IS NOT NULL" for table in SEALED_TABLES)
    rows = tx.execute(f"SELECT key_id, count(*) AS n FROM ({each}) AS sealed GROUP BY key_id ORDER BY key_id").fetchall()
    return {row["key_id"]: row["n"] for row in rows}


def note(tx: Transaction, actor: str, action: str, subject: str, details: Mapping[str, object] | None = None) -> None:
    """A line of the audit log that is no tenant's."""
    tx.execute(
        "INSERT INTO audit_log (actor, action, subject, details) VALUES (%s, %s, %s, %s)",
        [actor, action, subject, Jsonb(dict(details or {}))],
    )
