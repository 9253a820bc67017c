"""What a connector is lent to reach its own system: its sign-in, and the limits it shares with every process of the installation."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from connector_pipelines.core.auth import Auth
from connector_pipelines.core.protocols import Tools
from connector_pipelines.net.http import open_http

if TYPE_CHECKING:
    from connector_pipelines.pipeline.session import Services

__all__ = ["Account", "connector_tools"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who asks. `connector_id` is None while the connector is in a file only: then nobody can have signed in."""

    connector_id: str | None
    connector: str
    auth: Auth


def connector_tools(services: Services, account: Account, stop: threading.Event) -> Tools:
    """The house's tools, with `http` signed in as the connector."""
    return replace(services.tools, http=partial(open_http, name=account.connector, stop=stop), stop=stop)
