"""Instants as the API writes and reads them: RFC 3339, written to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from connector_pipelines.testing.fake_api.clock import micros

__all__ = ["read_instant", "stamp"]


@lru_cache(maxsize=8192)
def stamp(at: int) -> str:
    """Of microseconds since 1970."""
    whole = datetime.fromtimestamp(at // 1_000_000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{at % 1_000_000 // 1000:03d}Z"


def read_instant(text: str) -> int:
    """Microseconds since 1970; without a zone, it is UTC. Raises `ValueError`."""
    at = datetime.fromisoformat(text)
    return micros(at if at.tzinfo else at.replace(tzinfo=UTC))
