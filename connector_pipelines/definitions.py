"""The entry point of the code location: what Dagster loads."""

import dagster as dg

from connector_pipelines.defs.build import build
from connector_pipelines.defs.loading import load_known

__all__ = ["defs"]


@dg.definitions
def defs() -> dg.Definitions:
    """Everything of the configured endpoints."""
    return build(load_known())
