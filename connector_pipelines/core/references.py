"""What stands in settings where a secret would: a reference to it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

__all__ = ["SecretReference"]

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:\S.*", re.DOTALL)


def _reference(value: str) -> str:
    if not _REFERENCE.fullmatch(value):
        raise ValueError("should be a reference to a secret, env:NAME or file:PATH, never the secret itself (not shown)")
    return value


SecretReference = Annotated[str, AfterValidator(_reference)]
"""`env:NAME` or `file:PATH`. A secret in its place is refused before it gets into a row, a form or a log."""
