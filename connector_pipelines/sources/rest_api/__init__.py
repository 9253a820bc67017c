"""Records of any JSON API: a CRM, an ERP, a ticket system.

No kept library carries this. dlt's REST client, Airbyte's declarative streams and singer-sdk's REST streams page and ask for what
is new, and their names are used here; none of them says what is gone, proves that a listing was whole, or lends its sign-in, limits
and retries to others. `docs/architecture.md` has the figures.
"""

from __future__ import annotations

from connector_pipelines.sources.rest_api.config import Config
from connector_pipelines.sources.rest_api.source import Source

__all__ = ["Config", "Source"]
