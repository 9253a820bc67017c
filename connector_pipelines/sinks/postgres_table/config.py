"""What a table sink may be told."""

from __future__ import annotations

from pydantic import Field

from connector_pipelines.sinks._postgres import PostgresConfig

__all__ = ["Config"]


class Config(PostgresConfig):
    """Settings of a table sink."""

    flatten: int = Field(
        3,
        ge=0,
        le=10,
        description="Objects inside a record become columns of their own down to this depth (`address.city` is `address__city`); deeper ones, "
        "and lists, are `jsonb`. 0: every object is `jsonb`.",
    )
    max_columns: int = Field(
        500, ge=10, le=1_500, description="Columns of one table. Fields beyond them are kept together in the `jsonb` column `_more`."
    )
