"""What `open` needs beside a file's id, as `FileRef.locator` keeps it: short JSON, written and read here alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

from connector_pipelines.core.errors import NotFound

__all__ = ["Locator", "read_locator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Locator:
    """How the bytes of a file are had.

    Attributes:
        user: As whom; None for whoever the sign-in is.
        export: Media type that a document of Google's own is exported as; None for a file that has bytes.
        revision: `headRevisionId` of the bytes that were listed; None where there is none.
        resource_key: For files that are shared by an older link.
    """

    user: str | None = None
    export: str | None = None
    revision: str | None = None
    resource_key: str | None = None

    def written(self) -> str:
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return json.dumps({name: value for name, value in told.items() if value is not None}, separators=(",", ":"), sort_keys=True)


def read_locator(text: str | None) -> Locator:
    """What `written` wrote; None is a file of whoever the sign-in is.

    Raises:
        NotFound: It is something else: no reference that this source gave out.
    """
    try:
        told = json.loads(text or "{}")
        return Locator(**{name: _text(value) for name, value in told.items()})
    except (ValueError, TypeError, AttributeError):
        raise NotFound(
            "the file's locator is none that Google Drive gave out", advice="Sweep the endpoint: it lists its files anew."
        ) from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
