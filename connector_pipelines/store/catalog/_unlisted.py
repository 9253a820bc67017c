"""Parts of a source that could not be enumerated: each is a row of the ledger, by its path, until it is known that it can be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from connector_pipelines.core.errors import with_code
from connector_pipelines.core.types import Unlistable
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Transaction
from connector_pipelines.store.catalog.failures import ItemFailure, record_failures

__all__ = ["note_unlisted", "resolve_all_but", "resolve_at"]

_STAGE = "listing"


def note_unlisted(tx: Transaction, endpoint: Endpoint, parts: Sequence[Unlistable], now: datetime) -> None:
    failures = [ItemFailure(item=p.path or "/", stage=_STAGE, error=with_code(p.code, p.message)) for p in parts]
    record_failures(tx, endpoint, failures, now)


def resolve_at(tx: Transaction, endpoint_id: str, paths: Sequence[str], now: datetime) -> None:
    """Close the rows of these parts and of all below them: they were enumerated, or there is nothing there any more."""
    if paths:
        tx.execute(
            """UPDATE failures SET resolved_at = %s WHERE endpoint_id = %s AND stage = %s AND resolved_at IS NULL
               AND EXISTS (SELECT FROM unnest(%s::text[]) p WHERE p = '' OR item = p OR starts_with(item, p || '/'))""",
            [now, endpoint_id, _STAGE, list(paths)],
        )


def resolve_all_but(tx: Transaction, endpoint_id: str, paths: Sequence[str]) -> None:
    """At the end of a snapshot: close the rows of all parts but these, which it could not enumerate."""
    tx.execute(
        "UPDATE failures SET resolved_at = now() WHERE endpoint_id = %s AND stage = %s AND resolved_at IS NULL AND item <> ALL(%s)",
        [endpoint_id, _STAGE, [p or "/" for p in paths]],
    )
