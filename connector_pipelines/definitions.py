"""The entry point of the code location: what Dagster loads."""

from functools import lru_cache

import dagster as dg

from connector_pipelines.defs.build import build
from connector_pipelines.defs.known import Known
from connector_pipelines.defs.loading import load_known

__all__ = ["defs"]


@dg.definitions
def defs() -> dg.Definitions:
    """Everything of the configured endpoints."""
    return _built(load_known().model_dump_json())


# A code server asks twice, once to see what there is and once to serve it; making the assets is a third of its start.
@lru_cache(maxsize=1)
def _built(known: str) -> dg.Definitions:
    return build(Known.model_validate_json(known))
