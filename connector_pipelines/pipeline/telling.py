"""How a sink is told a batch, so that what it refuses fails alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, TransientError, Unauthenticated
from connector_pipelines.core.types import Document
from connector_pipelines.store.catalog.deliveries import FailedDelivery, Owed
from connector_pipelines.store.catalog.failures import ItemFailure, backoff

__all__ = ["REMOVAL_PAUSE", "digest_of", "refused", "tell"]

REMOVAL_PAUSE = timedelta(minutes=30)


def digest_of(document: Document) -> bytes:
    """SHA-256 of what a sink holds of the document: one that has an equal one is not told again.

    Without `modified_at`: a new version that says the same is not worth writing, and what the sink shows is as old as that says.
    """
    about = [document.kind, document.title, document.path, document.media_type, document.url, document.acl, document.metadata]
    chunks = [[chunk.hash.hex(), chunk.place.as_json()] for chunk in document.chunks]
    return hashlib.sha256(json.dumps([about, chunks], sort_keys=True, separators=(",", ":")).encode()).digest()


def tell(say: Callable[[Sequence[Owed]], None], owed: Sequence[Owed], sink: str, now: datetime) -> list[FailedDelivery]:
    """Tell a batch; where the sink refuses it for an item's sake, its halves, down to the items that fail.

    Raises:
        ConnectorError: What is nobody's fault among them.
    """
    if not owed:
        return []
    try:
        say(owed)
    except (TransientError, ConfigurationError, Unauthenticated):
        raise
    except ConnectorError as error:
        if len(owed) == 1:
            return [refused(owed[0], sink, error, now)]
        middle = len(owed) // 2
        return tell(say, owed[:middle], sink, now) + tell(say, owed[middle:], sink, now)
    return []


def refused(owed: Owed, sink: str, error: ConnectorError, now: datetime) -> FailedDelivery:
    """One more attempt on the item's account. A removal is never given up: what should not be found must go."""
    attempts = owed.attempts + 1
    retry_at = backoff(error, attempts, now) if owed.put else now + REMOVAL_PAUSE
    failure = ItemFailure(
        item=owed.path, file_id=owed.file_id, stage="deliver", sink=sink, error=error, attempts=attempts, retry_at=retry_at
    )
    return FailedDelivery(owed, failure)
