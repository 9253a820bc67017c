"""First descriptions of an API, drafted from what the API says of itself."""

from __future__ import annotations

from connector_pipelines.sources.rest_api.drafting.drafting import draft_from_openapi

__all__ = ["draft_from_openapi"]
