"""Of a batch a sink is told: which documents count?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from connector_pipelines.core.types import DocumentRef

__all__ = ["latest"]

R = TypeVar("R", bound=DocumentRef)


def latest(documents: Sequence[R]) -> list[R]:
    """Of each document the highest generation, of equal ones the last: a sink may be told of one twice in a batch."""
    found: dict[str, R] = {}
    for document in documents:
        if document.id not in found or document.generation >= found[document.id].generation:
            found[document.id] = document
    return list(found.values())
