"""Records as typed rows: a table per stream, whose columns follow what the records hold."""

from __future__ import annotations

from connector_pipelines.sinks.postgres_table.config import Config
from connector_pipelines.sinks.postgres_table.sink import Sink

__all__ = ["Config", "Sink"]
