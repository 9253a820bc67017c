"""Vectors in Qdrant: chunks found by the closeness of their meaning, on a server of their own.

Three names on the server: an alias, which is what searches ask; behind it a collection of chunks for each model; and beside it
one of documents, which says of each which generation and revision is held. Chunks are written under ids of their revision,
where they are in nobody's way, and one conditional update of the documents makes them count. What no document names counts
for nothing, whoever wrote it and wherever he was killed.
"""

from __future__ import annotations

from connector_pipelines.sinks.qdrant.config import Config
from connector_pipelines.sinks.qdrant.sink import Sink

__all__ = ["Config", "Sink"]
