"""What a place of secrets must be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from connector_pipelines.core.errors import ConfigurationError

__all__ = ["SecretBackend", "field_of"]

_MOST_TOLD = 20


class SecretBackend(Protocol):
    """A place where secrets are kept. Connects on first use; used by several threads at once."""

    def fetch(self, name: str) -> str:
        """The secret of that name: the reference without its scheme.

        Raises:
            ConfigurationError: There is no such secret, or it is not ours to read. Names what was asked for, never a value.
            Unauthenticated: Who we are was refused.
            Unavailable, RateLimited: It does not answer just now.
        """
        ...

    def close(self) -> None:
        """Let go of connections. May be called twice."""
        ...


def field_of(fields: Mapping[str, Any], field: str, what: str) -> str:
    """One of several values that are kept together: text as it is, anything else as JSON.

    Raises:
        ConfigurationError: It is not there; the message names those that are.
    """
    if field in fields:
        value = fields[field]
        return value if isinstance(value, str) else json.dumps(value)
    there = ", ".join(sorted(fields)[:_MOST_TOLD]) or "none"
    raise ConfigurationError(f"{what} has no field {field!r}; it has: {there}", advice="Correct what stands behind the # of the reference.")
