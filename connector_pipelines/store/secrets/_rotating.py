"""Sealing anew what an older key seals, while everything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.store.catalog.database import Database
from connector_pipelines.store.catalog.sealed import (
    SEALED_TABLES,
    SealedRow,
    SealedTable,
    key_ids_in_use,
    note,
    replace_seal,
    sealed_under_others,
)
from connector_pipelines.store.sealing import Sealer

__all__ = ["Rotated", "rotate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """What a rotation did.

    Attributes:
        resealed: Rows by table.
        unreadable: What is wrong with each row that none of our keys opens, by its place.
        in_use: How many rows each key seals now. A key that is not in it may be taken away.
    """

    key_id: str
    resealed: Mapping[SealedTable, int]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    in_use: Mapping[str, int] = field(default_factory=dict)


def rotate(database: Database, sealer: Sealer, *, actor: str) -> Rotated:
    """Seal every row under the first key that another one seals.

    Each row by itself, and only if nobody changed it meanwhile: a token that is refreshed at the same moment is newer, and stays.

    Raises:
        ConfigurationError: There is no key.
    """
    key_id, unreadable = sealer.key_id, dict[str, str]()
    resealed = {table: _rotate(database, sealer, table, unreadable) for table in SEALED_TABLES}
    with database.operator() as tx:
        note(tx, actor, "secrets_rotated", key_id, {"resealed": resealed, "unreadable": len(unreadable)})
        in_use = key_ids_in_use(tx)
    return Rotated(key_id=key_id, resealed=resealed, unreadable=unreadable, in_use=in_use)


def _rotate(database: Database, sealer: Sealer, table: SealedTable, unreadable: dict[str, str]) -> int:
    resealed = 0
    while True:
        with database.operator() as tx:
            rows = [row for row in sealed_under_others(tx, table, sealer.key_id) if f"{table}/{row.name}" not in unreadable]
        if not rows:
            return resealed
        for row in rows:
            resealed += _resealed(database, sealer, table, row, unreadable)


def _resealed(database: Database, sealer: Sealer, table: SealedTable, row: SealedRow, unreadable: dict[str, str]) -> bool:
    place = f"{table}/{row.name}"
    try:
        plaintext = sealer.open(row.key_id, row.sealed, place=place)
    except ConfigurationError as error:
        unreadable[place] = str(error)
        return False
    key_id, sealed = sealer.seal(plaintext, place=place)
    with database.operator() as tx:
        return replace_seal(tx, table, row, SealedRow(row.name, key_id, sealed))
