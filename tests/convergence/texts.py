"""Texts as they are to be found: put in order, and cut into chunks where they are long."""

from __future__ import annotations

import unicodedata

from connector_pipelines.core.types import Section
from connector_pipelines.pipeline.chunking import chunk

__all__ = ["chunks_of"]

_ONE_CHUNK = 1000


def chunks_of(body: str) -> tuple[str, ...]:
    """None for a text that says nothing."""
    text = unicodedata.normalize("NFC", body).strip()
    if len(text) <= _ONE_CHUNK:
        return (text,) if text else ()
    return tuple(one.text for one in chunk([Section(text)]))
